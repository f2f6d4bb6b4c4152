//! VirtualBox makes VDIs of other formats.

use std::path::{Path, PathBuf};
use std::time::Duration;

use vbox_soap::api::{AccessMode, DeviceType, IMedium, IProgress};

use super::events::{Step, Watch};
use crate::error::{Doing, Error};
use crate::manager::Manager;
use crate::versions;
use crate::wait::{PATIENCE, poll};

/// How often it is looked whether anybody still wants the result.
const LOOK: Duration = Duration::from_millis(500);

impl Manager {
    /// Makes a VDI of a file of another format. VirtualBox forgets both afterwards.
    pub(super) async fn convert_file(
        &self,
        source: &Path,
        target: &Path,
        watch: &Watch,
    ) -> Result<(), Error> {
        let path = source.to_string_lossy();
        let doing = || format!("read the disk {path}");
        let open = |new_id| {
            let mode = AccessMode::ReadWrite;
            self.vbox().open_medium(&path, DeviceType::HardDisk, mode, new_id)
        };
        // Somebody's disk may have the same id: that of the machine that the image was made on.
        // A new id is only the second choice, as not every format can have one.
        let medium = match open(false).await {
            Ok(medium) => medium,
            Err(first) => match open(true).await {
                Ok(medium) => medium,
                Err(_) => return Err(first).doing(doing),
            },
        };
        let made = self.clone_medium(&medium, target, watch).await;
        let closed = medium.close().await.doing(|| format!("close the disk {path}"));
        made?;
        closed
    }

    /// Makes a VDI of all that a medium shows, the media below it included, and makes VirtualBox
    /// forget the VDI again.
    pub(super) async fn clone_medium(
        &self,
        source: &IMedium,
        target: &Path,
        watch: &Watch,
    ) -> Result<(), Error> {
        let made = self.copy_medium(source, target, watch).await?;
        made.close().await.doing(|| format!("close the disk {}", target.display()))
    }

    /// Makes a VDI of all that a medium shows, the media below it included.
    pub(crate) async fn copy_medium(
        &self,
        source: &IMedium,
        target: &Path,
        watch: &Watch,
    ) -> Result<IMedium, Error> {
        let path = target.to_string_lossy();
        let doing = || format!("make the disk {path}");
        let mut meter = watch.begin(Step::Convert, Some(100));
        let made = versions::new_disk(self.vbox(), "VDI", &path).await.doing(doing)?;
        let progress = versions::copy_to_base(source, &made).await.doing(doing)?;
        loop {
            let waited = progress
                .wait_with(LOOK, |state| {
                    // That nobody waits any more is found out below.
                    let _ = meter.set(u64::from(state.percent));
                })
                .await;
            match waited {
                Ok(()) => return Ok(made),
                Err(vbox_soap::Error::NotFinished { .. }) => {
                    if let Err(abandoned) = watch.check() {
                        give_up(&progress).await;
                        return Err(abandoned.into());
                    }
                }
                Err(e) => return Err(e).doing(doing),
            }
        }
    }

    /// Makes VirtualBox forget disks that a killed process was having made.
    pub(super) async fn forget(&self, files: &[PathBuf]) -> Result<(), Error> {
        if files.is_empty() {
            return Ok(());
        }
        let doing = || "clear up after an interrupted import".to_owned();
        for medium in self.vbox().get_hard_disks().await.doing(doing)? {
            // Disks of others come and go meanwhile.
            let Ok(location) = medium.get_location().await else { continue };
            if !files.iter().any(|file| *file == Path::new(&location)) {
                continue;
            }
            // VirtualBox goes on with a conversion whose client is gone; then this takes a while.
            let closed = poll(PATIENCE, || async {
                match medium.close().await {
                    Ok(()) => Ok(Some(())),
                    Err(e) if crate::fault::is_gone(&e) => Ok(Some(())),
                    Err(e) if crate::fault::is_busy(&e) => Ok(None),
                    Err(e) => Err(e).doing(doing),
                }
            });
            if closed.await?.is_none() {
                return Err(Error::TimedOut {
                    doing: doing(),
                    waited: PATIENCE,
                    last_seen: format!("VirtualBox is still busy with {location}"),
                });
            }
        }
        Ok(())
    }
}

async fn give_up(progress: &IProgress) {
    if let Err(error) = progress.cancel().await {
        tracing::debug!(%error, "cannot cancel a conversion");
    }
    if let Err(error) = progress.wait(PATIENCE).await {
        tracing::debug!(%error, "a conversion ended");
    }
}
