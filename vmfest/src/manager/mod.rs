//! The manager: the way in.

mod check;
mod clients;
mod clone;
mod connect;
mod create;
mod destroy;
mod holder;
mod image_medium;
mod leftovers;
mod locking;
mod machine;
mod media;
mod network;
mod release;
mod revive;
pub(crate) mod settings;
mod snapshots;
mod unfinished;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use tokio::sync::{OnceCell, RwLock, Semaphore};
use vbox_soap::api::IVirtualBox;

use clients::ClientNote;
use create::HeldImage;

use crate::error::Error;
use crate::instance::Instance;
use crate::location::Location;
use crate::models::{self, HardwareModel, ImageModel, Limits, Models};
use crate::networks;

pub(crate) use clients::LockingSession;
pub use clone::CloneKind;
pub(crate) use destroy::Disks;
pub(crate) use holder::shared_type;
pub(crate) use machine::Machine;
pub(crate) use network::{SSH_PORT, add_rule};
pub use release::ImageFile;
pub(crate) use snapshots::{TreeSnapshot, snapshots};
pub(crate) use unfinished::NameClaim;

/// How many instances are created or started at the same time. More do not make a host faster.
const CONCURRENT: usize = 8;

/// Manages the instances and image models of one VirtualBox.
///
/// Clones share one connection. All methods can be called concurrently.
#[derive(Clone)]
pub struct Manager {
    inner: Arc<Inner>,
}

struct Inner {
    client: vbox_soap::Client,
    session: vbox_soap::Session,
    /// The session object of a server that has one only.
    only_session: locking::OnlySession,
    location: Location,
    turns: Semaphore,
    /// Shared by all work that must come to its end even if nobody waits for it any more.
    unfinished: Arc<RwLock<()>>,
    /// Guest types that VirtualBox is known to know.
    os_types: Mutex<BTreeSet<String>>,
    /// What this VirtualBox bears, once it was asked.
    limits: OnceCell<Limits>,
    /// What this client holds, on disk; made before it holds anything.
    note: OnceCell<Arc<ClientNote>>,
    tidied: OnceCell<()>,
    /// Images that were seen to be shareable, by their files.
    held: Mutex<BTreeMap<PathBuf, HeldImage>>,
    ready_networks: networks::Ready,
}

impl Manager {
    /// The folders that this manager works in, as absolute paths.
    #[must_use]
    pub fn location(&self) -> &Location {
        &self.inner.location
    }

    /// The models of the location's files, read anew, and the built-in hardware models.
    ///
    /// # Errors
    /// The first mistake in a meta file.
    pub fn models(&self) -> Result<Models, Error> {
        models::load_folder(&self.inner.location.model_path)
    }

    /// The image models by name.
    ///
    /// # Errors
    /// The first mistake in a meta file.
    pub fn images(&self) -> Result<BTreeMap<String, ImageModel>, Error> {
        Ok(self.models()?.images().clone())
    }

    /// The hardware models by name, the built-in ones included.
    ///
    /// # Errors
    /// The first mistake in a meta file.
    pub fn hardware_models(&self) -> Result<BTreeMap<String, HardwareModel>, Error> {
        Ok(self.models()?.hardware().clone())
    }

    /// Creates an instance from models given by name.
    ///
    /// # Errors
    /// Those of [`Manager::instance`]; a mistake in a meta file; unknown names.
    pub async fn instance_of(
        &self,
        name: &str,
        image: &str,
        hardware: &str,
    ) -> Result<Instance, Error> {
        let models = self.models()?;
        self.instance(name, models.image(image)?, models.hardware_model(hardware)?)
            .await
            .map_err(|error| models.locate(Some(image), Some(hardware), error))
    }

    /// All instances, running or not, by name; not those that are being made or destroyed right
    /// now, or that a killed process left half made.
    ///
    /// # Errors
    /// When VirtualBox cannot be asked.
    pub async fn instances(&self) -> Result<Vec<Instance>, Error> {
        let machines = self.own_machines(crate::tag::Role::Instance).await?;
        let unfinished = self.unfinished_names();
        let mut instances: Vec<_> = machines
            .into_iter()
            .filter(|machine| !unfinished.contains(&machine.name))
            .map(|machine| Instance::new(self.clone(), machine))
            .collect();
        instances.sort_by(|a, b| a.name().cmp(b.name()));
        Ok(instances)
    }

    /// An instance by name or id; nothing if there is none, if that VM is not ours, or if it is
    /// not finished: see [`Manager::instances`].
    ///
    /// # Errors
    /// When VirtualBox cannot be asked.
    pub async fn find(&self, name: &str) -> Result<Option<Instance>, Error> {
        let machine = self.own_machine(name, crate::tag::Role::Instance).await?;
        let finished = machine.filter(|machine| !self.unfinished_names().contains(&machine.name));
        Ok(finished.map(|machine| Instance::new(self.clone(), machine)))
    }

    pub(crate) fn ready_networks(&self) -> &networks::Ready {
        &self.inner.ready_networks
    }

    pub(crate) fn vbox(&self) -> &IVirtualBox {
        self.inner.session.virtual_box()
    }

    /// Makes [`Manager::close`] wait for as long as the guard is kept.
    pub(crate) async fn unfinished(&self) -> tokio::sync::OwnedRwLockReadGuard<()> {
        Arc::clone(&self.inner.unfinished).read_owned().await
    }

    /// Waits for one of the few turns to create or start.
    pub(crate) async fn turn(&self) -> Option<tokio::sync::SemaphorePermit<'_>> {
        // It fails only for a closed semaphore, and this one is never closed.
        self.inner.turns.acquire().await.ok()
    }
}

impl std::fmt::Debug for Manager {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Manager").field("location", &self.inner.location).finish_non_exhaustive()
    }
}
