//! `cargo xtask test`: everything that has to hold before a change lands.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, ensure};

use crate::demo;
use crate::process::{cargo, check};

/// Arguments of `cargo xtask test`.
#[derive(clap::Args)]
pub struct Args {
    /// Only the checks and tests that need neither root nor the lab.
    #[arg(long)]
    no_lab: bool,
}

/// Runs `cargo xtask test`.
pub fn run(args: Args) -> anyhow::Result<()> {
    step("lock file", || {
        check(cargo(&["metadata", "--locked", "--format-version=1"]).stdout(Stdio::null()))
    })?;
    step("formatting", || check(&mut cargo(&["fmt", "--all", "--check"])))?;
    step("layers", layers)?;
    step("generated code", || {
        check(Command::new(std::env::current_exe()?).args(["codegen", "--check"]))
    })?;
    step("generated pages", || {
        check(Command::new(std::env::current_exe()?).args(["docs", "--check"]))
    })?;
    step("lints", || {
        let clippy =
            ["clippy", "--workspace", "--all-targets", "--all-features", "--", "-Dwarnings"];
        check(&mut cargo(&clippy))
    })?;
    step("documentation", || {
        let doc = ["doc", "--workspace", "--no-deps", "--all-features"];
        check(cargo(&doc).env("RUSTDOCFLAGS", "-Dwarnings"))
    })?;
    if args.no_lab {
        return step("tests without the lab", || check(&mut cargo(&["test", "--workspace"])));
    }
    step("the lab", || {
        check(Command::new(std::env::current_exe()?).args([
            "lab",
            "up",
            "--vbox",
            "--guest",
            "--nodes",
            "12",
            "--systemd",
            "3",
            "--cluster",
            "--incus",
            "--trixie",
            "1",
        ]))
    })?;
    step("a browser", browser)?;
    step("tests", || check(&mut cargo(&["test", "--workspace", "--all-features"])))?;
    step("the demo of sandboxes", || demo::play(demo::What::Sandbox))?;
    step("the demo of VirtualBox", || demo::play(demo::What::Virtualbox))
}

/// Pages are tested in a real one: installed where it is missing.
fn browser() -> anyhow::Result<()> {
    let programs = ["/usr/bin/chromium", "/usr/bin/chromedriver"];
    if programs.iter().all(|program| Path::new(program).exists()) {
        return Ok(());
    }
    let packages = ["chromium", "chromium-driver", "fonts-dejavu-core"];
    check(Command::new("apt-get").args(["-q", "update"]))?;
    let install = ["-q", "install", "--yes", "--no-install-recommends"];
    check(Command::new("apt-get").args(install).args(packages))
}

/// The layers of ARCHITECTURE.md, as far as the dependency graph shows it.
fn layers() -> anyhow::Result<()> {
    lacks("vmfest", &["--no-default-features"], &["russh", "pallet-core"])?;
    lacks("vbox-soap", &[], &["vmfest", "pallet-core", "russh"])?;
    lacks("pallet-core", &["--all-features"], &["vbox-soap", "vmfest", "pallet-crates"])?;
    lacks("pallet-incus", &[], &["vbox-soap", "vmfest", "pallet-crates"])?;
    lacks("pallet-crates", &[], &["vmfest", "vbox-soap", "russh"])
}

/// Checks that a crate's dependencies, tests apart, are without some others.
fn lacks(package: &str, features: &[&str], unwanted: &[&str]) -> anyhow::Result<()> {
    let tree =
        ["tree", "--package", package, "--edges", "normal", "--prefix", "none", "--format", "{p}"];
    let output = cargo(&tree).args(features).output().context("could not run cargo tree")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let listing = String::from_utf8(output.stdout)?;
    let names: Vec<&str> = listing.lines().filter_map(|line| line.split(' ').next()).collect();
    ensure!(names.contains(&package), "cargo tree did not list {package}");
    for name in unwanted {
        ensure!(!names.contains(name), "{package} must not depend on {name}");
    }
    Ok(())
}

fn step(name: &str, work: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<()> {
    println!("\n=== {name}");
    let started = Instant::now();
    work().with_context(|| format!("{name}: failed"))?;
    println!("=== {name}: ok, {} s", started.elapsed().as_secs());
    Ok(())
}
