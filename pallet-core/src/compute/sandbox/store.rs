//! Where sandboxes are kept: a folder per service and project, a folder per sandbox in it.
//!
//! Everything lies on a file system in memory, so that nothing outlives the machine, which its
//! processes do not either. What is on disk is the truth; what was begun and not completed is
//! noticed by that and removed.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::machine::Network;
use super::process::Holder;
use super::tool::{self, failed, run};
use crate::compute::ComputeError;

/// Where all sandboxes of this machine are.
pub(super) const HUB: &str = "/run/pallet/sandbox";

/// How long programs that a killed maker had started may go on.
const STRAGGLERS: Duration = Duration::from_secs(5);

/// The sandboxes of one service of one project.
#[derive(Debug, Clone)]
pub(super) struct Scope {
    hub: PathBuf,
    folder: PathBuf,
    owner: Owner,
    /// Short and unlike those of other scopes: for names of network devices.
    tag: String,
}

/// Whose sandboxes a scope holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Owner {
    service: String,
    project: PathBuf,
}

/// What is kept of a sandbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    pub name: String,
    pub group: String,
    /// Its place in the network: the lowest number that is free.
    pub number: u16,
    pub network: Network,
    /// Why it has no other network than itself, although it was to have one.
    pub network_note: Option<String>,
    /// The layer over this machine's files that it was made with.
    pub layer: String,
    pub bootstrapped: bool,
    /// Whether it has been made to the end.
    pub complete: bool,
}

/// A lock that ends with the value.
#[derive(Debug)]
pub(super) struct Lock(File);

impl Drop for Lock {
    /// A program that is being started in this moment has the file as well, until it is there.
    fn drop(&mut self) {
        if let Err(error) = self.0.unlock() {
            tracing::debug!(%error, "a lock goes only with this program");
        }
    }
}

impl Scope {
    /// The scope of a service in the project whose description is in `project`.
    pub fn new(service: &str, project: &Path) -> Result<Self, ComputeError> {
        let project = fs::canonicalize(project)
            .map_err(|error| failed(format_args!("the folder {}", project.display()), &error))?;
        let owner = Owner { service: service.to_owned(), project };
        let tag =
            format!("{:08x}", fold(format!("{service}\0{}", owner.project.display()).as_bytes()));
        let readable: String =
            service.chars().filter(char::is_ascii_alphanumeric).take(20).collect();
        let hub = PathBuf::from(HUB);
        Ok(Self { folder: hub.join(format!("{readable}-{tag}")), hub, owner, tag })
    }

    pub fn tag(&self) -> &str {
        &self.tag
    }

    /// Where the layers of this scope's sandboxes are.
    pub fn layers(&self) -> PathBuf {
        self.folder.join("layers")
    }

    /// What the network is like, if it has been made.
    pub fn network_file(&self) -> PathBuf {
        self.folder.join("network.json")
    }

    /// The place of a sandbox, whether it exists or not.
    pub fn place(&self, name: &str) -> Place {
        Place { folder: self.folder.join("nodes").join(name) }
    }

    /// Keeps everybody else from making or removing scopes and from giving out numbers.
    pub fn lock_hub(&self) -> Result<Lock, ComputeError> {
        let parent = self.hub.parent().unwrap_or(Path::new("/"));
        make_folder(parent, 0o755)?;
        loop {
            if let Some(lock) = lock(&parent.join("sandbox.lock"), true)? {
                return Ok(lock);
            }
        }
    }

    /// Makes the scope's folders. Call it with the hub locked.
    pub fn make(&self) -> Result<(), ComputeError> {
        make_folder(&self.hub, 0o700)?;
        if !is_mount_point(&self.hub) {
            let hub = self.hub.to_string_lossy().into_owned();
            let options = "mode=700,nosuid,noexec";
            run("mount", ["-t", "tmpfs", "-o", options, "pallet-sandbox", &hub], "")?;
        }
        for folder in [&self.folder, &self.folder.join("nodes"), &self.layers()] {
            make_folder(folder, 0o700)?;
        }
        let file = self.folder.join("owner.json");
        if let Some(owner) = read_json::<Owner>(&file)?
            && owner != self.owner
        {
            return Err(ComputeError::failed(format!(
                "the folder {} belongs to service `{}` of {}",
                self.folder.display(),
                owner.service,
                owner.project.display()
            ))
            .help("give the service another name"));
        }
        write_json(&file, &self.owner)
    }

