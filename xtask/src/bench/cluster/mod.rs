//! `cargo xtask bench cluster`: from nothing to configured, beside bare calls of the API and a
//! hand-written script.

mod api;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use self::api::{Api, Made};
use super::role::{Contestant, measure, median, script, sha256};
use crate::lab::{Cluster, Product, State};
use crate::process::workspace;

/// Arguments of `cargo xtask bench cluster`.
#[derive(clap::Args)]
pub(super) struct Args {
    /// How many containers.
    #[arg(long, default_value_t = 10)]
    nodes: usize,
    /// How often each way is gone, in turn; the medians count.
    #[arg(long, default_value_t = 3)]
    repeat: usize,
}

/// Ours against bare calls and the bare role.
const BAR: f64 = 1.1;

/// Measures, prints, and fails where the bar is missed.
pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let lab = State::load()?;
    let cluster = lab.cluster(Product::Lxd)?;
    let _sharing = cluster.sharing()?;
    let contestants = Contestant::ours()?;
    let bench = Bench {
        folder: lab.dir.join(format!("run/bench-cluster-{}", std::process::id())),
        key: lab.dir.join("keys/id_ed25519"),
        api: Api::new(&cluster.first()?.socket),
        cluster: cluster.clone(),
        names: (1..=args.nodes).map(|number| format!("role-{number}")).collect(),
    };
    bench.write()?;
    let measured = bench.compare(args.repeat, &contestants);
    fs::remove_dir_all(&bench.folder).ok();
    let (bare, ours) = measured?;
    let ratio = ours.as_secs_f64() / bare.as_secs_f64();
    println!(
        "{} containers, created and configured: {ours:.2?}; bare calls and the bare role: \
         {bare:.2?}; {ratio:.2} x, bar {BAR}",
        args.nodes
    );
    if ratio > BAR {
        bail!("bar missed: {ratio:.2} x the bare way, bar {BAR}");
    }
    Ok(())
}

struct Bench {
    folder: PathBuf,
    key: PathBuf,
    api: Api,
    cluster: Cluster,
    names: Vec<String>,
}

/// What came of going one way.
struct Round {
    time: Duration,
    /// The end state.
    state: String,
}

impl Bench {
    /// The role for our own way, with the cluster in the place of its hosts.
    fn write(&self) -> anyhow::Result<()> {
        let role = workspace().join("examples/role");
        for name in ["files", "templates", "scripts"] {
            fs::create_dir_all(self.folder.join(name))?;
        }
        for name in ["files", "templates"] {
            for entry in fs::read_dir(role.join(name))? {
                let entry = entry?;
                fs::copy(entry.path(), self.folder.join(name).join(entry.file_name()))?;
            }
        }
        let example = fs::read_to_string(role.join("pallet.toml"))?;
        let (_, described) = example
            .split_once("[environment]")
            .context("examples/role/pallet.toml has no [environment]")?;
        let text = format!(
            "[service.cluster]\nprovider = 'incus'\nurl = 'unix:{}'\n\
             [admin-user]\nusername = 'pallet-admin'\nprivate-key-path = '{}'\n\
             [environment]{described}\ncount = {}\n",
            self.cluster.first()?.socket.display(),
            self.key.display(),
            self.names.len()
        );
        fs::write(self.folder.join("pallet.toml"), text)?;
        Ok(())
    }

    /// The median of the bare way, and of ours.
    fn compare(
        &self,
        repeat: usize,
        contestants: &[Contestant],
    ) -> anyhow::Result<(Duration, Duration)> {
        let program = |wanted: &str| {
            contestants.iter().find_map(|contestant| match contestant {
                Contestant::Floor(path) if wanted == "floor" => Some(path.clone()),
                Contestant::Pallet(path) if wanted == "pallet" => Some(path.clone()),
                _ => None,
            })
        };
        let floor = program("floor").context("there is no floor")?;
        let pallet = program("pallet").context("there is no pallet")?;
        let (mut bare, mut ours) = (Vec::new(), Vec::new());
        for round in 1..=repeat {
            // A cluster gets slower with each instance that it has had: nobody is always the second.
            let (by_hand, by_us) = if round % 2 == 1 {
                let by_hand = self.bare(&floor)?;
                (by_hand, self.ours(&pallet)?)
            } else {
                let by_us = self.ours(&pallet)?;
                (self.bare(&floor)?, by_us)
            };
            if by_hand.state != by_us.state {
                let (bare, ours) = (by_hand.state, by_us.state);
                bail!("end states differ:\n--- bare\n{bare}\n--- ours\n{ours}");
            }
            println!("{round}: bare {:.2?}, ours {:.2?}", by_hand.time, by_us.time);
            bare.push(by_hand.time);
            ours.push(by_us.time);
        }
        let of = |times: Vec<Duration>| median(times.into_iter()).context("nothing was measured");
        Ok((of(bare)?, of(ours)?))
    }

    fn bare(&self, floor: &Path) -> anyhow::Result<Round> {
        let begun = Instant::now();
        let members: Vec<&str> =
            self.cluster.members.iter().map(|member| member.name.as_str()).collect();
        let made = self.api.create(&self.names, &self.cluster.image, &members)?;
        let created = begun.elapsed();
        self.inventory(&made)?;
        let mut command = Command::new(floor);
        command.arg(self.folder.join("inventory")).arg("64");
        let role = measure(&mut command, &self.folder.join("log"))?.wall;
        self.ended(created + role)
    }

    fn ours(&self, pallet: &Path) -> anyhow::Result<Round> {
        let mut command = Command::new(pallet);
        command.args(["converge", "--yes"]).current_dir(&self.folder);
        let whole = measure(&mut command, &self.folder.join("log"))?.wall;
        self.ended(whole)
    }

    /// Looks at what there is, and removes it.
    fn ended(&self, time: Duration) -> anyhow::Result<Round> {
        let state = self.state()?;
        self.api.destroy(&self.names)?;
        Ok(Round { time, state })
    }

    /// The hand-written scripts, and the list for the program that runs them.
    fn inventory(&self, made: &[Made]) -> anyhow::Result<()> {
        let role = workspace().join("examples/role");
        let mut inventory = String::new();
        for Made { name, address, host_key } in made {
            let path: &Path = &self.folder.join("scripts").join(name);
            fs::write(path, script(&role, name, sha256)?)?;
            writeln!(
                inventory,
                "{address}\t22\tpallet-admin\t{}\t{host_key}\t{}",
                self.key.display(),
                path.display()
            )?;
        }
        fs::write(self.folder.join("inventory"), inventory)?;
        Ok(())
    }

    /// What the role manages, as it is on each container.
    fn state(&self) -> anyhow::Result<String> {
        let first = self.cluster.first()?;
        let states = self
            .names
            .iter()
            .map(|name| first.client(&["exec", name, "--", "bash", "-c", super::role::STATE]));
        let states: anyhow::Result<Vec<String>> = states.collect();
        Ok(states?.join("\n"))
    }
}
