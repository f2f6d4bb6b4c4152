//! Puts questions to the machine that the tests run on, as the engine does to a node.

use std::process::{Command, Stdio};

use pallet_core::action::ProbeKind;
use tempfile::TempDir;

use crate::values::RemotePath;

/// Runs the script of a kind in a real bash and reads what it printed.
pub(crate) fn ask<K: ProbeKind>(requests: &[K::Request]) -> Vec<K::Answer> {
    // As a file: a script may be longer than an argument can be.
    let script = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(script.path(), K::script(requests)).unwrap();
    let output = Command::new("bash")
        .arg(script.path())
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .output()
        .expect("bash runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{} ended with {}: {errors}", K::NAME, output.status);
    assert_eq!(errors, "", "{} is quiet", K::NAME);
    let answers = K::parse(requests, &output.stdout).expect("the output is understood");
    assert_eq!(answers.len(), requests.len());
    answers
}

/// A folder for one test.
pub(crate) struct Scratch(TempDir);

impl Scratch {
    /// Names that trip careless scripts.
    pub(crate) const HOSTILE_NAMES: [&'static str; 12] = [
        "plain",
        "a b",
        " lead and trail ",
        "new\nline\n",
        "it's \"quoted\"",
        "-n",
        "--help",
        "$HOME `id` $(id)",
        "back\\slash",
        "é ü 漢",
        "*?[a]",
        "~root\t!#",
    ];

    pub(crate) fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> RemotePath {
        format!("{}/{name}", self.0.path().display()).parse().unwrap()
    }
}
