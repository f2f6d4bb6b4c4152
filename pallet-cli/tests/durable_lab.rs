//! Runs that break off, on real sshd nodes: the client is killed, or the node's side is, at moments
//! that a fixed seed chooses. No managed file is ever half written, `resume` does the rest, and
//! the report of both parts is that of one run.
//!
//! `PALLET_TEST_ROUNDS` says how often that is tried, and `PALLET_TEST_UPLOAD` how many MiB a long
//! file has; `cargo xtask soak durable` does it often, and with a file that is long.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing
)]

use std::fmt::Write as _;
use std::fs;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use serde_json::Value;
use xtask::lab::{ClaimedNode, NodeKind, State, rack};

/// Steps of the phase that are files.
const FILES: usize = 16;
/// The length of a line of a file, and how many lines it has.
const LINES: usize = 2_000;

/// Numbers that look random and are always the same.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}

/// A number that the environment may make larger.
fn setting(name: &str, default: usize) -> usize {
    std::env::var(name).ok().map_or(default, |text| text.parse().unwrap())
}

/// What file `number` holds: each line tells which it is of, so that halves and mixtures show.
fn content(number: usize) -> String {
    (0..LINES).map(|line| format!("file {number} line {line} of {LINES}\n")).collect()
}

/// Files, after each fourth a script, and handlers of the first file and of a script.
fn project(nodes: &[ClaimedNode]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let listed = nodes.iter().map(|node| node.listed("web"));
    let mut text = rack(listed, &nodes[0].user, &nodes[0].key);
    text += "[group-spec.web.phases]\nconfigure = [\n  { directory = '/srv/it' },\n";
    for number in 0..FILES {
        fs::write(folder.path().join(format!("file-{number}")), content(number)).unwrap();
        writeln!(
            text,
            "  {{ remote-file = {{ path = '/srv/it/{number}', local-file = 'file-{number}' }}, id = 'file-{number}' }},"
        )
        .unwrap();
        if number % 4 == 3 {
            writeln!(
                text,
                "  {{ exec-script = {{ script = 'sleep 0.1; echo script-{number} >> /srv/log', affects = ['/srv/log'] }}, id = 'script-{number}' }},"
            )
            .unwrap();
        }
    }
    text += "  { exec-script = { script = 'echo handler-of-file >> /srv/log', affects = ['/srv/log'] }, when-changed = 'file-0' },\n";
    text += "  { exec-script = { script = 'echo handler-of-script >> /srv/log', affects = ['/srv/log'] }, when-changed = 'script-3' },\n]\n";
    fs::write(folder.path().join("pallet.toml"), text).unwrap();
    folder
}

/// How many actions the phase has, each of which changes a pristine node once.
const ACTIONS: usize = 1 + FILES + FILES / 4 + 2;

