//! Control groups for nodes with systemd, and for members of the cluster: each gets some of its own.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use crate::lab::layout::Lab;

/// How long a control group may be busy after its last process has ended.
const PATIENCE: Duration = Duration::from_secs(10);

/// Makes the node's control groups and returns their folders.
pub(super) fn make(lab: &Lab, node: &str) -> anyhow::Result<Vec<PathBuf>> {
    make_in(&hierarchies_of_systemd()?, &name(lab, node))
}

/// Removes the node's control groups with those that systemd made in them. Call it when no
/// process is left inside.
pub(super) fn remove(lab: &Lab, node: &str) -> anyhow::Result<()> {
    // Where there is no hierarchy there is no group either.
    let hierarchies = hierarchies_of_systemd().unwrap_or_default();
    remove_from(&hierarchies, &name(lab, node))
}

/// Makes a control group in every hierarchy that there is, for somebody who limits others.
pub(crate) fn make_all(lab: &Lab, member: &str) -> anyhow::Result<Vec<PathBuf>> {
    let folders = make_in(&all_hierarchies(), &name(lab, member))?;
    folders.iter().try_for_each(|folder| give_processors(folder))?;
    Ok(folders)
}

/// Removes the control groups of [`make_all`] with those in them. Call it when no process is left
/// inside.
pub(crate) fn remove_all(lab: &Lab, member: &str) -> anyhow::Result<()> {
    remove_from(&all_hierarchies(), &name(lab, member))
}

fn make_in(hierarchies: &[PathBuf], name: &str) -> anyhow::Result<Vec<PathBuf>> {
    let folders: Vec<PathBuf> = hierarchies.iter().map(|all| all.join(name)).collect();
    for folder in &folders {
        fs::create_dir_all(folder)
            .with_context(|| format!("could not make the control group {}", folder.display()))?;
    }
    Ok(folders)
}

fn remove_from(hierarchies: &[PathBuf], name: &str) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    for folder in hierarchies.iter().map(|all| all.join(name)) {
        // The kernel lets go of what was in a group a moment after its end.
        while let Err(error) = remove_tree(&folder) {
            if Instant::now() > deadline {
                return Err(error);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    Ok(())
}

/// Every hierarchy of control groups: of the first version there are several.
fn all_hierarchies() -> Vec<PathBuf> {
    let top = PathBuf::from("/sys/fs/cgroup");
    let below = fs::read_dir(&top).into_iter().flatten().flatten().map(|entry| entry.path());
    let is_hierarchy = |folder: &PathBuf| folder.join("cgroup.procs").exists();
    if is_hierarchy(&top) {
        return vec![top];
    }
    // `cpu` and `cpuacct` may be links to one hierarchy.
    let folders = below.filter(|folder| !folder.is_symlink());
    folders.filter(is_hierarchy).collect()
}

/// In a new group of the first version's `cpuset` nothing can run before it has processors.
fn give_processors(folder: &Path) -> anyhow::Result<()> {
    let Some(parent) = folder.parent().filter(|_| folder.join("cgroup.clone_children").exists())
    else {
        return Ok(());
    };
    for file in ["cpuset.cpus", "cpuset.mems"] {
        if let Ok(all) = fs::read(parent.join(file)) {
            fs::write(folder.join(file), all)
                .with_context(|| format!("could not write {}", folder.join(file).display()))?;
        }
    }
    fs::write(folder.join("cgroup.clone_children"), "1")
        .with_context(|| format!("could not set up {}", folder.display()))
}

fn name(lab: &Lab, node: &str) -> String {
    format!("pallet-lab-{}-{node}", lab.number())
}

/// The hierarchies that systemd uses: the only one where control groups are of the second version,
/// the one named after it where they are of the first. Beside the latter it also keeps its units in
/// a hierarchy of the second version if the machine has one, where nodes that shared a group would
/// take each other's units away.
fn hierarchies_of_systemd() -> anyhow::Result<Vec<PathBuf>> {
    let (first, second) = ("/sys/fs/cgroup/systemd", "/sys/fs/cgroup");
    let beside_first = Path::new("/sys/fs/cgroup/unified");
    if Path::new(first).join("cgroup.procs").exists() {
        let mut hierarchies = vec![PathBuf::from(first)];
        if beside_first.join("cgroup.controllers").exists() {
            hierarchies.push(beside_first.to_owned());
        }
        Ok(hierarchies)
    } else if Path::new(second).join("cgroup.controllers").exists() {
        Ok(vec![PathBuf::from(second)])
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
