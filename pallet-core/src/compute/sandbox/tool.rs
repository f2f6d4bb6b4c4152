//! Calling the machine's own programs, and telling why one failed.

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::compute::ComputeError;

/// The folders that administrators' programs are in, whatever the caller's PATH says.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A program of this machine, to be called without a terminal and without our environment.
pub(super) fn program(name: &str) -> Command {
    let mut command = Command::new(name);
    command.env_clear().env("PATH", PATH).env("LC_ALL", "C").current_dir("/");
    command
}

/// Runs a program to its end, with `input` on its standard input.
pub(super) fn run<I>(name: &str, arguments: I, input: &str) -> Result<(), ComputeError>
where
    I: IntoIterator,
    I::Item: AsRef<OsStr>,
{
    let said = attempt(name, arguments, input).map_err(|error| failed(name, &error))?;
    match said {
        None => Ok(()),
        Some(words) => Err(ComputeError::failed(format!("`{name}` failed: {words}"))),
    }
}

/// Runs a program to its end; what it said if it failed.
pub(super) fn attempt<I>(name: &str, arguments: I, input: &str) -> std::io::Result<Option<String>>
where
    I: IntoIterator,
    I::Item: AsRef<OsStr>,
{
    let mut child = program(name)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that fails early need not read all of it.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output()?;
    if output.status.success() {
        return Ok(None);
    }
    let words = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Ok(Some(if words.is_empty() { output.status.to_string() } else { words }))
}

/// Whether a program is there.
pub(super) fn is_there(name: &str) -> bool {
    PATH.split(':').any(|folder| Path::new(folder).join(name).is_file())
}

/// An input or output error as the service's.
pub(super) fn failed(what: impl std::fmt::Display, error: &std::io::Error) -> ComputeError {
    ComputeError::failed(format!("{what}: {error}"))
}
