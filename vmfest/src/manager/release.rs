//! Making VirtualBox forget image models, and finding out what keeps it from that.

use std::path::Path;

use vbox_soap::api::IMedium;

use super::image_medium::lock_file;
use super::{Machine, Manager};
use crate::error::{Doing, Error};
use crate::models::ImageModel;
use crate::tag::{self, Role};

/// What happens to the image file when a model is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageFile {
    /// It stays where it is.
    Keep,
    /// It is deleted.
    Delete,
}

impl Manager {
    /// Removes what VirtualBox knows of an image: its holder and its registration. The image file
    /// is deleted only on request; the meta file stays as it is.
    /// [`Manager::delete_model`] removes a model with all its files.
    ///
    /// Removing an image that VirtualBox does not know is fine.
    ///
    /// # Errors
    /// [`Error::ModelInUse`] while an instance, or anything else, needs the image.
    pub async fn remove_model(&self, image: &ImageModel, file: ImageFile) -> Result<(), Error> {
        let path = &image.path;
        if !path.parent().is_some_and(Path::is_dir) {
            return self.remove_holder_without_image(path).await;
        }
        let _lock = self.lock_image(path).await?;
        if path.is_file() {
            self.release(path).await?;
        } else {
            self.remove_holder_without_image(path).await?;
        }
        if file == ImageFile::Delete {
            crate::images::remove_file(path)?;
        }
        // Whoever waits for the lock sees that the file is gone, and makes a new one.
        crate::images::remove_file(&lock_file(path))
    }

    async fn release(&self, image: &Path) -> Result<(), Error> {
        let medium = self.open_image(image).await?;
        let holder = self.holder_of(&medium).await?;
        let users = self.users(&medium, holder.as_ref()).await?;
        if !users.is_empty() {
            return Err(Error::ModelInUse { path: image.to_owned(), users });
        }
        let Some(holder) = holder else {
            return medium.close().await.doing(|| format!("close the image {}", image.display()));
        };
        let wanted = medium.get_type().await.doing(|| "look at an image".to_owned())?;
        self.remove_machine(&holder).await?;
        // The holder's end may have closed the medium already; opening it is what can be relied on.
        let medium = self.open_image(image).await?;
        let Err(refused) = medium.close().await else { return Ok(()) };
        // An instance was made in this very moment: it needs a holder.
        let users = self.users(&medium, None).await?;
        drop(medium);
        self.hold_locked(image, &wanted).await?;
        match users.is_empty() {
            true => Err(refused).doing(|| format!("close the image {}", image.display())),
            false => Err(Error::ModelInUse { path: image.to_owned(), users }),
        }
    }

    /// Who needs the medium, besides its holder: names of VMs, or files of disks that none has.
    /// Disks that an interrupted run left over in the node path are deleted.
    pub(crate) async fn users(
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
}
