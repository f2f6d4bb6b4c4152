//! Removing machines, and nothing that they share.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use vbox_soap::api::{CleanupMode, IMedium, MachineState, MediumType, SessionState};

use super::{Machine, Manager};
use crate::console;
use crate::error::{Doing, Error};
use crate::fault;
use crate::lock::MachineLock;
use crate::ports;
use crate::tag::{self, Role};
use crate::wait::{PATIENCE, poll};

impl Manager {
    /// Destroys the instance of this name: switches it off, unregisters it and deletes what
    /// belongs to it alone. Image models are never touched. It is fine if there is none.
    ///
    /// # Errors
    /// [`Error::NotOurs`] for a VM that was not made by this crate; when something is left.
    pub async fn destroy(&self, name: &str) -> Result<(), Error> {
        crate::location::check_name(name)?;
        match self.own_machine(name, Role::Instance).await? {
            Some(machine) => self.remove_machine(&machine).await,
            None if self.name_is_taken(name).await? => {
                Err(Error::NotOurs { name: name.to_owned() })
            }
            None => self.remove_leftovers(name).await,
        }
    }

    /// Removes a machine of ours in whatever state it is. Fine if somebody else was faster.
    pub(crate) async fn remove_machine(&self, machine: &Machine) -> Result<(), Error> {
        let name = &machine.name;
        let doing = || format!("destroy the VM {name}");
        let gone =
            |e: &Error| matches!(e, Error::VirtualBox { source, .. } if fault::is_gone(source));
        let removed = async {
            let mut own_disks = BTreeSet::new();
            if machine.accessible {
                self.switch_off(machine).await?;
                let noted = machine.handle.get_extra_data(tag::OWN_DISKS).await.doing(doing)?;
                own_disks.extend(noted.lines().map(PathBuf::from));
            }
            let media = self.unregister(machine).await?;
            let doomed = self.own_media(media, &own_disks).await?;
            if machine.accessible {
                let progress = machine.handle.delete_config(&doomed).await.doing(doing)?;
                progress.wait(PATIENCE).await.doing(doing)?;
            }
            self.delete_stray_disks(own_disks.iter()).await
        };
        match removed.await {
            Err(e) if gone(&e) && self.is_unknown(&machine.id).await? => {}
            other => other?,
        }
        self.remove_files(&machine.id, name, &machine.folder).await
    }

    async fn is_unknown(&self, id: &str) -> Result<bool, Error> {
        match self.vbox().find_machine(id).await {
            Err(e) if fault::is_not_found(&e) => Ok(true),
            Err(e) => Err(e).doing(|| format!("look for the VM {id}")),
            Ok(_) => Ok(false),
        }
    }

    /// Powers the machine off if it runs, and waits until nobody has it locked.
    pub(crate) async fn switch_off(&self, machine: &Machine) -> Result<(), Error> {
        let name = &machine.name;
        let doing = || format!("power off the VM {name}");
        let handle = &machine.handle;
        let off = poll(PATIENCE, || async {
            match handle.get_state().await.doing(doing)? {
                MachineState::Running | MachineState::Paused | MachineState::Stuck => {
                    self.power_off_now(machine).await?;
                    Ok(None)
                }
                MachineState::PoweredOff
                | MachineState::Saved
                | MachineState::Teleported
                | MachineState::Aborted
                | MachineState::AbortedSaved => {
                    let session = handle.get_session_state().await.doing(doing)?;
                    Ok((session == SessionState::Unlocked).then_some(()))
                }
                // Starting, Saving and the like end by themselves.
                _ => Ok(None),
            }
        });
        if off.await?.is_some() {
            return Ok(());
        }
        let state = handle.get_state().await.doing(doing)?;
        let session = handle.get_session_name().await.doing(doing)?;
        Err(Error::TimedOut {
            doing: doing(),
            waited: PATIENCE,
            last_seen: format!("it is {state}, locked by {session:?}"),
        })
    }

