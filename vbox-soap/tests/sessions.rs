//! Sessions, locks, events and batches against a server that does as it is told.

mod fake_server;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use fake_server::{Does, FakeServer, returns};
use vbox_soap::api::{LockType, VBoxEventType};
use vbox_soap::{Error, Session};

const REVISION: &str = "IVirtualBox_getRevision";
const NAME: &str = "IManagedObjectRef_getInterfaceName";
const UNLOCK: &str = "ISession_unlockMachine";

fn nothing() -> Does {
    Does::Answers(String::new())
}

fn invalid(reference: &str) -> Does {
    Does::Faults(format!(
        "<E:Fault><faultcode>x</faultcode><faultstring>y</faultstring><detail><v:InvalidObjectFault xmlns:v=\"v\">\
         <badObjectID>{reference}</badObjectID></v:InvalidObjectFault></detail></E:Fault>"
    ))
}

#[tokio::test]
async fn an_idle_session_is_kept_alive_and_one_in_use_is_left_alone() {
    let server =
        FakeServer::start(&[(NAME, returns("IVirtualBox")), (REVISION, returns("1"))]).await;
    let often = |settings: &mut vbox_soap::Settings| {
        settings.keep_alive = Some(Duration::from_millis(600));
    };
    let session = server.log_on_with(often).await;
    for _ in 0..40 {
        session.virtual_box().get_revision().await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(server.count(NAME), 0, "calls keep it alive");
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert!((2..=5).contains(&server.count(NAME)), "{}", server.count(NAME));
    session.logoff().await.unwrap();
    let asked = server.count(NAME);
    tokio::time::sleep(Duration::from_millis(900)).await;
    assert_eq!(server.count(NAME), asked, "a session that is over is not kept alive");
}

#[tokio::test]
async fn keeping_alive_can_be_switched_off() {
    let server = FakeServer::start(&[]).await;
    let _session = server.log_on_with(|settings| settings.keep_alive = None).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(server.count(NAME), 0);
}

#[tokio::test]
async fn one_object_that_is_gone_is_told_from_a_session_that_is_gone() {
    let script = [
        (REVISION, invalid("r-1")),
        (NAME, returns("IVirtualBox")),
        ("IVirtualBox_getVersion", returns("1")),
    ];
    let session = FakeServer::start(&script).await.log_on().await;
    let error = session.virtual_box().get_revision().await.unwrap_err();
    assert!(matches!(error, Error::InvalidObject { .. }), "{error:?}");
    session.virtual_box().get_version().await.unwrap();

    for unknown in [returns(""), invalid("root")] {
        let server = FakeServer::start(&[(REVISION, invalid("r-1")), (NAME, unknown)]).await;
        let session = server.log_on().await;
        for _ in 0..3 {
            let error = session.virtual_box().get_revision().await.unwrap_err();
            assert!(matches!(error, Error::SessionLost { operation: REVISION, .. }), "{error:?}");
        }
        assert_eq!(server.count(REVISION), 1, "nothing is sent in a lost session");
        session.logoff().await.unwrap();
        assert_eq!(server.count("IWebsessionManager_logoff"), 0);
    }
}

/// A server with one machine that can be locked.
async fn with_a_machine(more: &[(&'static str, Does)]) -> (FakeServer, Session) {
    let mut script = vec![
        ("IVirtualBox_findMachine", returns("m-1")),
        ("IWebsessionManager_getSessionObject", returns("s-1")),
        ("IMachine_lockMachine", nothing()),
        ("ISession_getMachine", returns("m-2")),
        ("ISession_getState", returns("Locked")),
        ("IMachine_getName", returns("one")),
        (UNLOCK, nothing()),
    ];
    script.extend(more.iter().cloned());
    let server = FakeServer::start(&script).await;
    let session = server.log_on().await;
    (server, session)
}

#[tokio::test]
async fn a_lock_is_given_back_after_success_and_after_failure() {
    let (server, session) = with_a_machine(&[]).await;
    let machine = session.virtual_box().find_machine("one").await.unwrap();
    let name = session
        .with_lock(&machine, LockType::Write, async |locked| locked.machine().get_name().await)
        .await
        .unwrap();
    assert_eq!((name.as_str(), server.count(UNLOCK)), ("one", 1));
    let failed: Result<(), Error> = session
        .with_lock(&machine, LockType::Write, async |_| {
            Err(Error::NoRuntime { operation: "of its own" })
        })
        .await;
    assert!(matches!(failed, Err(Error::NoRuntime { operation: "of its own" })), "{failed:?}");
    assert_eq!(server.count(UNLOCK), 2);
    session.settle().await;
}

#[tokio::test]
async fn a_lock_is_given_back_when_the_future_is_dropped_though_handles_remain() {
    let (server, session) = with_a_machine(&[]).await;
    let machine = session.virtual_box().find_machine("one").await.unwrap();
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let work = session.with_lock(&machine, LockType::Write, async |locked| {
        sender.send(locked).unwrap();
        std::future::pending::<Result<(), Error>>().await
    });
    let given_up = tokio::time::timeout(Duration::from_millis(200), work).await;
    assert!(given_up.is_err());
    let kept = receiver.await.unwrap();
    session.settle().await;
    assert_eq!(server.count(UNLOCK), 1);
    assert!(!server.released().contains(&"s-1".to_owned()), "a handle to it remains");
    drop(kept);
    session.settle().await;
    assert!(server.released().contains(&"s-1".to_owned()));
}

#[tokio::test]
async fn a_lock_that_ended_by_itself_is_no_error() {
    let fault = "<E:Fault><faultcode>x</faultcode><faultstring>not locked</faultstring><detail><v:RuntimeFault \
                 xmlns:v=\"v\"><resultCode>-2147418113</resultCode></v:RuntimeFault></detail></E:Fault>";
    for (state, fine) in [("Unlocked", true), ("Locked", false)] {
        let (_, session) = with_a_machine(&[
            (UNLOCK, Does::Faults(fault.to_owned())),
            ("ISession_getState", returns(state)),
        ])
        .await;
        let machine = session.virtual_box().find_machine("one").await.unwrap();
        let result: Result<(), Error> =
            session.with_lock(&machine, LockType::Write, async |_| Ok(())).await;
        assert_eq!(result.is_ok(), fine, "{result:?}");
    }
}

fn events_script() -> Vec<(&'static str, Does)> {
    vec![
        ("IVirtualBox_getEventSource", returns("source-1")),
        ("IEventSource_createListener", returns("listener-1")),
        ("IEventSource_registerListener", nothing()),
        ("IEventSource_unregisterListener", nothing()),
        ("IEventSource_eventProcessed", nothing()),
        ("IEventSource_getEvent", returns("event-1")),
    ]
}

#[tokio::test]
async fn a_listener_is_taken_off_after_its_last_event() {
    let server = FakeServer::start(&events_script()).await;
    let session = server.log_on().await;
    let source = session.virtual_box().get_event_source().await.unwrap();
    let mut events = source.events(&[VBoxEventType::Any]).await.unwrap();
    drop(source);
    events.next().await.unwrap().unwrap();
    assert_eq!(server.count("IEventSource_eventProcessed"), 0, "it can still be vetoed");
    events.next().await.unwrap().unwrap();
    assert_eq!(server.count("IEventSource_eventProcessed"), 1);
    drop(events);
    session.settle().await;
    let order: Vec<String> =
        server.seen().iter().rev().map(|seen| seen.operation.clone()).collect();
    let at = |name: &str| order.iter().position(|operation| operation == name).unwrap();
    assert!(at("IEventSource_unregisterListener") < at("IEventSource_eventProcessed"));
    assert_eq!(server.count("IEventSource_eventProcessed"), 2);
    assert_eq!(server.count("IEventSource_unregisterListener"), 1);
    for gone in ["listener-1", "source-1", "event-1"] {
        assert!(server.released().contains(&gone.to_owned()), "{gone}");
    }
    assert_eq!(session.references(), 1);
}

#[tokio::test]
async fn events_end_after_an_error_and_leave_nothing() {
    let mut script = events_script();
    script.push(("IEventSource_getEvent", Does::Says(404, "gone".to_owned())));
    let server = FakeServer::start(&script).await;
    let session = server.log_on().await;
    let source = session.virtual_box().get_event_source().await.unwrap();
    let mut events = source.events(&[]).await.unwrap();
    assert!(matches!(events.next().await, Some(Err(Error::Http { .. }))));
    assert!(events.next().await.is_none());
    session.settle().await;
    assert_eq!(server.count("IEventSource_unregisterListener"), 1);
}

#[tokio::test]
async fn a_registration_that_is_given_up_under_way_is_taken_off_too() {
    let mut script = events_script();
    script.push((
        "IEventSource_registerListener",
        Does::AnswersAfter(Duration::from_millis(150), String::new()),
    ));
    let server = FakeServer::start(&script).await;
    let session = server.log_on().await;
    let source = session.virtual_box().get_event_source().await.unwrap();
    let given_up = tokio::time::timeout(Duration::from_millis(50), source.events(&[])).await;
    assert!(given_up.is_err());
    tokio::time::sleep(Duration::from_millis(250)).await;
    session.settle().await;
    assert_eq!(server.count("IEventSource_unregisterListener"), 1);
}

#[tokio::test]
async fn batches_keep_their_order_and_their_bound() {
    let slow = Does::AnswersAfter(Duration::from_millis(10), "<returnval>1</returnval>".to_owned());
    let server = FakeServer::start(&[(REVISION, slow)]).await;
    let session = server.log_on_with(|settings| settings.connections = 3).await;
    let (running, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let numbers = session
        .batch(0..40, async |number| {
            most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            session.virtual_box().get_revision().await?;
            running.fetch_sub(1, Ordering::SeqCst);
            Ok::<_, Error>(number)
        })
        .await
        .unwrap();
    assert_eq!(numbers, (0..40).collect::<Vec<_>>());
    assert_eq!(most.into_inner(), 3);
    assert_eq!(server.most_at_once(), 3);
    let empty = session.batch([0u8; 0], async |_| Ok::<_, Error>(())).await.unwrap();
    assert!(empty.is_empty());
}

#[tokio::test]
async fn a_batch_ends_at_its_first_failure() {
    let server = FakeServer::start(&[(REVISION, returns("1"))]).await;
    let session = server.log_on_with(|settings| settings.connections = 2).await;
    let result = session
        .batch(0..1000, async |number| {
            session.virtual_box().get_revision().await?;
            if number == 5 { Err(Error::NoRuntime { operation: "the sixth" }) } else { Ok(()) }
        })
        .await;
    assert!(matches!(result, Err(Error::NoRuntime { operation: "the sixth" })));
    assert!(server.count(REVISION) < 20);
}

#[tokio::test]
async fn progress_is_told_whenever_it_changes() {
    let server = FakeServer::start(&[
        ("IVirtualBox_findMachine", returns("m-1")),
        ("IMachine_deleteConfig", returns("p-1")),
        ("IProgress_getCompleted", returns("true")),
        ("IProgress_getPercent", returns("100")),
        ("IProgress_getOperation", returns("1")),
        ("IProgress_getOperationCount", returns("2")),
        ("IProgress_getOperationDescription", returns("Tidying")),
        ("IProgress_getResultCode", returns("0")),
    ])
    .await;
    let session = server.log_on().await;
    let machine = session.virtual_box().find_machine("m").await.unwrap();
    let progress = machine.delete_config(&[]).await.unwrap();
    let mut told = vec![];
    progress.wait_with(Duration::from_secs(1), |state| told.push(state.clone())).await.unwrap();
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].percent, told[0].operation, told[0].operations), (100, 1, 2));
    assert_eq!(told[0].description, "Tidying");
}

#[tokio::test]
async fn a_progress_that_takes_too_long_is_reported_and_goes_on() {
    let server = FakeServer::start(&[
        ("IVirtualBox_findMachine", returns("m-1")),
        ("IMachine_deleteConfig", returns("p-1")),
        ("IProgress_getCompleted", returns("false")),
        ("IProgress_getPercent", returns("40")),
        ("IProgress_getDescription", returns("Deleting")),
    ])
    .await;
    let session = server.log_on().await;
    let machine = session.virtual_box().find_machine("m").await.unwrap();
    let progress = machine.delete_config(&[]).await.unwrap();
    let error = progress.wait(Duration::from_millis(30)).await.unwrap_err();
    assert!(matches!(error, Error::NotFinished { percent: 40, .. }), "{error:?}");
    assert!(error.to_string().contains("`Deleting` is not finished"), "{error}");
    assert_eq!(server.count("IProgress_cancel"), 0);
}

#[tokio::test]
async fn work_under_a_lock_and_in_batches_can_be_spawned() {
    let (_, session) = with_a_machine(&[]).await;
    let machine = session.virtual_box().find_machine("one").await.unwrap();
    let task = tokio::spawn(async move {
        let name = session
            .with_lock(&machine, LockType::Write, async |locked| locked.machine().get_name().await)
            .await?;
        let names = session.batch([machine], async |machine| machine.get_name().await).await?;
        let source = session.virtual_box().get_event_source().await;
        drop(source);
        Ok::<_, Error>((name, names))
    });
    assert_eq!(task.await.unwrap().unwrap(), ("one".to_owned(), vec!["one".to_owned()]));
}
