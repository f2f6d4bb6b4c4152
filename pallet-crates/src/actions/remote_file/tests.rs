//! Decisions, and what their fragments do to real files.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use pallet_core::facts::Facts;
use pallet_core::plan::{Nodes, Values};
use pallet_core::secret::Secret;
use serde_json::json;

use super::super::attributes::Ids;
use super::super::testing::{apply, change, check, entry, outcome, run};
use super::*;
use crate::probes::testing::{Scratch, ask};
use crate::probes::{Digest, EntryKind, FileContent, Sha256};

/// What the engine does before a file is looked at.
fn prepared(file: &RemoteFile, base: &Path) -> Result<RemoteFile, ActionError> {
    let context = Preparation {
        facts: &Facts::default(),
        values: &Values::new(
            Map::from_iter([("node".to_owned(), json!({ "name": "web-1" }))]),
            Nodes::default(),
        ),
        base,
    };
    Ok(file.prepare(&context)?.unwrap_or_else(|| file.clone()))
}

fn with_content(path: &str, content: &str) -> RemoteFile {
    prepared(&RemoteFile::new(path).unwrap().content(content), Path::new("")).unwrap()
}

/// Looks at the real file and decides.
fn decide(file: &RemoteFile, mode: Mode) -> Result<Decision, ActionError> {
    let parent = file.path.parent().unwrap();
    let entries = ask::<Stat>(&[parent, file.path.clone()]);
    let digest = ask::<Sha256>(std::slice::from_ref(&file.path)).remove(0);
    let seen = ask::<FileContent>(std::slice::from_ref(&file.path)).remove(0);
    let found = Found {
        parent: entries[0].as_ref(),
        entry: entries[1].as_ref(),
        digest: digest.as_ref(),
        seen: Some(&seen),
        ids: Ids::default(),
    };
    file.decide_from(&found, mode)
}

#[test]
fn decision_table() {
    let file = with_content("/etc/x/motd", "hello\n");
    let owned = file.clone().owner("app").unwrap().mode("0600").unwrap();
    let absent = RemoteFile::new("/etc/x/motd").unwrap().absent();
    let kind = |kind| Some(entry(kind, 0o644));
    let folder = kind(EntryKind::Directory);
    let here = kind(EntryKind::File);
    let same = Digest::of(b"hello\n");
    let other = Digest::of(b"bye\n");
    let cases = [
        (&file, &folder, &here, Some(&same), "unchanged"),
        (&file, &folder, &here, Some(&other), "content differs"),
        (&file, &folder, &here, None, "content cannot be read, so it is written anew"),
        (&file, &folder, &None, None, "created with mode 0644"),
        (&file, &kind(EntryKind::Link), &None, None, "created with mode 0644"),
        (&owned, &folder, &here, Some(&same), "owner root → app; mode 0644 → 0600"),
        (
            &owned,
            &folder,
            &here,
            Some(&other),
            "content differs; owner root → app; mode 0644 → 0600",
        ),
        (&owned, &folder, &None, None, "created with mode 0600"),
        (
            &file,
            &None,
            &None,
            None,
            "error: /etc/x/motd cannot be written: there is no directory /etc/x",
        ),
        (&file, &here, &None, None, "error: /etc/x/motd cannot be written: its parent is a file"),
        (&file, &folder, &folder, None, "error: /etc/x/motd is a directory, not a file"),
        (&file, &folder, &kind(EntryKind::Link), None, "error: /etc/x/motd is a symbolic link"),
        (&absent, &None, &None, None, "unchanged"),
        (&absent, &None, &here, None, "removed"),
        (&absent, &None, &kind(EntryKind::Link), None, "removed"),
        (&absent, &None, &folder, None, "error: /etc/x/motd is a directory, not a file"),
    ];
    for (file, parent, entry, digest, expected) in cases {
        let found = Found {
            parent: parent.as_ref(),
            entry: entry.as_ref(),
            digest,
            seen: None,
            ids: Ids::default(),
        };
        assert_eq!(outcome(file.decide_from(&found, Mode::Apply)), expected, "{found:?}");
    }
}

