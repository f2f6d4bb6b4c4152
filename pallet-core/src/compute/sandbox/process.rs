//! The first process of a sandbox: when it ends, the kernel ends all others and drops the mounts.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::tool;
use crate::compute::ComputeError;

/// How long the kernel may take to end a killed process.
const END: Duration = Duration::from_secs(20);
/// How long processes may take to end themselves when they are asked to.
const GENTLE: Duration = Duration::from_secs(5);

/// The command line of what a first process waits for; see boot.sh.
const IDLE: &[u8] = b"sleep\x0086400\0";

/// A first process, as the machine sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Holder {
    pid: u32,
    /// Start time in clock ticks since boot: tells a process from a later one with the same id.
    started: u64,
}

impl Holder {
    /// The process `pid`, if it runs.
    pub fn of(pid: u32) -> Option<Self> {
        Stat::read(pid).map(|stat| Self { pid, started: stat.started })
    }

    /// Its process id on the machine.
    pub fn pid(self) -> u32 {
        self.pid
    }

    /// Whether it still runs. A zombie does not.
    pub fn is_alive(self) -> bool {
        Stat::read(self.pid).is_some_and(|stat| stat.started == self.started && !stat.ended)
    }

    /// Its root folder, seen from outside.
    pub fn root(self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root", self.pid))
    }

    /// Asks all processes of the sandbox to end, and waits until they have, or for some seconds.
    pub(super) fn end_gently(self) -> Result<(), ComputeError> {
        let target = format!("--target={}", self.pid);
        // Says `no such process` where there is none.
        let words = ["--pid", "--mount", "--root", "--wd", "kill", "-TERM", "-1"];
        tool::attempt("nsenter", [target.as_str()].iter().chain(&words), "")
            .map_err(|error| tool::failed("nsenter", &error))?;
        let deadline = Instant::now() + GENTLE;
        while self.is_alive() && self.has_company() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Whether anything runs in its namespace besides itself and what it waits for.
    fn has_company(self) -> bool {
        let space = |pid: u32| fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
        let Some(own) = space(self.pid) else { return false };
        let listing = fs::read_dir("/proc").into_iter().flatten().flatten();
        let mut pids = listing.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        pids.any(|pid: u32| {
            pid != self.pid
                && space(pid).as_ref() == Some(&own)
                && fs::read(format!("/proc/{pid}/cmdline"))
                    // A zombie has no command line.
                    .is_ok_and(|line| !line.is_empty() && line != IDLE)
        })
    }

    /// Ends it, and everything in the sandbox with it, and waits until it is gone.
    pub(super) fn end(self) -> Result<(), ComputeError> {
        let deadline = Instant::now() + END;
        while self.is_alive() {
            if Instant::now() > deadline {
                return Err(ComputeError::failed(format!(
                    "process {} does not end although it was killed",
                    self.pid
                ))
                .help(format!("`cat /proc/{}/stack` shows where it hangs", self.pid)));
            }
            // Fails only when the process has just ended.
            tool::attempt("kill", ["-KILL", &self.pid.to_string()], "")
                .map_err(|error| tool::failed("kill", &error))?;
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }
}

/// What `/proc/PID/stat` says, as far as it matters here.
struct Stat {
    started: u64,
    ended: bool,
}

impl Stat {
    fn read(pid: u32) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// The second field, the name, may contain blanks and parentheses: count from the last one.
    fn parse(text: &str) -> Option<Self> {
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
        Some(Self {
            ended: matches!(*fields.first()?, "Z" | "X"),
            started: fields.get(19)?.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_survives_odd_process_names() {
        let line = "42 (a) b (c) S 7 42 42 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 123456 2 3\n";
        let stat = Stat::parse(line).unwrap();
        assert_eq!((stat.started, stat.ended), (123_456, false));
        assert!(Stat::parse(&line.replace(") S", ") Z")).unwrap().ended);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_process_is_told_from_a_later_one_with_its_id() {
        let own = Holder::of(std::process::id()).unwrap();
        assert!(own.is_alive());
        assert!(!Holder { started: own.started - 1, ..own }.is_alive());
    }
}
