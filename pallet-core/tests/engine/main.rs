//! The engine against a real bash on this machine: sessions, waves, failures, check mode.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod actions;
mod brief;
mod cut;
mod honest;
mod limits;
mod lock;
mod looks;
mod planned;
mod resume;
mod script;
mod upload;
mod waves;
mod wire;

use std::path::Path;
use std::sync::Arc;

use pallet_core::action::Mode;
use pallet_core::engine::{Connection, Connector, Control, PhaseRun, run_phase};
use pallet_core::event::{Event, Events};
use pallet_core::login::Login;
use pallet_core::report::PhaseReport;
use pallet_core::spec::Phase;
use pallet_core::transport::LocalTransport;
use planned::planned;

/// This machine, worked on as the user who runs the tests.
pub async fn this_machine() -> Connection {
    let login = Login { no_sudo: true, ..Login::new("tester") };
    Connector::default().work_over(Arc::new(LocalTransport), login).await.unwrap()
}

/// Carries out a phase and gives the report with the number of programs that were exchanged.
pub async fn run(connection: &mut Connection, phase: &Phase, mode: Mode) -> PhaseReport {
    run_told(connection, phase, mode, &Events::none()).await
}

async fn run_told(
    connection: &mut Connection,
    phase: &Phase,
    mode: Mode,
    events: &Events,
) -> PhaseReport {
    let folder = tempfile::tempdir().unwrap();
    let control = control(folder.path());
    let actions = planned(connection.facts(), phase);
    let run = PhaseRun {
        node: "here",
        phase: "test",
        actions: &actions,
        mode,
        events,
        control: &control,
    };
    run_phase(connection, run).await
}

/// Carries out a phase as a part of a run.
pub async fn run_of(control: &Control, connection: &mut Connection, phase: &Phase) -> PhaseReport {
    let (actions, events) = (planned(connection.facts(), phase), Events::none());
    let run = PhaseRun {
        node: "here",
        phase: "test",
        actions: &actions,
        mode: Mode::Apply,
        events: &events,
        control,
    };
    run_phase(connection, run).await
}

/// The statuses of a report as words, for short comparisons.
pub fn statuses(report: &PhaseReport) -> Vec<String> {
    use pallet_core::report::Status::*;
    let word = |status: &_| match status {
        Unchanged => "unchanged",
        Changed => "changed",
        WillChange => "will",
        MayChange { .. } => "may",
        Failed => "failed",
        Skipped { .. } => "skipped",
    };
    report.actions.iter().map(|action| word(&action.status).to_owned()).collect()
}

/// A run that keeps lock and log in `folder`, so that tests do not wait for each other.
pub fn control(folder: &Path) -> Control {
    let mut control = Control::new();
    control.node_folder = Some(path(folder, "node"));
    control
}

pub fn path(folder: &Path, name: &str) -> String {
    folder.join(name).to_str().unwrap().to_owned()
}

#[tokio::test]
async fn events_tell_what_happens_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let phase = Phase::new()
        .action(actions::Put::new(path(folder.path(), "a"), "1"))
        .action(script::Run::new("exit 7"));
    let (events, mut heard) = Events::channel();
    let mut here = this_machine().await;
    run_told(&mut here, &phase, Mode::Apply, &events).await;
    drop(events);
    let mut words = Vec::new();
    while let Some(event) = heard.recv().await {
        words.push(match event {
            Event::PhaseStarted { actions, .. } => format!("phase of {actions}"),
            Event::ActionStarted { action, .. } => format!("{action}…"),
            Event::ActionFinished { report, .. } => {
                format!("{} {:?}", report.action, report.status)
            }
            Event::Failed { failure } => format!("failed: {}", failure.message),
            Event::PhaseFinished { .. } => "end".to_owned(),
            other => format!("{other:?}"),
        });
    }
    let expected =
        ["phase of 2", "put…", "put Changed", "run…", "failed: it ended with exit status 7", "end"];
    assert_eq!(words, expected);
}
