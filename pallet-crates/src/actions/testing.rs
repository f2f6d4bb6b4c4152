//! Runs fragments on the machine that the tests run on, as the engine does on a node.

use std::io::Write;
use std::process::{Command, Stdio};

use pallet_core::action::{ActionError, Certainty, Change, Decision, Fragment};
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
    let program = format!(
        "exec 3<\"$1\"\numask 022\n\
         pallet_payload() {{ head -c \"$1\" <&3; }}\n\
         ( set -e\n{}) </dev/null\nstatus=$?\n\
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
