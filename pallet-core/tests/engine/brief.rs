//! Actions that only take moments, and are told of together.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use pallet_core::action::{
    Action, ActionError, Change, Decision, Fragment, Key, Mode, ProbeSet, View,
};
use pallet_core::event::{Event, Events};
use pallet_core::shell::quote;
use pallet_core::spec::Phase;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::script::Run;
use crate::{path, run, run_told, statuses, this_machine};

/// Writes a file beside another, runs a script, and puts the file in the other's place.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
struct Replace {
    path: String,
    content: Vec<u8>,
    script: String,
}

impl Replace {
    fn new(path: String, content: impl Into<Vec<u8>>, script: &str) -> Self {
        Self { path, content: content.into(), script: script.to_owned() }
    }
}

impl Action for Replace {
    const NAME: &'static str = "replace";
    const SUMMARY: &'static str = "Replaces a file.";
    const EXAMPLE: &'static str = "{ replace = { path = \"/x\", content = [], script = \"\" } }";

    fn subject(&self) -> String {
        self.script.clone()
    }

    fn probe(&self, _view: &View<'_>, _wanted: &mut ProbeSet) {}

    fn decide(&self, _view: &View<'_>) -> Result<Decision, ActionError> {
        let mut fragment = Fragment::new();
        let new = fragment.temporary_beside(&self.path);
        let content = fragment.payload(self.content.as_slice());
        fragment.line(&format!("{content} > {new}\n{}", self.script));
        fragment.last(&format!("mv -fT -- {new} {}", quote(&self.path))).brief();
        Ok(Decision::Change(Change::new(fragment, [Key::path(&self.path)])))
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn contents_arrive_as_they_are_whether_in_the_code_or_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let contents: [&[u8]; 11] = [
        b"",
        b"it's $HOME `x` \\ \"y\"\n",
        b"no end of line",
        b"ends\n\n\n",
        b"\n'\n''\n",
        "\u{e4}\u{2192}\u{1f980}\n".as_bytes(),
        b"\0\x01\x02\x7f\r\n",
        b"\xff\xfe not UTF-8",
        b"\x1e pallet",
        &[b'x'; 65_536],
        &[b'x'; 65_537],
    ];
    let mut phase = Phase::new();
    for (number, content) in contents.iter().enumerate() {
        let file = path(folder.path(), &format!("it's {number}"));
        phase = phase.action(Replace::new(file, *content, ":"));
    }
    let report = run(&mut this_machine().await, &phase, Mode::Apply).await;
    assert_eq!(statuses(&report), ["changed"; 11], "{:?}", report.failure);
    for (number, content) in contents.iter().enumerate() {
        let found = fs::read(folder.path().join(format!("it's {number}"))).unwrap();
        assert_eq!(found, *content, "{number}");
    }
    assert_eq!(names(folder.path()).len(), contents.len());
}

#[tokio::test]
async fn each_is_told_of_in_order_and_what_fails_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| path(folder.path(), name);
    let phase = Phase::new()
        .action(Replace::new(file("a"), "A", "echo from a"))
        .action(Replace::new(file("b"), "B", "cd /; umask 0; answer=42"))
        .action(Run::new("[ -z \"$answer\" ] && [ \"$(umask)\" = 0022 ] && echo from run"))
        .action(Replace::new(file("c"), "C", "echo why >&2; exit 3"))
        .action(Replace::new(file("d"), "D", ":"));
    let (events, mut heard) = Events::channel();
    let report = run_told(&mut this_machine().await, &phase, Mode::Apply, &events).await;
    drop(events);

    assert_eq!(statuses(&report), ["changed", "changed", "changed", "failed", "skipped"]);
    let outputs: Vec<_> = report.actions.iter().map(|action| action.output.as_str()).collect();
    assert_eq!(outputs[0], "from a");
    assert_eq!(outputs[2].trim_end(), "from run");
    let failure = report.failure.unwrap();
    assert_eq!(failure.message, "it ended with exit status 3");
    assert_eq!(failure.output, "why");
    assert_eq!(names(folder.path()), ["a", "b"], "the new file of c is gone");

    let mut begun = Vec::new();
    while let Some(event) = heard.recv().await {
        match event {
            Event::ActionStarted { subject, .. } => begun.push(subject),
            Event::ActionFinished { report, .. } => {
                assert_eq!(begun.last(), Some(&report.subject), "one after the other");
            }
            _ => {}
        }
    }
    assert_eq!(begun.len(), 4);
}

#[tokio::test]
async fn how_long_each_takes_is_known_though_it_is_told_late() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| path(folder.path(), name);
    let phase = Phase::new()
        .action(Replace::new(file("a"), "A", "sleep 0.3"))
        .action(Replace::new(file("b"), "B", ":"));
    let begun = Instant::now();
    let report = run(&mut this_machine().await, &phase, Mode::Apply).await;
    let [first, second] = report.actions.as_slice() else { panic!("{report:?}") };
    assert!(first.duration >= Duration::from_millis(300), "{:?}", first.duration);
    assert!(first.duration + second.duration < begun.elapsed());
    assert!(first.begun <= second.begun);
}

#[tokio::test]
async fn what_is_ended_with_the_whole_program_leaves_nothing_either() {
    let folder = tempfile::tempdir().unwrap();
    // Ends the shell that runs the program, as whoever cleans up a machine may do.
    let script = "read -r _ _ _ parent _ </proc/$BASHPID/stat; kill -s TERM $parent; exit 1";
    let phase = Phase::new().action(Replace::new(path(folder.path(), "a"), "A", script));
    let report = run(&mut this_machine().await, &phase, Mode::Apply).await;
    assert!(report.failure.is_some());
    assert_eq!(names(folder.path()), [""; 0]);
}
