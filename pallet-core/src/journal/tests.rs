//! Journals: written, torn, resumed.

use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use super::*;
use crate::report::Status;
use crate::spec::Origin;

fn changed(subject: &str) -> ActionReport {
    ActionReport {
        action: "file".to_owned(),
        subject: subject.to_owned(),
        origin: Origin::caller(),
        status: Status::Changed,
        details: vec!["created".to_owned()],
        diff: None,
        ground: None,
        output: String::new(),
        begun: None,
        duration: Default::default(),
        earlier: false,
    }
}

#[test]
fn a_run_that_broke_off_is_found_and_resumed_once() {
    let folder = tempfile::tempdir().unwrap();
    let journals = Journals::new(folder.path().join("state/runs"));
    let none = journals.broken("p").unwrap_err();
    assert!(matches!(none, JournalError::NothingToResume { run: None }), "{none}");

    let control = Control::new();
    let journal = journals.begin(&control, "p", json!({"verb": "lift"})).unwrap();
    let mode = std::fs::metadata(journal.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    journal.begun("web-1", "configure", "a", ("file", "/a"), &Origin::caller());
    journal.done("web-1", "configure", "a", &changed("/a"));
    journal.failed("web-1", "configure", "b", "no space");
    let running = journals.resume(&control.run, "me").unwrap_err();
    assert!(matches!(running, JournalError::Running { .. }), "{running}");

    // The process is killed in the middle of a line.
    let path = journal.path().to_owned();
    drop(journal);
    let mut text = std::fs::read_to_string(&path).unwrap();
    text.push_str("{\"line\":\"begun\",\"node\":\"web");
    std::fs::write(&path, text).unwrap();

    assert_eq!(journals.broken("other").unwrap_err().to_string(), "there is nothing to resume");
    assert_eq!(journals.broken("p").unwrap(), control.run);
    let resumed = journals.resume(&control.run, "me").unwrap();
    let before = resumed.before().unwrap();
    assert_eq!(before.heading.command, json!({"verb": "lift"}));
    assert_eq!(before.changes().count(), 1);
    assert_eq!(before.ending(), Ending::None);
    let rebuilt = before.report();
    let node = rebuilt.nodes.first().unwrap();
    let phase = node.phases.first().unwrap();
    assert_eq!((node.node.as_str(), phase.phase.as_str()), ("web-1", "configure"));
    assert_eq!(phase.actions.first().unwrap().status, Status::Changed);
    assert_eq!(resumed.report("web-1", "a").unwrap().subject, "/a");
    let mut deeds = Deeds::parse("begun a\nsent b\nsent c\n", "");
    resumed.complete("web-1", &mut deeds);
    let state = |id| deeds.get(id).unwrap().state;
    use crate::engine::DeedState::*;
    assert_eq!((state("a"), state("b"), state("c")), (Done, Failed, Begun));

    let ended = Report { created: vec!["web-2".to_owned()], ..Report::begin() };
    resumed.end(&ended);
    assert!(journals.goes_on(&control.run));
    drop(resumed);
    assert!(!journals.goes_on(&control.run));
    let story = journals.read(&control.run).unwrap();
    assert_eq!(story.ending(), Ending::Good);
    assert_eq!(story.report().created, ["web-2"]);
    let over = journals.resume(&control.run, "me").unwrap_err();
    assert_eq!(
        over.to_string(),
        format!("there is nothing to resume: run {} came to a good end", control.run)
    );
}

#[test]
fn a_run_that_could_not_begin_leaves_no_journal() {
    let folder = tempfile::tempdir().unwrap();
    let journals = Journals::new(folder.path());
    journals.begin(&Control::new(), "p", json!(null)).unwrap().discard();
    assert!(journals.runs().unwrap().is_empty());
    let control = Control::new();
    drop(journals.begin(&control, "p", json!(null)).unwrap());
    journals.resume(&control.run, "me").unwrap().discard();
    assert_eq!(journals.runs().unwrap(), [control.run]);
}

#[test]
fn a_journal_of_another_format_is_refused_with_both() {
    let folder = tempfile::tempdir().unwrap();
    let journals = Journals::new(folder.path());
    let run = RunId::new();
    std::fs::write(journals.path(&run), "{\"line\":\"run\",\"format\":2,\"new\":1}\n").unwrap();
    let error = journals.read(&run).unwrap_err().to_string();
    assert!(error.ends_with("it has format 2, and this program writes format 1"), "{error}");
    std::fs::write(journals.path(&run), "garbage\n").unwrap();
    assert!(journals.read(&run).unwrap_err().to_string().ends_with("names no run"));
}

#[test]
fn only_so_many_journals_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let journals = Journals::new(folder.path());
    for number in 0..105 {
        let name = format!("20200101T000000Z-{number:08x}.journal");
        std::fs::write(folder.path().join(name), "").unwrap();
    }
    journals.begin(&Control::new(), "p", json!(null)).unwrap();
    assert_eq!(journals.runs().unwrap().len(), 101);
    assert!(!folder.path().join("20200101T000000Z-00000004.journal").exists());
    assert!(folder.path().join("20200101T000000Z-00000005.journal").exists());
}
