//! What runs in the lab, for tests that use it.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};

use super::cluster::{Cluster, Product};
use super::guest::Guest;
use super::layout::Lab;
use super::vbox::Vbox;

/// The lab as it runs. Integration tests start here:
///
/// ```no_run
/// let lab = xtask::lab::State::load()?;
/// let vbox = lab.vbox()?;
/// println!("{} keeps files in {}", vbox.url, vbox.shared.display());
/// for node in &lab.nodes {
///     println!("{}@{}:{} with {}", node.user, node.address, node.port, node.key.display());
/// }
/// # anyhow::Ok(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// The lab's folder.
    pub dir: PathBuf,
    /// The VirtualBox, if it was asked for.
    pub vbox: Option<Vbox>,
    /// The Linux nodes, plain ones first.
    pub nodes: Vec<Node>,
    /// The host keys of all nodes in the format of OpenSSH's `known_hosts`.
    pub known_hosts: PathBuf,
    /// The bootable guest disk, if there is one.
    pub guest: Option<Guest>,
    /// The clusters that were asked for.
    pub clusters: Vec<Cluster>,
    /// The start of the machine that the lab was started in: after another one nothing runs.
    pub(crate) boot_id: String,
}

/// One Linux node: a root of its own, network of its own, a real sshd.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Its name, `node-1`, `node-2`, … or `systemd-1`, …, or `trixie-1`, …; also its host name.
    pub name: String,
    /// Its address, reachable from this machine.
    pub address: Ipv4Addr,
    /// Port of its sshd.
    pub port: u16,
    /// The user who logs in with [`key`](Self::key) and may use sudo without a password. Two more
    /// users take the same key: `nosudo` (no sudo at all) and `pwsudo` (sudo asks for a password,
    /// [`PWSUDO_PASSWORD`]).
    pub user: String,
    /// File of the private key.
    pub key: PathBuf,
    /// Its host key, `ssh-ed25519 AAAA…`.
    pub host_key: String,
    /// What its first process is.
    pub kind: NodeKind,
}

/// The password that the nodes' user `pwsudo` has to give to sudo.
pub const PWSUDO_PASSWORD: &str = "secret-of-pwsudo";

/// What a node's first process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NodeKind {
    /// A few lines of shell that start sshd: no service manager.
    Plain,
    /// systemd.
    Systemd,
    /// As plain ones, with Debian 13 in place of Debian 12.
    Trixie,
}

impl State {
    /// Reads what runs in the lab that the environment names (see [`Lab::from_env`]). An error
    /// says how to start it.
    pub fn load() -> anyhow::Result<Self> {
        Self::load_of(&Lab::from_env()?)
    }

    pub(crate) fn load_of(lab: &Lab) -> anyhow::Result<Self> {
        match Self::find(lab)? {
            Some(state) => Ok(state),
            None => bail!(
                "the lab is not up: run `cargo xtask lab up` (looked for {})",
                Self::path(lab).display()
            ),
        }
    }

