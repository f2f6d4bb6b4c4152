//! The folder in which a model is made: `.NAME.import` in the model path.
//!
//! It holds what an interrupted import leaves: the part of a download that is there already. The
//! disk itself is made in it and moved out in one step, so that there is never half a model.

use std::fs::{File, TryLockError};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::error::ImageError;
use crate::error::Error;

const PREFIX: &str = ".";
const SUFFIX: &str = ".import";
const LOCK: &str = "lock";
const DOWNLOAD: &str = "download";
const ORIGIN: &str = "origin";
const READY: &str = "ready.meta";

/// The files of a model.
#[derive(Debug, Clone)]
pub(super) struct ModelFiles {
    pub(super) disk: PathBuf,
    pub(super) meta: PathBuf,
    pub(super) key: PathBuf,
}

impl ModelFiles {
    pub(super) fn new(model_path: &Path, model: &str) -> Self {
        let file = |extension: &str| model_path.join(format!("{model}.{extension}"));
        Self { disk: file("vdi"), meta: file("meta"), key: file("key") }
    }
}

/// The folder, while this process alone works in it.
#[derive(Debug)]
pub(super) struct Workshop {
    pub(super) path: PathBuf,
    _lock: File,
}

impl Workshop {
    /// Makes or takes over the folder of a model.
    pub(super) fn open(model_path: &Path, model: &str) -> Result<Self, Error> {
        let path = path(model_path, model);
        loop {
            std::fs::create_dir_all(&path).map_err(|e| Error::io("create the folder", &path, e))?;
            let lock = path.join(LOCK);
            let file = match File::options().create(true).append(true).open(&lock) {
                // Somebody has just finished and taken the folder away.
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
                other => other.map_err(|e| Error::io("create the lock file", &lock, e))?,
            };
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    return Err(ImageError::Busy { model: model.to_owned() }.into());
                }
                Err(TryLockError::Error(e)) => return Err(Error::io("lock the file", &lock, e)),
            }
            let is_same = |a: &std::fs::Metadata, b: &std::fs::Metadata| {
                (a.dev(), a.ino()) == (b.dev(), b.ino())
            };
            if let (Ok(ours), Ok(there)) = (file.metadata(), std::fs::metadata(&lock))
                && is_same(&ours, &there)
            {
                return Ok(Self { path, _lock: file });
            }
        }
    }

    /// The part of a download that is there.
    pub(super) fn download(&self) -> PathBuf {
        self.path.join(DOWNLOAD)
    }

    /// Where that part came from.
    pub(super) fn origin(&self) -> PathBuf {
        self.path.join(ORIGIN)
    }

    /// The meta file, once the disk is complete.
    pub(super) fn ready(&self) -> PathBuf {
        self.path.join(READY)
    }

    /// A place for a disk that is about to be made. It was never used before: VirtualBox may still
    /// be at work for a client that was killed, and knows the disk of that one.
    pub(super) fn fresh(&self, stem: &str) -> Result<PathBuf, Error> {
        let mut name = tempfile::Builder::new();
        let (prefix, nothing) = (format!("{stem}-"), |_: &Path| Ok(()));
        let place = name.prefix(&prefix).suffix(".vdi").make_in(&self.path, nothing);
        let place = place.map_err(|e| Error::io("find a name in", &self.path, e))?;
        let (_, place) =
            place.keep().map_err(|e| Error::io("find a name in", &self.path, e.error))?;
        Ok(place)
    }

    /// What is left of disks that were being made.
    pub(super) fn leftovers(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(&self.path).into_iter().flatten().flatten();
        let files = entries.map(|entry| entry.path());
        files
            .filter(|path| {
                let name = path.file_name().unwrap_or_default();
                name != LOCK && name != DOWNLOAD && name != ORIGIN && name != READY
            })
            .collect()
    }

    /// Writes a file completely or not at all.
    pub(super) fn write(&self, path: &Path, text: &str) -> Result<(), Error> {
        let failed = |e| Error::io("write the file", path, e);
        let mut file = tempfile::NamedTempFile::new_in(&self.path).map_err(failed)?;
        file.write_all(text.as_bytes()).map_err(failed)?;
        file.as_file().sync_data().map_err(failed)?;
        file.persist(path).map_err(|e| failed(e.error))?;
        Ok(())
    }

    /// Takes the folder away if nothing is left in it that a later import could use.
    pub(super) fn close(self, keep_download: bool) -> Result<(), Error> {
        let mut doomed = self.leftovers();
        let is_empty = std::fs::metadata(self.download()).is_ok_and(|part| part.len() == 0);
        if is_empty {
            doomed.push(self.download());
        }
        if !keep_download {
            doomed.extend([self.download(), self.origin(), self.ready()]);
        }
        for file in doomed {
            remove(&file)?;
        }
        if !self.download().exists() && !self.ready().exists() {
            remove(&self.origin())?;
            // The lock goes last: until then nobody else comes in.
            remove(&self.path.join(LOCK))?;
            match std::fs::remove_dir(&self.path) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                    return Err(Error::io("delete the folder", &self.path, e));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Where the model is being made, if it is.
pub(super) fn path(model_path: &Path, model: &str) -> PathBuf {
    model_path.join(format!("{PREFIX}{model}{SUFFIX}"))
}

/// The models of which an unfinished import is there, with the bytes of its download.
pub(super) fn unfinished(model_path: &Path) -> Vec<(String, u64)> {
    let entries = std::fs::read_dir(model_path).into_iter().flatten().flatten();
    let mut found: Vec<_> = entries
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let model = name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?.to_owned();
            let part = std::fs::metadata(entry.path().join(DOWNLOAD));
            Some((model, part.map_or(0, |part| part.len())))
        })
        .collect();
    found.sort();
    found
}

