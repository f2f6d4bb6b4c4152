//! Which of the two products a cluster is made of.

use serde::{Deserialize, Serialize};

/// What both products call, and what hands out addresses.
const TOOLS: [&str; 7] =
    ["lxcfs", "dnsmasq-base", "iproute2", "nftables", "openssl", "procps", "squashfs-tools"];

/// LXD, or Incus, its fork. The lab has a cluster of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Product {
    /// LXD 5.0, of Debian 12.
    Lxd,
    /// Incus 6.0, of Debian 13.
    Incus,
}

impl Product {
    /// Both of them.
    pub const ALL: [Self; 2] = [Self::Lxd, Self::Incus];

    /// Its name, which its folder has, too: `/var/lib/NAME`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lxd => "lxd",
            Self::Incus => "incus",
        }
    }

    /// The command of those who use it.
    pub fn client(self) -> &'static str {
        match self {
            Self::Lxd => "lxc",
            Self::Incus => "incus",
        }
    }

    /// The command that sets a server up.
    pub(super) fn init(self) -> &'static str {
        match self {
            Self::Lxd => "lxd init",
            Self::Incus => "incus admin init",
        }
    }

    /// The command that lets a client certificate in.
    pub(super) fn trust(self) -> &'static str {
        match self {
            Self::Lxd => "lxc config trust add",
            Self::Incus => "incus config trust add-certificate",
        }
    }

    /// The server itself.
    pub(super) fn server(self) -> &'static str {
        match self {
            Self::Lxd => "lxd",
            Self::Incus => "/usr/libexec/incus/incusd",
        }
    }

    /// The Debian release that has it.
    pub(super) fn suite(self) -> &'static str {
        match self {
            Self::Lxd => "bookworm",
            Self::Incus => "trixie",
        }
    }

    /// The server's packages, and what else its members need.
    pub(super) fn packages(self) -> Vec<&'static str> {
        let own = match self {
            Self::Lxd => ["lxd", "lxd-client"],
            Self::Incus => ["incus-base", "incus-client"],
        };
        own.into_iter().chain(TOOLS).collect()
    }

    /// What its members' names begin with.
    pub(super) fn prefix(self) -> &'static str {
        match self {
            Self::Lxd => "member",
            Self::Incus => "incus",
        }
    }

    /// The last part of the first member's address.
    pub(super) fn first_host(self) -> u8 {
        match self {
            Self::Lxd => 3,
            Self::Incus => 5,
        }
    }
}