fn pallet(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pallet"));
    command.args(arguments).args(["--output", "json"]).current_dir(folder);
    command.env("PALLET_STATE_DIR", folder.join("state"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn report(child: Child) -> (i32, Value) {
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("{error}: {}{stderr}", String::from_utf8_lossy(&output.stdout))
    });
    (output.status.code().unwrap(), report)
}

fn sh(node: &ClaimedNode, script: &str) -> String {
    node.run(&["sh", "-c", script]).unwrap()
}

/// Each managed file is whole or not there, and nothing temporary is left where it would matter.
fn check_files(nodes: &[ClaimedNode], folder: &Path, what: &str) {
    let sums: String = (0..FILES)
        .map(|number| {
            let path = folder.join(format!("file-{number}"));
            let output = Command::new("sha256sum").stdin(fs::File::open(path).unwrap()).output();
            let sum = String::from_utf8(output.unwrap().stdout).unwrap();
            format!("{}  /srv/it/{number}\n", sum.split(' ').next().unwrap())
        })
        .collect();
    for node in nodes {
        let script = format!(
            "cd /; printf '%s' '{sums}' | sha256sum -c --ignore-missing --quiet 2>&1; ls /srv/it 2>/dev/null; true"
        );
        let output = node.run(&["sh", "-c", &script]).unwrap();
        let odd: Vec<&str> = output
            .lines()
            .filter(|line| line.parse::<usize>().is_err() && !line.contains("no file was verified"))
            .collect();
        assert!(odd.is_empty(), "{what}: {}: {odd:?}", node.name);
    }
}

/// Resumes until everything is done; returns the last report, and which nodes had to be told to
/// repeat a script.
fn resume(folder: &Path) -> (Value, bool) {
    let (code, report_of) = report(pallet(folder, &["resume"]).spawn().unwrap());
    if code == 0 {
        return (report_of, false);
    }
    // Only a script of which nobody knows the end may hold it up.
    let text = report_of.to_string();
    assert!(text.contains("whether it came to its end is not known"), "{report_of:#}");
    let (code, report_of) = report(pallet(folder, &["resume", "--again"]).spawn().unwrap());
    assert_eq!(code, 0, "{report_of:#}");
    (report_of, true)
}

/// The report of all parts together tells each change once; the node has each script's line once.
fn check_whole(nodes: &[ClaimedNode], report: &Value, repeated: bool, what: &str) {
    for node in nodes {
        let of_nodes = report["nodes"].as_array().unwrap();
        let found = of_nodes.iter().find(|it| it["node"] == node.name.as_str()).unwrap();
        let phases = found["phases"].as_array().unwrap();
        let actions: Vec<&Value> =
            phases.iter().flat_map(|phase| phase["actions"].as_array().unwrap()).collect();
        assert_eq!(actions.len(), ACTIONS, "{what}: {}", node.name);
        for action in actions {
            let log = || sh(node, "tail -n 80 /var/lib/pallet/run.log");
            assert_eq!(action["status"], "changed", "{what}: {}: {action:#}\n{}", node.name, log());
        }
        let log = sh(node, "sort /srv/log");
        let mut lines: Vec<&str> = log.lines().collect();
        let count = lines.len();
        lines.dedup();
        assert_eq!(lines.len(), FILES / 4 + 2, "{what}: {}: {log}", node.name);
        assert!(count == lines.len() || repeated, "{what}: {}: {log}", node.name);
    }
}

fn forget(nodes: &[ClaimedNode]) {
    for node in nodes {
        sh(node, "rm -rf /srv/it /srv/log");
    }
}

/// The journals of a project's runs.
fn journals(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder.join("state/runs")).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

fn lines(journal: &Path) -> usize {
    fs::read(journal).unwrap().iter().filter(|byte| **byte == b'\n').count()
}

/// Waits until a run that was just started has written so many lines of its journal: then so much
/// has happened, however slow the machine is.
fn wait_for_lines(child: &mut Child, folder: &Path, before: &[PathBuf], wanted: usize) {
    loop {
        let new = journals(folder).into_iter().find(|journal| !before.contains(journal));
        let is_over = child.try_wait().unwrap().is_some();
        if new.map_or(0, |journal| lines(&journal)) >= wanted || is_over {
            return;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Breaks runs off with `kill`, each when so much of it has happened as the dice say.
fn broken_off(seed: u64, count: usize, mut kill: impl FnMut(&mut Child, &[ClaimedNode])) {
    let lab = State::load().unwrap();
    let nodes = lab.claim(NodeKind::Plain, count).unwrap();
    let folder = project(&nodes);
    // What is in the journal of a run that nobody breaks off.
    let (code, whole) = report(pallet(folder.path(), &["lift"]).spawn().unwrap());
    assert_eq!(code, 0, "{whole:#}");
    check_whole(&nodes, &whole, false, "not broken off");
    let all = lines(&journals(folder.path())[0]);
    assert!(all > 2 * count * ACTIONS, "{all} lines");

    let (mut dice, mut broken) = (Dice(seed), 0);
    for round in 0..setting("PALLET_TEST_ROUNDS", 3) {
        forget(&nodes);
        let wanted = usize::try_from(dice.roll(all as u64)).unwrap();
        let what = format!("seed {seed}, round {round}, after {wanted} of {all} lines");
        println!("{what}");
        let before = journals(folder.path());
        let mut child = pallet(folder.path(), &["lift"]).spawn().unwrap();
        wait_for_lines(&mut child, folder.path(), &before, wanted);
        kill(&mut child, &nodes);
        child.wait().unwrap();
        check_files(&nodes, folder.path(), &what);
        // What was killed before it had a name, or was over, has nothing to be resumed.
        let nothing = pallet(folder.path(), &["resume"]).output().unwrap();
        let said = String::from_utf8_lossy(&nothing.stderr);
        if nothing.status.code() == Some(2) && said.contains("nothing to resume") {
            continue;
        }
        broken += 1;
        let (last, repeated) = match nothing.status.code() {
            Some(0) => (serde_json::from_slice(&nothing.stdout).unwrap(), false),
            _ => resume(folder.path()),
        };
        check_files(&nodes, folder.path(), &what);
        check_whole(&nodes, &last, repeated, &what);
    }
    assert!(broken > 0, "no run was broken off");
}

#[test]
fn the_client_is_killed() {
    broken_off(20_261_121, 10, |child, _| child.kill().unwrap());
}

#[test]
fn the_nodes_side_is_killed() {
    // All processes of the session: sshd's, sudo's, the shell's and what it runs.
    let script = "for file in /proc/[0-9]*/cmdline; do \
        if tr '\\0' ' ' <$file 2>/dev/null | grep -q 'sshd: pallet-admin\\|pallet_mark'; then \
        pid=${file#/proc/}; [ ${pid%/*} = $$ ] || kill -9 ${pid%/*}; fi; done; true";
    broken_off(20_261_122, 3, |_, nodes| {
        for node in nodes {
            sh(node, script);
        }
    });
}

#[test]
fn a_node_starts_anew_in_the_middle_of_a_phase() {
    let lab = State::load().unwrap();
    let node = lab.claim(NodeKind::Systemd, 1).unwrap().remove(0);
    let folder = tempfile::tempdir().unwrap();
    let text = format!(
        "[service.rack]\nprovider = \"node-list\"\nnodes = [{{ name = '{}', group = 'web', host = '{}', port = {}, host-key = '{}' }}]\n\
         [admin-user]\nusername = '{}'\nprivate-key-path = '{}'\n\
         [group-spec.web.phases]\nconfigure = [\n\
         {{ exec-script = {{ script = 'cut -d\" \" -f22 /proc/1/stat > /srv/before', creates = '/srv/before' }}, id = 'before' }},\n\
         {{ reboot = {{ when = 'always', timeout = '1m' }}, when-changed = 'before' }},\n\
         {{ exec-script = {{ script = 'cut -d\" \" -f22 /proc/1/stat > /srv/after', creates = '/srv/after' }} }},\n]\n",
        node.name,
        node.address,
        node.port,
        node.host_key,
        node.user,
        node.key.display()
    );
    fs::write(folder.path().join("pallet.toml"), text).unwrap();
    let child = pallet(folder.path(), &["lift"]).spawn().unwrap();
    // The machine that the container runs on starts it once more, as container managers do.
    let begun = Instant::now();
    while node.is_up() {
        assert!(begun.elapsed() < Duration::from_secs(60), "it does not go down");
        std::thread::sleep(Duration::from_millis(50));
    }
    std::thread::sleep(Duration::from_secs(2));
    node.start().unwrap();
    let (code, whole) = report(child);
    assert_eq!(code, 0, "{whole:#}");
    let actions = whole["nodes"][0]["phases"][0]["actions"].as_array().unwrap();
    let statuses: Vec<&str> = actions.iter().map(|it| it["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["changed"; 3]);
    let starts = sh(&node, "cat /srv/before /srv/after");
    let starts: Vec<&str> = starts.lines().collect();
    assert_ne!(starts[0], starts[1], "what comes after it runs on the new start");
    let log = sh(&node, "cut -d' ' -f1 /var/lib/pallet/run.log");
    assert_eq!(log.trim(), "run\nbegun\ndone\nrestart\nrun\ndone\nbegun\ndone");

    let (code, again) = report(pallet(folder.path(), &["lift"]).spawn().unwrap());
    assert_eq!(code, 0, "{again:#}");
    assert!(node.is_up());
    assert_eq!(again["summary"]["changed"], 0);
}

/// The most memory that a process has had so far, in KiB.
fn peak(process: u32) -> Option<usize> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// Passes one connection after the other on to a node, and holds each up once so many bytes have
/// gone there in all.
struct Line {
    port: u16,
    allowed: Arc<AtomicU64>,
    passed: Arc<AtomicU64>,
}

impl Line {
    fn to(node: &ClaimedNode) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let target = (node.address, node.port);
        let (allowed, passed) = (Arc::new(AtomicU64::new(u64::MAX)), Arc::new(AtomicU64::new(0)));
        let line = Self { port, allowed: Arc::clone(&allowed), passed: Arc::clone(&passed) };
        std::thread::spawn(move || {
            for client in listener.incoming().map(Result::unwrap) {
                let server = TcpStream::connect(target).unwrap();
                let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                let (allowed, passed) = (Arc::clone(&allowed), Arc::clone(&passed));
                std::thread::spawn(move || {
                    let mut buffer = vec![0; 16 * 1024];
                    while let Ok(length) = from.read(&mut buffer) {
                        while passed.load(SeqCst) > allowed.load(SeqCst) && is_open(&from) {
                            std::thread::sleep(Duration::from_millis(5));
                        }
                        if length == 0 || to.write_all(&buffer[..length]).is_err() {
                            break;
                        }
                        passed.fetch_add(length as u64, SeqCst);
                    }
                    to.shutdown(Shutdown::Both).ok();
                });
                let (mut from, mut to) = (server, client);
                std::thread::spawn(move || {
                    std::io::copy(&mut from, &mut to).ok();
                    to.shutdown(Shutdown::Both).ok();
                });
            }
        });
        line
    }
}

/// Whether the other side of a connection is still there.
fn is_open(stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    let seen = stream.peek(&mut [0]);
    stream.set_nonblocking(false).unwrap();
    match seen {
        Ok(length) => length > 0,
        Err(error) => error.kind() == ErrorKind::WouldBlock,
    }
}

#[test]
fn a_long_file_goes_on_where_it_was_cut_off_and_is_never_in_memory() {
    let size = setting("PALLET_TEST_UPLOAD", 48) << 20;
    let lab = State::load().unwrap();
    let node = lab.claim(NodeKind::Plain, 1).unwrap().remove(0);
    let line = Line::to(&node);
    let folder = tempfile::tempdir().unwrap();
    let mut dice = Dice(3);
    let block: Vec<u8> = (0..1 << 20).map(|_| dice.roll(256) as u8).collect();
    let source: Vec<u8> = block.iter().copied().cycle().take(size).collect();
    fs::write(folder.path().join("long"), &source).unwrap();
    drop(source);
    let text = format!(
        "[service.rack]\nprovider = \"node-list\"\nnodes = [{{ name = '{}', group = 'web', host = '127.0.0.1', port = {}, host-key = '{}' }}]\n\
         [admin-user]\nusername = '{}'\nprivate-key-path = '{}'\n\
         [group-spec.web.phases]\nconfigure = [{{ remote-file = {{ path = '/srv/long', local-file = 'long' }} }}]\n",
        node.name,
        line.port,
        node.host_key,
        node.user,
        node.key.display()
    );
    fs::write(folder.path().join("pallet.toml"), text).unwrap();

    let there = || {
        let size = sh(&node, "stat -c %s /var/lib/pallet/uploads/*.part 2>/dev/null || echo 0");
        size.trim().parse::<usize>().unwrap()
    };
    line.allowed.store(size as u64 / 2, SeqCst);
    let mut child = pallet(folder.path(), &["lift"]).spawn().unwrap();
    while there() < size / 3 {
        assert!(child.try_wait().unwrap().is_none(), "it cannot have come to its end");
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // What is on its way arrives, and then the session is over.
    let mut cut_at = 0;
    while cut_at != there() {
        cut_at = there();
        std::thread::sleep(Duration::from_millis(300));
    }
    assert!(cut_at >= size / 3 && cut_at < size, "{cut_at} of {size}");
    assert_eq!(sh(&node, "ls /srv").trim(), "");

    let before = line.passed.load(SeqCst);
    line.allowed.store(u64::MAX, SeqCst);
    let child = pallet(folder.path(), &["resume"]).spawn().unwrap();
    let process = child.id();
    let watch = std::thread::spawn(move || {
        let mut most = 0;
        while let Some(peak) = peak(process).filter(|peak| *peak > 0) {
            most = peak;
            std::thread::sleep(Duration::from_millis(20));
        }
        most
    });
    let (code, whole) = report(child);
    assert_eq!(code, 0, "{whole:#}");
    let sent = usize::try_from(line.passed.load(SeqCst) - before).unwrap();
    assert!(sent < (size - cut_at) * 11 / 10 + (1 << 20), "{sent} sent, {} missing", size - cut_at);
    let most = watch.join().unwrap();
    println!(
        "{size} bytes, cut off at {cut_at}: {sent} bytes sent then, at most {most} KiB of memory"
    );
    assert!(most < 64 * 1024, "{most} KiB");
    let sum = |output: String| output.split(' ').next().unwrap().to_owned();
    let there = sum(sh(&node, "sha256sum /srv/long"));
    let file = fs::File::open(folder.path().join("long")).unwrap();
    let here = Command::new("sha256sum").stdin(file).output().unwrap();
    assert_eq!(there, sum(String::from_utf8(here.stdout).unwrap()));
}
