//! `cargo xtask bench cli`.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use crate::process::{cargo, check, workspace};

/// `pallet --version`.
const START: Duration = Duration::from_millis(10);

/// Compiling a role of 52 steps for a thousand nodes that do not run yet.
const COMPILE: Duration = Duration::from_secs(1);
const NODES: u32 = 1_000;

/// The live view of a hundred nodes: so much of a core.
const VIEW: f64 = 0.05;

/// How long the view is watched.
const WATCHED: u32 = 10;

/// Measures the release build: its size, how long it takes to start and to compile many nodes, and
/// what the live view costs. Needs root, for a service that makes nodes without connecting.
pub(super) fn run() -> anyhow::Result<()> {
    let build = ["build", "--release", "--package", "pallet-cli"];
    check(&mut cargo(&build))?;
    check(cargo(&build).args(["--example", "live-view"]))?;
    let release = target()?.join("release");
    let pallet = release.join("pallet");
    let size = fs::metadata(&pallet)?.len();
    println!("size of pallet             {:>8.1} MiB", size as f64 / f64::from(1 << 20));

    let start = start_up(&pallet)?;
    println!("pallet --version           {start:>10.1?}  (bar {START:?})");
    let compiled = compile(&pallet)?;
    println!("plan of {NODES} nodes        {compiled:>10.1?}  (bar {COMPILE:?})");
    let view = view(&release.join("examples/live-view"))?;
    println!("live view of 100 nodes     {:>9.1} %  (bar {} %)", view * 100.0, VIEW * 100.0);

    ensure!(start < START, "it starts in {start:?}, the bar is {START:?}");
    ensure!(compiled < COMPILE, "a plan takes {compiled:?}, the bar is {COMPILE:?}");
    ensure!(view < VIEW, "the view takes {view:.3} of a core, the bar is {VIEW}");
    Ok(())
}

/// The folder that is built in.
pub(crate) fn target() -> anyhow::Result<std::path::PathBuf> {
    let output = cargo(&["metadata", "--no-deps", "--format-version=1"]).output()?;
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let folder = metadata["target_directory"].as_str().context("cargo names no target folder")?;
    Ok(folder.into())
}

/// How long `--version` takes; the median of many runs.
pub(crate) fn start_up(pallet: &Path) -> anyhow::Result<Duration> {
    median(41, || {
        let output = Command::new(pallet).arg("--version").output()?;
        ensure!(output.status.success(), "--version failed");
        Ok(())
    })
}

/// How long a plan of many nodes takes that do not exist yet: nothing is connected to.
fn compile(pallet: &Path) -> anyhow::Result<Duration> {
    let role = fs::read_to_string(workspace().join("examples/role/pallet.toml"))?;
    let (_, role) = role.split_once("[environment]").context("the role has an environment")?;
    let folder = tempfile::tempdir()?;
    for part in ["files", "templates"] {
        let from = workspace().join("examples/role").join(part);
        check(Command::new("cp").arg("-r").arg(from).arg(folder.path()))?;
    }
    let service = "[service.nodes]\nprovider = \"sandbox\"\n[environment]";
    let document = format!("{service}{role}\ncount = {NODES}\n");
    fs::write(folder.path().join("pallet.toml"), document)?;
    median(5, || {
        let output = Command::new(pallet)
            .args(["plan", "--output", "json"])
            .current_dir(folder.path())
            .env("PALLET_HOME", folder.path().join("home"))
            .stdin(Stdio::null())
            .output()?;
        let told = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "the plan failed: {told}");
        let length = output.stdout.len();
        ensure!(length > 1_000_000, "the plan of so many nodes is longer than {length} bytes");
        Ok(())
    })
}

/// Which part of a core the view takes, beyond what the same events take without it.
fn view(program: &Path) -> anyhow::Result<f64> {
    let watched = cost(program, "")?;
    let unwatched = cost(program, "quiet")?;
    Ok((watched - unwatched).max(0.0) / f64::from(WATCHED))
}

/// Seconds of a processor that the view takes on a terminal.
fn cost(program: &Path, how: &str) -> anyhow::Result<f64> {
    let folder = tempfile::tempdir()?;
    let times = folder.path().join("times");
    let script = format!(
        "stty rows 40 cols 120; TIMEFORMAT='%U %S'; {{ time '{}' 100 {WATCHED} {how} 2>/dev/tty; }} 2>'{}'",
        program.display(),
        times.display()
    );
    let mut on_terminal = Command::new("script");
    on_terminal.args([
        "-qec",
        &format!("bash -c \"{}\"", script.replace('"', "\\\"")),
        "/dev/null",
    ]);
    let output = on_terminal.env("TERM", "xterm").stdin(Stdio::null()).output()?;
    ensure!(output.status.success(), "the view failed");
    let is_drawn = String::from_utf8_lossy(&output.stdout).contains("?2026");
    ensure!(is_drawn == how.is_empty(), "the view was not drawn, or drawn for nobody");
    let times = fs::read_to_string(times)?;
    let seconds: Result<Vec<f64>, _> = times.split_whitespace().map(str::parse).collect();
    Ok(seconds?.into_iter().sum())
}

fn median(runs: usize, run: impl Fn() -> anyhow::Result<()>) -> anyhow::Result<Duration> {
    let mut times = Vec::new();
    for _ in 0..runs {
        let begun = Instant::now();
        run()?;
        times.push(begun.elapsed());
    }
    times.sort();
    times.get(runs / 2).copied().context("nothing was measured")
}
