//! `lab down`: nothing of the lab runs or is mounted afterwards; its caches stay.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use super::cluster::{self, Product};
use super::layout::Lab;
use super::nodes;
use super::state::{NodeKind, State};
use super::system::holder::{Holder, command_line};
use super::system::say::{say, step};
use super::system::tool::Tool;
use super::system::{debian, mounts};
use super::vbox::INSTANCES;

/// How long ended processes may take to vanish.
const PATIENCE: Duration = Duration::from_secs(20);

/// Ends the lab and says so.
pub(crate) fn down(lab: &Lab) -> anyhow::Result<()> {
    let started = Instant::now();
    clear(lab)?;
    say(format_args!(
        "down after {:.1} s: no process, no mount, no network device is left; caches stay in {}",
        started.elapsed().as_secs_f64(),
        lab.dir().display()
    ));
    Ok(())
}

/// Ends and removes whatever there is, whether the state knows it or not, and checks the result.
pub(crate) fn clear(lab: &Lab) -> anyhow::Result<()> {
    // First, so that no test takes the lab for running.
    let state = State::path(lab);
    if state.exists() {
        fs::remove_file(&state).with_context(|| format!("could not remove {}", state.display()))?;
    }
    for instance in INSTANCES {
        if let Some(holder) = Holder::running(&instance.holder_file(lab)) {
            step(format_args!("ending VirtualBox ({})", instance.name()), || holder.end())?;
        }
    }
    cluster::down(lab)?;
    nodes::down(lab)?;
    end_strays(lab)?;
    if let Some(point) = mounts::unmount_below(lab.dir()).first() {
        bail!(
            "{} is still mounted. Unmount it (`umount {0}`) and run `cargo xtask lab down` again",
            point.display()
        );
    }
    remove_run_dir(lab)
}

/// Ends processes in the lab's roots that no holder held: those of an interrupted build, for one.
fn end_strays(lab: &Lab) -> anyhow::Result<()> {
    let roots = roots(lab);
    let deadline = Instant::now() + PATIENCE;
    let mut announced = Vec::new();
    loop {
        let strays: Vec<Holder> = mounts::processes_inside(lab.dir(), &roots)
            .into_iter()
            .filter_map(Holder::of)
            .filter(Holder::is_alive)
            .collect();
        if strays.is_empty() {
            return Ok(());
        }
        if Instant::now() > deadline {
            let list: Vec<String> = strays
                .iter()
                .map(|stray| format!("    {} {}", stray.pid(), command_line(stray.pid())))
                .collect();
            bail!("processes of the lab do not end:\n{}", list.join("\n"));
        }
        for stray in &strays {
            if !announced.contains(&stray.pid()) {
                announced.push(stray.pid());
                say(format_args!("ending process {} {}", stray.pid(), command_line(stray.pid())));
            }
            Tool::new("kill").args(["-KILL", &stray.pid().to_string()]).succeeds();
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Every folder of the lab that may be some process's root.
fn roots(lab: &Lab) -> Vec<PathBuf> {
    let mut roots = vec![
        lab.vbox_root(),
        cluster::root::folder(lab, Product::Lxd),
        cluster::root::folder(lab, Product::Incus),
        nodes::root::folder(lab, NodeKind::Plain),
        nodes::root::folder(lab, NodeKind::Systemd),
        nodes::root::folder(lab, NodeKind::Trixie),
        lab.dir().join("guest-build/builder"),
        lab.dir().join("guest/debian12.partial/root"),
    ];
    let partial: Vec<PathBuf> = roots.iter().map(|root| debian::partial_of(root)).collect();
    roots.extend(partial);
    roots
}

/// Removes what the lab only needed to run; the logs stay for whoever wonders what happened.
fn remove_run_dir(lab: &Lab) -> anyhow::Result<()> {
    for entry in fs::read_dir(lab.run_dir()).into_iter().flatten().flatten() {
        if entry.file_name() != "log" {
            debian::remove(&entry.path())?;
        }
    }
    // Machines live with the VirtualBox that knew them.
    debian::remove(&lab.shared_dir())
}
