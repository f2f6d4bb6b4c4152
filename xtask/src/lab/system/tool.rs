//! Running other programs, with errors that show what they said.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context as _, bail};

/// How many lines of a log an error shows.
const TAIL_LINES: usize = 20;

/// A program to run to its end.
pub(crate) struct Tool {
    command: Command,
    shown: String,
    log: Option<PathBuf>,
}

impl Tool {
    /// The program `name`, found in PATH, with the system folders added (they are missing from
    /// many users' PATH).
    pub(crate) fn new(name: &str) -> Self {
        let mut command = Command::new(name);
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{path}:/usr/local/sbin:/usr/sbin:/sbin"));
        command.env("LC_ALL", "C.UTF-8");
        command.stdin(Stdio::null());
        Self { command, shown: name.to_owned(), log: None }
    }

    /// Adds one argument.
    pub(crate) fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        let arg = arg.as_ref();
        let text = arg.to_string_lossy();
        // A whole script as an argument would bury the message.
        if text.contains('\n') {
            self.shown.push_str(" <script>");
        } else {
            self.shown.push(' ');
            self.shown.push_str(&text);
        }
        self.command.arg(arg);
        self
    }

    /// Adds arguments.
    pub(crate) fn args<S: AsRef<OsStr>>(self, args: impl IntoIterator<Item = S>) -> Self {
        args.into_iter().fold(self, Self::arg)
    }

    /// Sets an environment variable.
    pub(crate) fn env(mut self, key: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(key, value);
        self
    }

    /// Appends output to this file instead of keeping it in memory: for programs that run long.
    pub(crate) fn log(mut self, path: &Path) -> Self {
        self.log = Some(path.to_owned());
        self
    }

    /// Runs to the end and returns what it wrote to standard output (empty with a log file).
    pub(crate) fn run(mut self) -> anyhow::Result<String> {
        if let Some(log) = &self.log {
            let file = open_log(log)?;
            self.command.stdout(file.try_clone()?).stderr(file);
        }
        let Output { status, stdout, stderr } =
            self.command.output().with_context(|| format!("could not start `{}`", self.shown))?;
        if status.success() {
            return Ok(String::from_utf8_lossy(&stdout).into_owned());
        }
        match &self.log {
            Some(log) => bail!(
                "`{}` ended with {status}. The last lines of {}:\n{}",
                self.shown,
                log.display(),
                tail_of_file(log)
            ),
            None => bail!(
                "`{}` ended with {status}:\n{}",
                self.shown,
                tail(&format!(
                    "{}{}",
                    String::from_utf8_lossy(&stdout),
                    String::from_utf8_lossy(&stderr)
                ))
            ),
        }
    }

    /// Runs to the end and tells only whether it succeeded.
    pub(crate) fn succeeds(mut self) -> bool {
        self.command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    }
}

/// Opens a log file for appending, making its folder.
pub(crate) fn open_log(path: &Path) -> anyhow::Result<File> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)
            .with_context(|| format!("could not make the folder {}", folder.display()))?;
    }
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .with_context(|| format!("could not open the log {}", path.display()))
}

/// The last lines of a log file, indented; says so when there is none.
pub(crate) fn tail_of_file(path: &Path) -> String {
    match fs::read(path) {
        Ok(bytes) => tail(&String::from_utf8_lossy(&bytes)),
        Err(error) => format!("    (not readable: {error})"),
    }
}

fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let first = lines.len().saturating_sub(TAIL_LINES);
    let shown: Vec<String> = lines.iter().skip(first).map(|line| format!("    {line}")).collect();
    if shown.is_empty() { "    (no output)".to_owned() } else { shown.join("\n") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tail_keeps_the_last_lines() {
        let text: String = (1..=50).map(|n| format!("line {n}\n")).collect();
        let tail = tail(&text);
        assert_eq!(tail.lines().count(), TAIL_LINES);
        assert!(tail.starts_with("    line 31"));
        assert!(tail.ends_with("    line 50"));
    }

    #[test]
    fn a_failure_shows_the_command_and_its_output() {
        let error = Tool::new("sh")
            .args(["-c", "echo heard on stderr >&2; exit 7"])
            .run()
            .unwrap_err()
            .to_string();
        assert!(error.contains("exit status: 7"), "{error}");
        assert!(error.contains("heard on stderr"), "{error}");
    }
}
