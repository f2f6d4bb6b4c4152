//! Facts: what a node is, read once when it is first connected.

use std::net::IpAddr;

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
    /// Addresses of the node's interfaces in the order of the interfaces, without those of the
    /// loopback interface and those that are valid on one link only.
    #[serde(default)]
    pub addresses: Vec<InterfaceAddress>,
    /// File systems that are mounted from a device or a server, and the root.
    #[serde(default)]
    pub mounts: Vec<Mount>,
}

impl Facts {
    /// Whether the system is `family` or derived from it: `debian` is true on Ubuntu.
    pub fn is_of_family(&self, family: &str) -> bool {
        self.os_families.iter().any(|one| one == family)
    }

    /// The first IPv4 address, or the first address at all.
    pub fn primary_address(&self) -> Option<IpAddr> {
        let addresses = || self.addresses.iter().map(|it| it.address);
        addresses().find(IpAddr::is_ipv4).or_else(|| addresses().next())
    }
}

/// An address of an interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct InterfaceAddress {
    /// The interface: `eth0`; empty where the node cannot say.
    pub interface: String,
    /// The address.
    pub address: IpAddr,
    /// Length of the network's prefix; unknown where the node cannot say.
    pub prefix: Option<u8>,
}

/// A mounted file system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Mount {
    /// Device or server: `/dev/sda1`, `nas:/home`.
    pub source: String,
    /// Where it is mounted.
    pub path: String,
    /// Its type: `ext4`.
    pub filesystem: String,
    /// Whether it cannot be written to.
    pub read_only: bool,
}

/// A package manager that actions know how to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
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
