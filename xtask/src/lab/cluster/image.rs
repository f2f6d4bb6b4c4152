//! The image of the cluster's instances: the plain nodes' root with a first process of its own.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::lab::layout::{Lab, fingerprint};
use crate::lab::nodes::root;
use crate::lab::state::NodeKind;
use crate::lab::system::debian;
use crate::lab::system::say::step;
use crate::lab::system::tool::Tool;

const INIT: &str = include_str!("image/init");
const DHCP_EVENT: &str = include_str!("image/dhcp-event");
const METADATA: &str = include_str!("image/metadata.yaml");
/// The settings that `examples/role` edits, as they are before.
const SETTINGS: &str =
    "# kernel settings\nnet.core.somaxconn = 128\nvm.swappiness = 60\nfs.file-max = 1000\n# end\n";

/// What instances do without: half of the root's size.
const UNNEEDED: [&str; 4] = ["usr/share/doc", "usr/share/man", "usr/share/locale", "var/cache/apt"];

/// Makes the image's folder unless it is there, with `image.tar` and `rootfs`.
pub(super) fn make(lab: &Lab) -> anyhow::Result<PathBuf> {
    root::make(lab, NodeKind::Plain)?;
    let key = fs::read_to_string(lab.node_key().with_extension("pub"))
        .context("the nodes' public key is gone")?;
    // The nodes' root carries that key.
    let mark = fingerprint([INIT, DHCP_EVENT, METADATA, SETTINGS, &key].concat().as_bytes());
    let folder = lab.cluster_cache().join(format!("image-{mark:08x}"));
    if !folder.exists() {
        step("making the image of the cluster's instances (some 10 s, once)", || {
            debian::make_once(&folder, |partial| fill(lab, partial))
        })?;
    }
    Ok(folder)
}

fn fill(lab: &Lab, folder: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("could not make {}", folder.display()))?;
    let rootfs = folder.join("rootfs");
    Tool::new("cp").arg("-a").arg(root::folder(lab, NodeKind::Plain)).arg(&rootfs).run()?;
    debian::install(&rootfs, &["udhcpc"], &lab.log("cluster-image"))?;
    for unneeded in UNNEEDED {
        debian::remove(&rootfs.join(unneeded))?;
    }
    fs::create_dir_all(rootfs.join("var/cache/apt/archives/partial"))?;
    for (path, text) in [("usr/sbin/init", INIT), ("usr/local/sbin/dhcp-event", DHCP_EVENT)] {
        let path = rootfs.join(path);
        debian::write(&path, text)?;
        debian::set_mode(&path, 0o755)?;
    }
    debian::write(&rootfs.join("etc/sysctl.d/99-bench.conf"), SETTINGS)?;
    debian::write(&folder.join("metadata.yaml"), METADATA)?;
    Tool::new("tar")
        .args(["--create", "--numeric-owner", "--file"])
        .arg(folder.join("image.tar"))
        .arg("--directory")
        .arg(folder)
        .args(["metadata.yaml", "rootfs"])
        .run()
        .map(drop)
}
