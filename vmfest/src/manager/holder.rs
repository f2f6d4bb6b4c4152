//! Keeping image models registered, and safe.
//!
//! Instances share an image by way of VirtualBox's medium type *multi-attach*: whoever attaches
//! such a medium gets a differencing disk of its own, and the medium itself is never written to.
//! But VirtualBox lets a medium have that type only while the settings of some machine list it;
//! with the last such machine goes the type. So each image has a *holder*: a machine that is
//! never started, has the image attached, and shows up nowhere.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use vbox_soap::api::{
    AccessMode, DeviceType, IMachine, IMedium, IStorageController, MediumType, StorageBus,
};

use super::destroy::Disks;
use super::{Machine, Manager};
use crate::error::{Doing, Error};
use crate::fault;
use crate::lock::MachineLock;
use crate::models::ImageModel;
use crate::tag::{self, MachineId, Role};
use crate::wait::{PATIENCE, poll};

/// Name of the holder's storage controller.
const CONTROLLER: &str = "SATA";

/// What happens to the image file when a model is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageFile {
    /// It stays where it is.
    Keep,
    /// It is deleted.
    Delete,
}

impl Manager {
    /// The image as a medium that instances can share. The first use of an image makes its holder.
    pub(super) async fn hold(&self, image: &Path) -> Result<IMedium, Error> {
        if !image.is_file() {
            return Err(Error::ModelFileMissing { path: image.to_owned() });
        }
        let medium = self.open_image(image).await?;
        if self.is_held(&medium).await? {
            return Ok(medium);
        }
        drop(medium);
        let _lock = self.lock_image(image).await?;
        // Another process may have been faster, up to here.
        let medium = self.open_image(image).await?;
        if self.is_held(&medium).await? {
            return Ok(medium);
        }
        self.make_holder(image, medium).await
    }

    /// Removes what VirtualBox knows of an image: its holder and its registration. The image file
    /// is deleted only on request; the meta file stays as it is.
    ///
    /// Removing an image that VirtualBox does not know is fine.
    ///
    /// # Errors
    /// [`Error::ModelInUse`] while an instance, or anything else, needs the image.
    pub async fn remove_model(&self, image: &ImageModel, file: ImageFile) -> Result<(), Error> {
        let path = &image.path;
        let _lock = self.lock_image(path).await?;
        if path.is_file() {
            let medium = self.open_image(path).await?;
            let holder = self.holder_of(&medium).await?;
            let users = self.users(&medium, holder.as_ref()).await?;
            if !users.is_empty() {
                return Err(Error::ModelInUse { path: path.clone(), users });
            }
            if let Some(holder) = holder {
                self.remove_machine(&holder).await?;
            }
            // The holder's end may have closed the medium already; opening it is what can be relied on.
            let medium = self.open_image(path).await?;
            medium.close().await.doing(|| format!("close the image {}", path.display()))?;
        } else {
            self.remove_holder_without_image(path).await?;
        }
        if file == ImageFile::Delete
            && let Err(e) = std::fs::remove_file(path)
            && e.kind() != std::io::ErrorKind::NotFound
        {
            return Err(Error::io("delete the image", path, e));
        }
        Ok(())
    }

    /// The image files that are held.
    pub(super) async fn held_images(&self) -> Result<Vec<PathBuf>, Error> {
        let mut paths = Vec::new();
        for holder in self.own_machines(Role::Holder).await? {
            if holder.accessible {
                let path = holder.handle.get_extra_data(tag::IMAGE).await;
                paths.push(PathBuf::from(path.doing(|| "list the images".to_owned())?));
            }
        }
        Ok(paths)
    }

    async fn open_image(&self, image: &Path) -> Result<IMedium, Error> {
        let path = image.to_string_lossy();
        self.vbox()
            .open_medium(&path, DeviceType::HardDisk, AccessMode::ReadWrite, false)
            .await
            .doing(|| format!("open the image {path}"))
    }

    /// Whether instances can share the medium as it is. Asked before each creation, so it makes do
    /// with few calls.
    async fn is_held(&self, medium: &IMedium) -> Result<bool, Error> {
        let held = async {
            if medium.get_type().await? != MediumType::MultiAttach {
                return Ok(false);
            }
            let holder = holder_name(&medium.get_id().await?);
            match self.vbox().find_machine(&holder).await {
                Ok(holder) => {
                    Ok(tag::is_marked(&holder.get_id().await?) && holder.get_accessible().await?)
                }
                Err(e) if fault::is_not_found(&e) => Ok(false),
                Err(e) => Err(e),
            }
        };
        held.await.doing(|| "find out whether an image is held".to_owned())
    }

    async fn holder_of(&self, medium: &IMedium) -> Result<Option<Machine>, Error> {
        let id = medium.get_id().await.doing(|| "read an image's id".to_owned())?;
        self.own_machine(&holder_name(&id), Role::Holder).await
    }

