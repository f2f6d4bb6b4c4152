//! The example of an action of one's own, run as anybody would run it.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::process::Command;

#[test]
fn it_says_what_it_will_do_does_it_and_is_content() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("app.ini");
    std::fs::write(&file, "[server]\nhost = old\n\n[other]\nport = 1\n").unwrap();
    let output = Command::new(env!("CARGO"))
        .args([
            "run",
            "--quiet",
            "--offline",
            "-p",
            "pallet-crates",
            "--example",
            "own_action",
            "--",
        ])
        .arg(&file)
        .output()
        .unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{told}\n{}", String::from_utf8_lossy(&output.stderr));
    let written = std::fs::read_to_string(&file).unwrap();
    assert_eq!(
        written,
        "[server]\nhost = ::1\n\nport = 8080\n[other]\nport = 1\n[log]\nlevel = info\n"
    );
    let count = |word: &str| told.lines().filter(|line| line.contains(word)).count();
    assert_eq!((count("WillChange"), count("Changed"), count("Unchanged")), (3, 3, 6), "{told}");
}
