//! Names that somebody works on, and what is left where that one was killed.
//!
//! Whoever makes, renames or destroys a machine claims its name before: a file of that name,
//! locked for as long as the work takes, and deleted at its end. A claim without a lock was left
//! by a process that was killed. It names the machine, so that what is left of it can be removed.

use std::fs::{File, TryLockError};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use super::Manager;
use crate::error::Error;
use crate::tag::Role;
use crate::wait::{PATIENCE, poll};

/// The file that is locked while others beside it are opened and locked, or deleted, so that nobody
/// sees one that is not locked yet, or locks one that has just been deleted. No instance can have
/// this name.
pub(super) const GATE: &str = ".gate";
/// Says that the machine's folder is that machine's.
const FOLDER: &str = "folder";

/// A name that only this process works on.
#[derive(Debug)]
pub(crate) struct NameClaim {
    path: PathBuf,
    file: File,
    remains: Option<Remains>,
    /// Whether something could not be removed, so that the next one who claims the name has to.
    left_over: bool,
}

/// What the last one who worked on a name may have left.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Remains {
    id: String,
    owns_folder: bool,
}

impl Remains {
    fn read(text: &str) -> Option<Self> {
        // Only whole lines count.
        let mut lines = text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
        let id = lines.next()?.to_owned();
        Some(Self { id, owns_folder: lines.next() == Some(FOLDER) })
    }
}

impl NameClaim {
    /// Claims the name; nothing if another process has it.
    fn try_take(folder: &Path, name: &str) -> Result<Option<Self>, Error> {
        std::fs::create_dir_all(folder).map_err(|e| Error::io("create the folder", folder, e))?;
        let path = folder.join(name);
        let failed = |e| Error::io("claim a name with the file", &path, e);
        let _gate = gate(folder).map_err(failed)?;
        let opened = File::options().create(true).read(true).append(true).open(&path);
        let mut file = opened.map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(e)) => return Err(failed(e)),
        }
        let mut text = String::new();
        file.read_to_string(&mut text).map_err(failed)?;
        let remains = Remains::read(&text);
        Ok(Some(Self { path, file, remains, left_over: false }))
    }

    /// Notes which machine is made or destroyed. If this process is killed, it goes.
    pub(super) fn note_machine(&mut self, id: &str) -> Result<(), Error> {
        self.note(id)
    }

    /// Notes that the machine's folder belongs to it.
    pub(super) fn note_folder(&mut self) -> Result<(), Error> {
        self.note(FOLDER)
    }

    fn note(&mut self, line: &str) -> Result<(), Error> {
        let written = self.file.write_all(format!("{line}\n").as_bytes());
        written.map_err(|e| Error::io("claim a name with the file", &self.path, e))
    }

    /// Something could not be removed: the next one who claims the name tries again.
    pub(super) fn leave_over(&mut self) {
        self.left_over = true;
    }

    /// The work is done, or undone.
    pub(crate) fn end(self) {
        if self.left_over {
            return;
        }
        // The file stays locked until it is deleted.
        let deleted = self.path.parent().map_or(Ok(()), |folder| {
            let _gate = gate(folder)?;
            std::fs::remove_file(&self.path)
        });
        if let Err(error) = deleted {
            tracing::warn!(%error, claim = %self.path.display(), "cannot give up a claim");
        }
    }
}

/// Held for the moment that it takes to open and lock, or to delete, a file in the folder.
pub(super) fn gate(folder: &Path) -> std::io::Result<File> {
    let gate = File::options().create(true).append(true).open(folder.join(GATE))?;
    gate.lock()?;
    Ok(gate)
}

impl Manager {
    /// Claims a name. Waits for another process that works on it, and removes what is left of a
    /// machine whose maker or destroyer was killed.
    pub(super) async fn claim_name(&self, name: &str) -> Result<NameClaim, Error> {
        let folder = self.location().unfinished();
        let taken = poll(PATIENCE, || async { NameClaim::try_take(&folder, name) }).await?;
        let Some(mut claim) = taken else { return Err(Error::Busy { name: name.to_owned() }) };
        if let Some(remains) = claim.remains.take() {
            tracing::info!(name, id = remains.id, "removing what a killed process left of a VM");
            Box::pin(self.remove_remains(name, &remains)).await?;
            let emptied = claim.file.set_len(0);
            emptied.map_err(|e| Error::io("claim a name with the file", &claim.path, e))?;
        }
        Ok(claim)
    }

