//! The client against a server that breaks the rules, or the connection.

mod fake_server;

use std::time::Duration;

use fake_server::{Does, FakeServer, returns};
use vbox_soap::{ApiVersion, Client, ComCode, Error, ManagedObject};

const REVISION: &str = "IVirtualBox_getRevision";
const FIND: &str = "IVirtualBox_findMachine";

#[tokio::test]
async fn a_connection_is_given_up_before_its_hundredth_request() {
    let server = FakeServer::start(&[(REVISION, returns("1"))]).await;
    let session = server.log_on().await;
    for _ in 0..300 {
        session.virtual_box().get_revision().await.unwrap();
    }
    for connection in 0..=3 {
        let requests = server.seen().iter().filter(|seen| seen.connection == connection).count();
        assert!((1..100).contains(&requests), "connection {connection}: {requests} requests");
    }
    assert_eq!(server.count(REVISION), 300);
}

#[tokio::test]
async fn a_connection_that_was_closed_while_idle_is_replaced() {
    let closing = Does::AnswersAndCloses("<returnval>1</returnval>".to_owned());
    let server = FakeServer::start(&[(REVISION, closing)]).await;
    let session = server.log_on().await;
    for _ in 0..20 {
        assert_eq!(session.virtual_box().get_revision().await.unwrap(), 1);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(server.count(REVISION), 20);
}

#[tokio::test]
async fn a_request_that_may_have_arrived_is_never_sent_again() {
    let server = FakeServer::start(&[(REVISION, Does::Closes), (FIND, returns("m-1"))]).await;
    let session = server.log_on().await;
    // On a connection that was used before: that is where a client may be tempted.
    session.virtual_box().find_machine("m").await.unwrap();
    let error = session.virtual_box().get_revision().await.unwrap_err();
    assert!(matches!(error, Error::Transport { operation: REVISION, .. }), "{error:?}");
    assert!(error.to_string().contains("look before you repeat"), "{error}");
    assert_eq!(server.count(REVISION), 1);
    session.virtual_box().find_machine("m").await.unwrap();
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_given_up_after_the_time_out() {
    let server = FakeServer::start(&[(REVISION, Does::Hangs), (FIND, returns("m-1"))]).await;
    let session =
        server.log_on_with(|settings| settings.request_timeout = Duration::from_millis(50)).await;
    let error = session.virtual_box().get_revision().await.unwrap_err();
    assert!(matches!(error, Error::TimedOut { .. }), "{error:?}");
    session.virtual_box().find_machine("m").await.unwrap();
}

#[tokio::test]
async fn a_server_that_is_no_vboxwebsrv_is_reported() {
    let server = FakeServer::start(&[
        (REVISION, Does::Says(404, "<html>not here</html>".to_owned())),
        (FIND, Does::Says(200, "<html>hello</html>".to_owned())),
        ("IVirtualBox_getVersion", Does::Says(500, "oops".to_owned())),
    ])
    .await;
    let session = server.log_on().await;
    let error = session.virtual_box().get_revision().await.unwrap_err();
    assert!(matches!(error, Error::Http { status: 404, .. }), "{error:?}");
    assert!(error.to_string().contains("not here"), "{error}");
    let error = session.virtual_box().find_machine("m").await.unwrap_err();
    assert!(matches!(error, Error::Malformed { operation: FIND, .. }), "{error:?}");
    let error = session.virtual_box().get_version().await.unwrap_err();
    assert!(matches!(error, Error::Http { status: 500, .. }), "{error:?}");
}

#[tokio::test]
async fn values_of_the_wrong_type_are_reported_with_their_place() {
    let server = FakeServer::start(&[
        (REVISION, returns("many")),
        (FIND, Does::Answers(String::new())),
        ("IVirtualBox_getVersion", Does::Answers("<returnval>&bomb;</returnval>".to_owned())),
    ])
    .await;
    let session = server.log_on().await;
    for (error, reason) in [
        (
            session.virtual_box().get_revision().await.unwrap_err(),
            "<returnval>: `many` is not a number",
        ),
        (session.virtual_box().find_machine("m").await.unwrap_err(), "<returnval>: it is missing"),
        (session.virtual_box().get_version().await.unwrap_err(), "the entity &bomb;"),
    ] {
        assert!(matches!(error, Error::Malformed { .. }), "{error:?}");
        assert!(error.to_string().contains(reason), "{error}");
    }
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_refused() {
    let server = FakeServer::start(&[("IVirtualBox_getVersion", returns(&"x".repeat(9000)))]).await;
    let session = server.log_on_with(|settings| settings.max_response_bytes = 4000).await;
    let error = session.virtual_box().get_version().await.unwrap_err();
    assert!(matches!(error, Error::Malformed { .. }), "{error:?}");
    assert!(error.to_string().contains("max_response_bytes"), "{error}");
}

#[tokio::test]
async fn values_and_fields_of_other_versions_are_tolerated() {
    let struct_value = "<returnval><id>X</id><invented>1</invented><is64Bit>true</is64Bit>\
                        <platformArchitecture>Quantum</platformArchitecture></returnval>";
    let server = FakeServer::start(&[(
        "IVirtualBox_getGuestOSType",
        Does::Answers(struct_value.to_owned()),
    )])
    .await;
    let session = server.log_on().await;
    let found = session.virtual_box().get_guest_os_type("X").await.unwrap();
    assert!(found.is64_bit);
    assert_eq!(
        (found.id.as_str(), found.description.as_str(), found.recommended_ram),
        ("X", "", 0)
    );
    assert_eq!(
        found.platform_architecture,
        vbox_soap::api::PlatformArchitecture::Unknown("Quantum".into())
    );
}

#[tokio::test]
async fn a_null_reference_is_an_error_unless_it_was_allowed() {
    let server = FakeServer::start(&[(FIND, returns(""))]).await;
    let session = server.log_on().await;
    let error = session.virtual_box().find_machine("m").await.unwrap_err();
    assert!(matches!(error, Error::NullReference { operation: FIND }), "{error:?}");
    assert_eq!(session.virtual_box().find_machine("m").optional().await.unwrap(), None);
}

#[tokio::test]
async fn an_older_server_is_refused_and_a_newer_one_accepted() {
    let server = FakeServer::start(&[("IVirtualBox_getAPIVersion", returns("3_2"))]).await;
    let error = Client::new(&server.url).unwrap().logon("", "").await.unwrap_err();
    assert!(
        matches!(&error, Error::UnsupportedServer { found, .. } if found == "3_2"),
        "{error:?}"
    );
    assert!(error.to_string().contains("7.2"), "{error}");
    assert_eq!(server.count("IWebsessionManager_logoff"), 1);

    let server = FakeServer::start(&[
        ("IVirtualBox_getAPIVersion", returns("99_1")),
        (REVISION, returns("5")),
    ])
    .await;
    let session = server.log_on().await;
    let newest: ApiVersion = session.api_version();
    assert_eq!((newest.major(), newest.minor()), (99, 1));
    assert_eq!(session.virtual_box().get_revision().await.unwrap(), 5);
}

#[tokio::test]
async fn a_fault_is_told_with_its_causes_and_its_references_are_released() {
    let fault = "<E:Fault><faultcode>E:Client</faultcode><faultstring>VirtualBox error: apirc=0x80bb0001 short \
                 (0x80bb0001)</faultstring><detail><v:RuntimeFault xmlns:v=\"v\"><resultCode>-2135228415</resultCode>\
                 <returnval>info-1</returnval></v:RuntimeFault></detail></E:Fault>";
    let server = FakeServer::start(&[
        (FIND, Does::Faults(fault.to_owned())),
        ("IVirtualBoxErrorInfo_getText", returns("what it says")),
        ("IVirtualBoxErrorInfo_getComponent", returns("Part")),
        ("IVirtualBoxErrorInfo_getResultCode", returns("-2147467259")),
        // A chain without an end.
        ("IVirtualBoxErrorInfo_getNext", returns("info-2")),
    ])
    .await;
    let session = server.log_on().await;
    let Error::Fault(fault) = session.virtual_box().find_machine("m").await.unwrap_err() else {
        panic!()
    };
    assert_eq!(
        (fault.code, fault.message.as_str(), fault.component.as_str()),
        (ComCode::OBJECT_NOT_FOUND, "what it says", "Part")
    );
    assert_eq!(fault.causes.len(), 8);
    assert_eq!(fault.causes[0].code.name(), Some("E_FAIL"));
    assert!(
        fault
            .to_string()
            .starts_with("IVirtualBox_findMachine: what it says [VBOX_E_OBJECT_NOT_FOUND"),
        "{fault}"
    );
    session.settle().await;
    let mut released = server.released();
    released.sort();
    assert_eq!(released, ["info-1", "info-2"]);
}

#[tokio::test]
async fn a_fault_whose_details_cannot_be_read_still_says_what_it_can() {
    let fault = "<E:Fault><faultcode>E:Client</faultcode><faultstring>VirtualBox error: apirc=0x80bb0001 short \
                 (0x80bb0001)</faultstring><detail><v:RuntimeFault xmlns:v=\"v\"><resultCode>-2135228415</resultCode>\
                 <returnval>info-1</returnval></v:RuntimeFault></detail></E:Fault>";
    let server = FakeServer::start(&[
        (FIND, Does::Faults(fault.to_owned())),
        ("IVirtualBoxErrorInfo_getText", Does::Faults(fault.to_owned())),
    ])
    .await;
    let session = server.log_on().await;
    let error = session.virtual_box().find_machine("m").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "IVirtualBox_findMachine: short [VBOX_E_OBJECT_NOT_FOUND (0x80BB0001)]"
    );
    assert_eq!(server.count("IVirtualBoxErrorInfo_getText"), 1);
}

#[tokio::test]
async fn a_call_that_was_given_up_still_has_its_reference_released() {
    let late =
        Does::AnswersAfter(Duration::from_millis(80), "<returnval>late</returnval>".to_owned());
    let server = FakeServer::start(&[(FIND, late)]).await;
    let session = server.log_on().await;
    let call = session.virtual_box().find_machine("m");
    assert!(tokio::time::timeout(Duration::from_millis(20), call).await.is_err());
    assert_eq!(server.count(FIND), 1);
    tokio::time::sleep(Duration::from_millis(150)).await;
    session.settle().await;
    assert_eq!(server.released(), ["late"]);
}

#[tokio::test]
async fn a_logon_that_was_given_up_is_logged_off() {
    let late =
        Does::AnswersAfter(Duration::from_millis(80), "<returnval>root</returnval>".to_owned());
    let server = FakeServer::start(&[("IWebsessionManager_logon", late)]).await;
    let client = Client::new(&server.url).unwrap();
    assert!(tokio::time::timeout(Duration::from_millis(20), client.logon("", "")).await.is_err());
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(server.count("IWebsessionManager_logoff"), 1);
}

#[tokio::test]
async fn nothing_is_released_while_a_call_may_return_it_again() {
    let slow =
        Does::AnswersAfter(Duration::from_millis(100), "<returnval>m-1</returnval>".to_owned());
    let server = FakeServer::start(&[
        (FIND, slow),
        ("IVirtualBox_getMachines", returns("m-1")),
        ("IMachine_getName", returns("web-1")),
    ])
    .await;
    let session = server.log_on().await;
    let held = session.virtual_box().get_machines().await.unwrap();
    let again = tokio::spawn(session.virtual_box().find_machine("m").into_future());
    tokio::time::sleep(Duration::from_millis(20)).await;
    drop(held);
    tokio::time::sleep(Duration::from_millis(40)).await;
    assert_eq!(server.released(), Vec::<String>::new());
    let again = again.await.unwrap().unwrap();
    tokio::time::sleep(Duration::from_millis(40)).await;
    assert_eq!(server.released(), Vec::<String>::new());
    assert_eq!(again.get_name().await.unwrap(), "web-1");
    drop(again);
    session.settle().await;
    assert_eq!(server.released(), ["m-1"]);
}

#[tokio::test]
async fn a_dropped_session_object_is_unlocked_only_if_it_is_locked() {
    for (state, unlocks) in [("Locked", 1), ("Unlocked", 0)] {
        let server = FakeServer::start(&[
            ("IWebsessionManager_getSessionObject", returns("s-1")),
            ("ISession_getState", returns(state)),
            ("ISession_unlockMachine", Does::Answers(String::new())),
        ])
        .await;
        let session = server.log_on().await;
        drop(session.session_object().await.unwrap());
        session.settle().await;
        assert_eq!(server.count("ISession_unlockMachine"), unlocks);
        assert_eq!(server.released(), ["s-1"]);
    }
}

#[tokio::test]
async fn no_more_calls_are_under_way_than_there_may_be_connections() {
    let slow = Does::AnswersAfter(Duration::from_millis(20), "<returnval>1</returnval>".to_owned());
    let server = FakeServer::start(&[(REVISION, slow)]).await;
    let session = server.log_on_with(|settings| settings.connections = 2).await;
    let calls: Vec<_> =
        (0..10).map(|_| tokio::spawn(session.virtual_box().get_revision().into_future())).collect();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert_eq!(server.most_at_once(), 2);
}

#[test]
fn a_call_outside_of_a_run_time_is_an_error_and_a_session_survives_its_run_time() {
    let runtime = || tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let servers = runtime();
    let server = servers.block_on(FakeServer::start(&[
        ("IVirtualBox_getMachines", returns("m-1")),
        (REVISION, returns("7")),
    ]));
    let first = runtime();
    let session = first.block_on(server.log_on());
    drop(first);

    let mut call = std::pin::pin!(session.virtual_box().get_revision().into_future());
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let std::task::Poll::Ready(Err(error)) = call.as_mut().poll(&mut context) else { panic!() };
    assert!(matches!(error, Error::NoRuntime { .. }), "{error:?}");

    runtime().block_on(async {
        assert_eq!(session.virtual_box().get_revision().await.unwrap(), 7);
        drop(session.virtual_box().get_machines().await.unwrap());
        session.settle().await;
        assert_eq!(server.released(), ["m-1"]);
    });
}

#[tokio::test]
async fn a_derived_interface_can_be_used_as_its_base_and_casts_keep_the_object() {
    let server = FakeServer::start(&[
        ("IHost_getUSBDevices", returns("u-1")),
        ("IVirtualBox_getHost", returns("h-1")),
        ("IUSBDevice_getManufacturer", returns("someone")),
    ])
    .await;
    let session = server.log_on().await;
    let devices = session.virtual_box().get_host().await.unwrap().get_usb_devices().await.unwrap();
    let device = devices.first().unwrap();
    assert_eq!(device.get_manufacturer().await.unwrap(), "someone");
    let base: vbox_soap::api::IUSBDevice = device.clone().into();
    assert_eq!(base.object(), device.object());
    assert_eq!(base.cast::<vbox_soap::api::IHostUSBDevice>(), *device);
    assert_eq!(format!("{base:?}"), "IUSBDevice(u-1)");
}
