//! A run that broke off is finished, and nothing is done twice.

use std::fs;
use std::path::Path;

use pallet_core::engine::Control;
use pallet_core::journal::Journals;
use pallet_core::report::PhaseReport;
use pallet_core::spec::{Phase, Step};
use serde_json::Value;

use crate::actions::Put;
use crate::script::Run;
use crate::{control, path, run_of, statuses, this_machine};

/// A run with a journal.
fn first(folder: &Path) -> Control {
    let mut control = control(folder);
    let journals = Journals::new(folder.join("journals"));
    control.journal = Some(journals.begin(&control, "test", Value::Null).unwrap().into());
    control
}

/// The run once more. Nothing may hold its journal any longer.
fn again(folder: &Path, first: Control) -> Control {
    let run = first.run.clone();
    drop(first);
    let journals = Journals::new(folder.join("journals"));
    let journal = journals.resume(&run, "me").unwrap();
    let mut control = Control::resuming(run, journal);
    control.node_folder = Some(path(folder, "node"));
    control
}

async fn carry_out(control: &Control, phase: &Phase) -> PhaseReport {
    run_of(control, &mut this_machine().await, phase).await
}

/// Which actions were done in the broken part.
fn earlier(report: &PhaseReport) -> Vec<bool> {
    report.actions.iter().map(|action| action.earlier).collect()
}

#[tokio::test]
async fn what_was_done_is_left_out_and_what_waits_for_it_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name| path(folder.path(), name);
    let (log, ok) = (file("log"), file("ok"));
    let phase = Phase::new()
        .step(Step::action(Put::new(file("a"), "A")).id("a"))
        .action(Run::new(format!("echo once >>{log}")))
        .action(Run::new(format!("echo early >>{log}")))
        .step(Step::action(Run::new(format!("echo told >>{log}"))).when_changed("a"))
        .action(Run::new(format!("test -e {ok}")))
        .step(Step::action(Run::new(format!("echo owed >>{log}"))).when_changed("a"))
        .action(Put::new(file("b"), "B"));
    let run = first(folder.path());
    let report = carry_out(&run, &phase).await;
    let broken = ["changed", "changed", "changed", "changed", "failed", "skipped", "skipped"];
    assert_eq!(statuses(&report), broken);
    let first_output = report.actions[1].duration;

    fs::write(ok, "").unwrap();
    let resumed = again(folder.path(), run);
    let report = carry_out(&resumed, &phase).await;
    assert_eq!(statuses(&report), ["changed"; 7], "{report:#?}");
    assert_eq!(earlier(&report), [true, true, true, true, false, false, false]);
    assert_eq!(report.actions[1].duration.as_millis(), first_output.as_millis());
    assert_eq!(fs::read_to_string(&log).unwrap(), "once\nearly\ntold\nowed\n");

    // Once more: now everything was done before.
    let report = carry_out(&again(folder.path(), resumed), &phase).await;
    assert_eq!(earlier(&report), [true; 7], "{report:#?}");
    assert_eq!(fs::read_to_string(&log).unwrap(), "once\nearly\ntold\nowed\n");
}

#[tokio::test]
async fn what_changes_anew_is_told_anew() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name| path(folder.path(), name);
    let log = file("log");
    let phase = Phase::new()
        .step(Step::action(Put::new(file("a"), "A")).id("a"))
        .step(Step::action(Run::new(format!("echo told >>{log}"))).when_changed("a"))
        .action(Run::new("exit 1"));
    let run = first(folder.path());
    carry_out(&run, &phase).await;
    fs::write(file("a"), "edited meanwhile").unwrap();
    let report = carry_out(&again(folder.path(), run), &phase).await;
    assert_eq!(statuses(&report), ["changed", "changed", "failed"]);
    assert_eq!(earlier(&report), [false, false, false]);
    assert_eq!(fs::read_to_string(&log).unwrap(), "told\ntold\n");
}

#[tokio::test]
async fn a_script_whose_end_is_not_known_is_not_repeated_silently() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name| path(folder.path(), name);
    let (log, ok) = (file("log"), file("ok"));
    // The session's shell, the program's and the script's own.
    let script = format!(
        "echo begun >>{log}; [ -e {ok} ] || {{ \
         read -r _ _ _ parent _ </proc/$BASHPID/stat; kill -9 $$ $parent $BASHPID; }}"
    );
    let phase = Phase::new()
        .action(Put::new(file("a"), "A"))
        .action(Run::new(script))
        .action(Put::new(file("b"), "B"));
    let run = first(folder.path());
    let report = carry_out(&run, &phase).await;
    assert_eq!(statuses(&report), ["changed", "failed", "skipped"]);
    let resumed = again(folder.path(), run);
    let report = carry_out(&resumed, &phase).await;
    assert_eq!(statuses(&report), ["changed", "failed", "skipped"], "{report:#?}");
    let failure = report.failure.unwrap();
    assert!(failure.message.contains("whether it came to its end is not known"), "{failure:?}");
    assert!(failure.help.unwrap().contains("--again"));
    assert_eq!(fs::read_to_string(&log).unwrap(), "begun\n");

    fs::write(ok, "").unwrap();
    let mut resumed = again(folder.path(), resumed);
    resumed.again = true;
    let report = carry_out(&resumed, &phase).await;
    assert_eq!(statuses(&report), ["changed", "changed", "changed"], "{report:#?}");
    assert_eq!(fs::read_to_string(&log).unwrap(), "begun\nbegun\n");
}

#[tokio::test]
async fn what_failed_after_it_had_changed_the_node_is_a_change_of_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let a = path(folder.path(), "folder/a");
    let phase = Phase::new().action(Put::new(a.clone(), "A"));
    let run = first(folder.path());
    // Its shell is killed, as it were, and a child of it finishes the work.
    assert_eq!(statuses(&carry_out(&run, &phase).await), ["failed"]);
    fs::create_dir(folder.path().join("folder")).unwrap();
    fs::write(&a, "A").unwrap();
    let report = carry_out(&again(folder.path(), run), &phase).await;
    assert_eq!((statuses(&report), earlier(&report)), (vec!["changed".to_owned()], vec![true]));
}

#[tokio::test]
async fn a_node_that_was_made_anew_has_nothing_behind_it() {
    let folder = tempfile::tempdir().unwrap();
    let log = path(folder.path(), "log");
    let phase = Phase::new().action(Run::new(format!("echo x >>{log}"))).action(Run::new("exit 1"));
    let run = first(folder.path());
    carry_out(&run, &phase).await;
    fs::remove_dir_all(folder.path().join("node")).unwrap();
    carry_out(&again(folder.path(), run), &phase).await;
    assert_eq!(fs::read_to_string(&log).unwrap(), "x\nx\n");
}
