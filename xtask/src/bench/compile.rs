//! `cargo xtask bench compile`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use crate::codegen::generate_newest;
use crate::process::{cargo, check, workspace};

/// A clean `cargo build -p vbox-soap` with all versions, on 2 cores.
const CLEAN: Duration = Duration::from_secs(30);

/// `cargo check -p vbox-soap` after one generated file was touched.
const TOUCHED: Duration = Duration::from_secs(3);

/// Measures clean and incremental compile times of vbox-soap, and how both grow with the number of
/// API versions. The bars are for all versions.
pub(super) fn run() -> anyhow::Result<()> {
    let copy = Copy::new()?;
    println!(
        "{:>8}  {:>11}  {:>13}  {:>13}",
        "versions", "clean build", "of it user", "touch, check"
    );
    for count in [1, 4, usize::MAX] {
        let versions = generate_newest(count, &copy.generated())?;
        let (clean, user) = copy.clean_build()?;
        let touched = copy.touch_and_check()?;
        println!(
            "{versions:>8}  {:>9.1} s  {:>11.1} s  {:>11.1} s",
            seconds(clean),
            seconds(user),
            seconds(touched)
        );
        if count == usize::MAX {
            ensure!(clean < CLEAN, "a clean build takes {clean:.1?}, the bar is {CLEAN:?}");
            ensure!(touched < TOUCHED, "a re-check takes {touched:.1?}, the bar is {TOUCHED:?}");
        }
    }
    Ok(())
}

fn seconds(duration: Duration) -> f64 {
    duration.as_secs_f64()
}

/// The workspace again, in a folder of its own, with a target folder of its own.
struct Copy {
    folder: PathBuf,
}

impl Copy {
    fn new() -> anyhow::Result<Self> {
        let folder =
            std::env::temp_dir().join(format!("pallet-bench-compile-{}", std::process::id()));
        fs::create_dir(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let copy = Self { folder };
        let prefix = format!("--prefix={}/", copy.folder.display());
        check(
            Command::new("git").args(["checkout-index", "--all", &prefix]).current_dir(workspace()),
        )?;
        Ok(copy)
    }

    fn generated(&self) -> PathBuf {
        self.folder.join("vbox-soap/src/generated")
    }

    fn cargo(&self, verb: &str) -> Command {
        let mut command = cargo(&[verb, "--quiet", "--offline", "--package", "vbox-soap"]);
        command.current_dir(&self.folder).env("CARGO_TARGET_DIR", self.folder.join("target"));
        command
    }

    /// Builds with nothing there; wall time, and the compilers' CPU time in user mode.
    fn clean_build(&self) -> anyhow::Result<(Duration, Duration)> {
        remove(&self.folder.join("target"))?;
        let (started, before) = (Instant::now(), children_user_time()?);
        check(&mut self.cargo("build"))?;
        Ok((started.elapsed(), children_user_time()?.saturating_sub(before)))
    }

    /// Checks once for nothing, changes one generated file, and checks again.
    fn touch_and_check(&self) -> anyhow::Result<Duration> {
        check(&mut self.cargo("check"))?;
        let file = self.generated().join("machine.rs");
        let text = fs::read_to_string(&file)?;
        fs::write(&file, format!("{text}\n// Touched.\n"))?;
        let started = Instant::now();
        check(&mut self.cargo("check"))?;
        Ok(started.elapsed())
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        if let Err(error) = remove(&self.folder) {
            eprintln!("{error:#}");
        }
    }
}

fn remove(folder: &Path) -> anyhow::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}

/// The CPU time in user mode of all processes that were started and have ended: field 16 of
/// /proc/self/stat, in hundredths of a second; see proc(5).
fn children_user_time() -> anyhow::Result<Duration> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks = after_name.split_whitespace().nth(13).context("/proc/self/stat is too short")?;
    Ok(Duration::from_millis(ticks.parse::<u64>()? * 10))
}
