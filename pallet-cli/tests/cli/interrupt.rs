//! Signals while nodes are worked on.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{Folder, Ran};

#[track_caller]
fn check(signal: &str) {
    let folder = Folder::with_local_node("{ exec-script = \"touch @/begun; sleep 20\" }");
    let mut command = folder.command(&["converge"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let begun = Instant::now();
    while !folder.path("begun").exists() {
        assert!(begun.elapsed() < Duration::from_secs(30), "the script was not begun");
        std::thread::sleep(Duration::from_millis(10));
    }
    let sent_at = Instant::now();
    let sent = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    let ran = Ran::from(child.wait_with_output().unwrap()).code(3);
    assert!(sent_at.elapsed() < Duration::from_secs(15), "the script was waited for");
    ran.says(&["error: interrupted in the middle of:", "web-1  configure  exec-script touch"]);
}

#[test]
fn ctrl_c() {
    check("-INT");
}

#[test]
fn a_request_to_terminate() {
    check("-TERM");
}
