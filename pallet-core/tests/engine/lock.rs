//! One run at a time works on a node, and the node knows what it did.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use pallet_core::action::Mode;
use pallet_core::engine::{PhaseRun, run_phase};
use pallet_core::event::{Event, Events};
use pallet_core::spec::{Phase, Step};

use crate::actions::Put;
use crate::planned::planned;
use crate::script::Run;
use crate::{control, path, run_of, statuses, this_machine};

#[tokio::test]
async fn a_second_run_waits_and_is_told_for_whom() {
    let folder = tempfile::tempdir().unwrap();
    let phase = Phase::new().action(Put::new(path(folder.path(), "a"), "A"));
    let mut first = control(folder.path());
    first.holder = "ann@desk".to_owned();
    let mut here = this_machine().await;
    assert_eq!(statuses(&run_of(&first, &mut here, &phase).await), ["changed"]);

    let mut second = control(folder.path());
    second.limits.lock = Duration::from_secs(1);
    let mut patient = second.clone();
    patient.limits.lock = Duration::from_secs(30);
    let actions = planned(here.facts(), &phase);
    let (events, mut heard) = Events::channel();
    let run = |control| PhaseRun {
        node: "here",
        phase: "test",
        actions: &actions,
        mode: Mode::Apply,
        events: &events,
        control,
    };
    let report = run_phase(&mut this_machine().await, run(&second)).await;
    let failure = report.failure.unwrap();
    let who = format!("run {} of ann@desk, begun {}", first.run, first.run.began());
    assert_eq!(failure.message, format!("another run works on the node: {who}"));
    assert!(failure.help.unwrap().contains("`kill "), "what to do is said");
    assert_eq!(statuses(&run_of(&first, &mut here, &phase).await), ["unchanged"]);

    // To look at the node is allowed all the time.
    let look = PhaseRun { mode: Mode::Check, ..run(&second) };
    assert!(run_phase(&mut this_machine().await, look).await.failure.is_none());

    // What the refused run was told.
    let mut told = Vec::new();
    while let Ok(event) = heard.try_recv() {
        if let Event::NodeBusy { holder, .. } = event {
            told.push(holder);
        }
    }
    let freed = async {
        // It waits until it says so.
        loop {
            if let Some(Event::NodeBusy { holder, .. }) = heard.recv().await {
                told.push(holder);
                break;
            }
        }
        here.close().await;
    };
    let mut later = this_machine().await;
    let (report, ()) = tokio::join!(run_phase(&mut later, run(&patient)), freed);
    assert_eq!(statuses(&report), ["unchanged"], "{report:#?}");
    assert_eq!(told, [who.clone(), who]);
}

#[tokio::test]
async fn one_machine_may_be_in_a_run_twice() {
    let folder = tempfile::tempdir().unwrap();
    let control = control(folder.path());
    let phase = |name| Phase::new().action(Put::new(path(folder.path(), name), "A"));
    let (mut one, mut two) = (this_machine().await, this_machine().await);
    assert_eq!(statuses(&run_of(&control, &mut one, &phase("a")).await), ["changed"]);
    assert_eq!(statuses(&run_of(&control, &mut two, &phase("b")).await), ["changed"]);
}

#[tokio::test]
async fn the_log_tells_what_was_begun_and_finished_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let phase = Phase::new()
        .action(Put::new(path(folder.path(), "a"), "a hidden content"))
        .step(Step::action(Run::new("echo hidden")).as_user("tester"))
        .action(Run::new("exit 7"));
    let control = control(folder.path());
    run_of(&control, &mut this_machine().await, &phase).await;
    let log = folder.path().join("node/run.log");
    assert_eq!(fs::metadata(&log).unwrap().permissions().mode() & 0o777, 0o600);
    let log = fs::read_to_string(log).unwrap();
    let words: Vec<&str> = log.lines().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(words, ["run", "begun", "done", "sent", "done", "begun", "failed"], "{log}");
    assert!(log.starts_with(&format!("run {} ", control.run)), "{log}");
    assert!(!log.contains("hidden"), "{log}");
}

#[tokio::test]
async fn a_node_without_a_place_for_its_log_is_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("node"), "a file").unwrap();
    let phase = Phase::new().action(Run::new("true"));
    let report = run_of(&control(folder.path()), &mut this_machine().await, &phase).await;
    let failure = report.failure.clone().unwrap();
    assert!(failure.message.starts_with("the node's lock and run log cannot be written"));
    assert_eq!(statuses(&report), ["skipped"]);
}
