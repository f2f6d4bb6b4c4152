//! Trees and archives that arrive on the machine of the tests.

use std::fs;
use std::os::unix::fs::symlink;

use super::super::testing::{apply, check};
use super::*;
use crate::probes::testing::Scratch;

#[test]
fn a_tree_arrives_and_is_repaired() {
    let scratch = Scratch::new();
    let local = scratch.path("local");
    fs::create_dir_all(format!("{local}/a b/empty")).unwrap();
    fs::write(format!("{local}/a b/it's"), "one\n").unwrap();
    fs::write(format!("{local}/run"), "#!/bin/sh\n").unwrap();
    fs::set_permissions(format!("{local}/run"), fs::Permissions::from_mode(0o700)).unwrap();
    fs::write(format!("{local}/void"), "").unwrap();
    let path = scratch.path("remote");
    let tree = RemoteDirectory::new(path.as_str(), local.as_str()).unwrap();
    let expected = "directory: created with mode 0755; a b: created with mode 0755; \
        a b/empty: created with mode 0755; a b/it's: created with mode 0644; \
        run: created with mode 0755; void: created with mode 0644";
    assert_eq!((check(&tree).as_str(), apply(&tree).as_str()), (expected, expected));
    assert_eq!((check(&tree).as_str(), apply(&tree).as_str()), ("unchanged", "unchanged"));
    assert_eq!(fs::read_to_string(format!("{path}/a b/it's")).unwrap(), "one\n");

    fs::write(format!("{path}/a b/it's"), "two\n").unwrap();
    fs::write(format!("{path}/other"), "stays").unwrap();
    fs::set_permissions(format!("{path}/a b"), fs::Permissions::from_mode(0o700)).unwrap();
    let repaired = "a b: mode 0700 → 0755; a b/it's: content differs";
    assert_eq!((check(&tree).as_str(), apply(&tree).as_str()), (repaired, repaired));
    assert_eq!(apply(&tree), "unchanged");
    assert!(fs::exists(format!("{path}/other")).unwrap());

    fs::remove_file(format!("{path}/run")).unwrap();
    fs::create_dir(format!("{path}/run")).unwrap();
    assert!(apply(&tree).contains("run is a directory, not a file"));
}

#[test]
#[should_panic(expected = "is neither a file nor a directory")]
fn links_are_refused() {
    let scratch = Scratch::new();
    let local = scratch.path("local");
    fs::create_dir(local.as_str()).unwrap();
    symlink("/etc/passwd", format!("{local}/link")).unwrap();
    apply(&RemoteDirectory::new("/tmp/x", local.as_str()).unwrap());
}

#[test]
fn what_else_is_there_is_removed_only_if_nothing_else_shall_be() {
    let scratch = Scratch::new();
    let local = scratch.path("local");
    fs::create_dir_all(format!("{local}/kept")).unwrap();
    fs::write(format!("{local}/kept/file"), "one\n").unwrap();
    let path = scratch.path("remote");
    let tree = RemoteDirectory::new(path.as_str(), local.as_str()).unwrap();
    apply(&tree);
    fs::create_dir_all(format!("{path}/other/below")).unwrap();
    fs::write(format!("{path}/kept/new\nline"), "").unwrap();
    assert_eq!(apply(&tree), "unchanged");
    let exact = tree.exact();
    let expected = "kept/new\nline: removed; other: removed";
    assert_eq!((check(&exact).as_str(), apply(&exact).as_str()), (expected, expected));
    assert_eq!(apply(&exact), "unchanged");
    assert!(fs::exists(format!("{path}/kept/file")).unwrap());
    assert!(!fs::exists(format!("{path}/other")).unwrap());
}

/// An archive of one file, `top/file`.
fn pack(archive: &str, folder: &str, content: &str) {
    fs::create_dir_all(format!("{folder}/top")).unwrap();
    fs::write(format!("{folder}/top/file"), content).unwrap();
    let words = ["-czf", archive, "-C", folder, "top"];
    assert!(std::process::Command::new("tar").args(words).status().unwrap().success());
}

#[test]
fn archives_are_unpacked_once_and_again_when_they_are_others() {
    let scratch = Scratch::new();
    let (archive, folder) = (scratch.path("it's.tar.gz"), scratch.path("folder"));
    pack(archive.as_str(), folder.as_str(), "one");
    let path = scratch.path("remote");
    let read = |name: &str| fs::read_to_string(format!("{path}/{name}")).unwrap();
    let whole = RemoteDirectory::archive(path.as_str(), archive.as_str()).unwrap();
    assert_eq!((check(&whole).as_str(), apply(&whole).as_str()), ("unpacked", "unpacked"));
    assert_eq!((check(&whole).as_str(), apply(&whole).as_str()), ("unchanged", "unchanged"));
    assert_eq!(read("top/file"), "one");
    pack(archive.as_str(), folder.as_str(), "two");
    assert_eq!(apply(&whole), "another archive unpacked");
    assert_eq!((apply(&whole).as_str(), read("top/file").as_str()), ("unchanged", "two"));

    let stripped = whole.strip_components(1);
    assert_eq!(apply(&stripped), "another archive unpacked");
    assert_eq!((read("file").as_str(), read("top/file").as_str()), ("two", "two"));
    let exact = stripped.exact();
    assert_eq!(
        (apply(&exact).as_str(), apply(&exact).as_str()),
        ("another archive unpacked", "unchanged")
    );
    assert!(!fs::exists(format!("{path}/top")).unwrap());
    let left = fs::read_dir(scratch.path(".").as_str()).unwrap().count();
    assert_eq!(left, 3, "the archive, its folder, and the directory");

    let private = exact.mode("0600").unwrap();
    assert_eq!(apply(&private), "2 in it with another mode");
    assert_eq!(apply(&private), "unchanged");
}

#[test]
fn archives_that_the_node_fetches() {
    let scratch = Scratch::new();
    let (archive, folder) = (scratch.path("a.tar.gz"), scratch.path("folder"));
    pack(archive.as_str(), folder.as_str(), "one");
    let digest = Digest::of(&fs::read(archive.as_str()).unwrap()).to_string();
    let path = scratch.path("remote");
    let url = format!("file://{archive}");
    let wrong = RemoteDirectory::url(path.as_str(), &url, &"0".repeat(64)).unwrap();
    let failed = apply(&wrong);
    assert!(failed.contains("has the digest"), "{failed}");
    assert!(!fs::exists(path.as_str()).unwrap());
    let right = RemoteDirectory::url(path.as_str(), url, &digest).unwrap();
    assert_eq!((apply(&right).as_str(), apply(&right).as_str()), ("unpacked", "unchanged"));
}
