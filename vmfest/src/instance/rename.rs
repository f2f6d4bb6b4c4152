//! Renaming.

use std::path::Path;
use std::time::Duration;

use vbox_soap::api::IMachine;

use super::{Instance, operation};
use crate::console;
use crate::error::{Doing, Error};
use crate::location::check_name;
use crate::manager::Machine;
use crate::tag;
use crate::versions;

/// Moving the disks may mean copying them.
const PATIENCE: Duration = Duration::from_secs(1800);
/// How many a VM has.
const SERIAL_PORTS: u32 = 4;

impl Instance {
    /// Gives the VM another name, its folder included, and returns it under that name. What the
    /// guest calls itself stays as it is.
    ///
    /// # Errors
    /// [`Error::NameTaken`] or [`Error::FolderExists`]: nothing is ever overwritten;
    /// [`Error::InvalidName`]; [`Error::WrongState`] if the VM is not off; [`Error::TooOld`] with a
    /// VirtualBox before 6.0, which cannot move a VM's folder.
    pub async fn rename(&self, name: &str) -> Result<Self, Error> {
        check_name(name)?;
        if name == self.name() {
            return Ok(self.clone());
        }
        if !versions::has_moves(&self.machine.handle) {
            return Err(Error::TooOld {
                doing: operation::RENAME.doing(self.name()),
                since: "6.0",
            });
        }
        let claims = self.manager.claim_names([self.name(), name]).await?;
        let renamed = self.rename_claimed(name).await;
        claims.into_iter().for_each(crate::manager::NameClaim::end);
        renamed
    }

    async fn rename_claimed(&self, name: &str) -> Result<Self, Error> {
        let rename = operation::RENAME;
        let doing = || rename.doing(self.name());
        let location = self.manager.location();
        let folder = location.instance_folder(name);
        self.perform(rename, |_| async {
            self.manager.check_name_free(name).await?;
            if folder.exists() {
                return Err(Error::FolderExists { path: folder.clone() });
            }
            let lock = self.lock_as_it_is(false).await?;
            let node_path = location.node_path.to_string_lossy();
            let renamed = async {
                set_name(&lock.machine, name).await?;
                // VirtualBox renames the settings file only.
                let moved =
                    async { lock.machine.move_to(&node_path, "basic").await?.wait(PATIENCE).await };
                if let Err(error) = moved.await {
                    set_name(&lock.machine, self.name()).await?;
                    return Err(error);
                }
                self.correct_paths(&lock.machine, &folder).await
            };
            let renamed = renamed.await.doing(doing);
            lock.release_after(renamed).await
        })
        .await?;
        console::move_files(self.folder(), &folder)?;
        self.manager.remove_moved_files(self.name(), self.folder())?;
        let machine = Machine { name: name.to_owned(), folder, ..self.machine.clone() };
        Ok(Self::new(self.manager.clone(), machine))
    }

    /// Corrects what VirtualBox does not know to be paths into the machine's folder.
    async fn correct_paths(
        &self,
        machine: &IMachine,
        folder: &Path,
    ) -> Result<(), vbox_soap::Error> {
        let moved = |path: &str| match Path::new(path).strip_prefix(self.folder()) {
            Ok(inside) => folder.join(inside).to_string_lossy().into_owned(),
            Err(_) => path.to_owned(),
        };
        for slot in 0..SERIAL_PORTS {
            let port = machine.get_serial_port(slot).await?;
            if port.get_enabled().await? {
                port.set_path(&moved(&port.get_path().await?)).await?;
            }
        }
        let disks = machine.get_extra_data(tag::OWN_DISKS).await?;
        let disks: Vec<_> = disks.lines().map(moved).collect();
        if !disks.is_empty() {
            machine.set_extra_data(tag::OWN_DISKS, &disks.join("\n")).await?;
        }
        machine.save_settings().await
    }
}

async fn set_name(machine: &IMachine, name: &str) -> Result<(), vbox_soap::Error> {
    machine.set_name(name).await?;
    machine.save_settings().await
}