    async fn power_off_now(&self, machine: &Machine) -> Result<(), Error> {
        let name = &machine.name;
        let doing = || format!("power off the VM {name}");
        let lock = MachineLock::shared(self, &machine.handle, name).await?;
        let done = async {
            match lock.console().await? {
                Some(console) => console.power_down().await?.wait(PATIENCE).await,
                None => Ok(()),
            }
        };
        let done = done.await;
        // A VM that has ended by itself in the meantime has taken the session with it.
        if let Err(error) = lock.release().await {
            tracing::debug!(%error, %name, "the session ended with the VM");
        }
        match done {
            Err(e) if fault::is_busy(&e) || fault::is_gone(&e) => {
                tracing::debug!(error = %e, %name, "the VM changed its state by itself");
                Ok(())
            }
            other => other.doing(doing),
        }
    }

    async fn unregister(&self, machine: &Machine) -> Result<Vec<IMedium>, Error> {
        let name = &machine.name;
        let doing = || format!("unregister the VM {name}");
        let unregistered = poll(PATIENCE, || async {
            let mode = if machine.accessible {
                CleanupMode::DetachAllReturnHardDisksOnly
            } else {
                // VirtualBox cannot do more to a machine whose settings it cannot read.
                CleanupMode::UnregisterOnly
            };
            match machine.handle.unregister(mode).await {
                Ok(media) => Ok(Some(media)),
                Err(e) if fault::is_busy(&e) => Ok(None),
                Err(e) => Err(e).doing(doing),
            }
        });
        unregistered.await?.ok_or_else(|| Error::TimedOut {
            doing: doing(),
            waited: PATIENCE,
            last_seen: "another client has it locked".to_owned(),
        })
    }

    /// Of the disks that a machine had, those that it had to itself: its differencing disks, and
    /// disks that were made for it. An image is none of these, whatever type it has.
    async fn own_media(
        &self,
        media: Vec<IMedium>,
        own_disks: &BTreeSet<PathBuf>,
    ) -> Result<Vec<IMedium>, Error> {
        if media.is_empty() {
            return Ok(media);
        }
        let doing = || "look at the disks of a VM".to_owned();
        let images = self.listed_images();
        let mut own = Vec::new();
        for medium in media {
            let location = PathBuf::from(medium.get_location().await.doing(doing)?);
            let made_for_it =
                own_disks.contains(&location) || medium.get_parent().await.doing(doing)?.is_some();
            let is_image = images.contains(&same_file(&location))
                || medium.get_type().await.doing(doing)? == MediumType::MultiAttach;
            let in_use = !medium.get_machine_ids().await.doing(doing)?.is_empty();
            if made_for_it && !is_image && !in_use {
                own.push(medium);
            } else {
                tracing::debug!(disk = %location.display(), "the disk is not the VM's own; it stays");
            }
        }
        Ok(own)
    }

    /// The files of the image models that meta files list.
    fn listed_images(&self) -> BTreeSet<PathBuf> {
        // A mistake in a meta file must not keep a VM from being destroyed: the disk's own
        // properties protect an image too.
        let models = self.models().unwrap_or_default();
        models.images().values().map(|image| same_file(&image.path)).collect()
    }

