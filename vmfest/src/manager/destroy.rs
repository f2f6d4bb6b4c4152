//! Removing machines, and nothing that they share.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use vbox_soap::api::{CleanupMode, IMedium, MachineState, MediumType, SessionState};

use super::leftovers::{has_disks, remove_all, same_file, serial_files};
use super::{Machine, Manager};
use crate::error::{Doing, Error};
use crate::fault;
use crate::lock::{MachineLock, locked_by};
use crate::tag::{self, Role};
use crate::versions;
use crate::wait::{PATIENCE, poll};

impl Manager {
    /// Destroys the instance of this name: switches it off, unregisters it and deletes what
    /// belongs to it alone. Image models are never touched. It is fine if there is none.
    ///
    /// # Errors
    /// [`Error::NotOurs`] for a VM that was not made by this crate; [`Error::HasClones`]; when
    /// something is left.
    pub async fn destroy(&self, name: &str) -> Result<(), Error> {
        crate::location::check_name(name)?;
        self.tidy_once().await;
        match self.own_machine(name, Role::Instance).await? {
            Some(machine) => self.destroy_machine(&machine, Disks::Delete).await.map(drop),
            None if self.name_is_taken(name).await? => {
                Err(Error::NotOurs { name: name.to_owned() })
            }
            None => {
                // What a killed process left goes when the name is claimed.
                let claim = self.claim_name(name).await?;
                let removed = self.remove_leftovers(name).await;
                claim.end();
                removed
            }
        }
    }

    /// Destroys an instance; says which of its disks are left. Fine if it is gone already.
    pub(crate) async fn destroy_machine(
        &self,
        machine: &Machine,
        disks: Disks,
    ) -> Result<Vec<PathBuf>, Error> {
        self.tidy_once().await;
        let mut claim = self.claim_name(&machine.name).await?;
        let destroyed = async {
            let clones = self.linked_clones(machine, None).await?;
            if !clones.is_empty() {
                return Err(Error::HasClones { name: machine.name.clone(), clones });
            }
            // From here on there is no way back: if this process is killed, another one goes on.
            if disks == Disks::Delete {
                claim.note_machine(&machine.id)?;
                claim.note_folder()?;
            }
            Box::pin(self.remove_with_disks(machine, disks)).await
        };
        let destroyed = destroyed.await;
        // What is not registered any more is no instance, and cannot be found as one again.
        if destroyed.is_err() && self.is_unknown(&machine.id).await? {
            claim.leave_over();
        }
        claim.end();
        destroyed
    }

    /// Removes a machine of ours in whatever state it is. Fine if somebody else was faster.
    pub(crate) async fn remove_machine(&self, machine: &Machine) -> Result<(), Error> {
        self.remove_with_disks(machine, Disks::Delete).await.map(drop)
    }

    async fn remove_with_disks(
        &self,
        machine: &Machine,
        disks: Disks,
    ) -> Result<Vec<PathBuf>, Error> {
        let name = &machine.name;
        let gone =
            |e: &Error| matches!(e, Error::VirtualBox { source, .. } if fault::is_gone(source));
        let serial = serial_files(&machine.folder, name);
        let removed = async {
            let mut own_disks = BTreeSet::new();
            if machine.accessible {
                self.switch_off(machine).await?;
                let noted = machine.handle.get_extra_data(tag::OWN_DISKS).await;
                let noted = noted.doing(|| format!("destroy the VM {name}"))?;
                own_disks.extend(noted.lines().map(PathBuf::from));
            }
            let media = self.unregister(machine).await?;
            let own = self.own_media(media, &own_disks).await?;
            let kept = match disks {
                Disks::Keep => close_all(own).await?,
                Disks::Delete => {
                    self.delete_registered(machine, own).await?;
                    self.delete_stray_disks(own_disks.iter()).await?;
                    Vec::new()
                }
            };
            Ok(kept)
        };
        let kept = match removed.await {
            Err(e) if gone(&e) && self.is_unknown(&machine.id).await? => Vec::new(),
            other => other?,
        };
        remove_all(&serial)?;
        if disks == Disks::Delete && has_disks(name, &machine.folder) {
            // Disks that the machine had, and has no more.
            self.remove_unregistered(&machine.id, name, &machine.folder).await?;
        } else {
            self.remove_files(&machine.id, name, &machine.folder, disks).await?;
        }
        Ok(kept)
    }

