//! `cargo xtask bench role`: a role of 52 steps on real sshd hosts, beside a hand-written script over the same kind of
//! connection.

mod contestant;
mod delay;
mod floor;
mod latency;
mod measure;
mod project;
mod targets;

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, bail};

pub(super) use self::contestant::Contestant;
use self::contestant::What;
pub(super) use self::floor::script;
use self::measure::Cost;
pub(super) use self::measure::measure;
use self::project::Project;
pub(super) use self::project::sha256;
pub(super) use self::targets::STATE;
use self::targets::Targets;
use crate::lab::State;

/// Arguments of `cargo xtask bench role`.
#[derive(clap::Args)]
pub(super) struct Args {
    /// Numbers of hosts.
    #[arg(long, value_delimiter = ',', default_value = "1,10,50,100")]
    hosts: Vec<usize>,
    /// Round-trip delays, in milliseconds.
    #[arg(long, value_delimiter = ',', default_value = "0,20")]
    delay: Vec<u64>,
    /// How often each contestant runs, in turn; the medians count.
    #[arg(long, default_value_t = 5)]
    repeat: usize,
    /// Most hosts that the peer is run on, and it runs once.
    #[arg(long, default_value_t = 10)]
    peer_hosts: usize,
}

/// Warm at 10 hosts, against the floor.
const WARM_BAR: f64 = 1.3;
/// Cold, against the floor.
const COLD_BAR: f64 = 1.2;
/// The peer's warm run at 10 hosts, against ours.
const PEER_BAR: f64 = 20.0;
/// Processor time of this machine per host, where nothing has to change.
const CPU_BAR: Duration = Duration::from_millis(5);
/// Memory at 100 hosts.
const MEMORY_BAR_KB: u64 = 64 * 1024;

type Costs = BTreeMap<(&'static str, &'static str), Vec<Cost>>;

/// Measures, prints, and fails where a bar is missed.
pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let lab = State::load()?;
    let mut contestants = Contestant::ours()?;
    contestants.extend(Contestant::peer());
    let mut missed = Vec::new();
    for &delay in &args.delay {
        for &hosts in &args.hosts {
            let targets = Targets::claim(&lab, hosts, Duration::from_millis(delay))?;
            let folder = lab.dir.join(format!("run/bench-role-{}", std::process::id()));
            let project = Project::write(folder, &targets)?;
            let costs = compare(args, &contestants, &targets, &project)?;
            missed.extend(print(hosts, delay, &costs));
        }
    }
    missed.extend(latency::check(&lab, &contestants)?);
    if !missed.is_empty() {
        bail!("bars missed:\n  {}", missed.join("\n  "));
    }
    println!("\nall bars reached");
    Ok(())
}

/// Runs all contestants in turn, so that a slow moment of the machine hits all alike, and compares
/// the end states.
fn compare(
    args: &Args,
    contestants: &[Contestant],
    targets: &Targets,
    project: &Project,
) -> anyhow::Result<Costs> {
    let mut costs = Costs::new();
    let mut expected = None;
    for round in 0..args.repeat {
        for contestant in contestants {
            let is_peer = *contestant == Contestant::Pyinfra;
            if is_peer && (round > 0 || targets.len() > args.peer_hosts) {
                continue;
            }
            targets.reset()?;
            for (what, label) in
                [(What::Cold, "cold"), (What::Warm, "warm"), (What::Nothing, "nothing")]
            {
                let command = contestant.command(project, what, targets.len().min(64))?;
                let Some(mut command) = command else { continue };
                let cost = measure(&mut command, &project.path("log"))?;
                costs.entry((label, contestant.name())).or_default().push(cost);
                let state = targets.state()?;
                Targets::same(expected.get_or_insert_with(|| state.clone()), &state)
                    .with_context(|| format!("{} after its {label} run", contestant.name()))?;
            }
        }
    }
    Ok(costs)
}

pub(super) fn median<T: Ord + Copy>(values: impl Iterator<Item = T>) -> Option<T> {
    let mut values: Vec<T> = values.collect();
    values.sort_unstable();
    values.get(values.len() / 2).copied()
}

/// Prints one number of hosts with one delay; returns the bars that were missed.
fn print(hosts: usize, delay: u64, costs: &Costs) -> Vec<String> {
    let mut missed = Vec::new();
    println!("\n=== {hosts} hosts, {delay} ms round-trip delay, {} runs", runs(costs));
    println!(
        "{:8} {:8} {:>9} {:>9} {:>14} {:>9}",
        "", "", "wall s", "x floor", "CPU ms/host", "peak MB"
    );
    for ((what, who), costs_here) in costs {
        let wall = |who| {
            let costs: Option<&Vec<Cost>> = costs.get(&(*what, who));
            median(costs?.iter().map(|cost| cost.wall)).map(|wall| wall.as_secs_f64())
        };
        let (Some(own), Some(floor)) = (wall(who), wall("floor")) else { continue };
        // Linux counts in steps of 10 ms: the mean of all runs is finer than their median.
        let runs = u32::try_from(costs_here.len()).unwrap_or(u32::MAX);
        let cpu = costs_here.iter().map(|cost| cost.cpu).sum::<Duration>() / runs;
        let cpu = cpu / u32::try_from(hosts).unwrap_or(u32::MAX);
        let peak = costs_here.iter().map(|cost| cost.peak_kb).max().unwrap_or_default();
        println!(
            "{what:8} {who:8} {own:9.3} {:9.2} {:14.1} {:9.1}",
            own / floor,
            cpu.as_secs_f64() * 1e3,
            peak as f64 / 1024.0
        );
        if *who != "pallet" {
            continue;
        }
        let place = format!("{hosts} hosts, {delay} ms, {what}");
        let bar = if *what == "cold" { COLD_BAR } else { WARM_BAR };
        if *what != "nothing" && own / floor > bar {
            missed.push(format!("{place}: {:.2} x the floor, bar {bar}", own / floor));
        }
        if hosts >= 10 && *what != "cold" && cpu > CPU_BAR {
            missed.push(format!("{place}: {cpu:?} per host, bar {CPU_BAR:?}"));
        }
        if peak > MEMORY_BAR_KB {
            missed.push(format!("{place}: {peak} kB, bar {MEMORY_BAR_KB}"));
        }
        if let Some(peer) = wall("pyinfra") {
            println!("{:17} pyinfra takes {:.0} x as long", "", peer / own);
            if *what == "warm" && peer / own < PEER_BAR {
                missed.push(format!("{place}: pyinfra {:.1} x, bar {PEER_BAR}", peer / own));
            }
        }
    }
    missed
}

fn runs(costs: &Costs) -> usize {
    costs.values().map(Vec::len).max().unwrap_or_default()
}
