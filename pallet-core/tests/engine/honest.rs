//! What check mode says against what is done then: no change comes that was not shown as one that
//! will or may come, and what is said to come does.

use std::fs;

use pallet_core::action::Mode;
use pallet_core::spec::{Phase, Step};

use crate::actions::{Guarded, Need, Put, Remove};
use crate::script::Run;
use crate::{path, run, statuses, this_machine};

/// Looks at a phase and carries it out; gives what was said, and what was done.
async fn said_and_done(phase: &Phase) -> (String, String) {
    let mut here = this_machine().await;
    let said = statuses(&run(&mut here, phase, Mode::Check).await);
    let done = statuses(&run(&mut here, phase, Mode::Apply).await);
    for (position, (said, done)) in said.iter().zip(&done).enumerate() {
        let is_honest = match done.as_str() {
            "changed" => said == "will" || said == "may",
            _ => said != "will",
        };
        assert!(is_honest, "action {position} is said to be {said}, and is {done}");
    }
    (said.join(" "), done.join(" "))
}

#[tokio::test]
async fn what_a_step_would_leave_that_may_be_left_out_is_not_relied_on() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name| path(folder.path(), name);
    // The script makes the file as it shall be, so that the handler has nothing to wait for; what
    // it would have written has to be written by the last step.
    let phase = Phase::new()
        .action(Run::new(format!("printf A >{}", file("a"))))
        .step(Step::action(Put::new(file("a"), "A")).id("config"))
        .step(Step::action(Put::new(file("b"), "B")).when_changed("config"))
        .action(Put::new(file("b"), "B"));
    let (said, done) = said_and_done(&phase).await;
    assert_eq!(said, "will may may may");
    assert_eq!(done, "changed unchanged skipped changed");
}

#[tokio::test]
async fn what_a_step_may_write_is_reckoned_with_even_if_it_looks_like_nothing_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name| path(folder.path(), name);
    for name in ["a", "b"] {
        fs::write(file(name), "old").unwrap();
    }
    // As it is now the file is there, and the script would not run; the first step takes it away.
    let script = format!("printf new >{}", file("b"));
    let phase = Phase::new()
        .action(Remove { path: file("a") })
        .action(Guarded { missing: file("a"), script })
        .action(Put::new(file("b"), "old"));
    let (said, done) = said_and_done(&phase).await;
    assert_eq!((said.as_str(), done.as_str()), ("will may may", "changed changed changed"));
}

#[tokio::test]
async fn what_cannot_be_known_is_said_with_the_reason_and_what_can_is_sure() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name| path(folder.path(), name);
    let phase = Phase::new()
        .action(Put::new(file("a"), "A"))
        .action(Need { path: file("a") })
        .action(Put { predicts: false, ..Put::new(file("b"), "B") })
        .action(Need { path: file("b") })
        .action(Put::new(file("c"), "C"));
    let mut here = this_machine().await;
    let report = run(&mut here, &phase, Mode::Check).await;
    assert_eq!(statuses(&report).join(" "), "will unchanged will may will");
    let pallet_core::report::Status::MayChange { reason } = &report.actions[3].status else {
        panic!("{report:#?}")
    };
    let step = format!("an earlier step (put {}) may change what it looks at", file("b"));
    assert_eq!(*reason, format!("{step}, and as it is now: {} is missing", file("b")));
    assert_eq!(said_and_done(&phase).await.1, "changed unchanged changed unchanged changed");
}
