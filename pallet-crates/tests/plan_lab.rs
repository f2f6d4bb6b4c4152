//! Plans against what is done, on ten real sshd nodes: what a plan shows is what happens.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "lab/node.rs"]
#[allow(dead_code, reason = "other tests use more of it")]
mod node;
#[path = "lab/role.rs"]
mod role;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use pallet_core::compute::{ComputeService, HostKeySetting, ListedNode, NodeList, NodeListConfig};
use pallet_core::engine::{Connector, Control};
use pallet_core::event::Events;
use pallet_core::login::Login;
use pallet_core::report::{Report, Status};
use pallet_core::run::{Fleet, RunError, RunOptions, RunPlan};
use pallet_core::spec::{GroupSpec, NodeSpec, Phase, ServerSpec};
use xtask::lab::{ClaimedNode, NodeKind, State};

/// Ten pristine nodes and the fleet that they are.
struct Ten {
    nodes: Vec<ClaimedNode>,
    fleet: Fleet,
    folder: tempfile::TempDir,
}

impl Ten {
    fn claim() -> Self {
        let nodes = State::load().unwrap().claim(NodeKind::Plain, 10).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let listed = |node: &ClaimedNode| ListedNode {
            name: node.name.clone(),
            group: "bench".to_owned(),
            host: Some(node.address.to_string()),
            port: node.port,
            host_key: Some(node.host_key.clone()),
        };
        let config = NodeListConfig {
            nodes: nodes.iter().map(listed).collect(),
            host_key: HostKeySetting::KnownHosts,
        };
        let service: Arc<dyn ComputeService> = Arc::new(NodeList::new("lab", config));
        let key = nodes[0].key.clone();
        let fleet = Fleet {
            services: BTreeMap::from([("lab".to_owned(), service)]),
            default_service: None,
            admin: Login { private_key_path: Some(key), ..Login::new(&nodes[0].user) },
            environment: Default::default(),
            scopes: Default::default(),
            connector: Connector::default(),
            options: RunOptions::default(),
            events: Events::none(),
            control: Control::new(),
            considered: Vec::new(),
            locks: folder.path().join("locks"),
        };
        for node in &nodes {
            node.run(&["sh", "-c", role::SEED]).unwrap();
        }
        Self { nodes, fleet, folder }
    }

    /// A run of its own: the same nodes once more.
    fn fleet(&self) -> Fleet {
        Fleet { control: Control::new(), ..self.fleet.clone() }
    }

    /// The role, in two phases.
    fn groups(&self) -> [GroupSpec; 1] {
        let steps = role::steps(self.folder.path());
        assert_eq!(steps.len(), 52);
        let mut install = Phase::new();
        let mut configure = Phase::new();
        for (position, step) in steps.into_iter().enumerate() {
            // Accounts and directories come first, and what they are for in a later phase.
            if position < 10 { &mut install } else { &mut configure }.steps.push(step);
        }
        let server = ServerSpec::new().phase("install", install).phase("configure", configure);
        [GroupSpec::new("bench".parse().unwrap(), NodeSpec::new(), server)]
    }

