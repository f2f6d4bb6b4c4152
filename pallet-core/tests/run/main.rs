//! Whole runs: counts, phases, settings, plans, on nodes that are folders of this machine.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "../engine/actions.rs"]
#[allow(dead_code, reason = "other tests use more of them")]
mod actions;
mod converge;
mod plans;
mod plans_held;
mod scopes;
#[path = "../engine/script.rs"]
mod script;
mod shelf;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use pallet_core::compute::ComputeService;
use pallet_core::engine::{Connector, Control};
use pallet_core::event::Events;
use pallet_core::login::Login;
use pallet_core::plan::{Plan, PlanError};
use pallet_core::report::{Report, Status};
use pallet_core::run::{Fleet, RunOptions};
use pallet_core::spec::{GroupSpec, NodeSpec, PhaseCall, ServerSpec};
use script::Run;
use shelf::Shelf;
use tempfile::TempDir;

/// A shelf, and a fleet that has nothing else.
pub struct Setting {
    pub shelf: Arc<Shelf>,
    pub fleet: Fleet,
    folder: TempDir,
}

pub fn setting() -> Setting {
    let folder = tempfile::tempdir().unwrap();
    let shelf = Shelf::new("shelf", &folder.path().join("nodes"));
    let service: Arc<dyn ComputeService> = shelf.clone();
    let mut control = Control::new();
    control.node_folder = Some(folder.path().join("state").to_str().unwrap().to_owned());
    let fleet = Fleet {
        services: BTreeMap::from([("shelf".to_owned(), service)]),
        default_service: None,
        admin: Login { no_sudo: true, ..Login::new("tester") },
        environment: Default::default(),
        scopes: Default::default(),
        connector: Connector::default(),
        options: RunOptions { ready: Duration::from_millis(50), ..RunOptions::default() },
        events: Events::none(),
        control,
        considered: Vec::new(),
        locks: folder.path().join("locks"),
    };
    Setting { shelf, fleet, folder }
}

impl Setting {
    /// A path that all nodes share.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// A plan function that notes words in a file that all nodes share.
    pub fn note(&self, words: &str) -> impl Fn(&mut Plan<'_>) -> Result<(), PlanError> + use<> {
        let (file, words) = (self.path("log"), words.to_owned());
        move |plan| {
            let name = &plan.target().name;
            plan.action(Run::new(format!("echo '{words} {name}' >>'{}'", file.display())));
            Ok(())
        }
    }

    /// What was noted, sorted within each run of equal words.
    pub fn noted(&self) -> Vec<String> {
        let log = self.read("log");
        let mut lines: Vec<String> = log.lines().map(str::to_owned).collect();
        let word = |line: &String| line.split(' ').next().unwrap_or_default().to_owned();
        lines.chunk_by_mut(|one, two| word(one) == word(two)).for_each(<[String]>::sort);
        std::fs::write(self.path("log"), "").unwrap();
        lines
    }

    pub async fn converge(&self, groups: &[GroupSpec]) -> Report {
        self.fleet.converge(groups, &[]).await.unwrap()
    }
}

pub fn group(name: &str, server: ServerSpec) -> GroupSpec {
    GroupSpec::new(name.parse().unwrap(), NodeSpec::new(), server)
}

pub fn calls(text: &str) -> Vec<PhaseCall> {
    text.split_whitespace().map(|word| word.parse().unwrap()).collect()
}

/// The statuses of a node's actions, in words.
pub fn statuses(report: &Report, node: &str) -> String {
    let node = report.nodes.iter().find(|it| it.node == node).unwrap();
    let word = |status: &Status| match status {
        Status::Unchanged => "unchanged",
        Status::Changed => "changed",
        Status::WillChange => "will",
        Status::MayChange { .. } => "may",
        Status::Failed => "failed",
        Status::Skipped { .. } => "skipped",
    };
    let actions = node.phases.iter().flat_map(|phase| &phase.actions);
    actions.map(|action| word(&action.status)).collect::<Vec<_>>().join(" ")
}

/// All failures as `node phase: message`.
pub fn failures(report: &Report) -> Vec<String> {
    let of_nodes = report.nodes.iter().filter_map(|node| node.failure());
    let told = |failure: &pallet_core::report::Failure| {
        let node = failure.node.as_deref().unwrap_or("-");
        format!("{node} {}: {}", failure.phase, failure.message)
    };
    of_nodes.chain(&report.failures).map(told).collect()
}
