//! `pallet ssh`: the real OpenSSH client, started for real sshd nodes.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use xtask::lab::{ClaimedNode, Listed, NodeKind, State, rack};

/// A folder with a description of nodes, whose keys are those given.
fn project(nodes: &[(&ClaimedNode, &str)]) -> tempfile::TempDir {
    let listed = nodes.iter().map(|(node, host_key)| Listed { host_key, ..node.listed("web") });
    let (first, _) = nodes[0];
    let text = rack(listed, &first.user, &first.key) + "[group-spec.web]\n";
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("pallet.toml"), text).unwrap();
    folder
}

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pallet"));
    command.args(arguments).current_dir(folder).env("PALLET_HOME", folder.join("home"));
    command.stdin(Stdio::null());
    command
}

fn pallet(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output = command(folder, arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn commands_and_terminals_run_where_they_should() {
    let nodes = State::load().unwrap().claim(NodeKind::Plain, 2).unwrap();
    let folder = project(&[(&nodes[0], &nodes[0].host_key), (&nodes[1], &nodes[1].host_key)]);
    let (name, folder) = (nodes[1].name.as_str(), folder.path());

    let ran = pallet(folder, &["ssh", name, "--", "hostname; id -un; exit 7"]);
    assert_eq!(ran, (7, format!("{name}\n{}\n", nodes[1].user), String::new()));
    // Words stay words.
    let (code, said, _) = pallet(folder, &["ssh", name, "--", "printf", "%s|", "a b", "$HOME"]);
    assert_eq!((code, said.as_str()), (0, "a b|$HOME|"));

    // Somebody types on a terminal.
    let line = format!("'{}' ssh {name}", env!("CARGO_BIN_EXE_pallet"));
    let mut child = Command::new("script")
        .args(["-qec", &line, "/dev/null"])
        .current_dir(folder)
        .env("PALLET_HOME", folder.join("home"))
        .env("TERM", "xterm")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.as_mut().unwrap().write_all(b"test -t 0 && echo on-$(hostname)\nexit 5\n").unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains(&format!("on-{name}")), "{said}");
    assert_eq!(output.status.code(), Some(5), "{said}");
}

#[test]
fn the_host_key_that_the_service_tells_is_the_only_one() {
    let nodes = State::load().unwrap().claim(NodeKind::Plain, 2).unwrap();
    // The first one's key is said to be the second one's.
    let folder = project(&[(&nodes[0], &nodes[1].host_key), (&nodes[1], &nodes[1].host_key)]);
    let (code, said, told) = pallet(folder.path(), &["ssh", &nodes[0].name, "--", "hostname"]);
    assert_eq!((code, said.as_str()), (255, ""));
    assert!(told.contains("Host key verification failed"), "{told}");
    let (code, said, told) = pallet(folder.path(), &["ssh", &nodes[1].name, "--", "hostname"]);
    assert_eq!((code, said), (0, format!("{}\n", nodes[1].name)), "{told}");
}

#[test]
fn what_would_be_started_can_be_looked_at() {
    let nodes = State::load().unwrap().claim(NodeKind::Plain, 2).unwrap();
    let folder = project(&[(&nodes[0], &nodes[0].host_key), (&nodes[1], &nodes[1].host_key)]);
    let (code, line, _) = pallet(folder.path(), &["ssh", &nodes[0].name, "--print"]);
    assert_eq!(code, 0);
    assert!(line.starts_with("ssh ") && line.contains("StrictHostKeyChecking=yes"), "{line}");
    // The line is one that a shell understands.
    let line = line.trim_end().to_owned() + " hostname";
    let output = Command::new("sh").args(["-c", &line]).current_dir(folder.path()).output();
    assert_eq!(output.unwrap().stdout, format!("{}\n", nodes[0].name).as_bytes());

    let (code, said, _) =
        pallet(folder.path(), &["ssh", &nodes[0].name, "--output", "json", "--", "true"]);
    let start: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(
        (code, &start["program"], &start["node"]),
        (0, &"ssh".into(), &nodes[0].name.as_str().into())
    );

    let (code, _, told) = pallet(folder.path(), &["ssh", "web"]);
    assert_eq!(code, 2);
    assert!(told.contains("means several nodes") && told.contains(&nodes[1].name), "{told}");
}
