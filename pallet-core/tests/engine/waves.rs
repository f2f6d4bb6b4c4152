//! What a wave settles, and what waits for the next one.

use std::fs;

use pallet_core::action::Mode;
use pallet_core::spec::{Phase, Step};

use crate::actions::{Need, Put};
use crate::script::Run;
use crate::{path, run, statuses, this_machine};

#[tokio::test]
async fn a_second_run_changes_nothing_and_drift_is_repaired() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (path(folder.path(), "a"), path(folder.path(), "b"));
    let phase = Phase::new().action(Put::new(a.clone(), "A")).action(Put::new(b, "B"));
    let mut here = this_machine().await;
    assert_eq!(statuses(&run(&mut here, &phase, Mode::Apply).await), ["changed", "changed"]);
    assert_eq!(statuses(&run(&mut here, &phase, Mode::Apply).await), ["unchanged", "unchanged"]);
    fs::write(&a, "edited by hand").unwrap();
    assert_eq!(statuses(&run(&mut here, &phase, Mode::Apply).await), ["changed", "unchanged"]);
    assert_eq!(fs::read_to_string(&a).unwrap(), "A");
}

#[tokio::test]
async fn what_an_earlier_action_wrote_is_looked_at_again() {
    // The script writes what the next action would write: after looking again it is unchanged.
    let folder = tempfile::tempdir().unwrap();
    let a = path(folder.path(), "a");
    let phase =
        Phase::new().action(Run::new(format!("printf A >{a}"))).action(Put::new(a.clone(), "A"));
    let report = run(&mut this_machine().await, &phase, Mode::Apply).await;
    assert_eq!(statuses(&report), ["changed", "unchanged"]);
}

#[tokio::test]
async fn a_prediction_spares_the_second_look() {
    let folder = tempfile::tempdir().unwrap();
    let a = path(folder.path(), "a");
    for predicts in [true, false] {
        let _ = fs::remove_file(&a);
        let first = Put { predicts, ..Put::new(a.clone(), "A") };
        let phase = Phase::new().action(first).action(Need { path: a.clone() });
        let report = run(&mut this_machine().await, &phase, Mode::Apply).await;
        assert_eq!(statuses(&report), ["changed", "unchanged"], "predicts: {predicts}");
    }
}

#[tokio::test]
async fn a_later_write_makes_a_prediction_worthless() {
    let folder = tempfile::tempdir().unwrap();
    let a = path(folder.path(), "a");
    let phase = Phase::new()
        .action(Put::new(a.clone(), "A"))
        .action(Run::new(format!("rm {a}")))
        .action(Need { path: a.clone() });
    let report = run(&mut this_machine().await, &phase, Mode::Apply).await;
    assert_eq!(statuses(&report), ["changed", "changed", "failed"]);
    let failure = report.failure.unwrap();
    assert_eq!(failure.message, format!("{a} is missing"));
    assert_eq!(failure.help.as_deref(), Some("make it"));
}

#[tokio::test]
async fn the_first_failure_stops_the_node_and_later_actions_are_skipped() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (path(folder.path(), "a"), path(folder.path(), "b"));
    let phase = Phase::new()
        .action(Put::new(a.clone(), "A"))
        .action(Run::new("echo to out; echo to err >&2; false; echo not reached"))
        .action(Put::new(b.clone(), "B"));
    let mut here = this_machine().await;
    let report = run(&mut here, &phase, Mode::Apply).await;
    assert_eq!(statuses(&report), ["changed", "failed", "skipped"]);
    let failure = report.failure.unwrap();
    assert_eq!(failure.output, "to out\nto err");
    assert_eq!(failure.message, "it ended with exit status 1");
    assert!(failure.origin.unwrap().file.ends_with("waves.rs"));
    assert!(!fs::exists(&b).unwrap());
    // The session is still good for another phase.
    let phase = Phase::new().action(Put::new(b, "B"));
    assert_eq!(statuses(&run(&mut here, &phase, Mode::Apply).await), ["changed"]);
}

#[tokio::test]
async fn when_changed_follows_what_really_changed() {
    let folder = tempfile::tempdir().unwrap();
    let (a, log) = (path(folder.path(), "a"), path(folder.path(), "log"));
    let phase = Phase::new()
        .step(Step::action(Put::new(a.clone(), "A")).id("config"))
        .step(Step::action(Run::new(format!("echo reload >>{log}"))).when_changed("config"));
    let mut here = this_machine().await;
    assert_eq!(statuses(&run(&mut here, &phase, Mode::Check).await), ["will", "will"]);
    assert_eq!(statuses(&run(&mut here, &phase, Mode::Apply).await), ["changed", "changed"]);
    assert_eq!(statuses(&run(&mut here, &phase, Mode::Apply).await), ["unchanged", "skipped"]);
    assert_eq!(statuses(&run(&mut here, &phase, Mode::Check).await), ["unchanged", "skipped"]);
    assert_eq!(fs::read_to_string(log).unwrap(), "reload\n");
}

#[tokio::test]
async fn a_plan_functions_step_has_changed_when_one_of_its_actions_has() {
    let folder = tempfile::tempdir().unwrap();
    let (a, log) = (path(folder.path(), "a"), path(folder.path(), "log"));
    let file = a.clone();
    let plan = Step::plan(std::sync::Arc::new(move |plan| {
        let first = plan.action(Put::new(file.clone(), "A"));
        plan.action_when_changed(&[&first], Run::new("true"));
        Ok(())
    }));
    let phase = Phase::new()
        .step(plan.id("files"))
        .step(Step::action(Run::new(format!("echo reload >>{log}"))).when_changed("files"));
    let mut here = this_machine().await;
    let first = run(&mut here, &phase, Mode::Apply).await;
    assert_eq!(statuses(&first), ["changed", "changed", "changed"]);
    let second = run(&mut here, &phase, Mode::Apply).await;
    assert_eq!(statuses(&second), ["unchanged", "skipped", "skipped"]);
}

#[tokio::test]
async fn check_mode_touches_nothing_and_says_what_it_cannot_know() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (path(folder.path(), "a"), path(folder.path(), "b"));
    let phase = Phase::new()
        .action(Put::new(a.clone(), "A"))
        .action(Need { path: a.clone() })
        .action(Run::new(format!("touch {b}")))
        .action(Put::new(b.clone(), "B"));
    let report = run(&mut this_machine().await, &phase, Mode::Check).await;
    assert_eq!(statuses(&report), ["will", "unchanged", "will", "may"]);
    assert!(fs::read_dir(folder.path()).unwrap().next().is_none());
}

#[tokio::test]
async fn as_user_is_a_session_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let a = path(folder.path(), "a");
    // `tester` is who is logged in, so that this works without root.
    let phase = Phase::new()
        .action(Run::new(format!("echo $$ >>{a}")))
        .step(Step::action(Run::new(format!("echo $$ >>{a}"))).as_user("tester"))
        .action(Run::new(format!("echo $$ >>{a}")));
    let report = run(&mut this_machine().await, &phase, Mode::Apply).await;
    assert_eq!(statuses(&report), ["changed", "changed", "changed"]);
    let sessions: Vec<String> = fs::read_to_string(a).unwrap().lines().map(str::to_owned).collect();
    assert_eq!(sessions[0], sessions[2]);
    assert_ne!(sessions[0], sessions[1]);
}
