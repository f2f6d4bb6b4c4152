//! What goes wrong on real nodes: hostile texts and broken machines. Needs the lab.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing
)]

mod corpus;
mod crowd;
mod fleet;
mod order;
mod parameters;
mod texts;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use xtask::lab::{ClaimedNode, rack};

/// Runs `pallet --output json` and gives the exit code and the report.
fn pallet(folder: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> (i32, Value) {
    let output = Command::new(env!("CARGO_BIN_EXE_pallet"))
        .args(arguments)
        .args(["--output", "json"])
        .envs(environment.iter().copied())
        .current_dir(folder)
        .output()
        .unwrap();
    let report = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    (output.status.code().unwrap(), report)
}

/// A `node-list` service of lab nodes, all in the group `rack`, and who logs in to them.
fn listed(nodes: &[ClaimedNode], user: &str) -> String {
    rack(nodes.iter().map(|node| node.listed("rack")), user, &nodes[0].key)
}

/// What became of a node: its failure, if there is one.
fn failure<'a>(report: &'a Value, node: &str) -> Option<&'a Value> {
    let nodes = report["nodes"].as_array().unwrap();
    let found = nodes.iter().find(|it| it["node"] == node).unwrap();
    let mut failures = found["phases"].as_array().unwrap().iter().map(|phase| &phase["failure"]);
    failures.find(|failure| !failure.is_null())
}

/// A process in the sandbox of a project that is called `node`, once there is one.
fn sandbox_process(project: &Path, node: &str) -> Option<u64> {
    let own = fs::canonicalize(project).unwrap();
    let scopes = fs::read_dir("/run/pallet/sandbox").ok()?.flatten().map(|entry| entry.path());
    let mut scopes = scopes.filter(|scope| {
        let owner = fs::read_to_string(scope.join("owner.json")).unwrap_or_default();
        owner.contains(own.to_str().unwrap())
    });
    let holder = fs::read(scopes.next()?.join("nodes").join(node).join("holder.json")).ok()?;
    serde_json::from_slice::<Value>(&holder).ok()?["pid"].as_u64()
}

/// Where a file of a sandbox is found from outside, once the sandbox is there.
fn sandbox_file(project: &Path, node: &str, path: &str) -> Option<PathBuf> {
    Some(format!("/proc/{}/root{path}", sandbox_process(project, node)?).into())
}
