//! `lab up`.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::Context as _;

use super::cluster::{Cluster, Product};
use super::down;
use super::guest::Guest;
use super::layout::Lab;
use super::nodes;
use super::state::{Node, NodeKind, State};
use super::system::prerequisites;
use super::system::say::say;
use super::system::tool::Tool;
use super::vbox::Vbox;

/// What is to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub vbox: bool,
    pub nodes: u8,
    pub systemd: u8,
    pub trixie: u8,
    pub guest: bool,
    pub cluster: bool,
    pub incus: bool,
}

impl Wanted {
    pub(crate) const NOTHING: Self = Self {
        vbox: false,
        nodes: 0,
        systemd: 0,
        trixie: 0,
        guest: false,
        cluster: false,
        incus: false,
    };
}

impl Default for Wanted {
    fn default() -> Self {
        Self {
            vbox: true,
            nodes: 12,
            systemd: 1,
            trixie: 1,
            guest: false,
            cluster: false,
            incus: false,
        }
    }
}

/// Starts what is wanted and does not run yet. The state is written after each part, so that what
/// is up can be used while the rest still starts, and after a failure.
pub(crate) fn up(lab: &Lab, wanted: Wanted) -> anyhow::Result<()> {
    let started = Instant::now();
    prerequisites::install()?;
    let mut state = match State::find(lab)? {
        Some(state) => state,
        None => {
            // Whatever an interrupted start or an earlier boot of the machine left.
            down::clear(lab)?;
            State::empty(lab)?
        }
    };
    std::fs::create_dir_all(lab.run_dir())
        .with_context(|| format!("could not make {}", lab.run_dir().display()))?;
    state.guest = Guest::find(lab, state.guest.as_ref())?;
    state.save(lab)?;
    if wanted.vbox {
        state.vbox = Some(Vbox::up(lab)?);
        state.save(lab)?;
    }
    let kinds = [
        (NodeKind::Plain, wanted.nodes),
        (NodeKind::Systemd, wanted.systemd),
        (NodeKind::Trixie, wanted.trixie),
    ];
    for (kind, count) in kinds {
        if count > 0 {
            let known: Vec<Node> = state.nodes_of(kind).cloned().collect();
            let nodes = nodes::up(lab, kind, count, &known)?;
            state.nodes.retain(|node| node.kind != kind);
            state.nodes.extend(nodes);
            // Stable: keeps each kind's order.
            state.nodes.sort_by_key(|node| node.kind);
            state.save(lab)?;
        }
    }
    for (product, is_wanted) in [(Product::Lxd, wanted.cluster), (Product::Incus, wanted.incus)] {
        if is_wanted {
            let cluster = Cluster::up(lab, product)?;
            state.clusters.retain(|known| known.product != product);
            state.clusters.push(cluster);
            state.save(lab)?;
        }
    }
    if wanted.guest {
        state.guest = Some(Guest::make(lab)?);
        state.save(lab)?;
    }
    hand_over(lab)?;
    say(format_args!(
        "up after {:.1} s; `cargo xtask lab status` shows what runs, {} describes it",
        started.elapsed().as_secs_f64(),
        State::path(lab).display()
    ));
    Ok(())
}

/// When root acts for someone else through sudo, that person gets the keys and the shared folder.
pub(crate) fn hand_over(lab: &Lab) -> anyhow::Result<()> {
    let (Ok(user), Ok(group)) = (std::env::var("SUDO_UID"), std::env::var("SUDO_GID")) else {
        return Ok(());
    };
    let paths: Vec<PathBuf> = ["keys", "shared", "guest", "locks", "state.json"]
        .iter()
        .map(|name| lab.dir().join(name))
        .filter(|path| path.exists())
        .collect();
    Tool::new("chown")
        .args(["--recursive", "--", &format!("{user}:{group}")])
        .args(paths)
        .run()
        .map(drop)
}
