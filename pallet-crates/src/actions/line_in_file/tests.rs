//! What is edited, and that several edits of one file go together.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use pallet_core::spec::Phase;

use super::super::testing::{apply, check, engine, entry, outcome};
use super::*;
use crate::probes::EntryKind;
use crate::probes::testing::Scratch;

fn line(line: &str) -> LineInFile {
    LineInFile::new("/etc/x", line).unwrap()
}

#[test]
fn edit_table() {
    let set = line("a = 9").matching(r"^a\s*=").unwrap();
    let none = LineInFile::none_matching("/etc/x", "^#").unwrap();
    let cases = [
        (line("b"), "a\nb\n", "a\nb\n"),
        (line("b"), "a\n", "a\nb\n"),
        (line("b"), "a", "a\nb\n"),
        (line("b"), "", "b\n"),
        (line("b"), "b\nb\n", "b\nb\n"),
        (line("b").after("^[ac]").unwrap(), "a\nc\nd\n", "a\nc\nb\nd\n"),
        (line("b").after("^x").unwrap(), "a\n", "a\nb\n"),
        (line("b").before("^[ac]").unwrap(), "d\na\nc\n", "d\nb\na\nc\n"),
        (line("b").before("^x").unwrap().after("^d").unwrap(), "d\na\n", "d\nb\na\n"),
        (set.clone(), "a=1\nb\n", "a = 9\nb\n"),
        (set.clone(), "# a = 1\nb\n", "# a = 1\nb\na = 9\n"),
        (set.clone(), "a=1\nb\na=2\na = 9\n", "a = 9\nb\n"),
        (set.clone(), "b\na = 9\n", "b\na = 9\n"),
        (set.clone().absent(), "a=1\nb\na = 9\n", "b\n"),
        (line("b").absent(), "a\nb\nb\nbb\n", "a\nbb\n"),
        (none, "#a\nb\n #c\n", "b\n #c\n"),
        // The line need not fit the pattern.
        (line("new").matching("^old").unwrap(), "old 1\nx\nnew\n", "new\nx\n"),
        (line("new").matching("^old").unwrap(), "x\nnew\n", "x\nnew\n"),
    ];
    for (action, before, after) in cases {
        let mut lines = Lines::of(before.as_bytes());
        action.edit(&mut lines);
        assert_eq!(String::from_utf8(lines.text()).unwrap(), after, "{action:?} {before:?}");
        let edited = lines.clone();
        action.edit(&mut lines);
        assert_eq!(lines, edited, "{action:?}: a second time changes nothing");
    }
}

#[test]
fn decision_table() {
    let file = Some(entry(EntryKind::File, 0o600));
    let link = Some(entry(EntryKind::Link, 0o777));
    let folder = Some(entry(EntryKind::Directory, 0o755));
    let add = line("b");
    let create = line("b").create();
    let absent = line("b").absent();
    let text = Seen::Text(b"b\n".to_vec());
    let cases = [
        (&add, &None, &file, &text, "unchanged"),
        (&absent, &None, &file, &text, "line removed"),
        (&absent, &None, &None, &Seen::Nothing, "unchanged"),
        (&add, &None, &None, &Seen::Nothing, "error: there is no file /etc/x"),
        (&create, &folder, &None, &Seen::Nothing, "created with the line"),
        (
            &create,
            &None,
            &None,
            &Seen::Nothing,
            "error: /etc/x cannot be written: there is no directory /etc",
        ),
        (&add, &None, &link, &Seen::Nothing, "error: /etc/x is a symbolic link"),
        (&add, &None, &folder, &Seen::Nothing, "error: /etc/x is a directory, not a file"),
        (&add, &None, &file, &Seen::Nothing, "error: /etc/x cannot be read"),
        (&add, &None, &file, &Seen::Binary, "error: /etc/x is no text: it contains NUL bytes"),
    ];
    for (action, parent, entry, seen, expected) in cases {
        let (parent, entry) = (parent.as_ref(), entry.as_ref());
        let found = Found { parent, entry, seen, ids: Ids::default() };
        assert_eq!(outcome(action.decide_from(&found, Mode::Apply)), expected, "{action:?}");
    }
}

#[test]
fn several_lines_of_one_file() {
    let scratch = Scratch::new();
    let path = scratch.path("a b.conf");
    fs::write(path.as_str(), "# seeded\na = 1\nb = 1").unwrap();
    fs::set_permissions(path.as_str(), fs::Permissions::from_mode(0o640)).unwrap();
    let set = |key: &str| {
        let new = LineInFile::new(path.as_str(), format!("{key} = 2")).unwrap();
        new.matching(&format!(r"^{key}\s*=")).unwrap()
    };
    let phase =
        || ["a", "b", "c", "d"].iter().fold(Phase::new(), |phase, key| phase.action(set(key)));
    let expected = ["line replaced", "line replaced", "line added", "line added"];
    assert_eq!(engine(Mode::Check, phase()), expected);
    assert_eq!(engine(Mode::Apply, phase()), expected);
    assert_eq!(engine(Mode::Apply, phase()), ["unchanged"; 4]);
    let written = fs::read_to_string(path.as_str()).unwrap();
    assert_eq!(written, "# seeded\na = 2\nb = 2\nc = 2\nd = 2\n");
    assert_eq!(fs::metadata(path.as_str()).unwrap().permissions().mode() & 0o777, 0o640);
}

#[test]
fn created_files_and_removed_lines() {
    let scratch = Scratch::new();
    let path = scratch.path("new");
    let new = LineInFile { mode: Some("0600".parse().unwrap()), ..line("it's $HOME") }.create();
    let new = LineInFile { path: path.clone(), ..new };
    assert_eq!(check(&new), "created with the line");
    assert_eq!(apply(&new), "created with the line");
    assert_eq!(apply(&new), "unchanged");
    assert_eq!(fs::read_to_string(path.as_str()).unwrap(), "it's $HOME\n");
    assert_eq!(fs::metadata(path.as_str()).unwrap().permissions().mode() & 0o777, 0o600);
    let none = LineInFile::none_matching(path.as_str(), "HOME$").unwrap();
    assert_eq!((apply(&none).as_str(), apply(&none).as_str()), ("line removed", "unchanged"));
    assert_eq!(fs::read_to_string(path.as_str()).unwrap(), "");
}
