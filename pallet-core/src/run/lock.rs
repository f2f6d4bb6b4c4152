//! Locks that keep two converges from working on one group at once: they would double it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::path::Path;

use super::RunError;
use crate::action::digest;
use crate::shell;

/// The lock of one group, held as long as the value lives. The operating system lets go of it with
/// the process, however that ends.
#[derive(Debug)]
pub(super) struct GroupLock {
    file: File,
}

impl Drop for GroupLock {
    /// A program that another thread is starting in this moment has the file as well until it is
    /// there, and would keep the lock: to close the file is not enough.
    fn drop(&mut self) {
        if let Err(error) = self.file.unlock() {
            tracing::warn!(%error, "a group's lock is held until this program ends");
        }
    }
}

impl GroupLock {
    /// Takes the lock of a service's group; `identity` tells services of the same name apart.
    ///
    /// # Errors
    /// [`RunError::Busy`] when somebody else has it, [`RunError::Lock`] when it cannot be taken.
    pub fn take(
        folder: &Path,
        service: &str,
        identity: &str,
        group: &str,
    ) -> Result<Self, RunError> {
        let mark: String = digest([identity.as_bytes()]).chars().take(8).collect();
        let path = folder.join(format!("{}-{mark}-{group}.lock", file_name(service)));
        let failed = |reason: std::io::Error| RunError::Lock {
            group: group.to_owned(),
            file: path.display().to_string(),
            reason: reason.to_string(),
        };
        std::fs::create_dir_all(folder).map_err(failed)?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // Whoever has the lock may be about to write who it is.
                let _ = file.read_to_string(&mut holder);
                let holder = match holder.trim() {
                    "" => "somebody who has not said who they are".to_owned(),
                    holder => holder.to_owned(),
                };
                let (service, group) = (service.to_owned(), group.to_owned());
                return Err(RunError::Busy { group, service, holder });
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        file.set_len(0).and_then(|()| file.write_all(holder().as_bytes())).map_err(failed)?;
        Ok(Self { file })
    }
}

/// A service's name as part of a file's name.
fn file_name(service: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "._".contains(letter);
    service.chars().map(|letter| if plain(letter) { letter } else { '_' }).collect()
}

/// Who we are: `process 4711 of ann: pallet converge`.
fn holder() -> String {
    let words: Vec<String> = std::env::args().take(2).collect();
    let user = std::env::var("USER").unwrap_or_else(|_| "somebody".to_owned());
    format!("process {} of {user} ({})\n", std::process::id(), shell::command(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_and_the_other_hears_who() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("not/yet/there");
        let take = |service, identity, group| GroupLock::take(&folder, service, identity, group);
        let held = take("lab", "here", "web").unwrap();
        let busy = take("lab", "here", "web").unwrap_err();
        let own = format!("process {} ", std::process::id());
        assert!(busy.is_refusal() && busy.to_string().contains(&own), "{busy}");
        for (service, identity, group) in
            [("lab", "here", "db"), ("lab", "there", "web"), ("../..", "here", "web")]
        {
            take(service, identity, group).unwrap();
        }
        drop(held);
        take("lab", "here", "web").unwrap();
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 4);
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_told() {
        let error = GroupLock::take(Path::new("/dev/null/x"), "lab", "here", "web").unwrap_err();
        assert!(matches!(error, RunError::Lock { .. }) && !error.is_refusal(), "{error}");
    }
}
