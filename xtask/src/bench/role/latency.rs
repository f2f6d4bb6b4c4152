//! A long phase over a slow line: it must not cost a round trip per action.

use std::fmt::Write as _;
use std::fs;
use std::time::Duration;

use super::contestant::{Contestant, What};
use super::measure::measure;
use super::project::Project;
use super::targets::Targets;
use crate::lab::State;

const ROUND_TRIP: Duration = Duration::from_millis(200);
const ACTIONS: usize = 100;
const BAR: Duration = Duration::from_secs(3);

/// Applies 100 actions to one host behind a slow line, twice; returns the bars that were missed.
pub(super) fn check(lab: &State, contestants: &[Contestant]) -> anyhow::Result<Vec<String>> {
    let targets = Targets::claim(lab, 1, ROUND_TRIP)?;
    let folder = lab.dir.join(format!("run/bench-latency-{}", std::process::id()));
    let project = Project::write(folder, &targets)?;
    let path = project.path("pallet.toml");
    let text = fs::read_to_string(&path)?;
    let (hosts, _) = text.split_once("[environment]").unwrap_or((&text, ""));
    let mut phase = format!("{hosts}\n[server-spec.role.phases]\nconfigure = [\n");
    for number in 0..ACTIONS {
        writeln!(
            phase,
            "  {{ remote-file = {{ path = '/etc/slow-{number}', content = 'content {number}' }} }},"
        )?;
    }
    phase.push_str("]\n[group-spec.role]\nextends = ['role']\n");
    fs::write(&path, phase)?;

    println!("\n=== {ACTIONS} actions, {} ms round-trip delay", ROUND_TRIP.as_millis());
    let mut missed = Vec::new();
    for contestant in contestants {
        let Contestant::Pallet(_) = contestant else { continue };
        for (what, label) in [(What::Cold, "cold"), (What::Warm, "warm")] {
            let Some(mut command) = contestant.command(&project, what, 1)? else { continue };
            let cost = measure(&mut command, &project.path("log"))?;
            println!("{label:8} pallet   {:9.3} s", cost.wall.as_secs_f64());
            if cost.wall > BAR {
                missed.push(format!(
                    "{ACTIONS} actions at 200 ms, {label}: {:?}, bar {BAR:?}",
                    cost.wall
                ));
            }
        }
    }
    Ok(missed)
}
