//! Runs: the verbs that work on many nodes at once.
//!
//! A [`Fleet`] knows the services, the admin user and the environment. [`Fleet::converge`] makes
//! nodes exist and be as described; [`Fleet::lift`] works only on nodes that are there.

mod converge;
mod counts;
mod crew;
mod destroy;
mod error;
mod lift;
mod lock;
mod member;
mod phases;
mod plan;
mod preview;
mod provide;
mod scope;
mod shown;
mod stages;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use error::RunError;
pub use plan::{PLAN_FORMAT, PlanDifference, PlannedGroup, PlannedNode, RunPlan};
pub use preview::Preview;
pub use scope::ServiceScope;
use serde_json::{Map, Value};

use crate::action::Mode;
use crate::compute::{ComputeError, ComputeService, Node};
use crate::engine::{Connector, Control};
use crate::event::Events;
use crate::login::Login;
use crate::spec::GroupSpec;

/// Phases that have a place of their own in a run and cannot be asked for.
pub const RESERVED_PHASES: [&str; 5] =
    ["settings", "bootstrap", "create-group", "destroy-server", "destroy-group"];

/// Everything that a run needs besides the groups. Clones share services, connections' settings and
/// the way to stop.
#[derive(Clone)]
pub struct Fleet {
    /// Opened services by name.
    pub services: BTreeMap<String, Arc<dyn ComputeService>>,
    /// The service of groups that name none. Default: the only one.
    pub default_service: Option<String>,
    /// The account for everything but `bootstrap`.
    pub admin: Login,
    /// Values for plan functions and templates that do not depend on a node.
    pub environment: Map<String, Value>,
    /// What holds for nodes of single services instead, by the service's name.
    pub scopes: BTreeMap<String, ServiceScope>,
    /// How nodes are connected to.
    pub connector: Connector,
    /// Limits and mode.
    pub options: RunOptions,
    /// Who is told what happens.
    pub events: Events,
    /// The run's name and time limits, and the way to stop it. A fleet carries out one run.
    pub control: Control,
    /// Groups that the run does not work on, and whose nodes plan functions and templates see all
    /// the same: with their roles and settings, and with what their service says of them.
    pub considered: Vec<GroupSpec>,
    /// The folder of the locks that keep two converges from working on one group at once.
    pub locks: PathBuf,
}

/// How a run is carried out.
#[derive(Debug, Clone, Copy)]
pub struct RunOptions {
    /// Whether anything is changed.
    pub mode: Mode,
    /// How many nodes are worked on at the same time. Default: 64.
    pub parallel: usize,
    /// How long a created or started node may take until it answers. Default: 5 minutes.
    pub ready: Duration,
    /// Whether a node that was created in this run and never answered is left for a look, in
    /// place of being destroyed again. Default: false.
    pub keep_failed: bool,
}

/// The folder of the locks that all programs of a user share: `locks` in `$PALLET_HOME`, or in
/// `~/.pallet`.
pub fn default_lock_folder() -> PathBuf {
    let home = std::env::var_os("PALLET_HOME").map(PathBuf::from);
    let default = || std::env::home_dir().unwrap_or_else(std::env::temp_dir).join(".pallet");
    home.unwrap_or_else(default).join("locks")
}

impl Default for RunOptions {
    fn default() -> Self {
        Self {
            mode: Mode::Apply,
            parallel: 64,
            ready: Duration::from_secs(300),
            keep_failed: false,
        }
    }
}

impl Fleet {
    /// All nodes of all services, by service.
    ///
    /// # Errors
    /// [`RunError::Service`] when one cannot be asked.
    pub async fn nodes(&self) -> Result<BTreeMap<String, Vec<Node>>, RunError> {
        let mut all = BTreeMap::new();
        for (name, service) in &self.services {
            all.insert(name.clone(), list(service.as_ref()).await?);
        }
        Ok(all)
    }

    /// The span of a run.
    fn span(&self, verb: &str) -> tracing::Span {
        tracing::info_span!("run", verb, name = %self.control.run)
    }

    /// Ends what services hold open.
    pub async fn close(&self) {
        for service in self.services.values() {
            service.close().await;
        }
    }

    /// The service that a group's nodes are of.
    fn service_of(&self, group: &GroupSpec) -> Result<Arc<dyn ComputeService>, RunError> {
        let known = || self.services.keys().cloned().collect();
        let only = match self.services.len() {
            1 => self.services.keys().next(),
            _ => None,
        };
        let name = group.node.service.as_ref().or(self.default_service.as_ref()).or(only);
        let group = group.name.to_string();
        let Some(name) = name else {
            return Err(RunError::NoDefaultService { group, known: known() });
        };
        self.services.get(name).cloned().ok_or_else(|| RunError::UnknownService {
            group,
            service: name.clone(),
            known: known(),
        })
    }
}

impl fmt::Debug for Fleet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fleet")
            .field("services", &self.services.keys())
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

async fn list(service: &dyn ComputeService) -> Result<Vec<Node>, RunError> {
    service.nodes().await.map_err(|error| service_error(service, error))
}

fn service_error(service: &dyn ComputeService, error: ComputeError) -> RunError {
    RunError::Service { service: service.name().to_owned(), error }
}