    /// The sandboxes, complete or not, by name.
    pub fn places(&self) -> Result<Vec<Place>, ComputeError> {
        let folder = self.folder.join("nodes");
        let listing = match fs::read_dir(&folder) {
            Ok(listing) => listing,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(folder.display(), &error)),
        };
        let mut places: Vec<Place> =
            listing.flatten().map(|entry| Place { folder: entry.path() }).collect();
        places.sort_by(|one, two| one.folder.cmp(&two.folder));
        Ok(places)
    }

    /// Removes layers that no sandbox uses any more, and the scope and the hub if nothing is in
    /// them. Call it with the hub locked. Returns whether the scope is gone.
    pub fn tidy(&self) -> Result<bool, ComputeError> {
        let places = self.places()?;
        if places.is_empty() {
            remove_folder(&self.folder)?;
            let is_empty =
                fs::read_dir(&self.hub).is_ok_and(|mut listing| listing.next().is_none());
            if is_empty && is_mount_point(&self.hub) {
                // Somebody may stand in it; then it stays, empty.
                tool::attempt("umount", [&self.hub], "")
                    .map_err(|error| failed("umount", &error))?;
            }
            return Ok(true);
        }
        let mut used = Vec::new();
        for place in &places {
            match place.record()? {
                Some(record) => used.push(record.layer),
                // It is being made, with whatever layer there is.
                None => return Ok(false),
            }
        }
        for entry in fs::read_dir(self.layers()).into_iter().flatten().flatten() {
            if !used.iter().any(|layer| entry.file_name() == layer.as_str()) {
                remove_folder(&entry.path())?;
            }
        }
        Ok(false)
    }
}

/// The folder of one sandbox.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub folder: PathBuf,
}

impl Place {
    /// Where its own files are, and its root while it runs.
    pub fn disk(&self) -> PathBuf {
        self.folder.join("disk")
    }

    pub fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    pub fn fstab(&self) -> PathBuf {
        self.folder.join("fstab")
    }

    /// Keeps others from starting, stopping and destroying it. `None`: it is locked, and `wait`
    /// is false; or it is not there.
    pub fn lock(&self, wait: bool) -> Result<Option<Lock>, ComputeError> {
        lock(&self.folder.join("lock"), wait)
    }

    pub fn record(&self) -> Result<Option<Record>, ComputeError> {
        read_json(&self.folder.join("record.json"))
    }

    pub fn write_record(&self, record: &Record) -> Result<(), ComputeError> {
        write_json(&self.folder.join("record.json"), record)
    }

    /// Its first process, if it runs.
    pub fn holder(&self) -> Result<Option<Holder>, ComputeError> {
        let holder: Option<Holder> = read_json(&self.folder.join("holder.json"))?;
        Ok(holder.filter(|holder| holder.is_alive()))
    }

    pub fn write_holder(&self, holder: Holder) -> Result<(), ComputeError> {
        write_json(&self.folder.join("holder.json"), &holder)
    }

    /// Removes its files. Call it when nothing runs in it.
    ///
    /// It is out of sight at once: half a sandbox would look like one that is being made.
    pub fn remove(&self) -> Result<(), ComputeError> {
        let name = self.folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let above = self.folder.parent().and_then(Path::parent).unwrap_or(Path::new("/"));
        let going = above.join(unique(&format!(".going-{name}")));
        unmount(&self.disk())?;
        match fs::rename(&self.folder, &going) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(failed(self.folder.display(), &error)),
        }
        let deadline = Instant::now() + STRAGGLERS;
        loop {
            // A maker that was killed may have left a `mount` that was about to happen.
            unmount(&going.join("disk"))?;
            match fs::remove_dir_all(&going) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                Err(error) if Instant::now() > deadline => {
                    return Err(failed(going.display(), &error));
                }
                Err(_) => std::thread::sleep(Duration::from_millis(10)),
                Ok(()) => return Ok(()),
            }
        }
    }
}

/// Unmounts a sandbox's disk, if it is mounted.
fn unmount(disk: &Path) -> Result<(), ComputeError> {
    if !is_mount_point(disk) {
        return Ok(());
    }
    let path = disk.to_string_lossy().into_owned();
    let said = tool::attempt("umount", [&path], "").map_err(|error| failed("umount", &error))?;
    // Somebody looks at its files from outside: they are gone when that one leaves.
    if said.is_some() && is_mount_point(disk) {
        run("umount", ["--lazy", &path], "")?;
    }
    Ok(())
}

