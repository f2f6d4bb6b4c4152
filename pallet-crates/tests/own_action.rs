//! The example of an action of one's own, run as anybody would run it.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "../examples/own_action.rs"]
#[allow(dead_code, reason = "main is not called")]
mod own_action;

use own_action::{groups, run};
use pallet_core::action::Mode;
use pallet_core::report::Status;

#[tokio::test]
async fn it_says_what_it_will_do_does_it_and_is_content() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("app.ini");
    std::fs::write(&file, "[server]\nhost = old\n\n[other]\nport = 1\n").unwrap();
    let groups = groups(file.to_str().unwrap()).unwrap();
    let runs = [
        (Mode::Check, Status::WillChange),
        (Mode::Apply, Status::Changed),
        (Mode::Apply, Status::Unchanged),
    ];
    for (mode, expected) in runs {
        let report = run(&groups, mode).await.unwrap();
        assert!(report.nodes[0].failure().is_none(), "{report:#?}");
        let actions = &report.nodes[0].phases[0].actions;
        assert_eq!(actions.len(), 4);
        assert_eq!(actions[0].status, Status::Unchanged);
        for action in &actions[1..] {
            assert_eq!(action.status, expected, "{action:#?}");
        }
    }
    assert_eq!(
        std::fs::read_to_string(&file).unwrap(),
        "[server]\nhost = ::1\n\nport = 8080\n[other]\nport = 1\n[log]\nlevel = info\n"
    );
}

#[tokio::test]
async fn what_cannot_be_done_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("app.ini");
    std::fs::write(&file, "a\0b").unwrap();
    let report = run(&groups(file.to_str().unwrap()).unwrap(), Mode::Check).await.unwrap();
    let failure = report.nodes[0].failure().unwrap();
    assert!(failure.message.starts_with("there is no text file "), "{}", failure.message);
}
