//! The roots that nodes share, made once: Debian 12 with systemd and without, and Debian 13.

use std::path::PathBuf;

use anyhow::Context as _;

use crate::lab::layout::Lab;
use crate::lab::state::{NodeKind, PWSUDO_PASSWORD};
use crate::lab::system::debian::{self, Recipe};
use crate::lab::system::namespace::Root;
use crate::lab::system::say::step;
use crate::lab::system::tool::Tool;

const SETUP: &str = include_str!("setup.sh");

/// Where the root of a kind is.
pub(crate) fn folder(lab: &Lab, kind: NodeKind) -> PathBuf {
    lab.dir().join("nodes").join(match kind {
        NodeKind::Plain => "plain",
        NodeKind::Systemd => "systemd",
        NodeKind::Trixie => "trixie",
    })
}

/// Makes the root of a kind unless it is there.
pub(crate) fn make(lab: &Lab, kind: NodeKind) -> anyhow::Result<()> {
    let root = folder(lab, kind);
    if root.exists() {
        return Ok(());
    }
    let mut packages = vec!["openssh-server", "sudo", "procps", "iproute2", "ca-certificates"];
    let mut suite = "bookworm";
    let what = match kind {
        NodeKind::Plain => "plain nodes",
        NodeKind::Trixie => {
            suite = "trixie";
            "nodes with Debian 13"
        }
        NodeKind::Systemd => {
            packages.extend(["systemd", "systemd-sysv", "dbus", "libpam-systemd"]);
            "systemd nodes"
        }
    };
    make_key(lab)?;
    let log = lab.log("node-root");
    step(format_args!("making the root of the {what} (some 30 s, once)"), || {
        debian::make_once(&root, |partial| {
            Recipe { suite, components: "main", packages: &packages }.bootstrap(partial, &log)?;
            let key = std::fs::read_to_string(lab.node_key().with_extension("pub"))
                .context("the nodes' public key is gone")?;
            Root {
                folder: partial,
                shared: Vec::new(),
                environment: vec![
                    format!("LOGIN_KEY={}", key.trim()),
                    format!("PWSUDO_PASSWORD={PWSUDO_PASSWORD}"),
                ],
            }
            .run(SETUP, &log)
        })
    })
}

/// Makes the key pair for the login at the nodes. It belongs to the roots: they carry it.
fn make_key(lab: &Lab) -> anyhow::Result<()> {
    let folder = lab.dir().join("keys");
    debian::make_once(&folder, |partial| {
        std::fs::create_dir_all(partial)
            .with_context(|| format!("could not make {}", partial.display()))?;
        Tool::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-C", "pallet-lab", "-f"])
            .arg(partial.join("id_ed25519"))
            .run()
            .map(drop)
    })
}