    async fn make_holder(&self, image: &Path, medium: IMedium) -> Result<IMedium, Error> {
        let doing = || format!("make the image {} shareable", image.display());
        if let Some(half_made) = self.holder_of(&medium).await? {
            tracing::info!(image = %image.display(), "making an incomplete holder anew");
            self.remove_machine(&half_made).await?;
        }
        let medium = self.fresh(image, medium).await?;
        let kind = medium.get_type().await.doing(doing)?;
        self.check_shareable(image, &medium, &kind).await?;

        let disk_id = medium.get_id().await.doing(doing)?;
        let id = MachineId::random()?;
        let name = holder_name(&disk_id);
        let folder = self.location().holders().join(&name);
        // Without a registered machine, and under the image's lock, what is there is left over.
        self.remove_files(id.as_str(), &name, &folder, Disks::Delete).await?;
        std::fs::create_dir_all(&folder).map_err(|e| Error::io("create the folder", &folder, e))?;

        let made = self.make_holder_machine(image, &medium, &kind, &id, &name, &folder).await;
        let made = match made {
            Ok(()) => verify(image, &medium).await,
            Err(error) => Err(error),
        };
        if let Err(error) = made {
            let undone = match self.own_machine(id.as_str(), Role::Holder).await {
                Ok(Some(holder)) => self.remove_machine(&holder).await,
                Ok(None) => self.remove_files(id.as_str(), &name, &folder, Disks::Delete).await,
                Err(error) => Err(error),
            };
            if let Err(error) = undone {
                tracing::error!(%error, image = %image.display(), "cannot undo a failed holder");
            }
            return Err(error);
        }
        tracing::info!(image = %image.display(), "the image is held and can be shared");
        Ok(medium)
    }

    /// The medium without what VirtualBox still remembers of an earlier holder: the type, which
    /// it refuses to work with once nobody has the medium registered.
    async fn fresh(&self, image: &Path, medium: IMedium) -> Result<IMedium, Error> {
        let doing = || format!("open the image {}", image.display());
        // Disks that a lost holder has left over keep the medium from being forgotten.
        self.users(&medium, None).await?;
        let unused = medium.get_children().await.doing(doing)?.is_empty()
            && medium.get_machine_ids().await.doing(doing)?.is_empty();
        let kind = medium.get_type().await.doing(doing)?;
        if unused && kind == MediumType::MultiAttach {
            medium.close().await.doing(doing)?;
            return self.open_image(image).await;
        }
        Ok(medium)
    }

    async fn check_shareable(
        &self,
        image: &Path,
        medium: &IMedium,
        kind: &MediumType,
    ) -> Result<(), Error> {
        let refuse =
            |problem: String| Err(Error::ModelNotShareable { path: image.to_owned(), problem });
        let doing = || format!("look at the image {}", image.display());
        if medium.get_parent().await.doing(doing)?.is_some() {
            return refuse(
                "it is a differencing disk, which changes with its VM; clone it first, with \
                 `VBoxManage clonemedium`"
                    .to_owned(),
            );
        }
        match kind {
            MediumType::MultiAttach => Ok(()),
            MediumType::Normal => {
                let users = self.users(medium, None).await?;
                if users.is_empty() {
                    return Ok(());
                }
                refuse(format!(
                    "it is an ordinary disk of {}; detach it there, or give the model a copy",
                    users.join(", ")
                ))
            }
            other => refuse(format!(
                "VirtualBox has it as {other}; if nothing else needs that, close it with \
                 `VBoxManage closemedium disk {:?}`",
                image.display()
            )),
        }
    }

    async fn make_holder_machine(
        &self,
        image: &Path,
        medium: &IMedium,
        kind: &MediumType,
        id: &MachineId,
        name: &str,
        folder: &Path,
    ) -> Result<(), Error> {
        let path = image.to_string_lossy();
        let doing = || format!("make the image {path} shareable");
        let machine =
            self.new_machine(name, id, folder, Role::Holder, "Other").await.doing(doing)?;
        machine.set_extra_data(tag::ROLE, Role::Holder.value()).await.doing(doing)?;
        machine.set_extra_data(tag::IMAGE, &path).await.doing(doing)?;
        let description = format!("Keeps the image {path} registered. Not to be started.");
        machine.set_description(&description).await.doing(doing)?;
        let controller: IStorageController =
            machine.add_storage_controller(CONTROLLER, StorageBus::SATA).await.doing(doing)?;
        controller.set_port_count(1).await.doing(doing)?;
        self.vbox().register_machine(&machine).await.doing(doing)?;
        let lock = MachineLock::write(self, &machine, name).await?;
        let attached = attach(&lock.machine, medium, *kind != MediumType::MultiAttach).await;
        lock.release_after(attached.doing(doing)).await
    }

