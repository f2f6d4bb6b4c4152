//! Each crate on a real node with systemd: shown before it is done, really installed and answering,
//! unchanged the second time, and repaired where somebody has changed something by hand.
//!
//! `tests/crates/` has a document for each crate, and beside it, as scripts that run on the node:
//! `.before` prepares it, `.check` has to succeed once it is configured, each line of `.spoil` is
//! something that a plan has to show and a run has to repair, and `.after` takes away what would
//! disturb other crates on the same node. `PALLET_CRATE=git,nginx` tries out these alone.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use pallet_core::compute::{ComputeService, HostKeySetting, ListedNode, NodeList, NodeListConfig};
use pallet_core::document::Document;
use pallet_core::engine::{Connector, Control};
use pallet_core::event::Events;
use pallet_core::login::Login;
use pallet_core::report::{Report, Status};
use pallet_core::run::{Fleet, RunOptions};
use pallet_core::spec::GroupSpec;
use xtask::lab::{ClaimedNode, NodeKind, State};

/// A crate's document, and the scripts beside it.
struct Case {
    name: String,
    path: PathBuf,
}

impl Case {
    fn groups(&self) -> Vec<GroupSpec> {
        let document = Document::read(&self.path).unwrap_or_else(|it| panic!("{it}"));
        let resolved = document.resolve(&pallet_crates::all());
        resolved.unwrap_or_else(|it| panic!("{it}")).groups.into_values().collect()
    }

    fn script(&self, ending: &str) -> String {
        fs::read_to_string(self.path.with_extension(ending)).unwrap_or_default()
    }
}

/// All cases; those that take longest first, so that no node is left with one of them at the end.
fn cases() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/crates");
    let mut cases: Vec<Case> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "toml"))
        .map(|path| Case { name: path.file_stem().unwrap().to_str().unwrap().to_owned(), path })
        .collect();
    let longest = ["mysql", "postgres", "docker", "java", "mariadb"];
    let rank = |case: &Case| longest.iter().position(|name| *name == case.name);
    cases.sort_by_key(|case| (rank(case).unwrap_or(longest.len()), case.name.clone()));
    cases
}

#[test]
fn every_crate_has_a_case() {
    let registry = pallet_crates::all();
    let crates: BTreeSet<&str> = registry.crates().map(|(name, _)| name).collect();
    let cases = cases();
    let cases: BTreeSet<&str> = cases.iter().map(|case| case.name.as_str()).collect();
    assert_eq!(crates, cases);
}

fn fleet(node: &ClaimedNode, locks: &Path) -> Fleet {
    let listed = ListedNode {
        name: node.name.clone(),
        group: "node".to_owned(),
        host: Some(node.address.to_string()),
        port: node.port,
        host_key: Some(node.host_key.clone()),
    };
    let config = NodeListConfig { nodes: vec![listed], host_key: HostKeySetting::KnownHosts };
    let service: Arc<dyn ComputeService> = Arc::new(NodeList::new("lab", config));
    Fleet {
        services: BTreeMap::from([("lab".to_owned(), service)]),
        default_service: None,
        admin: Login { private_key_path: Some(node.key.clone()), ..Login::new(&node.user) },
        environment: Default::default(),
        scopes: Default::default(),
        connector: Connector::default(),
        options: RunOptions::default(),
        events: Events::none(),
        control: Control::new(),
        considered: Vec::new(),
        locks: locks.to_owned(),
    }
}

/// Phase, position and action of all that ended in some way.
fn actions(report: &Report, is_meant: impl Fn(&Status) -> bool) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for phase in &report.nodes[0].phases {
        for (position, action) in phase.actions.iter().enumerate() {
            if is_meant(&action.status) {
                let what = format!("{} {}", action.action, action.subject);
                found.insert(format!("{} {position}: {what}", phase.phase));
            }
        }
    }
    found
}

