//! Facts: what a node is, read once when it is first connected.

use serde::{Deserialize, Serialize};

/// What a node is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Facts {
    /// The node's own host name.
    pub hostname: String,
    /// Operating system: `ID` of os-release (`debian`, `ubuntu`, `fedora`, …).
    pub os: String,
    /// Families the system belongs to, the closest first: `ID` and `ID_LIKE` of os-release.
    pub os_families: Vec<String>,
    /// `VERSION_ID` of os-release, empty where there is none (Debian sid).
    pub os_version: String,
    /// `VERSION_CODENAME` of os-release, empty where there is none.
    pub os_codename: String,
    /// Machine architecture as `uname -m` prints it: `x86_64`, `aarch64`.
    pub arch: String,
    /// Kernel release.
    pub kernel: String,
    /// The package manager found.
    pub package_manager: Option<PackageManager>,
    /// What starts services.
    pub init: Init,
    /// Number of processors.
    pub cpus: u32,
    /// Memory in MiB.
    pub memory_mib: u64,
}

/// A package manager that actions know how to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PackageManager {
    /// Debian and Ubuntu.
    Apt,
    /// Fedora, RHEL 8 and later.
    Dnf,
    /// RHEL 7 and before.
    Yum,
    /// SUSE.
    Zypper,
    /// Arch.
    Pacman,
    /// Alpine.
    Apk,
    /// macOS.
    Brew,
}

/// What starts services on a node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Init {
    /// systemd runs as PID 1.
    Systemd,
    /// Something else, or nothing at all as in a container.
    #[default]
    Other,
}
