//! Where the plain text of secrets can be seen: nowhere but in the places that they are for.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod project;
mod snoop;

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use project::{project, write_secrets};
use snoop::{NodeTrace, Snooper, TRACING, arguments};
use xtask::lab::{NodeKind, PWSUDO_PASSWORD, State};

/// Asked for by sudo; in a file.
const SUDO: &str = PWSUDO_PASSWORD;
/// The content of a file; encrypted with age.
const CONTENT: &str = "content's $(secret) \"no 2\"\nof two lines\n";
/// In a template; from a command.
const TEMPLATE: &str = "template-secret-no-3";
/// The password of an account; in a file.
const ACCOUNT: &str = "account secret no 4 \\ ü";
/// In a script's environment; from a variable.
const SCRIPT: &str = "script-secret-no-5";

/// Of the private key that logs in; from a command.
const PASSPHRASE: &str = "passphrase-secret-no-6";

/// What shows a secret: a piece that no encoding of it would still have is not looked for.
const TRACES: [&str; 7] =
    [SUDO, "content's $(secret)", "of two lines", TEMPLATE, ACCOUNT, SCRIPT, PASSPHRASE];

/// A number that no other process sleeps.
const NAP: &str = "0.71234";

/// Runs `pallet`, and has every program written down that it starts.
struct Client<'a> {
    folder: &'a Path,
    /// Where that is written down.
    notes: &'a Path,
    runs: Cell<usize>,
}

impl Client<'_> {
    fn notes(&self, run: usize) -> PathBuf {
        self.notes.join(format!("client-{run}"))
    }

    fn pallet(&self, arguments: &[&str], expected: i32) -> Output {
        let run = self.runs.replace(self.runs.get() + 1);
        let output = Command::new("strace")
            .args(TRACING)
            .arg("-o")
            .arg(self.notes(run))
            .arg(env!("CARGO_BIN_EXE_pallet"))
            .args(arguments)
            .current_dir(self.folder)
            .env("SCRIPT_TOKEN", SCRIPT)
            .env("HOME", self.folder.join("home"))
            .env("PALLET_HOME", self.folder.join("home/.pallet"))
            .env("XDG_STATE_HOME", self.folder.join("home/state"))
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(expected), "{arguments:?}: {output:?}");
        output
    }

    /// The arguments of all programs that were started.
    fn arguments(&self) -> String {
        (0..self.runs.get()).map(|run| arguments(&self.notes(run))).collect()
    }
}

/// The secrets that are in a text, as they are or in base64.
fn traces(text: &str) -> Vec<&'static str> {
    // `printf %s "x$TOKEN" | base64`, without its first digits.
    const ENCODED: &str = "cmlwdC1zZWNyZXQtbm8tN";
    TRACES.into_iter().chain([ENCODED]).filter(|trace| text.contains(trace)).collect()
}

fn check_output(what: &str, output: &Output) {
    for stream in [&output.stdout, &output.stderr] {
        let text = String::from_utf8_lossy(stream);
        assert_eq!(traces(&text), Vec::<&str>::new(), "{what} shows secrets:\n{text}");
    }
}

/// All that a run may leave on this side.
fn check_files(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            check_files(&path);
        } else {
            let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
            assert_eq!(traces(&text), Vec::<&str>::new(), "{} has secrets", path.display());
        }
    }
}

#[test]
fn secrets_are_seen_by_nobody() {
    let lab = State::load().unwrap();
    let node = lab.claim(NodeKind::Plain, 1).unwrap().remove(0);
    let folder = project(&node);
    let notes = tempfile::tempdir().unwrap();
    let client = Client { folder: folder.path(), notes: notes.path(), runs: Cell::new(0) };
    let snooper = Snooper::start();
    let on_node = NodeTrace::start(&node, notes.path().join("node"));

    let planned = client.pallet(&["plan", "--out", "the.plan", "-vvv"], 0);
    let done = client.pallet(&["converge", "the.plan", "-vvv"], 0);
    let again = client.pallet(&["lift", "--output", "json"], 0);
    // Other secrets in their place: neither those that are there nor the new ones are shown.
    let (template, content) =
        (TEMPLATE.replace("no-3", "no-3, changed"), CONTENT.replace("no", "№"));
    write_secrets(folder.path(), &template, &content);
    let difference = client.pallet(&["lift", "--dry-run", "-vvv"], 0);
    let json = client.pallet(&["plan", "--output", "json"], 0);
    let changed = client.pallet(&["lift", "-vvv"], 0);
    let failed = client.pallet(&["lift", "--phase", "fail", "-vvv"], 1);
    let resumed = client.pallet(&["resume", "--again", "--output", "json"], 1);
    let settings = client.pallet(&["config"], 0);

    let seen = snooper.stop();
    assert!(seen.shells > 20, "the snooper saw {} shells", seen.shells);
    assert!(seen.leaks.is_empty(), "{:#?}", seen.leaks);
    // Both sides have been watched, and what has to be there was.
    let (here, there) = (client.arguments(), on_node.stop());
    assert!(here.contains("\"cat private/template\"") && here.contains("\"age\""), "{here}");
    let is_complete = ["\"sudo\", \"-k\", \"-S\"", "\"sleep\", \"0.71234\"", "\"chpasswd\""];
    assert!(is_complete.iter().all(|call| there.contains(call)), "{there}");
    for (side, arguments) in [("this machine", &here), ("the node", &there)] {
        for call in arguments.lines() {
            assert_eq!(traces(call), Vec::<&str>::new(), "{side} shows secrets: {call}");
        }
    }

    for (what, output) in [
        ("the plan", &planned),
        ("the log", &done),
        ("the report", &again),
        ("the difference", &difference),
        ("the plan for programs", &json),
        ("the log of changes", &changed),
        ("the failure", &failed),
        ("the report of what was resumed", &resumed),
        ("the list of settings", &settings),
    ] {
        check_output(what, output);
    }
    let report = String::from_utf8(again.stdout).unwrap();
    assert!(report.contains("the token is (secret)"), "{report}");
    let log = String::from_utf8(done.stderr).unwrap();
    for span in ["run{", "node{", "phase{", "action{", "exchange:"] {
        assert!(log.contains(span), "{span} is not in the log:\n{log}");
    }
    fs::remove_dir_all(folder.path().join("private")).unwrap();
    // The plan and the journals among them.
    assert!(folder.path().join("the.plan").exists());
    assert!(fs::read_dir(folder.path().join("home/state/pallet/runs")).unwrap().count() > 3);
    check_files(folder.path());

    let on_node = |script: &str| {
        let text = node.run(&["sh", "-c", script]).unwrap();
        text.trim_end().to_owned()
    };
    // One line end at the end of a secret's file is left out.
    assert_eq!(on_node("cat /etc/app.secret; echo ."), format!("{}.", content.trim_end()));
    assert_eq!(on_node("cat /etc/app.conf"), format!("token = {template}"));
    assert_eq!(on_node("stat -c %a /etc/app.secret /etc/app.conf"), "600\n600");
    let kept = on_node("cat $(find /var/lib/pallet /var/log /tmp /root -type f) </dev/null");
    assert_eq!(traces(&kept), Vec::<&str>::new(), "what the node keeps shows secrets:\n{kept}");
}
