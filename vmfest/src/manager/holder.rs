//! Keeping image models registered, and safe.
//!
//! Instances share an image by way of VirtualBox's medium type *multi-attach*: whoever attaches
//! such a medium gets a differencing disk of its own, and the medium itself is never written to.
//! But VirtualBox lets a medium have that type only while the settings of some machine list it;
//! with the last such machine goes the type. So each image has a *holder*: a machine that is
//! never started, has the image attached, and shows up nowhere.

use std::path::{Path, PathBuf};

use vbox_soap::api::{DeviceType, IMachine, IMedium, IStorageController, MediumType, StorageBus};

use super::destroy::Disks;
use super::{Machine, Manager};
use crate::error::{Doing, Error};
use crate::fault;
use crate::lock::MachineLock;
use crate::models::AttachMode;
use crate::tag::{self, MachineId, Role};

/// Name of the holder's storage controller.
const CONTROLLER: &str = "SATA";

impl Manager {
    /// The image as a medium that instances can share. The first use of an image makes its holder.
    pub(crate) async fn hold(&self, image: &Path, mode: AttachMode) -> Result<IMedium, Error> {
        if !image.is_file() {
            return Err(Error::ModelFileMissing { path: image.to_owned() });
        }
        let wanted = shared_type(mode);
        let medium = self.open_image(image).await?;
        if self.is_held(&medium, &wanted).await? {
            return Ok(medium);
        }
        drop(medium);
        let _lock = self.lock_image(image).await?;
        // Another process may have been faster, up to here.
        self.hold_locked(image, &wanted).await
    }

