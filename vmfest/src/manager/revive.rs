//! Instances whose holder was lost.
//!
//! VirtualBox notes the disks of all instances of an image with the machine that holds the image.
//! When that machine's settings are lost, the instances cannot be read any more once VirtualBox
//! starts again, though all of their files are there. With a new holder the disks can be made
//! known again, and the instances with them.

use std::path::{Path, PathBuf};

use vbox_soap::api::{AccessMode, DeviceType};

use super::Manager;
use super::leftovers::SNAPSHOTS;
use crate::tag::Role;

impl Manager {
    /// Makes VirtualBox look anew at instances that it could not read. What it still cannot read
    /// stays as it is: that is told when the instance is used.
    pub(super) async fn revive_instances(&self) {
        let instances = match self.own_machines(Role::Instance).await {
            Ok(instances) => instances,
            Err(error) => {
                tracing::warn!(%error, "cannot look for instances that a lost holder took along");
                return;
            }
        };
        for instance in instances.into_iter().filter(|instance| !instance.accessible) {
            self.open_disks(disks_in(&instance.folder.join(SNAPSHOTS))).await;
            // Asking makes VirtualBox read the settings again.
            match instance.handle.get_accessible().await {
                Ok(true) => tracing::info!(name = %instance.name, "the VM can be read again"),
                Ok(false) => tracing::debug!(name = %instance.name, "the VM cannot be read"),
                Err(error) => tracing::debug!(%error, name = %instance.name, "the VM is gone"),
            }
        }
    }

    /// Makes differencing disks known. One can be only after the one that it builds upon.
    async fn open_disks(&self, mut files: Vec<PathBuf>) {
        loop {
            let mut refused = Vec::new();
            for file in &files {
                let (path, disk) = (file.to_string_lossy(), DeviceType::HardDisk);
                let opened = self.vbox().open_medium(&path, disk, AccessMode::ReadWrite, false);
                if opened.await.is_err() {
                    refused.push(file.clone());
                }
            }
            if refused.is_empty() || refused.len() == files.len() {
                return;
            }
            files = refused;
        }
    }
}

fn disks_in(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let files = entries.map(|entry| entry.path());
    files.filter(|file| file.extension().is_some_and(|extension| extension == "vdi")).collect()
}
