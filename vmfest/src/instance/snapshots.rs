//! Snapshots.

use std::time::Duration;

use vbox_soap::api::IMachine;

use super::{Instance, operation};
use crate::error::{Doing, Error};
use crate::manager::{TreeSnapshot, snapshots};
use crate::versions;

/// A snapshot merges disks, or writes the memory of a VM that runs.
const PATIENCE: Duration = Duration::from_secs(1800);

/// A state of a VM that can be returned to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// VirtualBox's id of it.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// When it was taken, in milliseconds since 1970.
    pub taken: i64,
    /// Whether it holds the memory of a VM that ran.
    pub online: bool,
    /// The id of the snapshot that it builds upon.
    pub parent: Option<String>,
    /// Whether the VM's current state builds upon it.
    pub current: bool,
}

impl Instance {
    /// Takes a snapshot, of a VM that runs with its memory. The VM goes on as it was.
    ///
    /// # Errors
    /// [`Error::SnapshotExists`]; [`Error::WrongState`] if the VM is stuck or inaccessible.
    pub async fn take_snapshot(&self, name: &str, description: &str) -> Result<Snapshot, Error> {
        let take = operation::TAKE_SNAPSHOT;
        let doing = || take.doing(self.name());
        self.perform(take, |state| async move {
            if self.find_snapshot(name).await?.is_some() {
                return Err(Error::SnapshotExists {
                    name: self.name().to_owned(),
                    snapshot: name.to_owned(),
                });
            }
            let lock = self.lock_as_it_is(state.is_online()).await?;
            let taken = async {
                versions::take_snapshot(&lock, name, description).await?.wait(PATIENCE).await
            };
            let taken = taken.await.doing(doing);
            lock.release_after(taken).await
        })
        .await?;
        self.require_snapshot(name).await
    }

    /// All snapshots, each after the one that it builds upon.
    ///
    /// # Errors
    /// When VirtualBox cannot be asked.
    pub async fn snapshots(&self) -> Result<Vec<Snapshot>, Error> {
        if !self.machine.accessible {
            return Ok(Vec::new());
        }
        read_all(&self.machine.handle)
            .await
            .doing(|| format!("list the snapshots of the VM {}", self.name()))
    }

    /// Returns the VM to a snapshot, by name or id. What has changed since is lost. A VM whose
    /// snapshot was taken while it ran is saved then, and continues when it is started.
    ///
    /// # Errors
    /// [`Error::UnknownSnapshot`]; [`Error::WrongState`] while the VM is running or paused: its
    /// power is not cut unasked.
    pub async fn restore_snapshot(&self, snapshot: &str) -> Result<(), Error> {
        let restore = operation::RESTORE_SNAPSHOT;
        self.perform(restore, |_| async move {
            let id = self.require_snapshot(snapshot).await?.id;
            let lock = self.lock_as_it_is(false).await?;
            let restored = async {
                let found = lock.machine.find_snapshot(&id).await?;
                versions::restore_snapshot(&lock, &found).await?.wait(PATIENCE).await
            };
            let restored = restored.await.doing(|| restore.doing(self.name()));
            lock.release_after(restored).await
        })
        .await
        .map(drop)
    }

    /// Deletes a snapshot, by name or id. The VM's current state, and the snapshots that build
    /// upon it, stay as they are. It is fine if there is none of that name.
    ///
    /// # Errors
    /// [`Error::HasClones`] if linked clones need it; [`Error::WrongState`] if the VM is stuck or
    /// inaccessible.
    pub async fn delete_snapshot(&self, snapshot: &str) -> Result<(), Error> {
        let delete = operation::DELETE_SNAPSHOT;
        self.perform(delete, |state| async move {
            let Some(found) = self.find_snapshot(snapshot).await? else { return Ok(()) };
            let clones = self.manager.linked_clones(&self.machine, Some(&found.id)).await?;
            if !clones.is_empty() {
                return Err(Error::HasClones { name: self.name().to_owned(), clones });
            }
            let lock = self.lock_as_it_is(state.is_online()).await?;
            let deleted =
                async { versions::delete_snapshot(&lock, &found.id).await?.wait(PATIENCE).await };
            let deleted = deleted.await.doing(|| delete.doing(self.name()));
            lock.release_after(deleted).await
        })
        .await
        .map(drop)
    }

    async fn find_snapshot(&self, name_or_id: &str) -> Result<Option<Snapshot>, Error> {
        let all = self.snapshots().await?;
        Ok(all.into_iter().find(|s| s.name == name_or_id || s.id == name_or_id))
    }

    pub(super) async fn require_snapshot(&self, name_or_id: &str) -> Result<Snapshot, Error> {
        let known = self.snapshots().await?;
        let found = known.iter().find(|s| s.name == name_or_id || s.id == name_or_id);
        found.cloned().ok_or_else(|| Error::UnknownSnapshot {
            name: self.name().to_owned(),
            snapshot: name_or_id.to_owned(),
            known: known.iter().map(|s| s.name.clone()).collect(),
        })
    }
}

async fn read_all(machine: &IMachine) -> Result<Vec<Snapshot>, vbox_soap::Error> {
    let tree = snapshots(machine).await?;
    let current = match machine.get_current_snapshot().await? {
        Some(snapshot) if !tree.is_empty() => snapshot.get_id().await?,
        _ => return Ok(Vec::new()),
    };
    let mut found = Vec::new();
    for TreeSnapshot { handle, id, parent } in tree {
        found.push(Snapshot {
            name: handle.get_name().await?,
            description: handle.get_description().await?,
            taken: handle.get_time_stamp().await?,
            online: handle.get_online().await?,
            parent,
            current: id == current,
            id,
        });
    }
    Ok(found)
}