    /// Who needs the medium, besides its holder: names of VMs, or files of disks that none has.
    /// Disks that an interrupted run left over in the node path are deleted.
    async fn users(
        &self,
        medium: &IMedium,
        holder: Option<&Machine>,
    ) -> Result<Vec<String>, Error> {
        let doing = || "find out what uses an image".to_owned();
        let mut users = Vec::new();
        let mut pending = vec![(medium.clone(), true)];
        while let Some((medium, is_base)) = pending.pop() {
            let machines = medium.get_machine_ids().await.doing(doing)?;
            let children = medium.get_children().await.doing(doing)?;
            let location = medium.get_location().await.doing(doing)?;
            let orphan = !is_base && machines.is_empty() && children.is_empty();
            if orphan && Path::new(&location).starts_with(&self.location().node_path) {
                self.delete_disk(&medium).await?;
            } else if orphan {
                users.push(format!("the disk {location}"));
            }
            for id in machines {
                if holder.is_none_or(|holder| holder.id != id) {
                    users.push(self.name_of(&id).await);
                }
            }
            pending.extend(children.into_iter().map(|child| (child, false)));
        }
        users.sort();
        users.dedup();
        Ok(users)
    }

    pub(super) async fn name_of(&self, id: &str) -> String {
        let name = match self.vbox().find_machine(id).await {
            Ok(machine) => machine.get_name().await.ok(),
            Err(_) => None,
        };
        format!("the VM {}", name.as_deref().unwrap_or(id))
    }

    /// The image file is gone, but its holder may be left.
    async fn remove_holder_without_image(&self, image: &Path) -> Result<(), Error> {
        for holder in self.own_machines(Role::Holder).await? {
            let held = holder.handle.get_extra_data(tag::IMAGE).await;
            if holder.accessible && held.is_ok_and(|held| Path::new(&held) == image) {
                self.remove_machine(&holder).await?;
            }
        }
        Ok(())
    }

    /// Only one process at a time makes or removes the holder of an image.
    async fn lock_image(&self, image: &Path) -> Result<File, Error> {
        let name = image.file_name().unwrap_or_default().to_string_lossy();
        let name = format!(".{name}.vmfest-lock");
        // Beside the image everybody finds it; where that is not writable, in the node path.
        let beside = image.with_file_name(&name);
        let file = match File::options().create(true).append(true).open(&beside) {
            Ok(file) => file,
            Err(_) => {
                let folder = &self.location().node_path;
                std::fs::create_dir_all(folder)
                    .map_err(|e| Error::io("create the folder", folder, e))?;
                let file = folder.join(&name);
                let opened = File::options().create(true).append(true).open(&file);
                opened.map_err(|e| Error::io("create the lock file", file, e))?
            }
        };
        let locked = poll(PATIENCE, || async {
            match file.try_lock() {
                Ok(()) => Ok(Some(())),
                Err(TryLockError::WouldBlock) => Ok(None),
                Err(TryLockError::Error(e)) => Err(Error::io("lock the file", &beside, e)),
            }
        });
        match locked.await? {
            Some(()) => Ok(file),
            None => Err(Error::TimedOut {
                doing: format!("lock the image {}", image.display()),
                waited: PATIENCE,
                last_seen: format!("another process has locked {}", beside.display()),
            }),
        }
    }
}

/// The holder's name. The medium's id makes it unique.
pub(super) fn holder_name(medium_id: &str) -> String {
    format!("vmfest-image-{medium_id}")
}

/// Attaches the medium so that it becomes, or stays, multi-attach.
async fn attach(
    machine: &IMachine,
    medium: &IMedium,
    change_type: bool,
) -> Result<(), vbox_soap::Error> {
    let disk = || DeviceType::HardDisk;
    if change_type {
        // The type can be set only on a medium that a registered machine's settings list, and
        // that no machine has attached: attaching and detaching it leaves it listed.
        machine.attach_device(CONTROLLER, 0, 0, disk(), Some(medium)).await?;
        machine.save_settings().await?;
        machine.detach_device(CONTROLLER, 0, 0).await?;
        machine.save_settings().await?;
        medium.set_type(MediumType::MultiAttach).await?;
    }
    machine.attach_device(CONTROLLER, 0, 0, disk(), Some(medium)).await?;
    machine.save_settings().await
}

/// Instances are made only from a medium that is seen to be safe.
async fn verify(image: &Path, medium: &IMedium) -> Result<(), Error> {
    let doing = || format!("check the image {}", image.display());
    let kind = medium.get_type().await.doing(doing)?;
    let direct = medium.get_machine_ids().await.doing(doing)?;
    if kind == MediumType::MultiAttach && direct.is_empty() {
        return Ok(());
    }
    Err(Error::ModelNotShareable {
        path: image.to_owned(),
        problem: format!(
            "VirtualBox was asked to make it multi-attach, but says that it is {kind} and attached \
             directly to {} VMs",
            direct.len()
        ),
    })
}