/// Shows what would be done and does it; both have to agree. Gives what was shown as certain and
/// what was changed.
async fn converge(fleet: &Fleet, groups: &[GroupSpec], what: &str) -> (usize, BTreeSet<String>) {
    let again = || Fleet { control: Control::new(), ..fleet.clone() };
    let plan = again().plan(groups, &[]).await.unwrap();
    assert!(!plan.report.failed(), "{what}: {:#?}", plan.report.nodes[0].failure());
    let report = again().lift(groups, &[]).await.unwrap();
    assert!(!report.failed(), "{what}: {:#?}", report.nodes[0].failure());
    let changed = actions(&report, |status| *status == Status::Changed);
    let will = actions(&plan.report, |status| *status == Status::WillChange);
    let may = actions(&plan.report, |status| matches!(status, Status::MayChange { .. }));
    let broken: Vec<_> = will.difference(&changed).collect();
    assert!(broken.is_empty(), "{what}: shown, and not changed: {broken:?}");
    let surprising: Vec<_> =
        changed.iter().filter(|it| !will.contains(*it) && !may.contains(*it)).collect();
    assert!(surprising.is_empty(), "{what}: changed, and not shown: {surprising:?}");
    (will.len(), changed)
}

fn check(node: &ClaimedNode, case: &Case, what: &str) {
    let script = case.script("check");
    if let Err(error) = node.run(&["bash", "-c", &format!("cd /; set -ex -o pipefail\n{script}")]) {
        panic!("{} {what}: {error}", case.name);
    }
}

async fn try_out(node: &ClaimedNode, case: &Case, locks: &Path) {
    let fleet = fleet(node, locks);
    let groups = case.groups();
    let run = |script: &str| node.run(&["bash", "-c", &format!("cd /; {script}")]).unwrap();
    run(&case.script("before"));
    let (_, changed) = converge(&fleet, &groups, &case.name).await;
    assert!(!changed.is_empty(), "{}", case.name);
    check(node, case, "configured");

    let second = format!("{}, the second time", case.name);
    let (shown, changed) = converge(&fleet, &groups, &second).await;
    assert!(changed.is_empty() && shown == 0, "{second}: {changed:?}");

    let spoil = case.script("spoil");
    for line in spoil.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        run(line);
        let what = format!("{} after `{line}`", case.name);
        let (shown, changed) = converge(&fleet, &groups, &what).await;
        assert!(shown > 0, "{what}: not shown as something that will be changed; {changed:?}");
        check(node, case, &what);
    }
    if !spoil.is_empty() {
        let report = fleet.lift(&groups, &[]).await.unwrap();
        assert!(!report.failed(), "{}: {:#?}", case.name, report.nodes[0].failure());
        let changed = actions(&report, |status| *status == Status::Changed);
        assert!(changed.is_empty(), "{}, repaired: {changed:?}", case.name);
    }
    run(&case.script("after"));
}

#[test]
fn crates_do_what_they_say_on_real_nodes() {
    let nodes = State::load().unwrap().claim(NodeKind::Systemd, 3).unwrap();
    let only = std::env::var("PALLET_CRATE").ok();
    let mut open: Vec<Case> = cases();
    open.retain(|case| only.as_ref().is_none_or(|only| only.split(',').any(|it| *it == case.name)));
    assert!(!open.is_empty(), "PALLET_CRATE names no crate");
    open.reverse();
    let open = Mutex::new(open);
    let locks = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for node in &nodes {
            let (open, locks) = (&open, locks.path());
            scope.spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                let runtime = runtime.unwrap();
                loop {
                    let next = open.lock().unwrap().pop();
                    let Some(case) = next else { break };
                    let started = Instant::now();
                    runtime.block_on(try_out(node, &case, locks));
                    println!(
                        "{} on {}: {:.1} s",
                        case.name,
                        node.name,
                        started.elapsed().as_secs_f32()
                    );
                }
            });
        }
    });
}
