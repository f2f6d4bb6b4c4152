//! Time limits, and stopping.

use std::fs;
use std::time::{Duration, Instant};

use pallet_core::spec::{Phase, Step};

use crate::actions::Put;
use crate::script::Run;
use crate::{control, path, run_of, statuses, this_machine};

#[tokio::test]
async fn an_action_that_takes_too_long_is_ended_with_all_it_has_started() {
    let folder = tempfile::tempdir().unwrap();
    let pids = path(folder.path(), "pids");
    let script = format!("trap '' TERM; sleep 77 & echo $! >{pids}; sleep 77 | sleep 77");
    let phase = Phase::new()
        .step(Step::action(Run::new(script)).timeout(Duration::from_secs(1)))
        .action(Run::new("true"));
    let control = control(folder.path());
    let mut here = this_machine().await;
    let begun = Instant::now();
    let report = run_of(&control, &mut here, &phase).await;
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    assert_eq!(statuses(&report), ["failed", "skipped"]);
    let failure = report.failure.unwrap();
    assert_eq!(failure.message, "it took longer than 1 s and was ended");
    assert!(failure.help.unwrap().contains("`timeout`"));
    let pid = fs::read_to_string(pids).unwrap();
    // One that is dead and not yet buried has no command line.
    let left = fs::read(format!("/proc/{}/cmdline", pid.trim())).unwrap_or_default();
    assert!(left.is_empty(), "nothing of it is left");
    // The session is still good.
    let report = run_of(&control, &mut here, &Phase::new().action(Run::new("true"))).await;
    assert_eq!(statuses(&report), ["changed"]);
}

#[tokio::test]
async fn a_look_that_takes_too_long_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let fifo = path(folder.path(), "fifo");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let mut control = control(folder.path());
    control.limits.look = Duration::from_secs(1);
    // To read from it never ends.
    let phase = Phase::new().action(Put::new(fifo, "A"));
    let report = run_of(&control, &mut this_machine().await, &phase).await;
    let message = report.failure.unwrap().message;
    assert_eq!(message, "the node took longer than 1 s for being looked at");
}

#[tokio::test]
async fn a_run_that_is_stopped_finishes_the_running_action_and_begins_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (path(folder.path(), "a"), path(folder.path(), "b"));
    let go = path(folder.path(), "go");
    let phase = Phase::new()
        .action(Run::new(format!(
            "touch {a}; until [ -e {go} ]; do sleep 0.05; done; echo finished"
        )))
        .action(Run::new(format!("touch {b}")));
    let control = control(folder.path());
    let mut here = this_machine().await;
    let stop = async {
        while !fs::exists(&a).unwrap() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        control.stop("it was interrupted");
        // The word is on its way when others have had their turn.
        tokio::time::sleep(Duration::from_millis(500)).await;
        fs::write(&go, "").unwrap();
    };
    let (report, ()) = tokio::join!(run_of(&control, &mut here, &phase), stop);
    assert_eq!(statuses(&report), ["changed", "skipped"], "{report:#?}");
    assert_eq!(report.actions[0].output, "finished");
    assert!(report.failure.is_none());
    assert!(!fs::exists(b).unwrap());
}

#[tokio::test]
async fn a_node_whose_client_is_gone_begins_no_further_action() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (path(folder.path(), "a"), path(folder.path(), "b"));
    let done = path(folder.path(), "done");
    let phase = Phase::new()
        // It has much to say, and nobody listens any more.
        .action(Run::new(format!("touch {a}; sleep 1; seq 100000; seq 100000 >&2; touch {done}")))
        .action(Run::new(format!("touch {b}")));
    let (control, mut here) = (control(folder.path()), this_machine().await);
    tokio::select! {
        _ = run_of(&control, &mut here, &phase) => panic!("it cannot be over yet"),
        () = async {
            while !fs::exists(&a).unwrap() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        } => {}
    }
    drop(here);
    // The session holds the lock of its log until it is over.
    let log = fs::File::open(folder.path().join("node/run.log")).unwrap();
    tokio::task::spawn_blocking(move || log.lock().unwrap()).await.unwrap();
    assert!(fs::exists(done).unwrap(), "what was begun is finished");
    assert!(!fs::exists(b).unwrap());
    let log = fs::read_to_string(folder.path().join("node/run.log")).unwrap();
    let words: Vec<&str> = log.lines().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(words, ["run", "begun", "done"]);
}

#[tokio::test]
async fn fail_fast_stops_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let mut control = control(folder.path());
    let phase = Phase::new().action(Run::new("exit 3"));
    run_of(&control, &mut this_machine().await, &phase).await;
    assert_eq!(control.stopped(), None);
    control.fail_fast = true;
    run_of(&control, &mut this_machine().await, &phase).await;
    assert_eq!(control.stopped().as_deref(), Some("here failed"));
    let report = run_of(&control, &mut this_machine().await, &phase).await;
    assert_eq!(statuses(&report), ["skipped"]);
}
