//! Running the workspace's own commands.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use anyhow::{Context as _, bail, ensure};

/// The workspace's folder.
///
/// Cargo tells it to the programs it runs. A program that runs without cargo uses the folder that it was compiled in, which
/// can be another clone's if clones share a target folder.
pub fn workspace() -> &'static Path {
    static WORKSPACE: LazyLock<PathBuf> = LazyLock::new(|| {
        let package = std::env::var_os("CARGO_MANIFEST_DIR");
        let package = package.map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
        let root = package.ancestors().find(|folder| folder.join("Cargo.lock").exists());
        root.unwrap_or(Path::new(".")).to_path_buf()
    });
    &WORKSPACE
}

/// `cargo` with arguments, in the workspace.
pub fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(workspace());
    command
}

/// Runs a command, and fails if it fails.
pub fn check(command: &mut Command) -> anyhow::Result<()> {
    let status = command.status().with_context(|| format!("could not run {command:?}"))?;
    ensure!(status.success(), "{command:?} failed: {status}");
    Ok(())
}

/// Runs one of the measuring programs that stand beside a package, so that this crate needs not be
/// built with it; optimised, and with the lab.
pub fn measure(package: &str, program: &str, arguments: &[&str]) -> anyhow::Result<()> {
    let bench = ["bench", "--quiet", "--features", "lab-tests", "--package", package, "--bench"];
    check(cargo(&bench).arg(program).arg("--").args(arguments))
}

/// Runs a command, prints its standard output as it comes, and returns it with the exit code.
pub fn echo(command: &mut Command) -> anyhow::Result<(String, i32)> {
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("could not run {command:?}"))?;
    let Some(stdout) = child.stdout.take() else { bail!("{command:?} has no output") };
    let mut text = String::new();
    for line in BufReader::new(stdout).lines() {
        let line = line?;
        println!("  {line}");
        text.push_str(&line);
        text.push('\n');
    }
    let status = child.wait()?;
    Ok((text, status.code().unwrap_or(128)))
}
