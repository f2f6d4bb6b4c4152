//! The host's networks that adapters are connected to: found where they are, made where they are
//! missing.

mod bridged;
mod dhcp;
mod host_only;
mod ranges;

use std::collections::BTreeSet;
use std::fs::{File, TryLockError};

use vbox_soap::api::{IHost, IHostNetworkInterface};

use self::ranges::Network;
use crate::error::{Doing, Error};
use crate::manager::Manager;
use crate::models::{Adapter, AttachmentType};
use crate::wait::{PATIENCE, poll};

/// The host-only interface of whoever names none.
const DEFAULT_HOST_ONLY: &str = "vboxnet0";

/// Host-only interfaces that are known to be ready, by name. Held while one is made.
pub(crate) type Ready = tokio::sync::Mutex<BTreeSet<String>>;

/// Sees to it that what the adapters of a ready-made layout are to be connected to is there, and
/// names it in VirtualBox's words. `vm` is the VM's name.
pub(crate) async fn prepare(
    manager: &Manager,
    vm: &str,
    mut adapters: Vec<Option<Adapter>>,
) -> Result<Vec<Option<Adapter>>, Error> {
    for adapter in adapters.iter_mut().flatten() {
        connect(manager, vm, adapter).await?;
    }
    Ok(adapters)
}

/// The same for adapters that the model gives one by one. They are used as they are given: what
/// cannot be had now may be there when the VM starts.
pub(crate) async fn prepare_verbatim(
    manager: &Manager,
    vm: &str,
    mut adapters: Vec<Option<Adapter>>,
) -> Result<Vec<Option<Adapter>>, Error> {
    for adapter in adapters.iter_mut().flatten() {
        match connect(manager, vm, adapter).await {
            Err(error @ Error::Network { .. }) => tracing::warn!(%error, "it may not start"),
            other => other?,
        }
    }
    Ok(adapters)
}

async fn connect(manager: &Manager, vm: &str, adapter: &mut Adapter) -> Result<(), Error> {
    match adapter.attachment_type {
        Some(AttachmentType::HostOnly) => {
            let wanted = adapter.host_only_interface.as_deref().unwrap_or(DEFAULT_HOST_ONLY);
            let wanted = wanted.to_owned();
            adapter.host_only_interface = Some(wanted.clone());
            host_only::ensure(manager, vm, &wanted).await
        }
        Some(AttachmentType::Bridged) => {
            let found = bridged::find(manager, vm, adapter.host_interface.as_deref()).await?;
            adapter.host_interface = Some(found);
            Ok(())
        }
        _ => Ok(()),
    }
}

/// What is missing if VirtualBox cannot start a VM for want of its network; nothing if it is
/// something else.
pub(crate) fn missing(vm: &str, error: &vbox_soap::Error) -> Option<Error> {
    let text = error.to_string();
    let remedy = if text.contains("Nonexistent host networking interface") {
        "VBoxManage list hostonlyifs and bridgedifs show which there are; `VBoxManage hostonlyif \
         create` makes one"
    } else if text.contains("Failed to attach the network LUN") || text.contains("VERR_INTNET_") {
        "bridged, host-only and internal networks need VirtualBox's kernel modules (`sudo modprobe -a \
         vboxnetflt vboxnetadp`; after an update of the kernel, `sudo /sbin/vboxconfig`), which do not \
         work in containers; the network type nat needs none"
    } else {
        return None;
    };
    let problem = format!("{text}. {remedy}");
    Some(Error::Network { name: vm.to_owned(), network: "its network".to_owned(), problem })
}

async fn host(manager: &Manager) -> Result<IHost, Error> {
    manager.vbox().get_host().await.doing(|| "ask for the host's networks".to_owned())
}

/// An interface's address and mask; nothing if it has none.
async fn network_of(
    interface: &IHostNetworkInterface,
) -> Result<Option<Network>, vbox_soap::Error> {
    let address = interface.get_ip_address().await?;
    let mask = interface.get_network_mask().await?;
    Ok(Network::of(&address, &mask))
}

/// Only one process at a time makes interfaces and their DHCP servers.
async fn lock_host_networks(manager: &Manager) -> Result<File, Error> {
    let folder = &manager.location().node_path;
    std::fs::create_dir_all(folder).map_err(|e| Error::io("create the folder", folder, e))?;
    let path = folder.join(".host-networks-lock");
    let opened = File::options().create(true).append(true).open(&path);
    let file = opened.map_err(|e| Error::io("create the lock file", &path, e))?;
    let locked = poll(PATIENCE, || async {
        match file.try_lock() {
            Ok(()) => Ok(Some(())),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(e)) => Err(Error::io("lock the file", &path, e)),
        }
    });
    match locked.await? {
        Some(()) => Ok(file),
        None => Err(Error::TimedOut {
            doing: "lock the host's networks".to_owned(),
            waited: PATIENCE,
            last_seen: format!("another process has locked {}", path.display()),
        }),
    }
}
