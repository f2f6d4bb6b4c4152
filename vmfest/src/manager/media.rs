//! Disks of instances.

use std::path::{Path, PathBuf};

use vbox_soap::api::{self, AccessMode, IMachine, IMedium, MediumType, MediumVariant};

use super::create::Plan;
use super::leftovers::same_file;
use super::{Manager, words};
use crate::error::{Doing, Error};
use crate::fault;
use crate::images::Watch;
use crate::models::{AttachMode, Attachment, Device, DeviceType, DiskFormat};
use crate::paths;
use crate::tag;
use crate::versions;
use crate::wait::PATIENCE;

/// An instance's own copy of its image, in the instance's folder.
const BOOT_DISK: &str = "disk-boot.vdi";
const MEBIBYTE: i64 = 1024 * 1024;

impl Manager {
    /// Attaches the image and all devices to a locked machine.
    ///
    /// Saves after each one: VirtualBox goes on believing that a disk is in use if its attachment
    /// was rolled back, and then nobody can delete it.
    pub(super) async fn attach_all(
        &self,
        machine: &IMachine,
        plan: &Plan,
        image: &IMedium,
        folder: &Path,
    ) -> Result<(), Error> {
        let name = &plan.name;
        let doing = || format!("attach the disks of the VM {name}");
        let mut own_disks = Vec::new();
        if let Some((controller, port, slot)) = plan.mount_point() {
            let copy = match plan.image.attach.unwrap_or_default() {
                AttachMode::Clone => Some(self.copy(machine, image, folder, &mut own_disks).await?),
                AttachMode::MultiAttach | AttachMode::Immutable => None,
            };
            let boot = copy.as_ref().unwrap_or(image);
            let disk = || api::DeviceType::HardDisk;
            let attached = machine.attach_device(controller, port, slot, disk(), Some(boot)).await;
            match attached {
                // Its file was away when VirtualBox looked the last time, and is back.
                Err(_) if self.look_again(boot).await.doing(doing)? => {
                    let again = machine.attach_device(controller, port, slot, disk(), Some(boot));
                    again.await.doing(doing)?;
                }
                attached => attached.doing(doing)?,
            }
            machine.save_settings().await.doing(doing)?;
        }
        for controller in plan.hardware.storage.iter().flatten() {
            for (position, device) in (0..).zip(&controller.devices) {
                let Some(device) = device else { continue };
                let (port, slot) = controller.bus.address(position);
                let medium = if device.create {
                    let extension = device.format.unwrap_or(DiskFormat::Vdi).extension();
                    let file = folder.join(format!("disk-{}.{extension}", own_disks.len() + 1));
                    let file = device.location.clone().unwrap_or(file);
                    let disk = self.create_disk(&file, device).await?;
                    own_disks.push(file.to_string_lossy().into_owned());
                    let noted = note_own_disks(machine, &own_disks).await;
                    if noted.is_err() {
                        self.delete_disk(&disk).await?;
                    }
                    noted.doing(doing)?;
                    Some(disk)
                } else {
                    self.open(device).await?
                };
                let (controller, kind) = (&controller.name, words::device_type(device.device_type));
                let medium = medium.as_ref();
                machine.attach_device(controller, port, slot, kind, medium).await.doing(doing)?;
                machine.save_settings().await.doing(doing)?;
            }
        }
        Ok(())
    }

    /// A full copy of the image, which is the instance's own.
    async fn copy(
        &self,
        machine: &IMachine,
        image: &IMedium,
        folder: &Path,
        own_disks: &mut Vec<String>,
    ) -> Result<IMedium, Error> {
        let doing = || "copy the image".to_owned();
        let file = folder.join(BOOT_DISK);
        own_disks.push(file.to_string_lossy().into_owned());
        // Before it is made: then nothing of it is left over, whenever this is interrupted.
        note_own_disks(machine, own_disks).await.doing(doing)?;
        let (watch, _wanted) = Watch::new(None);
        let copy = self.copy_medium(image, &file, &watch).await?;
        let kind = copy.get_type().await.doing(doing)?;
        let parent = copy.get_parent().await.doing(doing)?;
        if kind == MediumType::Normal && parent.is_none() {
            return Ok(copy);
        }
        Err(Error::ModelNotShareable {
            path: PathBuf::from(image.get_location().await.doing(doing)?),
            problem: format!(
                "VirtualBox made no copy of it that stands alone, but a disk of type {kind}"
            ),
        })
    }

