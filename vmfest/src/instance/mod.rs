//! Instances.

mod address;
mod clone;
mod console_lines;
mod extra;
mod hardware;
mod operation;
mod power;
mod ready;
mod rename;
mod screen;
mod snapshots;
mod ssh;
mod state;

use std::path::{Path, PathBuf};

use crate::console;
use crate::error::Error;
use crate::manager::{Disks, Machine, Manager};

pub use address::{Interface, InterfaceAddress};
pub use console_lines::ConsoleLines;
pub use extra::GuestProperty;
pub use ready::SshReady;
pub use snapshots::Snapshot;
pub use state::State;

/// A VM made by a [`Manager`].
///
/// This is a handle: cheap to clone, and no lock on the VM. When the VM is destroyed by somebody
/// else, the methods say so.
#[derive(Clone)]
pub struct Instance {
    manager: Manager,
    machine: Machine,
}

impl Instance {
    pub(crate) fn new(manager: Manager, machine: Machine) -> Self {
        Self { manager, machine }
    }

    /// The name it was created with.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.machine.name
    }

    /// VirtualBox's id of it.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.machine.id
    }

    /// The folder that holds all files of the VM.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.machine.folder
    }

    /// The file that the guest's serial console is written to. It holds what was printed since
    /// the VM was last started.
    #[must_use]
    pub fn console(&self) -> PathBuf {
        console::console_file(&self.machine.folder)
    }

    /// Destroys the VM: switches it off, unregisters it and deletes what belongs to it alone.
    /// The image stays as it is. It is fine if the VM is gone already.
    ///
    /// # Errors
    /// [`Error::HasClones`] while linked clones need its disks; when something of it is left.
    pub async fn destroy(&self) -> Result<(), Error> {
        self.manager.destroy_machine(&self.machine, Disks::Delete).await.map(drop)
    }

    /// Destroys the VM as [`Instance::destroy`] does, but leaves the files of its disks where they
    /// are, and says which ones these are. VirtualBox forgets them.
    ///
    /// A differencing disk is of use only together with the image, or the other disk, that it
    /// builds upon. A new VM of this name can be made when the files are gone from the folder.
    ///
    /// # Errors
    /// Those of [`Instance::destroy`].
    pub async fn destroy_keeping_disks(&self) -> Result<Vec<PathBuf>, Error> {
        self.manager.destroy_machine(&self.machine, Disks::Keep).await
    }
}

impl std::fmt::Debug for Instance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Instance")
            .field("name", &self.machine.name)
            .field("id", &self.machine.id)
            .finish_non_exhaustive()
    }
}