    /// Deletes what a machine of ours leaves in its folder, file by file; what we do not know
    /// stays. The machine is not registered any more.
    pub(super) async fn remove_files(
        &self,
        id: &str,
        name: &str,
        folder: &Path,
    ) -> Result<(), Error> {
        ports::give_back_all(&self.location().ports(), id);
        if !folder.exists() {
            return Ok(());
        }
        let files = own_files(name, folder);
        let mut images = BTreeSet::new();
        // VirtualBox has deleted the disks already, unless it could not read the machine.
        if files.iter().any(|file| is_disk(file)) {
            images = self.listed_images();
            images.extend(self.held_images().await?.iter().map(|path| same_file(path)));
        }
        for file in files.into_iter().filter(|file| !images.contains(&same_file(file))) {
            match std::fs::remove_file(&file) {
                Err(e) if e.kind() != ErrorKind::NotFound => {
                    return Err(Error::io("delete the file", file, e));
                }
                _ => {}
            }
        }
        for folder in [&folder.join(LOGS), &folder.join(SNAPSHOTS), folder] {
            match std::fs::remove_dir(folder) {
                Err(e) if e.kind() == ErrorKind::DirectoryNotEmpty => {
                    tracing::warn!(folder = %folder.display(), "there are files of others in it; it stays");
                }
                Err(e) if e.kind() != ErrorKind::NotFound => {
                    return Err(Error::io("delete the folder", folder, e));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Clears up after a destruction or creation that was killed: a folder of a machine of ours
    /// that VirtualBox does not know (any more).
    async fn remove_leftovers(&self, name: &str) -> Result<(), Error> {
        let folder = self.location().instance_folder(name);
        let Ok(settings) = std::fs::read_to_string(folder.join(format!("{name}.vbox"))) else {
            return Ok(());
        };
        let id = settings.split_once("<Machine uuid=\"{").and_then(|(_, rest)| rest.get(..36));
        let Some(id) = id.filter(|id| tag::is_marked(id)) else { return Ok(()) };
        if !self.is_unknown(id).await? {
            return Ok(());
        }
        let doing = || format!("clear up the leftovers of the VM {name}");
        let mut pending = self.vbox().get_hard_disks().await.doing(doing)?;
        while let Some(medium) = pending.pop() {
            let children = medium.get_children().await.doing(doing)?;
            let location = PathBuf::from(medium.get_location().await.doing(doing)?);
            let is_leftover = children.is_empty()
                && location.starts_with(folder.join(SNAPSHOTS))
                && medium.get_parent().await.doing(doing)?.is_some()
                && medium.get_machine_ids().await.doing(doing)?.is_empty();
            if is_leftover {
                self.delete_disk(&medium).await?;
            }
            pending.extend(children);
        }
        self.remove_files(id, name, &folder).await
    }
}

const LOGS: &str = "Logs";
const SNAPSHOTS: &str = "Snapshots";

/// The file behind symbolic links, as far as it can be found out.
fn same_file(path: &Path) -> PathBuf {
    std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

/// The files that VirtualBox and we make in a machine's folder, by their names.
fn own_files(name: &str, folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = ["vbox", "vbox-prev", "vbox-tmp", "nvram"]
        .map(|extension| folder.join(format!("{name}.{extension}")))
        .into();
    files.extend(console::console_files(folder));
    let listed = |sub: &str, is_own: fn(&str) -> bool| {
        let entries = std::fs::read_dir(folder.join(sub)).into_iter().flatten().flatten();
        entries
            .filter(|entry| entry.file_name().to_str().is_some_and(is_own))
            .map(|entry| entry.path())
            .collect::<Vec<_>>()
    };
    files.extend(listed(LOGS, |file| file.starts_with("VBox")));
    files.extend(listed(SNAPSHOTS, is_snapshot_file));
    files
}

const DISK_FORMATS: [&str; 3] = ["vdi", "vmdk", "vhd"];

fn is_disk(file: &Path) -> bool {
    let extension = file.extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| DISK_FORMATS.contains(&extension))
}

/// `{6d46…}.vdi`, a differencing disk; `2026-…Z.sav`, a saved state.
fn is_snapshot_file(file: &str) -> bool {
    let Some((stem, extension)) = file.rsplit_once('.') else { return false };
    match extension {
        _ if DISK_FORMATS.contains(&extension) => {
            stem.starts_with('{') && stem.ends_with('}') && stem.len() == 38
        }
        "sav" => stem.starts_with(|c: char| c.is_ascii_digit()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_of_known_names_are_ours() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |file: &str| folder.path().join(file);
        for sub in [LOGS, SNAPSHOTS] {
            std::fs::create_dir(at(sub)).expect("made");
        }
        let own = [
            "Logs/VBox.log",
            "Logs/VBox.log.1",
            "Logs/VBoxHardening.log",
            "Snapshots/{af1606f7-6de0-449d-a6c8-794e09e0341a}.vdi",
            "Snapshots/2026-11-20T21-28-36-097595000Z.sav",
        ];
        let foreign =
            ["model.vdi", "Snapshots/model.vdi", "Logs/notes.txt", "disk.vdi", "Snapshots/{a}.vdi"];
        for file in own.iter().chain(&foreign) {
            std::fs::write(at(file), "x").expect("written");
        }
        let found = own_files("web-1", folder.path());
        for file in own {
            assert!(found.contains(&at(file)), "{file}");
        }
        for file in foreign {
            assert!(!found.contains(&at(file)), "{file}");
        }
        assert!(found.contains(&at("web-1.vbox")));
        assert!(found.contains(&at("console.log")));
    }
}