    /// Claims several names, in an order that keeps two who want the same ones from waiting for
    /// each other.
    pub(crate) async fn claim_names<const N: usize>(
        &self,
        mut names: [&str; N],
    ) -> Result<Vec<NameClaim>, Error> {
        names.sort_unstable();
        let mut claims = Vec::new();
        for name in names {
            match self.claim_name(name).await {
                Ok(claim) => claims.push(claim),
                Err(error) => {
                    claims.into_iter().for_each(NameClaim::end);
                    return Err(error);
                }
            }
        }
        Ok(claims)
    }

    async fn remove_remains(&self, name: &str, remains: &Remains) -> Result<(), Error> {
        if let Some(machine) = self.own_machine(&remains.id, Role::Instance).await? {
            return self.remove_machine(&machine).await;
        }
        let folder = self.location().instance_folder(name);
        if remains.owns_folder {
            return self.remove_unregistered(&remains.id, name, &folder).await;
        }
        crate::ports::give_back_all(&self.location().ports(), &remains.id);
        // Killed between making it and noting that; what is not empty is somebody else's.
        std::fs::remove_dir(folder).ok();
        Ok(())
    }

    /// The names of machines that are being made or destroyed, or that a killed process left half
    /// made or half destroyed. They are no instances.
    pub(super) fn unfinished_names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.location().unfinished()).into_iter().flatten();
        entries
            .flatten()
            .filter(|entry| {
                let text = std::fs::read_to_string(entry.path()).unwrap_or_default();
                Remains::read(&text).is_some()
            })
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect()
    }

    /// Ends what clients that were killed have left: their sessions, with their locks on VMs, and
    /// VMs that they had half made or half destroyed.
    ///
    /// Every manager does this by itself before it first changes anything.
    ///
    /// # Errors
    /// When something is left.
    pub async fn tidy(&self) -> Result<(), Error> {
        self.end_dead_clients().await;
        for name in self.unfinished_names() {
            // Somebody who is alive works on those that cannot be claimed.
            if let Some(claim) = NameClaim::try_take(&self.location().unfinished(), &name)? {
                if let Some(remains) = &claim.remains {
                    Box::pin(self.remove_remains(&name, remains)).await?;
                }
                claim.end();
            }
        }
        Ok(())
    }

    /// [`Manager::tidy`], once.
    pub(crate) async fn tidy_once(&self) {
        let tidied = self.inner.tidied.get_or_init(|| async {
            if let Err(error) = Box::pin(self.tidy()).await {
                tracing::warn!(%error, "cannot remove all that killed clients have left");
            }
        });
        tidied.await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_claimed_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let take = || NameClaim::try_take(folder.path(), "web-1").expect("works");
        let mut first = take().expect("it is free");
        assert!(take().is_none());
        first.note_machine("id").expect("noted");
        first.end();
        assert!(!folder.path().join("web-1").exists());
        let second = take().expect("it is free again");
        assert_eq!(second.remains, None);
        second.end();
    }

    #[test]
    fn what_a_killed_process_left_is_known() {
        let folder = tempfile::tempdir().expect("a folder");
        let take = || NameClaim::try_take(folder.path(), "web-1").expect("works").expect("free");
        let mut killed = take();
        killed.note_machine("id").expect("noted");
        drop(killed);
        let mut found = take();
        assert_eq!(found.remains, Some(Remains { id: "id".to_owned(), owns_folder: false }));
        found.note_folder().expect("noted");
        drop(found);
        let found = take();
        assert_eq!(found.remains, Some(Remains { id: "id".to_owned(), owns_folder: true }));
        found.end();
        assert_eq!(Remains::read("766d66"), None, "half a line");
    }
}