/// Removes a folder and what is in it, also while programs that a killed maker had started still
/// write to it: these end soon.
pub(super) fn remove_folder(path: &Path) -> Result<(), ComputeError> {
    let deadline = Instant::now() + STRAGGLERS;
    loop {
        match fs::remove_dir_all(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) if Instant::now() > deadline => return Err(failed(path.display(), &error)),
            Err(_) => std::thread::sleep(Duration::from_millis(10)),
            Ok(()) => return Ok(()),
        }
    }
}

/// A name that nobody else uses, of this or another process.
pub(super) fn unique(name: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{name}-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Locks a file. One that was removed and made anew meanwhile is another lock.
fn lock(path: &Path, wait: bool) -> Result<Option<Lock>, ComputeError> {
    let context = |error: io::Error| failed(path.display(), &error);
    loop {
        let file = match File::options().write(true).create(true).truncate(false).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(context(error)),
        };
        if wait {
            file.lock().map_err(context)?;
        } else {
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => return Err(context(error)),
            }
        }
        let inode =
            |metadata: io::Result<fs::Metadata>| metadata.ok().map(|it| (it.dev(), it.ino()));
        if inode(file.metadata()) == inode(fs::metadata(path)) {
            return Ok(Some(Lock(file)));
        }
    }
}

pub(super) fn make_folder(path: &Path, mode: u32) -> Result<(), ComputeError> {
    let made = fs::DirBuilder::new().mode(mode).recursive(true).create(path);
    made.map_err(|error| failed(path.display(), &error))
}

fn is_mount_point(path: &Path) -> bool {
    let device = |path: &Path| fs::metadata(path).ok().map(|metadata| metadata.dev());
    let above = path.parent().and_then(device);
    device(path).is_some_and(|own| Some(own) != above)
}

/// Reads a file that [`write_json`] wrote; `None` if there is none.
pub(super) fn read_json<T: serde::de::DeserializeOwned>(
    path: &Path,
) -> Result<Option<T>, ComputeError> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(path.display(), &error)),
    };
    serde_json::from_slice(&bytes).map(Some).map_err(|error| {
        ComputeError::failed(format!("{}: {error}", path.display()))
            .help("another version of pallet made it; destroy the sandboxes with that one, or restart the machine")
    })
}

/// Writes a file so that a reader sees the old or the new content, never a part.
pub(super) fn write_json(path: &Path, value: &impl Serialize) -> Result<(), ComputeError> {
    let partial = path.with_extension("partial");
    let write = || {
        let mut file = File::create(&partial)?;
        file.write_all(&serde_json::to_vec(value)?)?;
        fs::rename(&partial, path)
    };
    write().map_err(|error| failed(path.display(), &error))
}

/// FNV-1a: short, and the same in every version of this program.
fn fold(bytes: &[u8]) -> u32 {
    let fold = |hash: u32, byte: &u8| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
    bytes.iter().fold(0x811c_9dc5, fold)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_and_projects_have_scopes_of_their_own() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let folder = |service: &str, project: &Path| Scope::new(service, project).unwrap().folder;
        assert_eq!(folder("a", one.path()), folder("a", &one.path().join(".")));
        assert_ne!(folder("a", one.path()), folder("b", one.path()));
        assert_ne!(folder("a", one.path()), folder("a", two.path()));
        let odd = folder("../a b/\u{e9}", one.path());
        assert_eq!(odd.parent(), Some(Path::new(HUB)));
        assert!(odd.file_name().unwrap().to_str().unwrap().starts_with("ab-"));
    }

    #[test]
    fn a_lock_is_of_the_file_that_is_there_now() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let held = lock(&path, true).unwrap().unwrap();
        assert!(lock(&path, false).unwrap().is_none());
        drop(held);
        let held = lock(&path, false).unwrap().unwrap();
        fs::remove_file(&path).unwrap();
        assert!(lock(&path, false).unwrap().is_some(), "another file is another lock");
        drop(held);
        assert!(lock(&folder.path().join("no/such/folder"), true).unwrap().is_none());
    }
}