    async fn plan(&self) -> RunPlan {
        let plan = self.fleet().plan(&self.groups(), &[]).await.unwrap();
        assert!(!plan.report.failed(), "{:#?}", plan.report.nodes[0].failure());
        let text = serde_json::to_string(&plan).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    /// Carries a plan out, and compares what was changed with what it shows: all that it says will
    /// be changed is, and nothing else is but what it says may be.
    async fn carry_out(&self, plan: &RunPlan, what: &str) -> usize {
        let fleet = self.fleet();
        let preview = fleet.recheck(plan, &self.groups()).await.unwrap();
        let report = fleet.carry_out(preview).await;
        for node in &report.nodes {
            assert!(node.failure().is_none(), "{what}: {:#?}", node.failure());
        }
        let changed = actions(&report, |status| *status == Status::Changed);
        let will = actions(&plan.report, |status| *status == Status::WillChange);
        let may = actions(&plan.report, |status| matches!(status, Status::MayChange { .. }));
        assert_eq!(will.difference(&changed).count(), 0, "{what}: shown, and not changed");
        let surprising: Vec<_> =
            changed.iter().filter(|it| !will.contains(*it) && !may.contains(*it)).collect();
        assert!(surprising.is_empty(), "{what}: changed, and not shown: {surprising:?}");
        assert_eq!(may.len(), 0, "{what}: all of this role can be foreseen: {may:?}");
        changed.len()
    }

    /// Everything on a node's disk with its attributes, but for the traces of logging in.
    fn roots(&self) -> Vec<String> {
        let list = "find / -xdev \\( -path /proc -o -path /sys -o -path /dev -o -path /tmp \
            -o -path /run/sudo -o -path /run/sshd.pid \\) -prune -o \
            ! -name wtmp ! -name btmp ! -name lastlog ! -name utmp ! -name auth.log \
            ! -path /run ! -path /var/log \
            -printf '%p %y %m %u %g %s %T@ %C@ %l\\n' | sort";
        self.nodes.iter().map(|node| node.run(&["sh", "-c", list]).unwrap()).collect()
    }
}

/// Node, phase, position and action of all that ended in some way.
fn actions(
    report: &Report,
    is_meant: impl Fn(&Status) -> bool,
) -> BTreeSet<(String, String, usize, String)> {
    let mut found = BTreeSet::new();
    for node in &report.nodes {
        for phase in &node.phases {
            for (position, action) in phase.actions.iter().enumerate() {
                if is_meant(&action.status) {
                    let what = format!("{} {}", action.action, action.subject);
                    found.insert((node.node.clone(), phase.phase.clone(), position, what));
                }
            }
        }
    }
    found
}

fn run(node: &ClaimedNode, script: &str) {
    node.run(&["sh", "-c", script]).unwrap();
}

/// How nodes drift away from the role.
const DRIFTS: &[&str] = &[
    "echo spoiled >>/etc/bench/static-01.conf",
    "chmod 777 /etc/bench/static-03.conf",
    "rm /etc/bench/static-06.conf",
    "chown benchdep /opt/bench/data",
    "usermod -s /bin/sh benchdep",
    "rm -r /home/benchdep/.ssh",
    "ln -sfn /etc/passwd /opt/bench/current-2",
    "sed -i 's/4096/1/' /etc/sysctl.d/99-bench.conf",
    "rm /etc/sysctl.d/99-bench.conf; touch /etc/sysctl.d/99-bench.conf",
    "sed -i '/dev2@bench/d' /home/benchdep/.ssh/authorized_keys",
    "userdel benchmon",
    "rm -r /opt/bench",
    "rm -r /etc/bench",
    "echo spoiled >/etc/cron.d/bench-2; chgrp benchgrp /etc/cron.d/bench-1",
];

#[tokio::test]
async fn what_a_plan_shows_is_what_happens_in_all_configurations() {
    let ten = Ten::claim();

    // Ten nodes that exist, and that nothing is configured on.
    let before = ten.roots();
    let plan = ten.plan().await;
    for (before, after) in before.iter().zip(ten.roots()) {
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<BTreeSet<_>>();
        let (before, after) = (lines(before), lines(&after));
        let difference: Vec<_> = before.symmetric_difference(&after).collect();
        assert!(difference.is_empty(), "a plan has left traces: {difference:#?}");
    }
    // All but the packages that are there, and the check that has nothing to say.
    assert_eq!(ten.carry_out(&plan, "unconfigured").await, 10 * 46);

    // As described: nothing to do.
    let plan = ten.plan().await;
    assert!(!plan.has_changes());
    assert_eq!(ten.carry_out(&plan, "configured").await, 0);

    // Each node drifts in its own way, the last ones in two at once.
    for (round, drifts) in DRIFTS.chunks(ten.nodes.len()).enumerate() {
        for (number, (node, drift)) in ten.nodes.iter().zip(drifts).enumerate() {
            if round > 0 {
                run(node, DRIFTS[number]);
            }
            run(node, drift);
        }
        let plan = ten.plan().await;
        assert!(ten.carry_out(&plan, &format!("drifted, round {round}")).await >= drifts.len());
        assert!(!ten.plan().await.has_changes(), "round {round} is repaired");
    }
}

#[tokio::test]
async fn a_plan_is_refused_when_one_of_ten_nodes_has_moved_on() {
    let ten = Ten::claim();
    let plan = ten.plan().await;
    run(&ten.nodes[6], "mkdir -p /etc/bench && echo 'setting = 0' >/etc/bench/static-04.conf");
    let error = ten.fleet().recheck(&plan, &ten.groups()).await.unwrap_err();
    assert!(error.is_refusal(), "{error}");
    let RunError::Moved { differences } = error else { panic!("{error}") };
    assert!(differences.iter().all(|it| it.at.starts_with(&ten.nodes[6].name)), "{differences:?}");
    assert!(differences.iter().any(|it| it.at.contains("/etc/bench/static-04.conf")));
    for node in &ten.nodes {
        let left = node.run(&["sh", "-c", "ls -d /opt/bench 2>/dev/null; true"]).unwrap();
        assert_eq!(left, "", "{}", node.name);
    }
    assert!(Path::new(&ten.folder.path().join("locks")).is_dir());
}