    async fn open(&self, device: &Device) -> Result<Option<IMedium>, Error> {
        let Some(location) = &device.location else { return Ok(None) };
        if device.device_type == DeviceType::HardDisk {
            let file = self.medium_file(location).await?;
            let shared = match device.attachment_type {
                Some(Attachment::MultiAttach) => Some(AttachMode::MultiAttach),
                // An image model is never anybody's to write to, whatever is asked for.
                _ => self.mode_of_image(&file)?,
            };
            if let Some(mode) = shared {
                return self.hold(&file, mode).await.map(Some);
            }
        }
        let mode = match device.device_type {
            DeviceType::HardDisk | DeviceType::Floppy => AccessMode::ReadWrite,
            DeviceType::Dvd => AccessMode::ReadOnly,
        };
        let path = location.to_string_lossy();
        let kind = words::device_type(device.device_type);
        let medium = self.vbox().open_medium(&path, kind, mode, false).await;
        medium.map(Some).doing(|| format!("open {path}"))
    }

    /// How an image model's file is to be used; nothing for other files.
    fn mode_of_image(&self, file: &Path) -> Result<Option<AttachMode>, Error> {
        let (models, file) = (self.models()?, same_file(file));
        let image = models.images().values().find(|image| same_file(&image.path) == file);
        Ok(image.map(|image| image.attach.unwrap_or_default()))
    }

    /// Deletes disks that were made for a machine and that it has no more, or never got.
    pub(super) async fn delete_stray_disks(
        &self,
        own_disks: impl Iterator<Item = &PathBuf>,
    ) -> Result<(), Error> {
        for file in own_disks.filter(|file| file.exists()) {
            let path = file.to_string_lossy();
            let doing = || format!("delete the disk {path}");
            let mode = AccessMode::ReadWrite;
            let disk = self.vbox().open_medium(&path, api::DeviceType::HardDisk, mode, false);
            let disk = disk.await.doing(doing)?;
            let unused = disk.get_machine_ids().await.doing(doing)?.is_empty()
                && disk.get_children().await.doing(doing)?.is_empty();
            if unused {
                self.delete_disk(&disk).await?;
            } else {
                tracing::warn!(disk = %path, "the disk is in use by another VM; it stays");
            }
        }
        Ok(())
    }

    /// The file of a medium that is given by its file, or by VirtualBox's id of it.
    pub(super) async fn medium_file(&self, location: &Path) -> Result<PathBuf, Error> {
        if !paths::is_uuid(location) {
            return Ok(location.to_owned());
        }
        let id = location.to_string_lossy();
        let doing = || format!("find the disk {id}");
        let (disk, mode) = (api::DeviceType::HardDisk, AccessMode::ReadOnly);
        match self.vbox().open_medium(&id, disk, mode, false).await {
            Ok(medium) => Ok(medium.get_location().await.doing(doing)?.into()),
            Err(e) if fault::is_not_found(&e) => {
                Err(Error::ModelFileMissing { path: location.to_owned() })
            }
            Err(e) => Err(e).doing(doing),
        }
    }

    async fn create_disk(&self, file: &Path, device: &Device) -> Result<IMedium, Error> {
        let path = file.to_string_lossy();
        let doing = || format!("create the disk {path}");
        if file.exists() {
            let problem = std::io::Error::other("a file of that name exists already");
            return Err(Error::io("create the disk", file, problem));
        }
        let format = device.format.unwrap_or(DiskFormat::Vdi).id();
        let disk = versions::new_disk(self.vbox(), format, &path).await.doing(doing)?;
        let mebibytes = i64::try_from(device.size.unwrap_or(0)).unwrap_or(i64::MAX);
        let mut variants: Vec<_> = device.variants.iter().map(|v| words::variant(*v)).collect();
        if variants.is_empty() {
            variants.push(MediumVariant::Standard);
        }
        let size = mebibytes.saturating_mul(MEBIBYTE);
        let progress = versions::make_storage(&disk, size, &variants).await.doing(doing)?;
        progress.wait(PATIENCE).await.doing(doing)?;
        Ok(disk)
    }

    /// Deletes a disk, its file included.
    pub(super) async fn delete_disk(&self, disk: &IMedium) -> Result<(), Error> {
        let path = disk.get_location().await.doing(|| "delete a disk".to_owned())?;
        let doing = || format!("delete the disk {path}");
        let progress = disk.delete_storage().await.doing(doing)?;
        progress.wait(PATIENCE).await.doing(doing)
    }
}

/// Notes with the machine which disks go with it when it goes. Saved at once: the note must
/// outlive an attachment that fails.
async fn note_own_disks(machine: &IMachine, disks: &[String]) -> Result<(), vbox_soap::Error> {
    machine.set_extra_data(tag::OWN_DISKS, &disks.join("\n")).await?;
    machine.save_settings().await
}
