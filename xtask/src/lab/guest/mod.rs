//! The bootable guest disk: built from Debian packages, or a ready-made one.

mod build;
mod given;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::layout::Lab;
use super::system::say::say;

/// A bootable disk for virtual machines: a small Debian 12 with sshd and sudo.
///
/// It prints `ssh-host-key: ssh-ed25519 AAAA…` on the first serial port, then `node-init: sshd up`.
/// Network: DHCP on every card. The ACPI power button stops it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guest {
    /// The disk image, a VDI. VirtualBox sees it under the same path. Copy it before use.
    pub disk: PathBuf,
    /// The user who logs in with [`key`](Self::key) and may use sudo without a password.
    pub user: String,
    /// File of the private key.
    pub key: PathBuf,
}

impl Guest {
    /// The disk that the environment names (`PALLET_LAB_GUEST`), or else the one that was built;
    /// builds one if there is neither.
    pub(crate) fn make(lab: &Lab) -> anyhow::Result<Self> {
        // A lock of its own: building takes minutes, in which the rest of the lab can be used.
        let _lock = lab.lock_named("guest")?;
        if let Some(guest) = Self::find(lab, None)? {
            say(format_args!("the guest disk is {}", guest.disk.display()));
            return Ok(guest);
        }
        let folder = built(lab);
        build::build(lab, &folder)?;
        let guest = Self::in_folder(&folder);
        say(format_args!("the guest disk is {}", guest.disk.display()));
        Ok(guest)
    }

    /// The disk that there is without building one. `before` is the one used so far.
    pub(crate) fn find(lab: &Lab, before: Option<&Self>) -> anyhow::Result<Option<Self>> {
        if let Some(folder) = given::unpack(lab)? {
            return Ok(Some(Self::in_folder(&folder)));
        }
        let built = Self::in_folder(&built(lab));
        if built.disk.exists() {
            return Ok(Some(built));
        }
        Ok(before.filter(|guest| guest.disk.exists()).cloned())
    }

    fn in_folder(folder: &Path) -> Self {
        Self {
            disk: folder.join("guest.vdi"),
            user: "pallet-admin".to_owned(),
            key: folder.join("id_ed25519"),
        }
    }
}

fn built(lab: &Lab) -> PathBuf {
    lab.guests_dir().join("debian12")
}