#[test]
fn hostile_names_and_contents_arrive_byte_by_byte_and_only_once() {
    let contents =
        ["", "no newline", "$HOME `id` $(id) \"quoted\" 'it''s' \\n\n", "EOF\nEOF\n", "é\r\n\0x"];
    let scratch = Scratch::new();
    for name in Scratch::HOSTILE_NAMES {
        let path = scratch.path(name);
        for content in contents {
            let file = with_content(path.as_str(), content);
            let ran = run(&change(decide(&file, Mode::Apply)).fragment);
            assert_eq!((ran.status, ran.output.as_str()), (0, ""), "{name:?}");
            assert_eq!(fs::read(path.as_str()).unwrap(), content.as_bytes(), "{name:?}");
            assert_eq!(outcome(decide(&file, Mode::Apply)), "unchanged", "{name:?}");
        }
    }
    let left: Vec<_> = fs::read_dir(scratch.path(".").as_str())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with(".pallet"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn what_is_not_given_is_kept_and_drift_is_repaired_without_writing() {
    let scratch = Scratch::new();
    let path = scratch.path("app.conf");
    fs::write(path.as_str(), "old").unwrap();
    fs::set_permissions(path.as_str(), fs::Permissions::from_mode(0o4711)).unwrap();
    let file = with_content(path.as_str(), "new");
    assert_eq!(run(&change(decide(&file, Mode::Apply)).fragment).status, 0);
    let written = fs::metadata(path.as_str()).unwrap();
    assert_eq!((written.mode() & 0o7777, written.len()), (0o4711, 3));

    let file = file.mode("0640").unwrap();
    let repair = change(decide(&file, Mode::Apply));
    assert_eq!(repair.details, ["mode 4711 → 0640"]);
    assert!(repair.fragment.payloads().is_empty());
    assert_eq!(run(&repair.fragment).status, 0);
    let repaired = fs::metadata(path.as_str()).unwrap();
    assert_eq!((repaired.mode() & 0o7777, repaired.ino()), (0o640, written.ino()));
    assert_eq!(outcome(decide(&file, Mode::Apply)), "unchanged");
}

#[test]
fn a_failure_leaves_the_old_file_and_nothing_else() {
    let scratch = Scratch::new();
    let path = scratch.path("app.conf");
    fs::write(path.as_str(), "old").unwrap();
    let file = with_content(path.as_str(), "new").group("no-such-group").unwrap();
    let ran = run(&change(decide(&file, Mode::Apply)).fragment);
    assert_ne!(ran.status, 0);
    assert!(ran.output.contains("no-such-group"), "{}", ran.output);
    assert_eq!(fs::read_to_string(path.as_str()).unwrap(), "old");
    assert_eq!(fs::read_dir(scratch.path(".").as_str()).unwrap().count(), 1);
}

#[test]
fn a_directory_that_has_gone_since_is_a_failure() {
    let scratch = Scratch::new();
    let file = with_content(scratch.path("gone/app.conf").as_str(), "new");
    let parent = entry(EntryKind::Directory, 0o755);
    let found =
        Found { parent: Some(&parent), entry: None, digest: None, seen: None, ids: Ids::default() };
    let ran = run(&change(file.decide_from(&found, Mode::Apply)).fragment);
    assert_ne!(ran.status, 0);
    assert!(ran.output.contains("No such file or directory"), "{}", ran.output);
}

#[test]
fn the_owner_is_kept_and_a_group_that_the_directory_hands_down_is_not_taken() {
    let scratch = Scratch::new();
    let folder = scratch.path("folder");
    fs::create_dir(folder.as_str()).unwrap();
    let path = scratch.path("folder/app.conf");
    fs::write(path.as_str(), "old").unwrap();
    // Only root can give files away; anybody else keeps what is theirs.
    let own = fs::metadata(path.as_str()).unwrap();
    let (uid, gid) = if own.uid() == 0 { (1, 2) } else { (own.uid(), own.gid()) };
    std::os::unix::fs::chown(path.as_str(), Some(uid), Some(gid)).unwrap();
    if own.uid() == 0 {
        std::os::unix::fs::chown(folder.as_str(), None, Some(3)).unwrap();
    }
    fs::set_permissions(folder.as_str(), fs::Permissions::from_mode(0o2755)).unwrap();
    let file = with_content(path.as_str(), "new");
    assert_eq!(run(&change(decide(&file, Mode::Apply)).fragment).status, 0);
    let written = fs::metadata(path.as_str()).unwrap();
    assert_eq!((written.uid(), written.gid(), written.len()), (uid, gid, 3));
}

#[test]
fn predictions_are_what_is_seen_afterwards() {
    let scratch = Scratch::new();
    let path = scratch.path("app.conf");
    let file = with_content(path.as_str(), "text\n").mode("0600").unwrap();
    let create = change(decide(&file, Mode::Check));
    let predicted = format!("{:?}", create.effects);
    assert_eq!(run(&create.fragment).status, 0);
    let digest = ask::<Sha256>(std::slice::from_ref(&path)).remove(0);
    let seen = ask::<FileContent>(std::slice::from_ref(&path)).remove(0);
    assert!(predicted.contains(&format!("{digest:?}")), "{predicted}");
    assert!(predicted.contains(&format!("{seen:?}")), "{predicted}");

    // What is there already is known whole, owner included.
    let file = with_content(path.as_str(), "other\n").mode("0644").unwrap();
    let replace = change(decide(&file, Mode::Check));
    let predicted = format!("{:?}", replace.effects);
    assert_eq!(run(&replace.fragment).status, 0);
    let entry = ask::<Stat>(std::slice::from_ref(&path)).remove(0);
    assert!(predicted.contains(&format!("{entry:?}")), "{predicted}\n{entry:?}");
}

#[test]
fn removes_files_and_links_but_not_what_links_lead_to() {
    let scratch = Scratch::new();
    let kept = scratch.path("kept");
    fs::write(kept.as_str(), "x").unwrap();
    let link = scratch.path("link");
    symlink(kept.as_str(), link.as_str()).unwrap();
    let absent = RemoteFile::new(link.as_str()).unwrap().absent();
    assert_eq!(run(&change(decide(&absent, Mode::Apply)).fragment).status, 0);
    assert_eq!(outcome(decide(&absent, Mode::Apply)), "unchanged");
    assert!(fs::exists(kept.as_str()).unwrap());
}

#[test]
fn differences_are_shown_in_check_mode_only() {
    let scratch = Scratch::new();
    let path = scratch.path("motd");
    fs::write(path.as_str(), "a\nb\n").unwrap();
    let file = with_content(path.as_str(), "a\nc\n");
    let diff = change(decide(&file, Mode::Check)).diff.unwrap();
    assert!(diff.ends_with(" a\n-b\n+c\n"), "{diff}");
    assert_eq!(change(decide(&file, Mode::Apply)).diff, None);
    fs::write(path.as_str(), "a\0b").unwrap();
    let hidden = change(decide(&file, Mode::Check));
    assert_eq!(hidden.details, ["content differs", "no difference shown: binary"]);
}

#[test]
fn templates_and_local_files_are_relative_to_the_document() {
    let scratch = Scratch::new();
    fs::write(scratch.path("motd.hbs").as_str(), "{{greeting}} from {{node.name}}\n").unwrap();
    fs::write(scratch.path("raw").as_str(), b"\xff\0{{").unwrap();
    let base = scratch.path(".");
    let base = Path::new(base.as_str());
    let new = || RemoteFile::new("/etc/motd").unwrap();

    let file = prepared(&new().template("motd.hbs").value("greeting", "Hi"), base).unwrap();
    assert_eq!(held(&file), b"Hi from web-1\n");
    let file = prepared(&new().local_file("raw"), base).unwrap();
    assert_eq!(held(&file), b"\xff\0{{");

    let error = |file| prepared(&file, base).unwrap_err().to_string();
    let missing = error(new().template("motd.hbs"));
    assert!(missing.contains("motd.hbs:1:") && missing.contains("`greeting`"), "{missing}");
    assert!(error(new().template("raw")).contains("is not UTF-8"));
    assert!(error(new().local_file("gone")).contains("cannot read"));
}

#[test]
fn parameters_that_do_not_fit_together() {
    let new = || RemoteFile::new("/etc/motd").unwrap();
    let cases = [
        (new(), "the file has no content"),
        (new().content("x").template("y"), "a file has one source, not content and template"),
        (new().content("x").value("a", 1), "`values` are for templates"),
        (
            new().content("x").absent(),
            "a file that shall be absent has no content, owner, group or mode",
        ),
        (RemoteFile::new("/").unwrap().content("x"), "/ is a directory, not a file"),
    ];
    for (file, expected) in cases {
        assert_eq!(prepared(&file, Path::new("")).unwrap_err().to_string(), expected);
    }
}

/// What a prepared file shall hold.
fn held(file: &RemoteFile) -> &[u8] {
    match &file.loaded {
        Some(Loaded::Bytes(bytes)) => bytes,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_long_file_is_written_without_being_read_into_memory() {
    let scratch = Scratch::new();
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|at| (at * 7 / 3) as u8).collect();
    let source = scratch.path("source");
    fs::write(source.as_str(), &bytes).unwrap();
    let target = scratch.path("target");
    let file = RemoteFile::new(target.as_str()).unwrap().local_file(source.as_str());
    let file = file.mode("0600").unwrap();
    assert_eq!(apply(&file), "created with mode 0600");
    assert!(fs::read(target.as_str()).unwrap() == bytes);
    assert_eq!(apply(&file), "unchanged");
    assert!(check(&file.mode("0644").unwrap()).contains("mode 0600"));
}

#[test]
fn a_secret_is_written_and_not_shown() {
    let scratch = Scratch::new();
    let path = scratch.path("token");
    fs::write(path.as_str(), "token = yesterday's\n").unwrap();
    let file = RemoteFile::new(path.as_str()).unwrap().content(Secret::new("token = tomorrow's\n"));
    let templated = scratch.path("token.hbs");
    fs::write(templated.as_str(), "token = {{ token }}\n").unwrap();
    let hidden = Secret::new("of-next-week");
    let template = RemoteFile::new(path.as_str()).unwrap().template(templated.as_str());
    let template = template.value("token", hidden.reveal().unwrap());
    for (file, expected) in [(file, "token = tomorrow's\n"), (template, "token = of-next-week\n")] {
        let file = prepared(&file, Path::new("")).unwrap();
        let Decision::Change(shown) = decide(&file, Mode::Check).unwrap() else { panic!() };
        assert_eq!(shown.diff, None);
        let written = serde_json::to_string(&file).unwrap();
        assert!(!written.contains("tomorrow"), "{written}");
        run(&change(decide(&file, Mode::Apply)).fragment);
        assert_eq!(fs::read_to_string(path.as_str()).unwrap(), expected);
        assert_eq!(fs::metadata(path.as_str()).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let readable = RemoteFile::new(path.as_str()).unwrap().content(Secret::new("more secrets"));
    let readable = prepared(&readable.mode("0640").unwrap(), Path::new("")).unwrap();
    run(&change(decide(&readable, Mode::Apply)).fragment);
    assert_eq!(fs::metadata(path.as_str()).unwrap().permissions().mode() & 0o777, 0o640);
}
