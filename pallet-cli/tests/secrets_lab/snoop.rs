//! Looking at what everybody may see of processes.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use xtask::lab::ClaimedNode;

use crate::{SCRIPT, TRACES};

/// How strace is told to write down each program that is started, with all of its arguments, every
/// byte of a text in hexadecimal.
pub const TRACING: [&str; 7] = ["-f", "-qq", "-xx", "-s", "1000000", "-e", "trace=execve,execveat"];

/// The arguments of all programs that a file of strace tells of.
pub fn arguments(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    let mut bytes = Vec::new();
    let mut pieces = text.split("\\x");
    bytes.extend(pieces.next().unwrap_or_default().as_bytes());
    for piece in pieces {
        let (digits, rest) = piece.split_at(2);
        bytes.push(u8::from_str_radix(digits, 16).unwrap());
        bytes.extend(rest.as_bytes());
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Writes down every program that sshd of a node starts, and that those start.
pub struct NodeTrace {
    strace: Child,
    file: PathBuf,
}

impl NodeTrace {
    pub fn start(node: &ClaimedNode, file: PathBuf) -> Self {
        let mut strace = Command::new("strace")
            .args(TRACING.iter().filter(|option| **option != "-qq"))
            .arg("-o")
            .arg(&file)
            .args(["-p", &sshd(node).to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        let mut stderr = BufReader::new(strace.stderr.take().unwrap());
        while !said.contains("attached") {
            assert!(stderr.read_line(&mut said).unwrap() > 0, "strace does not attach: {said}");
        }
        // It must not wait for somebody to read what else it says.
        thread::spawn(move || stderr.lines().for_each(drop));
        Self { strace, file }
    }

    pub fn stop(mut self) -> String {
        self.end();
        arguments(&self.file)
    }

    /// Lets go of the node's processes, which would end with a strace that is killed.
    fn end(&mut self) {
        if self.strace.try_wait().unwrap().is_none() {
            let pid = self.strace.id().to_string();
            assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
            self.strace.wait().unwrap();
        }
    }
}

impl Drop for NodeTrace {
    fn drop(&mut self) {
        self.end();
    }
}

/// The process of a node's sshd, as this machine calls it.
fn sshd(node: &ClaimedNode) -> u32 {
    let script = "readlink /proc/self/ns/pid; cat /run/sshd.pid";
    let told = node.run(&["sh", "-c", script]).unwrap();
    let (namespace, pid) = told.trim().split_once('\n').unwrap();
    let is_meant = |process: &Path| {
        let link = fs::read_link(process.join("ns/pid")).ok()?;
        let status = fs::read_to_string(process.join("status")).ok()?;
        let line = status.lines().find(|line| line.starts_with("NSpid:"))?;
        (link.to_str()? == namespace && line.split_whitespace().next_back()? == pid).then_some(())
    };
    let processes = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    let mut meant = processes.filter(|process| is_meant(process).is_some());
    let process = meant.next().expect("the node's sshd runs");
    process.file_name().unwrap().to_str().unwrap().parse().unwrap()
}

/// Looks at the environments of all shells of this machine, and so of its nodes, again and again.
pub struct Snooper {
    stop: Arc<AtomicBool>,
    seen: JoinHandle<Seen>,
}

#[derive(Default)]
pub struct Seen {
    pub leaks: BTreeSet<String>,
    /// Shells on nodes that were looked at.
    pub shells: usize,
}

impl Snooper {
    pub fn start() -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let seen = thread::spawn(move || {
            let mut seen = Seen::default();
            while !stopped.load(Ordering::Relaxed) {
                seen.pass();
            }
            seen
        });
        Self { stop, seen }
    }

    pub fn stop(self) -> Seen {
        self.stop.store(true, Ordering::Relaxed);
        self.seen.join().unwrap()
    }
}

impl Seen {
    fn pass(&mut self) {
        let own = fs::read_link("/proc/self/ns/pid").unwrap();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let process = entry.path();
            let text = |name: &str| {
                let bytes = fs::read(process.join(name)).unwrap_or_default();
                String::from_utf8_lossy(&bytes).replace('\0', " ")
            };
            let name = text("comm");
            if !["sh", "bash", "dash", "sudo"].contains(&name.trim()) {
                continue;
            }
            let is_on_node =
                fs::read_link(process.join("ns/pid")).is_ok_and(|namespace| namespace != own);
            let environment = text("environ");
            // The variable that a secret is given in is there for whatever this side starts.
            let hidden = environment.replace(&format!("SCRIPT_TOKEN={SCRIPT}"), "");
            let shown = if is_on_node { environment } else { hidden };
            self.shells += usize::from(is_on_node);
            let found = TRACES.iter().filter(|trace| shown.contains(**trace));
            let of = text("cmdline");
            self.leaks.extend(found.map(|trace| format!("`{trace}` in the environment of `{of}`")));
        }
    }
}
