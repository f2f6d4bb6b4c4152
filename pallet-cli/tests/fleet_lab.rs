//! The demo's configuration on ten real sshd nodes, through the `pallet` command.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;
use xtask::lab::{ClaimedNode, NodeKind, State, rack};

const DEMO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/demo");

/// A folder with the demo's server-specs for the nodes of a list.
fn project(nodes: &[ClaimedNode], user: &str) -> tempfile::TempDir {
    let demo = fs::read_to_string(format!("{DEMO}/pallet.toml")).unwrap();
    let between = |from: &str, to: &str| {
        let start = demo.find(from).unwrap();
        demo[start..start + demo[start..].find(to).unwrap()].to_owned()
    };
    let mut text = rack(nodes.iter().map(|node| node.listed("web")), user, &nodes[0].key);
    text += &between("[environment]", "[node-spec.");
    text += &between("[server-spec.base]", "[group-spec.");
    text += "[group-spec.web]\nextends = ['web']\n";

    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("pallet.toml"), text).unwrap();
    fs::copy(format!("{DEMO}/motd.hbs"), folder.path().join("motd.hbs")).unwrap();
    folder
}

/// Runs `pallet --output json` and gives the exit code and the report.
fn pallet(folder: &Path, arguments: &[&str]) -> (i32, Value) {
    let output = Command::new(env!("CARGO_BIN_EXE_pallet"))
        .args(arguments)
        .args(["--output", "json"])
        .current_dir(folder)
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("{error}: {}{stderr}", String::from_utf8_lossy(&output.stdout))
    });
    (output.status.code().unwrap(), report)
}

/// The statuses of one node's actions.
fn statuses(report: &Value, node: &str) -> Vec<String> {
    let nodes = report["nodes"].as_array().unwrap();
    let found = nodes.iter().find(|it| it["node"] == node).unwrap();
    let phases = found["phases"].as_array().unwrap().iter();
    let actions = phases.flat_map(|phase| phase["actions"].as_array().unwrap());
    actions.map(|action| action["status"].as_str().unwrap().to_owned()).collect()
}

fn failure<'a>(report: &'a Value, node: &str) -> &'a Value {
    let nodes = report["nodes"].as_array().unwrap();
    let found = nodes.iter().find(|it| it["node"] == node).unwrap();
    let phases = found["phases"].as_array().unwrap();
    &phases.iter().find(|phase| !phase["failure"].is_null()).unwrap()["failure"]
}

#[test]
fn ten_nodes_changed_unchanged_repaired_and_one_down() {
    let lab = State::load().unwrap();
    let nodes = lab.claim(NodeKind::Plain, 10).unwrap();
    let folder = project(&nodes, &nodes[0].user);

    let (code, report) = pallet(folder.path(), &["lift"]);
    assert_eq!(code, 0, "{report:#}");
    for node in &nodes {
        assert_eq!(statuses(&report, &node.name), ["changed"; 6]);
        let motd = node.run(&["cat", "/etc/motd"]).unwrap();
        assert!(motd.starts_with(&format!("{}: debian 12", node.name)), "{motd}");
        assert!(motd.contains("/srv/app. Questions: ops@example.org"), "{motd}");
    }

    let (code, report) = pallet(folder.path(), &["lift"]);
    assert_eq!(code, 0, "{report:#}");
    let quiet = ["unchanged", "unchanged", "unchanged", "unchanged", "unchanged", "skipped"];
    for node in &nodes {
        assert_eq!(statuses(&report, &node.name), quiet);
    }

    // A file edited by hand, and one whose owner and mode have drifted.
    nodes[2].run(&["sh", "-c", "echo 'listen = 80' >/srv/app/app.conf"]).unwrap();
    nodes[5]
        .run(&["sh", "-c", "chown root:root /srv/app/app.conf; chmod 644 /srv/app/app.conf"])
        .unwrap();
    let (_, shown) = pallet(folder.path(), &["lift", "--dry-run"]);
    let (code, report) = pallet(folder.path(), &["lift"]);
    assert_eq!(code, 0, "{report:#}");
    for node in &nodes {
        let is_drifted = [&nodes[2].name, &nodes[5].name].contains(&&node.name);
        let expected = |status| match is_drifted {
            true => ["unchanged", "unchanged", "unchanged", status, "unchanged", status],
            false => quiet,
        };
        assert_eq!(statuses(&shown, &node.name), expected("will-change"));
        assert_eq!(statuses(&report, &node.name), expected("changed"));
        let config =
            node.run(&["sh", "-c", "cat /srv/app/app.conf; stat -c %U:%a /srv/app/app.conf"]);
        assert_eq!(config.unwrap().trim(), "listen = 8080\napp:640");
    }

    // One node down: the other nine finish.
    nodes[4].stop().unwrap();
    let started = Instant::now();
    let (code, report) = pallet(folder.path(), &["lift", "--connect-timeout", "10"]);
    assert_eq!(code, 1);
    assert!(started.elapsed() < Duration::from_secs(45), "{:?}", started.elapsed());
    for node in nodes.iter().filter(|node| node.name != nodes[4].name) {
        assert_eq!(statuses(&report, &node.name), quiet);
    }
    let failed = failure(&report, &nodes[4].name);
    assert_eq!(failed["node"], nodes[4].name.as_str());
    assert_eq!(failed["phase"], "connect");
    let message = failed["message"].as_str().unwrap();
    assert!(message.contains(&nodes[4].address.to_string()), "{message}");
    nodes[4].start().unwrap();
}

#[test]
fn a_changed_host_key_and_a_refusing_sudo_are_told_and_nothing_is_touched() {
    let lab = State::load().unwrap();
    let nodes = lab.claim(NodeKind::Plain, 2).unwrap();
    let untouched = |node: &ClaimedNode| {
        let listing =
            node.run(&["sh", "-c", "ls -d /srv/app 2>/dev/null; getent passwd app; true"]);
        assert_eq!(listing.unwrap().trim(), "");
    };

    let folder = project(&nodes, "nosudo");
    let (code, report) = pallet(folder.path(), &["lift"]);
    assert_eq!(code, 1);
    let failed = failure(&report, &nodes[0].name);
    assert!(failed["message"].as_str().unwrap().contains("sudo refused nosudo"), "{failed}");
    assert!(failed["help"].as_str().unwrap().contains("NOPASSWD"), "{failed}");
    untouched(&nodes[0]);

    let folder = project(&nodes, &nodes[0].user);
    let new_key = nodes[1].rekey().unwrap();
    assert_ne!(new_key, nodes[1].host_key);
    let (code, report) = pallet(folder.path(), &["lift"]);
    assert_eq!(code, 1);
    assert_eq!(statuses(&report, &nodes[0].name), ["changed"; 6]);
    let failed = failure(&report, &nodes[1].name);
    assert!(failed["message"].as_str().unwrap().contains("host key"), "{failed}");
    assert!(failed["message"].as_str().unwrap().contains("changed"), "{failed}");
    untouched(&nodes[1]);
}