    /// What runs; `None` when the lab is down or the machine was started anew since.
    pub(crate) fn find(lab: &Lab) -> anyhow::Result<Option<Self>> {
        let path = Self::path(lab);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(error).with_context(|| format!("could not read {}", path.display()));
            }
        };
        let state: Self = serde_json::from_slice(&bytes).with_context(|| {
            format!(
                "{} was written by another version of the lab: run `cargo xtask lab down`, then `cargo xtask lab up`",
                path.display()
            )
        })?;
        Ok((state.boot_id == boot_id()?).then_some(state))
    }

    /// A lab in which nothing runs.
    pub(crate) fn empty(lab: &Lab) -> anyhow::Result<Self> {
        Ok(Self {
            dir: lab.dir().to_owned(),
            vbox: None,
            nodes: Vec::new(),
            known_hosts: lab.known_hosts(),
            guest: None,
            clusters: Vec::new(),
            boot_id: boot_id()?,
        })
    }

    /// Writes it, and the nodes' host keys, for the tests to find.
    pub(crate) fn save(&self, lab: &Lab) -> anyhow::Result<()> {
        let hosts: String =
            self.nodes.iter().map(|node| format!("{} {}\n", node.address, node.host_key)).collect();
        replace(&self.known_hosts, hosts.as_bytes())?;
        replace(&Self::path(lab), &serde_json::to_vec_pretty(self)?)
    }

    pub(crate) fn path(lab: &Lab) -> PathBuf {
        lab.dir().join("state.json")
    }

    /// The VirtualBox; an error if it does not run.
    pub fn vbox(&self) -> anyhow::Result<&Vbox> {
        self.vbox
            .as_ref()
            .context("the lab runs without VirtualBox: run `cargo xtask lab up --vbox`")
    }

    /// The guest disk; an error if there is none.
    pub fn guest(&self) -> anyhow::Result<&Guest> {
        self.guest.as_ref().context(
            "the lab has no guest disk: run `cargo xtask lab guest` (some 5 minutes, once), or with PALLET_LAB_GUEST naming a ready one",
        )
    }

    /// The cluster of a product; an error if it does not run.
    pub fn cluster(&self, product: Product) -> anyhow::Result<&Cluster> {
        self.clusters.iter().find(|cluster| cluster.product == product).with_context(|| {
            let name = product.name();
            format!("the lab runs without a cluster of {name}: run `cargo xtask lab cluster up`")
        })
    }

    /// The node of this name; an error if there is none.
    pub fn node(&self, name: &str) -> anyhow::Result<&Node> {
        self.nodes.iter().find(|node| node.name == name).with_context(|| {
            let names: Vec<&str> = self.nodes.iter().map(|node| node.name.as_str()).collect();
            format!("the lab has no node `{name}`; it has: {}", names.join(", "))
        })
    }

    /// The nodes of one kind.
    pub fn nodes_of(&self, kind: NodeKind) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(move |node| node.kind == kind)
    }
}

fn boot_id() -> anyhow::Result<String> {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .context("could not read the machine's boot id: the lab needs Linux")?;
    Ok(text.trim().to_owned())
}

/// Writes a file so that a reader sees the old or the new content, never a part.
fn replace(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    let folder = path.parent().context("a file needs a folder")?;
    fs::create_dir_all(folder)
        .with_context(|| format!("could not make the folder {}", folder.display()))?;
    let partial = path.with_extension("partial");
    fs::write(&partial, content)
        .and_then(|()| fs::rename(&partial, path))
        .with_context(|| format!("could not write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str, kind: NodeKind) -> Node {
        Node {
            name: name.to_owned(),
            address: Ipv4Addr::new(10, 201, 0, 11),
            port: 22,
            user: "pallet-admin".to_owned(),
            key: PathBuf::from("/lab/keys/id_ed25519"),
            host_key: "ssh-ed25519 AAAA".to_owned(),
            kind,
        }
    }

    fn state() -> State {
        State {
            dir: PathBuf::from("/lab"),
            vbox: None,
            nodes: vec![node("node-1", NodeKind::Plain), node("systemd-1", NodeKind::Systemd)],
            known_hosts: PathBuf::from("/lab/run/known_hosts"),
            guest: None,
            clusters: Vec::new(),
            boot_id: "a".to_owned(),
        }
    }

    #[test]
    fn state_survives_being_written() {
        let text = serde_json::to_string(&state()).unwrap();
        assert!(text.contains(r#""kind":"systemd""#), "{text}");
        assert_eq!(serde_json::from_str::<State>(&text).unwrap(), state());
    }

    #[test]
    fn what_is_missing_is_said_with_what_to_do() {
        let state = state();
        assert!(state.vbox().unwrap_err().to_string().contains("lab up --vbox"));
        assert!(state.cluster(Product::Incus).unwrap_err().to_string().contains("lab cluster up"));
        assert!(state.guest().unwrap_err().to_string().contains("lab guest"));
        let error = state.node("node-9").unwrap_err().to_string();
        assert!(error.contains("node-1, systemd-1"), "{error}");
        assert_eq!(state.nodes_of(NodeKind::Systemd).count(), 1);
    }
}
