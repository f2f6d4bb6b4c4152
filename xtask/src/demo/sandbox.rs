//! The first five minutes: three sandboxes are created, configured, left alone, meddled with,
//! repaired and destroyed.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, ensure};

use super::{build, copy_example, pallet, say};
pub(super) fn run() -> anyhow::Result<()> {
    build()?;
    let folder = std::env::temp_dir().join(format!("pallet-demo-{}", std::process::id()));
    fs::create_dir(&folder).with_context(|| format!("could not make {}", folder.display()))?;
    copy_example("sandbox", &folder)?;
    let played = play(&folder);
    // Nobody else knows of these sandboxes.
    let cleared = pallet(&folder, &["destroy", "--all", "--yes"]);
    played.and(cleared)?;
    fs::remove_dir_all(&folder).with_context(|| format!("could not remove {}", folder.display()))
}

fn play(folder: &Path) -> anyhow::Result<()> {
    say("what would be done? nothing is touched yet");
    pallet(folder, &["plan"])?;

    say("three nodes are created and configured");
    let report = pallet(folder, &["converge", "--yes"])?;
    ensure!(report.contains("created: "), "nodes are created");

    say("the same again: nothing is left to change");
    let report = pallet(folder, &["converge", "--yes"])?;
    ensure!(report.contains(" 0 changed"), "the second run must change nothing");

    say("somebody edits a file on web-1");
    pallet(folder, &["run", "web-1", "--", "sh", "-c", "echo oops >/srv/app/public/index.html"])?;

    say("pallet sees it, and repairs that file and nothing else");
    let report = pallet(folder, &["plan"])?;
    ensure!(report.contains("-oops"), "the plan must show the difference");
    let report = pallet(folder, &["converge", "--yes"])?;
    ensure!(report.contains(" 1 changed"), "one file must be repaired");

    say("one web node is enough");
    let report = pallet(folder, &["converge", "web=1", "--yes"])?;
    ensure!(report.contains("destroyed: web-2"), "web-2 must be destroyed");
    pallet(folder, &["nodes"])?;

    say("all of them go, without a trace");
    Ok(())
}