    /// What [`Manager::hold`] does, for who has the image's lock.
    pub(super) async fn hold_locked(
        &self,
        image: &Path,
        wanted: &MediumType,
    ) -> Result<IMedium, Error> {
        let medium = self.open_image(image).await?;
        if self.is_held(&medium, wanted).await? {
            return Ok(medium);
        }
        self.make_holder(image, medium, wanted).await
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

    /// Whether instances can share the medium as it is. Asked before each creation, so it makes do
    /// with few calls.
    pub(crate) async fn is_held(
        &self,
        medium: &IMedium,
        wanted: &MediumType,
    ) -> Result<bool, Error> {
        let held = async {
            if medium.get_type().await? != *wanted {
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

    pub(crate) async fn holder_of(&self, medium: &IMedium) -> Result<Option<Machine>, Error> {
        let id = medium.get_id().await.doing(|| "read an image's id".to_owned())?;
        self.own_machine(&holder_name(&id), Role::Holder).await
    }

    async fn make_holder(
        &self,
        image: &Path,
        medium: IMedium,
        wanted: &MediumType,
    ) -> Result<IMedium, Error> {
        let doing = || format!("make the image {} shareable", image.display());
        self.look_again(&medium).await.doing(doing)?;
        let old = self.holder_of(&medium).await?;
        // The old holder may be the only one that keeps the registration; so first comes the
        // question whether there can be a new one.
        self.check_shareable(image, &medium, wanted, old.as_ref()).await?;
        if let Some(old) = old {
            tracing::info!(image = %image.display(), "making the holder anew");
            self.remove_machine(&old).await?;
        }
        let medium = self.fresh(image, medium, wanted).await?;

        let disk_id = medium.get_id().await.doing(doing)?;
        let id = MachineId::random()?;
        let name = holder_name(&disk_id);
        let folder = self.location().holders().join(&name);
        // Without a registered machine, and under the image's lock, what is there is left over.
        self.remove_files(id.as_str(), &name, &folder, Disks::Delete).await?;
        std::fs::create_dir_all(&folder).map_err(|e| Error::io("create the folder", &folder, e))?;

        let machine = self.make_holder_machine(image, &id, &name, &folder).await;
        let made = match machine {
            Ok(machine) => self.give(&machine, &name, image, &medium, wanted).await,
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
        self.revive_instances().await;
        Ok(medium)
    }

    /// The medium without what VirtualBox still remembers of an earlier holder: the type, which
    /// it refuses to work with once nobody has the medium registered.
    async fn fresh(
        &self,
        image: &Path,
        medium: IMedium,
        wanted: &MediumType,
    ) -> Result<IMedium, Error> {
        let doing = || format!("open the image {}", image.display());
        // Removing the old holder may have closed the medium already.
        let medium = match medium.get_children().await {
            Err(e) if fault::is_gone(&e) => self.open_image(image).await?,
            _ => medium,
        };
        // Disks that a lost holder has left over keep the medium from being forgotten.
        self.users(&medium, None).await?;
        let unused = medium.get_children().await.doing(doing)?.is_empty()
            && medium.get_machine_ids().await.doing(doing)?.is_empty();
        let kind = medium.get_type().await.doing(doing)?;
        if unused && kind != MediumType::Normal {
            medium.close().await.doing(doing)?;
            return self.open_image(image).await;
        }
        if kind != MediumType::Normal && kind != *wanted {
            return Err(other_type(image, &kind, wanted));
        }
        Ok(medium)
    }

    async fn check_shareable(
        &self,
        image: &Path,
        medium: &IMedium,
        wanted: &MediumType,
        holder: Option<&Machine>,
    ) -> Result<(), Error> {
        let refuse =
            |problem: String| Err(Error::ModelNotShareable { path: image.to_owned(), problem });
        let doing = || format!("look at the image {}", image.display());
        if medium.get_parent().await.doing(doing)?.is_some() {
            return refuse(
                "it is a differencing disk, which changes with its VM; make a model of that VM by \
                 cloning it"
                    .to_owned(),
            );
        }
        let kind = medium.get_type().await.doing(doing)?;
        if kind == *wanted {
            return Ok(());
        }
        let users = self.users(medium, holder).await?;
        match kind {
            MediumType::Normal | MediumType::MultiAttach | MediumType::Immutable
                if users.is_empty() =>
            {
                Ok(())
            }
            MediumType::Normal => refuse(format!(
                "it is an ordinary disk of {}; detach it there, or give the model a copy",
                users.join(", ")
            )),
            MediumType::MultiAttach | MediumType::Immutable => {
                Err(other_type(image, &kind, wanted))
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
        id: &MachineId,
        name: &str,
        folder: &Path,
    ) -> Result<IMachine, Error> {
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
        Ok(machine)
    }

    /// Attaches the image to its holder, and looks whether it is safe then.
    async fn give(
        &self,
        holder: &IMachine,
        name: &str,
        image: &Path,
        medium: &IMedium,
        wanted: &MediumType,
    ) -> Result<(), Error> {
        let doing = || format!("make the image {} shareable", image.display());
        let kind = medium.get_type().await.doing(doing)?;
        let lock = MachineLock::write(self, holder, name).await?;
        let change = (kind != *wanted).then_some(wanted);
        let attached = attach(&lock.machine, medium, change).await;
        let released = lock.release_after(attached.doing(doing)).await;
        if released.is_err() && self.is_attached_to_a_ghost(medium).await? {
            return Err(Error::ModelNotShareable {
                path: image.to_owned(),
                problem:
                    "VirtualBox believes that a VM has it which is gone: a program was killed \
                          at the very moment in which it attached the image. The image is as it \
                          was; stop all VMs and vboxwebsrv, wait until VBoxSVC has ended, and \
                          start vboxwebsrv again"
                        .to_owned(),
            });
        }
        released?;
        verify(image, medium, wanted).await
    }

    /// VirtualBox does not forget an attachment that was never saved, even when its machine goes.
    async fn is_attached_to_a_ghost(&self, medium: &IMedium) -> Result<bool, Error> {
        let doing = || "find out what uses an image".to_owned();
        for id in medium.get_machine_ids().await.doing(doing)? {
            match self.vbox().find_machine(&id).await {
                Err(e) if fault::is_not_found(&e) => return Ok(true),
                Err(e) => return Err(e).doing(doing),
                Ok(_) => {}
            }
        }
        Ok(false)
    }
}

/// The holder's name. The medium's id makes it unique.
pub(super) fn holder_name(medium_id: &str) -> String {
    format!("vmfest-image-{medium_id}")
}

/// The type that makes a medium safe for this use.
pub(crate) fn shared_type(mode: AttachMode) -> MediumType {
    match mode {
        AttachMode::Immutable => MediumType::Immutable,
        // What instances only copy must not be written to either.
        AttachMode::MultiAttach | AttachMode::Clone => MediumType::MultiAttach,
    }
}

fn other_type(image: &Path, kind: &MediumType, wanted: &MediumType) -> Error {
    Error::ModelNotShareable {
        path: image.to_owned(),
        problem: format!(
            "its instances use it as {kind}, and now it is to be used as {wanted}; destroy them \
             first, or set :attach back"
        ),
    }
}

/// Attaches the medium, after giving it the type if that has to change.
async fn attach(
    machine: &IMachine,
    medium: &IMedium,
    change: Option<&MediumType>,
) -> Result<(), vbox_soap::Error> {
    let disk = || DeviceType::HardDisk;
    if let Some(wanted) = change {
        // The type can be set only on a medium that a registered machine's settings list, and
        // that no machine has attached: attaching and detaching it leaves it listed.
        machine.attach_device(CONTROLLER, 0, 0, disk(), Some(medium)).await?;
        machine.save_settings().await?;
        machine.detach_device(CONTROLLER, 0, 0).await?;
        machine.save_settings().await?;
        medium.set_type(wanted.clone()).await?;
    }
    machine.attach_device(CONTROLLER, 0, 0, disk(), Some(medium)).await?;
    machine.save_settings().await
}

/// Instances are made only from a medium that is seen to be safe.
async fn verify(image: &Path, medium: &IMedium, wanted: &MediumType) -> Result<(), Error> {
    let doing = || format!("check the image {}", image.display());
    let kind = medium.get_type().await.doing(doing)?;
    let direct = medium.get_machine_ids().await.doing(doing)?;
    if kind == *wanted && direct.is_empty() {
        return Ok(());
    }
    Err(Error::ModelNotShareable {
        path: image.to_owned(),
        problem: format!(
            "VirtualBox was asked to make it {wanted}, but says that it is {kind} and attached \
             directly to {} VMs",
            direct.len()
        ),
    })
}
