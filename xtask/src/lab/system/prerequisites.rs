//! What has to be on the machine: root rights and some Debian packages.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, bail};

use super::say::{say, step};
use super::tool::Tool;
use crate::lab::layout::Lab;

/// Programs the lab calls, with the Debian package that brings each.
const PROGRAMS: [(&str, &str); 13] = [
    ("debootstrap", "debootstrap"),
    ("ssh-keygen", "openssh-client"),
    ("ip", "iproute2"),
    ("nft", "nftables"),
    ("unshare", "util-linux"),
    ("setpriv", "util-linux"),
    ("mount", "mount"),
    ("xz", "xz-utils"),
    ("gcc", "gcc"),
    ("kill", "procps"),
    ("age", "age"),
    ("strace", "strace"),
    ("sudo", "sudo"),
];

/// Files the lab reads, with the Debian package that brings each.
const FILES: [(&str, &str); 2] = [
    ("/usr/share/keyrings/debian-archive-keyring.gpg", "debian-archive-keyring"),
    ("/usr/include/stdio.h", "libc6-dev"),
];

/// How often a download is tried.
pub(crate) const DOWNLOAD_ATTEMPTS: u32 = 4;

/// Whether this is root.
pub fn is_root() -> anyhow::Result<bool> {
    Ok(Tool::new("id").arg("-u").run()?.trim() == "0")
}

/// Goes on as root: when this is not root, starts the same command line again through sudo.
pub(crate) fn become_root(lab: &Lab) -> anyhow::Result<()> {
    if is_root()? {
        return Ok(());
    }
    if !is_installed("sudo") {
        bail!(
            "the lab needs root (namespaces, mounts, a bridge), and there is no sudo here: run the command as root"
        );
    }
    say("the lab needs root (namespaces, mounts, a bridge): asking sudo");
    let mut sudo = Command::new("sudo");
    sudo.arg("env");
    // sudo drops the environment: hand over what the lab reads, its folder above all.
    sudo.arg(format!("PALLET_LAB_DIR={}", lab.dir().display()));
    for (key, value) in std::env::vars() {
        let wanted = key.starts_with("PALLET_LAB_") || key.to_lowercase().ends_with("_proxy");
        if wanted && key != "PALLET_LAB_DIR" {
            sudo.arg(format!("{key}={value}"));
        }
    }
    let error = sudo
        .arg(std::env::current_exe().context("could not find this program's own file")?)
        .args(std::env::args_os().skip(1))
        .exec();
    Err(error).context("could not start sudo")
}

/// Installs what is missing.
pub(crate) fn install() -> anyhow::Result<()> {
    let mut missing: Vec<&str> = PROGRAMS
        .iter()
        .filter(|(program, _)| !is_installed(program))
        .chain(FILES.iter().filter(|(file, _)| !Path::new(file).exists()))
        .map(|(_, package)| *package)
        .collect();
    missing.dedup();
    if missing.is_empty() {
        return Ok(());
    }
    if !is_installed("apt-get") {
        bail!(
            "these Debian packages are missing and there is no apt-get to install them: {}",
            missing.join(" ")
        );
    }
    step(format_args!("installing missing packages: {}", missing.join(" ")), || {
        retry("apt-get update", || apt_get(&["update"]))?;
        retry("apt-get install", || {
            let mut arguments = vec!["install", "--yes", "--no-install-recommends"];
            arguments.extend(&missing);
            apt_get(&arguments)
        })
    })
}

fn apt_get(arguments: &[&str]) -> anyhow::Result<()> {
    Tool::new("apt-get")
        .args(["-q", "-o", "Acquire::Retries=3"])
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .run()
        .map(drop)
}

/// Runs a download again when it fails: mirrors have bad moments.
pub(crate) fn retry(what: &str, mut run: impl FnMut() -> anyhow::Result<()>) -> anyhow::Result<()> {
    let mut attempt = 1;
    loop {
        match run() {
            Ok(()) => return Ok(()),
            Err(error) if attempt == DOWNLOAD_ATTEMPTS => {
                return Err(error.context(format!("{what} failed {attempt} times")));
            }
            Err(error) => {
                say(format_args!("{what} failed, trying again: {error:#}"));
                std::thread::sleep(Duration::from_secs(u64::from(attempt) * 2));
                attempt += 1;
            }
        }
    }
}

fn is_installed(program: &str) -> bool {
    let path = std::env::var("PATH").unwrap_or_default();
    format!("{path}:/usr/local/sbin:/usr/sbin:/sbin")
        .split(':')
        .any(|folder| Path::new(folder).join(program).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_looked_for_in_path() {
        assert!(is_installed("sh"));
        assert!(!is_installed("no-such-program-here"));
    }

    #[test]
    fn a_download_is_tried_again() {
        let mut left = 1;
        let result = retry("a download", || {
            if left == 0 {
                return Ok(());
            }
            left -= 1;
            bail!("not yet")
        });
        assert!(result.is_ok());
    }
}