/// Deletes a file that may be gone already.
pub(crate) fn remove(file: &Path) -> Result<(), Error> {
    match std::fs::remove_file(file) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::io("delete the file", file, e))
        }
        _ => Ok(()),
    }
}

/// Moves a file to a name that must be free, in one step.
pub(super) fn place(from: &Path, to: &Path) -> Result<(), Error> {
    let mut from =
        tempfile::TempPath::try_from_path(from).map_err(|e| Error::io("put in place", to, e))?;
    // What cannot be moved stays.
    from.disable_cleanup(true);
    from.persist_noclobber(to).map_err(|e| Error::io("put in place", to, e.error))
}

/// Whether a model can be called so. The name becomes part of file names and a keyword.
pub(super) fn check_name(name: &str) -> Result<(), Error> {
    let problem = if name.is_empty() || name.len() > 100 {
        "it must have 1 to 100 characters"
    } else if name == crate::models::HARDWARE_MODELS_KEY {
        "meta files use this key for hardware models"
    } else if !name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')) {
        "it may hold letters a to z, digits, '-', '_' and '.'"
    } else if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        "it must begin with a letter"
    } else {
        return Ok(());
    };
    Err(ImageError::InvalidName { name: name.to_owned(), problem }.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time() {
        let folder = tempfile::tempdir().expect("a folder");
        let first = Workshop::open(folder.path(), "m").expect("opens");
        let error = Workshop::open(folder.path(), "m").expect_err("busy");
        assert!(error.to_string().contains("right now"), "{error}");
        Workshop::open(folder.path(), "other").expect("opens").close(false).expect("closes");
        std::fs::write(first.path.join("disk.vdi"), "x").expect("written");
        first.close(false).expect("closes");
        assert_eq!(std::fs::read_dir(folder.path()).expect("reads").count(), 0, "nothing is left");
    }

    #[test]
    fn only_a_download_survives() {
        let folder = tempfile::tempdir().expect("a folder");
        let workshop = Workshop::open(folder.path(), "m").expect("opens");
        std::fs::write(workshop.download(), "part").expect("written");
        std::fs::write(workshop.path.join("disk.vdi"), "x").expect("written");
        workshop.close(true).expect("closes");
        assert_eq!(unfinished(folder.path()), [("m".to_owned(), 4)]);
        let workshop = Workshop::open(folder.path(), "m").expect("opens");
        assert_eq!(workshop.leftovers(), Vec::<PathBuf>::new());
        workshop.close(false).expect("closes");
        assert!(unfinished(folder.path()).is_empty());
    }

    #[test]
    fn a_file_is_never_overwritten() {
        let folder = tempfile::tempdir().expect("a folder");
        let (a, b) = (folder.path().join("a"), folder.path().join("b"));
        std::fs::write(&a, "a").expect("written");
        std::fs::write(&b, "b").expect("written");
        assert!(place(&a, &b).is_err());
        assert_eq!(std::fs::read(&a).expect("still there"), b"a");
        assert_eq!(std::fs::read(&b).expect("as it was"), b"b");
        std::fs::remove_file(&b).expect("removed");
        place(&a, &b).expect("placed");
        assert_eq!(std::fs::read(&b).expect("there"), b"a");
        assert!(!a.exists());
    }

    #[test]
    fn names() {
        for good in ["a", "debian-12", "ubuntu_24.04"] {
            check_name(good).expect(good);
        }
        for bad in ["", "hardware-models", "a/b", ".a", "1a", "a b", "a:b"] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }
}
