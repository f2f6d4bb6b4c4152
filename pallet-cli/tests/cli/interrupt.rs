//! Signals while nodes are worked on.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{Folder, Ran};

/// `pallet converge` on a script that takes a while and another one after it; signals are sent
/// when the first is begun.
fn interrupted(signals: &[&str]) -> (Folder, Ran, Duration) {
    let folder = Folder::with_local_node(
        "\n{ exec-script = \"touch @/begun; sleep 2; echo finished >> @/log\" },\n\
         { exec-script = \"echo more >> @/log\" },\n",
    );
    let mut command = folder.command(&["converge"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let begun = Instant::now();
    while !folder.path("begun").exists() {
        assert!(begun.elapsed() < Duration::from_secs(30), "the script was not begun");
        std::thread::sleep(Duration::from_millis(10));
    }
    let sent_at = Instant::now();
    for &signal in signals {
        let sent = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
        assert!(sent.success());
        std::thread::sleep(Duration::from_millis(300));
    }
    let ran = Ran::from(child.wait_with_output().unwrap());
    (folder, ran, sent_at.elapsed())
}

#[test]
fn the_first_signal_finishes_what_runs_and_the_run_can_be_resumed() {
    for signal in ["-INT", "-TERM"] {
        let (folder, ran, _) = interrupted(&[signal]);
        let ran = ran.code(3).says(&[
            "stopping, since it was interrupted; this is finished first:",
            "web-1  configure  exec-script touch",
            "not everything was done; `pallet resume` does the rest",
        ]);
        ran.prints(&["1 node · 1 changed · 0 unchanged · 0 failed · 1 skipped"]);
        assert_eq!(folder.read("log"), "finished\n");

        let resumed = folder.pallet(&["resume"]).code(0);
        assert_eq!(folder.read("log"), "finished\nmore\n");
        resumed.prints(&["1 node · 2 changed (1 before it was resumed) · 0 unchanged · 0 failed"]);
        folder.pallet(&["resume"]).code(2).says(&["nothing to resume", "came to a good end"]);
    }
}

#[test]
fn the_second_signal_ends_at_once() {
    let (folder, ran, took) = interrupted(&["-INT", "-INT"]);
    ran.code(3);
    assert!(took < Duration::from_secs(2), "{took:?}");
    // What was begun is finished, since nobody can stop it; what comes after it is not begun.
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(folder.read("log"), "finished\n");
    folder.pallet(&["resume"]).code(0);
    assert_eq!(folder.read("log"), "finished\nmore\n");
}

#[test]
fn what_was_killed_is_resumed_and_done_once() {
    let (folder, ran, _) = interrupted(&["-KILL"]);
    assert_eq!(ran.code, -1);
    // The script goes on on its node, and the node is its run's until then.
    let resumed = folder.pallet(&["resume"]).code(0);
    assert_eq!(folder.read("log"), "finished\nmore\n", "{resumed:#?}");
}
