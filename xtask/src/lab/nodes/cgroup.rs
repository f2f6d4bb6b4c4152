//! Control groups for nodes with systemd: each gets one of its own.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use crate::lab::layout::Lab;

/// Makes the node's control group and returns its folder.
pub(super) fn make(lab: &Lab, node: &str) -> anyhow::Result<PathBuf> {
    let folder = hierarchy()?.join(name(lab, node));
    fs::create_dir_all(&folder)
        .with_context(|| format!("could not make the control group {}", folder.display()))?;
    Ok(folder)
}

/// Removes the node's control group with the groups that systemd made in it. Call it when no
/// process is left inside.
pub(super) fn remove(lab: &Lab, node: &str) -> anyhow::Result<()> {
    match hierarchy() {
        Ok(hierarchy) => remove_tree(&hierarchy.join(name(lab, node))),
        // Where there is no hierarchy there is no group either.
        Err(_) => Ok(()),
    }
}

fn name(lab: &Lab, node: &str) -> String {
    format!("pallet-lab-{}-{node}", lab.number())
}

/// The hierarchy that systemd is to use: the one named after it where control groups are of the
/// first version, the only one where they are of the second.
fn hierarchy() -> anyhow::Result<PathBuf> {
    let (first, second) = ("/sys/fs/cgroup/systemd", "/sys/fs/cgroup");
    if Path::new(first).join("cgroup.procs").exists() {
        Ok(PathBuf::from(first))
    } else if Path::new(second).join("cgroup.controllers").exists() {
        Ok(PathBuf::from(second))
    } else {
        bail!(
            "systemd nodes need a control group hierarchy, and this machine has none mounted: run \
             `mkdir -p {first} && mount -t cgroup -o none,name=systemd cgroup {first}`, or do without them: `cargo xtask lab up --vbox --nodes 10`"
        )
    }
}

/// Control groups are folders whose files cannot be removed: innermost folders first.
fn remove_tree(folder: &Path) -> anyhow::Result<()> {
    if !folder.exists() {
        return Ok(());
    }
    for entry in fs::read_dir(folder)?.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_tree(&entry.path())?;
        }
    }
    // Processes that have ended are members until the kernel has cleared them away.
    let deadline = Instant::now() + Duration::from_secs(10);
    let mut removed = fs::remove_dir(folder);
    while removed.as_ref().is_err_and(|error| error.kind() == ErrorKind::ResourceBusy)
        && Instant::now() < deadline
    {
        std::thread::sleep(Duration::from_millis(20));
        removed = fs::remove_dir(folder);
    }
    removed.with_context(|| format!("could not remove the control group {}", folder.display()))
}
