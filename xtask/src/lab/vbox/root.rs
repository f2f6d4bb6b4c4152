//! The root that VirtualBox lives in: Debian unstable, made once (some two minutes, 1.6 GB).

use std::fs;
use std::path::Path;

use anyhow::{Context as _, bail};

use crate::lab::layout::Lab;
use crate::lab::system::debian::{self, Recipe};
use crate::lab::system::namespace::Root;
use crate::lab::system::say::step;
use crate::lab::system::tool::{Tool, tail_of_file};

const LAUNCHER: &str = include_str!("launcher.c");
/// The oldest VirtualBox whose web service speaks the newest API the binding knows.
const OLDEST: (u32, u32) = (7, 2);

/// Makes the root unless it is there.
pub(crate) fn make(lab: &Lab) -> anyhow::Result<()> {
    let root = lab.vbox_root();
    if root.exists() {
        return Ok(());
    }
    step("making VirtualBox's root (some 2 minutes, once)", || {
        let log = lab.log("vbox-root");
        debian::make_once(&root, |partial| fill(partial, lab, &log))
    })
}

fn fill(root: &Path, lab: &Lab, log: &Path) -> anyhow::Result<()> {
    step("  Debian unstable", || {
        // unstable's libc is newer than most machines', hence a root of its own.
        Recipe {
            suite: "sid",
            components: "main,contrib",
            packages: &["iproute2", "procps", "python3", "ca-certificates", "kmod"],
        }
        .bootstrap(root, log)
    })?;
    step("  VirtualBox", || {
        // virtualbox-source satisfies the dependency on kernel modules without compiling any.
        debian::install(root, &["virtualbox", "virtualbox-source"], log)
    })?;
    check_version(root, log)?;
    install_launcher(root, lab)
}

fn check_version(root: &Path, log: &Path) -> anyhow::Result<()> {
    let inside = Root { folder: root, shared: Vec::new(), environment: Vec::new() };
    inside.run(
        "/usr/lib/virtualbox/VBoxManage --version >/root/version 2>/root/version.errors",
        log,
    )?;
    let text = fs::read_to_string(root.join("root/version")).unwrap_or_default();
    let errors = tail_of_file(&root.join("root/version.errors"));
    for name in ["version", "version.errors"] {
        fs::remove_file(root.join("root").join(name)).ok();
    }
    match parse_version(&text) {
        Some(version) if version >= OLDEST => Ok(()),
        Some((major, minor)) => bail!(
            "Debian's VirtualBox is {major}.{minor}; the lab needs {}.{} or newer",
            OLDEST.0,
            OLDEST.1
        ),
        None => bail!("VBoxManage does not tell its version:\n{errors}"),
    }
}

fn parse_version(text: &str) -> Option<(u32, u32)> {
    let line = text.lines().last()?;
    let mut parts = line.trim().split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// Puts the launcher that does without the kernel module in VBoxHeadless's place.
fn install_launcher(root: &Path, lab: &Lab) -> anyhow::Result<()> {
    let source = lab.run_dir().join("launcher.c");
    debian::write(&source, LAUNCHER)?;
    let stock = root.join("usr/lib/virtualbox/VBoxHeadless");
    let aside = stock.with_extension("stock");
    fs::rename(&stock, &aside).with_context(|| {
        format!("Debian's virtualbox package has no {}: has its layout changed?", stock.display())
    })?;
    Tool::new("gcc").args(["-O2", "-Wall", "-o"]).arg(&stock).arg(&source).arg("-ldl").run()?;
    fs::remove_file(source).ok();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        assert_eq!(parse_version("WARNING: no driver\n7.10.2_Debianr1\n"), Some((7, 10)));
        assert!(parse_version("7.10.2\n") >= Some(OLDEST));
        assert_eq!(parse_version(""), None);
    }
}
