//! Runs fragments on the machine that the tests run on, as the engine does on a node.

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Arc;

use pallet_core::action::{Action, ActionError, Certainty, Change, Decision, Fragment, Mode};
use pallet_core::engine::{Connector, Control, PhaseRun, run_phase};
use pallet_core::event::Events;
use pallet_core::login::Login;
use pallet_core::plan::{Nodes, Scene, Target, compile};
use pallet_core::report::{ActionReport, Status};
use pallet_core::spec::Phase;
use pallet_core::transport::LocalTransport;
use serde_json::Map;
use tempfile::NamedTempFile;

use crate::probes::{Entry, EntryKind};
use crate::values::{AccountName, FileMode};

pub(super) fn account(name: &str) -> AccountName {
    name.parse().unwrap()
}

/// Something of root's.
pub(super) fn entry(kind: EntryKind, mode: u32) -> Entry {
    Entry {
        kind,
        mode: FileMode::from_bits(mode),
        uid: Some(0),
        owner: Some("root".to_owned()),
        gid: Some(0),
        group: Some("root".to_owned()),
    }
}

/// The change, where a decision is one.
pub(super) fn change(decision: Result<Decision, ActionError>) -> Change {
    match decision.expect("a decision") {
        Decision::Change(change) => change,
        Decision::Unchanged => panic!("a change is expected"),
    }
}

/// `unchanged`, the details, `may: reason`, or the error: for tables.
pub(super) fn outcome(decision: Result<Decision, ActionError>) -> String {
    match decision {
        Ok(Decision::Unchanged) => "unchanged".to_owned(),
        Ok(Decision::Change(change)) => match change.certainty {
            Certainty::Will => change.details.join("; "),
            Certainty::May(reason) => format!("may: {reason}"),
        },
        Err(error) => format!("error: {error}"),
    }
}

/// What came of running a fragment.
pub(super) struct Ran {
    pub status: i32,
    pub output: String,
}

/// Runs a fragment in a real bash. Its payloads come from one stream that has more behind them,
/// and all of the payloads have to be taken.
pub(super) fn run(fragment: &Fragment) -> Ran {
    let mut stream = NamedTempFile::new().unwrap();
    for payload in fragment.payloads() {
        stream.write_all(payload).unwrap();
    }
    stream.write_all(b"END").unwrap();
    let starts = pallet_core::shell::command(fragment.temporaries());
    let program = format!(
        "exec 3<\"$1\"\numask 022\n\
         pallet_payload() {{ head -c \"$1\" <&3; }}\n\
         pallet_unique=$$\n\
         ( set -e\n{}) </dev/null\nstatus=$?\n\
         [ $status -eq 0 ] || for start in {starts}; do rm -f -- \"$start$pallet_unique\"; done\n\
         [ $status -ne 0 ] || [ \"$(cat <&3)\" = END ] || exit 99\nexit $status\n",
        fragment.code()
    );
    let output = Command::new("bash")
        .args(["-c", &program, "bash"])
        .arg(stream.path())
        .stdin(Stdio::null())
        .output()
        .expect("bash runs");
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    Ran { status: output.status.code().unwrap_or(-1), output: text }
}

/// Carries out one action on this machine through the engine, as the user who runs the tests.
pub(super) fn apply(action: &impl Action) -> String {
    engine(Mode::Apply, Phase::new().action(action.clone())).remove(0)
}

/// Says what [`apply`] would do.
pub(super) fn check(action: &impl Action) -> String {
    engine(Mode::Check, Phase::new().action(action.clone())).remove(0)
}

/// Carries out a phase on this machine, and tells what became of each action: `unchanged`, the
/// details, `may: reason`, or the failure.
pub(super) fn engine(mode: Mode, phase: Phase) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let report = runtime.block_on(async {
        let login = Login { no_sudo: true, ..Login::new("tester") };
        let here = Arc::new(LocalTransport);
        let mut connection = Connector::default().work_over(here, login).await.unwrap();
        let target = Target::new("here", "test").facts(connection.facts().clone());
        let environment = Map::new();
        let nodes = Nodes::default();
        let scene = Scene::new(&nodes, &environment);
        let actions = match compile("test", &phase, &target, scene) {
            Ok(compiled) => compiled.actions,
            Err(error) => panic!("{error}"),
        };
        let events = Events::none();
        let (node, phase) = ("here", "test");
        // Tests would wait for each other's runs on this machine.
        let folder = tempfile::tempdir().unwrap();
        let mut control = Control::new();
        control.node_folder = Some(folder.path().to_string_lossy().into_owned());
        let run =
            PhaseRun { node, phase, actions: &actions, mode, events: &events, control: &control };
        run_phase(&mut connection, run).await
    });
    let failure = report.failure.map(|failure| format!("{} {}", failure.message, failure.output));
    let tell = |action: ActionReport| match action.status {
        Status::Unchanged => "unchanged".to_owned(),
        Status::Changed | Status::WillChange => action.details.join("; "),
        Status::MayChange { reason } => format!("may: {reason}"),
        Status::Failed => format!("failed: {}", failure.clone().unwrap_or_default()),
        Status::Skipped { reason } => format!("skipped: {reason}"),
    };
    report.actions.into_iter().map(tell).collect()
}
