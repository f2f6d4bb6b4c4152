//! An image file and what VirtualBox knows of it.

use std::fs::{File, Metadata, TryLockError};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use vbox_soap::api::{AccessMode, DeviceType, IMedium, MediumState};

use super::leftovers::same_file;
use super::{Machine, Manager};
use crate::error::{Doing, Error};
use crate::fault;
use crate::images::vdi;
use crate::lock::MachineLock;
use crate::tag;
use crate::versions;
use crate::wait::{PATIENCE, poll};

impl Manager {
    /// The image as a medium. It may be known under another path: then that is the same disk, or
    /// the file was moved, or there are two with the same id.
    pub(crate) async fn open_image(&self, image: &Path) -> Result<IMedium, Error> {
        let path = image.to_string_lossy();
        match self.open_disk(&path).await {
            Ok(medium) => Ok(medium),
            Err(error) => match self.known_elsewhere(image).await? {
                Some(medium) => Ok(medium),
                None => Err(error).doing(|| format!("open the image {path}")),
            },
        }
    }

    async fn open_disk(&self, path_or_id: &str) -> Result<IMedium, vbox_soap::Error> {
        let (disk, mode) = (DeviceType::HardDisk, AccessMode::ReadWrite);
        self.vbox().open_medium(path_or_id, disk, mode, false).await
    }

    /// The medium that VirtualBox takes the file for, by the id in it.
    async fn known_elsewhere(&self, image: &Path) -> Result<Option<IMedium>, Error> {
        let Some(id) = vdi::id_of(image) else { return Ok(None) };
        let doing = || format!("look for the image {} by its id", image.display());
        let medium = match self.open_disk(&id).await {
            Ok(medium) => medium,
            Err(vbox_soap::Error::Fault(_)) => return Ok(None),
            Err(e) => return Err(e).doing(doing),
        };
        let location = PathBuf::from(medium.get_location().await.doing(doing)?);
        if same_file(&location) == same_file(image) {
            return Ok(Some(medium));
        }
        if location.exists() {
            return Err(Error::ModelNotShareable {
                path: image.to_owned(),
                problem: format!(
                    "VirtualBox knows another file with the same id, {}; use that one, or give \
                     this one an id of its own with `VBoxManage internalcommands sethduuid {:?}`",
                    location.display(),
                    image.display()
                ),
            });
        }
        tracing::info!(from = %location.display(), to = %image.display(), "the image has moved");
        versions::set_location(&medium, &image.to_string_lossy()).await.doing(doing)?;
        medium.refresh_state().await.doing(doing)?;
        if let Some(holder) = self.holder_of(&medium).await? {
            self.note_image(&holder, image).await?;
        }
        Ok(Some(medium))
    }

    async fn note_image(&self, holder: &Machine, image: &Path) -> Result<(), Error> {
        if !holder.accessible {
            return Ok(());
        }
        let doing = || format!("note the new place of the image {}", image.display());
        let lock = MachineLock::write(self, &holder.handle, &holder.name).await?;
        let noted = async {
            lock.machine.set_extra_data(tag::IMAGE, &image.to_string_lossy()).await?;
            lock.machine.save_settings().await
        };
        let noted = noted.await.doing(doing);
        lock.release_after(noted).await
    }

    /// Looks anew at a medium whose file VirtualBox could not read the last time. Whether that
    /// was so.
    pub(super) async fn look_again(&self, medium: &IMedium) -> Result<bool, vbox_soap::Error> {
        if medium.get_state().await? != MediumState::Inaccessible {
            return Ok(false);
        }
        Ok(medium.refresh_state().await? != MediumState::Inaccessible)
    }

    /// Makes VirtualBox forget an image that is no model after all.
    pub(crate) async fn let_go(&self, image: &Path) -> Result<(), Error> {
        let doing = || format!("close the image {}", image.display());
        let opened = self.open_disk(&image.to_string_lossy()).await;
        // What cannot be opened is not known either.
        let Ok(medium) = opened else { return Ok(()) };
        match medium.close().await {
            Err(e) if !fault::is_gone(&e) => Err(e).doing(doing),
            _ => Ok(()),
        }
    }

    /// Beside the image everybody finds it; where that is not writable, it is in the node path.
    fn open_lock(&self, beside: &Path) -> Result<(File, PathBuf), Error> {
        let open = |path: &Path| File::options().create(true).append(true).open(path);
        if let Ok(file) = open(beside) {
            return Ok((file, beside.to_owned()));
        }
        let folder = &self.location().node_path;
        std::fs::create_dir_all(folder).map_err(|e| Error::io("create the folder", folder, e))?;
        let path = folder.join(beside.file_name().unwrap_or_default());
        let file = open(&path).map_err(|e| Error::io("create the lock file", &path, e))?;
        Ok((file, path))
    }

    /// Only one process at a time makes or removes the holder of an image.
    pub(super) async fn lock_image(&self, image: &Path) -> Result<File, Error> {
        let beside = lock_file(image);
        let locked = poll(PATIENCE, || async {
            let (file, path) = self.open_lock(&beside)?;
            match file.try_lock() {
                // Who removes a model removes its lock file, too.
                Ok(()) if is_at(&file, &path) => Ok(Some(file)),
                Ok(()) | Err(TryLockError::WouldBlock) => Ok(None),
                Err(TryLockError::Error(e)) => Err(Error::io("lock the file", &path, e)),
            }
        });
        match locked.await? {
            Some(file) => Ok(file),
            None => Err(Error::TimedOut {
                doing: format!("lock the image {}", image.display()),
                waited: PATIENCE,
                last_seen: format!("another process has locked {}", beside.display()),
            }),
        }
    }
}

/// The lock of an image.
pub(super) fn lock_file(image: &Path) -> PathBuf {
    let name = image.file_name().unwrap_or_default().to_string_lossy();
    image.with_file_name(format!(".{name}.vmfest-lock"))
}

fn is_at(file: &File, path: &Path) -> bool {
    let place = |metadata: Metadata| (metadata.dev(), metadata.ino());
    match (file.metadata(), std::fs::metadata(path)) {
        (Ok(ours), Ok(there)) => place(ours) == place(there),
        _ => false,
    }
}
