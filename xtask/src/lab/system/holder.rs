//! The first process of a set of namespaces: who holds it holds everything inside.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};

use super::tool::Tool;

/// The first process of a pid namespace, as the machine sees it. When it ends, the kernel ends
/// every other process of the namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Holder {
    pid: u32,
    /// Start time in clock ticks since boot: tells a process from a later one with the same id.
    started: u64,
}

impl Holder {
    /// The process `pid`, if it runs.
    pub(crate) fn of(pid: u32) -> Option<Self> {
        let stat = Stat::read(pid)?;
        Some(Self { pid, started: stat.started })
    }

    /// The child of `parent`, if it has one.
    pub(crate) fn child_of(parent: u32) -> Option<Self> {
        processes()
            .filter_map(|pid| Some((pid, Stat::read(pid)?)))
            .find(|(_, stat)| stat.parent == parent)
            .and_then(|(pid, _)| Self::of(pid))
    }

    /// Its process id on the machine.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Whether it still runs. A zombie does not.
    pub(crate) fn is_alive(&self) -> bool {
        Stat::read(self.pid).is_some_and(|stat| stat.started == self.started && !stat.ended)
    }

    /// Ends it, and with it everything in its pid namespace, and waits until it is gone.
    pub(crate) fn end(&self) -> anyhow::Result<()> {
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.is_alive() {
            if Instant::now() > deadline {
                bail!(
                    "process {} does not end although it was killed; `cat /proc/{}/stack` shows where it hangs",
                    self.pid,
                    self.pid
                );
            }
            // Fails only when the process just ended.
            Tool::new("kill").args(["-KILL", &self.pid.to_string()]).succeeds();
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Writes it to a file.
    pub(crate) fn save(&self, path: &Path) -> anyhow::Result<()> {
        fs::write(path, serde_json::to_vec(self)?)
            .with_context(|| format!("could not write {}", path.display()))
    }

    /// Reads it from a file; `None` if there is none or it no longer runs.
    pub(crate) fn running(path: &Path) -> Option<Self> {
        let holder: Self = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
        holder.is_alive().then_some(holder)
    }
}

/// The ids of all processes.
pub(crate) fn processes() -> impl Iterator<Item = u32> {
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

/// The command line of a process, for messages.
pub(crate) fn command_line(pid: u32) -> String {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes).replace('\0', " ");
    text.chars().take(120).collect::<String>().trim().to_owned()
}

/// What `/proc/PID/stat` says, as far as the lab needs it.
struct Stat {
    parent: u32,
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
            parent: fields.get(1)?.parse().ok()?,
            started: fields.get(19)?.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_survives_odd_process_names() {
        let stat = Stat::parse(
            "42 (a) b (c) S 7 42 42 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 123456 2 3 4\n",
        )
        .unwrap();
        assert_eq!((stat.parent, stat.started, stat.ended), (7, 123_456, false));
        assert!(Stat::parse("42 (x) Z 1 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 9").unwrap().ended);
    }

    #[test]
    fn a_process_is_told_from_a_later_one_with_its_id() {
        let me = Holder::of(std::process::id()).unwrap();
        assert!(me.is_alive());
        let earlier = Holder { pid: me.pid, started: me.started - 1 };
        assert!(!earlier.is_alive());
    }
}
