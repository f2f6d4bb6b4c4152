//! `cargo xtask demo`: what Pallet is for, played to its end and checked on the way.

mod sandbox;
mod virtualbox;

use std::fs;
use std::path::Path;

use anyhow::{Context as _, ensure};

use crate::lab::is_root;
use crate::process::{cargo, check, echo, workspace};

/// Arguments of `cargo xtask demo`.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: Option<What>,
}

/// Where the demo's nodes live.
#[derive(clap::Subcommand, Clone, Copy)]
pub enum What {
    /// Sandboxes on this machine: nothing is downloaded or installed. Needs root, or sudo. This is the default.
    Sandbox,
    /// Machines in the lab's VirtualBox, whose image model has to survive it all. Downloads some 500 MB, once.
    Virtualbox,
}

/// Runs `cargo xtask demo`.
pub fn run(args: &Args) -> anyhow::Result<()> {
    play(args.what.unwrap_or(What::Sandbox))
}

/// Plays one of the demos.
pub fn play(what: What) -> anyhow::Result<()> {
    match what {
        What::Sandbox => sandbox::run(),
        What::Virtualbox => virtualbox::run(),
    }
}

/// Builds the `pallet` command.
fn build() -> anyhow::Result<()> {
    say("building the pallet command");
    check(&mut cargo(&["build", "--package", "pallet-cli"]))
}

/// Copies a folder of `examples/` to where it may be changed.
fn copy_example(name: &str, to: &Path) -> anyhow::Result<()> {
    copy_folder(&workspace().join("examples").join(name), to)
        .with_context(|| format!("could not copy examples/{name} to {}", to.display()))
}

fn copy_folder(from: &Path, to: &Path) -> anyhow::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            fs::create_dir_all(&target)?;
            copy_folder(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}

/// Runs `pallet`, as it was built, in a folder, as root; it has to succeed.
fn pallet(folder: &Path, arguments: &[&str]) -> anyhow::Result<String> {
    let mut command = cargo(&["run", "--quiet", "--package", "pallet-cli", "--manifest-path"]);
    command.arg(workspace().join("Cargo.toml"));
    let mut shown = format!("pallet {}", arguments.join(" "));
    if !is_root()? {
        command.args(["--config", "target.'cfg(unix)'.runner = 'sudo'"]);
        shown.insert_str(0, "sudo ");
    }
    println!("$ {shown}");
    let (report, code) = echo(command.arg("--").args(arguments).current_dir(folder))?;
    ensure!(code == 0, "{shown} ended with exit code {code}");
    Ok(report)
}

fn say(what: &str) {
    println!("\n== {what}");
}
