//! Programs in private namespaces, with a folder of their own as root.
//!
//! All mounts are made in a private mount namespace and all processes live in a private pid
//! namespace. When its first process ends, the kernel ends the others and drops the mounts: this
//! is what lets `lab down` leave nothing behind, whatever VirtualBox started meanwhile.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use super::holder::Holder;
use super::tool::{Tool, open_log, tail_of_file};

/// Shell functions that furnish a root.
pub(crate) const ROOT_FUNCTIONS: &str = include_str!("root.sh");
const ENTER: &str = include_str!("enter.sh");

/// The environment of everything that runs in one of the lab's roots.
pub(crate) const CLEAN_ENVIRONMENT: [&str; 8] = [
    "-i",
    "HOME=/root",
    "USER=root",
    "LOGNAME=root",
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG=C.UTF-8",
    "TERM=dumb",
    "DEBIAN_FRONTEND=noninteractive",
];

/// A folder to be used as root, and what it shares with the machine.
pub(crate) struct Root<'a> {
    /// The folder.
    pub folder: &'a Path,
    /// Folders that have the same absolute path inside as outside.
    pub shared: Vec<PathBuf>,
    /// Environment variables inside, `KEY=value`, besides the clean environment.
    pub environment: Vec<String>,
}

impl Root<'_> {
    fn arguments(&self, script: &str) -> Vec<String> {
        let mut arguments = vec![
            "sh".to_owned(),
            "-c".to_owned(),
            format!("{ROOT_FUNCTIONS}\n{ENTER}"),
            "enter".to_owned(),
            self.folder.display().to_string(),
        ];
        arguments.extend(self.shared.iter().map(|path| path.display().to_string()));
        arguments.extend(["--".to_owned(), "env".to_owned()]);
        arguments.extend(CLEAN_ENVIRONMENT.map(str::to_owned));
        arguments.extend(self.environment.iter().cloned());
        arguments.extend(["sh".to_owned(), "-euc".to_owned(), script.to_owned()]);
        arguments
    }

    /// Runs a shell script as root inside, to its end.
    pub(crate) fn run(&self, script: &str, log: &Path) -> anyhow::Result<()> {
        in_private_namespaces().args(self.arguments(script)).log(log).run().map(drop)
    }

    /// Starts a shell script as the first process of namespaces of its own and lets it run.
    pub(crate) fn start(&self, script: &str, log: &Path) -> anyhow::Result<Holder> {
        start_namespaces(&["--mount", "--pid", "--ipc"], &[], &self.arguments(script), log)
    }
}

/// A tool, still to be told its command, that runs the command in mount and pid namespaces of its
/// own. Everything in them ends with this program, even if that is killed.
pub(crate) fn in_private_namespaces() -> Tool {
    Tool::new("setpriv").args(["--pdeathsig", "KILL", "unshare"]).args([
        "--mount",
        "--pid",
        "--mount-proc",
        "--fork",
        "--kill-child",
    ])
}

/// Starts `arguments` as the first process of the new namespaces `kinds` (which include
/// `--pid`), apart from this terminal, in the given control groups, with its output in `log`.
pub(crate) fn start_namespaces(
    kinds: &[&str],
    control_groups: &[PathBuf],
    arguments: &[String],
    log: &Path,
) -> anyhow::Result<Holder> {
    let output = open_log(log)?;
    // A process enters control groups before a namespace is made that shows only those.
    let enter = r#"while [ "$1" != -- ]; do echo 0 >"$1/cgroup.procs"; shift; done
        shift; exec setsid unshare "$@""#;
    let mut unshare = std::process::Command::new("sh")
        .args(["-euc", enter])
        .arg("enter")
        .args(control_groups)
        .arg("--")
        .args(kinds)
        .args(["--fork", "--kill-child"])
        .args(arguments)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .spawn()
        .context("could not start `setsid unshare` (package util-linux)")?;
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        if let Some(holder) = Holder::child_of(unshare.id()) {
            // The child has to be reaped when it ends while this program still runs.
            std::thread::spawn(move || unshare.wait());
            return Ok(holder);
        }
        if let Some(status) = unshare.try_wait()? {
            bail!(
                "new namespaces could not be made (`unshare` ended with {status}). The last lines of {}:\n{}",
                log.display(),
                tail_of_file(log)
            );
        }
        if Instant::now() > deadline {
            // Nothing runs in it yet, so nothing is lost by giving up on it.
            unshare.kill().ok();
            unshare.wait().ok();
            bail!("`unshare` did not start a process within 10 s; is the machine overloaded?");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}
