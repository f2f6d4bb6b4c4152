//! The root that the cluster's members share: Debian 12 with LXD 5.0, made once.

use std::path::PathBuf;

use crate::lab::layout::Lab;
use crate::lab::system::debian::{self, Recipe};
use crate::lab::system::say::step;

/// Debian's LXD, what it calls, and what hands out addresses.
const PACKAGES: [&str; 9] = [
    "lxd",
    "lxd-client",
    "lxcfs",
    "dnsmasq-base",
    "iproute2",
    "nftables",
    "openssl",
    "procps",
    "squashfs-tools",
];

/// Where the root is.
pub(crate) fn folder(lab: &Lab) -> PathBuf {
    lab.cluster_cache().join("root")
}

/// Makes the root unless it is there.
pub(super) fn make(lab: &Lab) -> anyhow::Result<()> {
    let root = folder(lab);
    if root.exists() {
        return Ok(());
    }
    step("making the root of the cluster's members (some 60 s, once)", || {
        debian::make_once(&root, |partial| {
            Recipe { suite: "bookworm", components: "main", packages: &PACKAGES }
                .bootstrap(partial, &lab.log("cluster-root"))
        })
    })
}
