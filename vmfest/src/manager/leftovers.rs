//! What machines of ours leave behind, in their folders and among the disks.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use vbox_soap::api::MediumType;

use super::Manager;
use super::destroy::Disks;
use crate::console;
use crate::error::{Doing, Error};
use crate::ports;
use crate::tag;

impl Manager {
    /// The files of the image models that meta files list.
    pub(super) fn listed_images(&self) -> BTreeSet<PathBuf> {
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
        disks: Disks,
    ) -> Result<(), Error> {
        ports::give_back_all(&self.location().ports(), id);
        if !folder.exists() {
            return Ok(());
        }
        let mut files = own_files(name, folder);
        if disks == Disks::Keep {
            files.retain(|file| !is_disk(file));
        }
        let mut images = BTreeSet::new();
        // VirtualBox has deleted the disks already, unless it could not read the machine.
        if files.iter().any(|file| is_disk(file)) {
            images = self.listed_images();
            images.extend(self.held_images().await?.iter().map(|path| same_file(path)));
        }
        files.retain(|file| !images.contains(&same_file(file)));
        delete(&files, folder)
    }

    /// Deletes what VirtualBox leaves in the folder that a machine had before it was renamed.
    pub(crate) fn remove_moved_files(&self, name: &str, folder: &Path) -> Result<(), Error> {
        let mut files = own_files(name, folder);
        files.retain(|file| !is_disk(file));
        delete(&files, folder)
    }

    /// Clears up a folder of a machine of ours that VirtualBox does not know (any more): its
    /// registry was lost, or somebody unregistered the machine.
    pub(super) async fn remove_leftovers(&self, name: &str) -> Result<(), Error> {
        let folder = self.location().instance_folder(name);
        let Some(id) = id_in_settings(&folder, name).filter(|id| tag::is_marked(id)) else {
            return Ok(());
        };
        if !self.is_unknown(&id).await? {
            return Ok(());
        }
        self.remove_unregistered(&id, name, &folder).await
    }

    /// Removes the disks and files of a machine of ours that is not registered, unless the folder
    /// turns out to be another machine's.
    pub(super) async fn remove_unregistered(
        &self,
        id: &str,
        name: &str,
        folder: &Path,
    ) -> Result<(), Error> {
        if id_in_settings(folder, name).is_some_and(|found| found != id) {
            ports::give_back_all(&self.location().ports(), id);
            return Ok(());
        }
        let doing = || format!("clear up the leftovers of the VM {name}");
        remove_all(&serial_files(folder, name))?;
        let images = self.listed_images();
        let mut pending = self.vbox().get_hard_disks().await.doing(doing)?;
        let mut found = Vec::new();
        while let Some(medium) = pending.pop() {
            let children = medium.get_children().await.doing(doing)?;
            let location = PathBuf::from(medium.get_location().await.doing(doing)?);
            let is_leftover = location.starts_with(folder)
                && !images.contains(&same_file(&location))
                && medium.get_type().await.doing(doing)? == MediumType::Normal
                && medium.get_machine_ids().await.doing(doing)?.is_empty();
            if is_leftover {
                found.push(medium);
            }
            pending.extend(children);
        }
        // Children come after their parents, and have to go before them.
        for medium in found.into_iter().rev() {
            if medium.get_children().await.doing(doing)?.is_empty() {
                self.delete_disk(&medium).await?;
            }
        }
        self.remove_files(id, name, folder, Disks::Delete).await
    }
}

/// Deletes files of a machine and, where they are empty, its folders.
fn delete(files: &[PathBuf], folder: &Path) -> Result<(), Error> {
    remove_all(files)?;
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

pub(super) fn remove_all(files: &[PathBuf]) -> Result<(), Error> {
    for file in files {
        match std::fs::remove_file(file) {
            Err(e) if e.kind() != ErrorKind::NotFound => {
                return Err(Error::io("delete the file", file, e));
            }
            _ => {}
        }
    }
    Ok(())
}

/// The files in a machine's folder that its serial ports are written to.
pub(super) fn serial_files(folder: &Path, name: &str) -> Vec<PathBuf> {
    let settings = std::fs::read_to_string(folder.join(format!("{name}.vbox")));
    let settings = settings.unwrap_or_default();
    let ports = settings.split("<Port slot=").skip(1).filter_map(|port| {
        let (port, _) = port.split_once('>')?;
        let (_, path) = port.split_once(" path=\"")?;
        let path = Path::new(path.split_once('"')?.0);
        (path.parent() == Some(folder)).then(|| path.to_owned())
    });
    ports.collect()
}

/// The id in a machine's settings file.
fn id_in_settings(folder: &Path, name: &str) -> Option<String> {
    let settings = std::fs::read_to_string(folder.join(format!("{name}.vbox"))).ok()?;
    let (_, rest) = settings.split_once("<Machine uuid=\"{")?;
    rest.get(..36).map(str::to_owned)
}

const LOGS: &str = "Logs";
pub(super) const SNAPSHOTS: &str = "Snapshots";

/// The file behind symbolic links, as far as it can be found out.
pub(super) fn same_file(path: &Path) -> PathBuf {
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

/// Whether disks of VirtualBox's making are left in a machine's folder.
pub(super) fn has_disks(name: &str, folder: &Path) -> bool {
    own_files(name, folder).iter().any(|file| is_disk(file))
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

    #[test]
    fn files_of_serial_ports() {
        let folder = tempfile::tempdir().expect("a folder");
        let here = folder.path().display();
        let settings = format!(
            "<UART><Port slot=\"0\" path=\"{here}/console.log\" hostMode=\"RawFile\"/>\
             <Port slot=\"1\" path=\"/elsewhere/x\"/><Port slot=\"2\" enabled=\"false\"/></UART>"
        );
        std::fs::write(folder.path().join("a.vbox"), settings).expect("written");
        assert_eq!(serial_files(folder.path(), "a"), [folder.path().join("console.log")]);
        assert!(serial_files(folder.path(), "b").is_empty());
    }
}