    /// Deletes the settings and the disks of a machine that was just unregistered.
    async fn delete_registered(&self, machine: &Machine, own: Vec<IMedium>) -> Result<(), Error> {
        if !machine.accessible {
            return Ok(());
        }
        let doing = || format!("destroy the VM {}", machine.name);
        let mut doomed = Vec::new();
        for medium in own {
            let location = medium.get_location().await.doing(doing)?;
            if Path::new(&location).exists() {
                doomed.push(medium);
            } else {
                // VirtualBox cannot delete a file that is gone, only forget it.
                medium.close().await.doing(doing)?;
            }
        }
        let progress = versions::delete(&machine.handle, &doomed).await.doing(doing)?;
        match progress.wait(PATIENCE).await {
            // It could not delete settings that somebody has deleted; what else there is, we do.
            Err(error) if !machine.settings().exists() && doomed.is_empty() => {
                tracing::debug!(%error, name = machine.name, "the settings file was gone");
                Ok(())
            }
            other => other.doing(doing),
        }
    }

    pub(super) async fn is_unknown(&self, id: &str) -> Result<bool, Error> {
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
                    if session == SessionState::Unlocked {
                        return Ok(Some(()));
                    }
                    // Perhaps the one who has it locked is dead.
                    Box::pin(self.end_dead_clients()).await;
                    Ok(None)
                }
                // Starting, Saving and the like end by themselves.
                _ => Ok(None),
            }
        });
        if off.await?.is_some() {
            return Ok(());
        }
        let state = handle.get_state().await.doing(doing)?;
        let owner = locked_by(handle).await;
        Err(Error::TimedOut {
            doing: doing(),
            waited: PATIENCE,
            last_seen: format!("it is {state}, and {owner}"),
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
                Err(e) if fault::is_busy(&e) => {
                    Box::pin(self.end_dead_clients()).await;
                    Ok(None)
                }
                Err(e) => Err(e).doing(doing),
            }
        });
        match unregistered.await? {
            Some(media) => Ok(media),
            None => Err(Error::TimedOut {
                doing: doing(),
                waited: PATIENCE,
                last_seen: locked_by(&machine.handle).await,
            }),
        }
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
                || matches!(
                    medium.get_type().await.doing(doing)?,
                    MediumType::MultiAttach | MediumType::Immutable
                );
            let in_use = !medium.get_machine_ids().await.doing(doing)?.is_empty();
            if made_for_it && !is_image && !in_use {
                own.push(medium);
            } else {
                tracing::debug!(disk = %location.display(), "the disk is not the VM's own; it stays");
            }
        }
        Ok(own)
    }
}

/// What happens to the disks of an instance that is destroyed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Disks {
    /// They are deleted.
    Delete,
    /// VirtualBox forgets them, and their files stay.
    Keep,
}

/// Has VirtualBox forget disks, and says where their files are.
async fn close_all(mut media: Vec<IMedium>) -> Result<Vec<PathBuf>, Error> {
    let doing = || "release the disks of a VM".to_owned();
    let mut locations = Vec::new();
    while !media.is_empty() {
        let (mut leaves, mut others) = (Vec::new(), Vec::new());
        for medium in media {
            let children = medium.get_children().await.doing(doing)?;
            if children.is_empty() { &mut leaves } else { &mut others }.push(medium);
        }
        if leaves.is_empty() {
            // Disks of others build upon them.
            break;
        }
        for leaf in leaves {
            locations.push(PathBuf::from(leaf.get_location().await.doing(doing)?));
            leaf.close().await.doing(doing)?;
        }
        media = others;
    }
    locations.sort();
    Ok(locations)
}
