//! Runs: the verbs that work on many nodes at once.
//!
//! A [`Fleet`] knows the services, the admin user and the environment. [`Fleet::converge`] makes
//! nodes exist and be as described; [`Fleet::lift`] works only on nodes that are there.

mod converge;
mod counts;
mod lift;
mod member;
mod phases;
mod preview;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use preview::Preview;
use serde_json::{Map, Value};

use crate::action::Mode;
use crate::compute::{ComputeError, ComputeService, Node};
use crate::engine::{Connector, Control};
use crate::event::Events;
use crate::login::Login;
use crate::spec::GroupSpec;

/// The phases that [`Fleet::converge`] and [`Fleet::lift`] carry out where specs have them.
pub const DEFAULT_PHASES: [&str; 2] = ["install", "configure"];

/// Phases that have a place of their own in a run and cannot be asked for.
pub const RESERVED_PHASES: [&str; 5] =
    ["settings", "bootstrap", "create-group", "destroy-server", "destroy-group"];

/// Everything that a run needs besides the groups.
pub struct Fleet {
    /// Opened services by name.
    pub services: BTreeMap<String, Arc<dyn ComputeService>>,
    /// The service of groups that name none. Default: the only one.
    pub default_service: Option<String>,
    /// The account for everything but `bootstrap`.
    pub admin: Login,
    /// Values for plan functions and templates that do not depend on a node.
    pub environment: Map<String, Value>,
    /// How nodes are connected to.
    pub connector: Connector,
    /// Limits and mode.
    pub options: RunOptions,
    /// Who is told what happens.
    pub events: Events,
    /// The run's name and time limits, and the way to stop it. A fleet carries out one run.
    pub control: Control,
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

/// Why a run could not begin. Nothing was changed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RunError {
    /// A group is to be looked for in a service that there is not.
    #[error("group `{group}` is of service `{service}`, which is not configured")]
    UnknownService {
        /// The group.
        group: String,
        /// The service.
        service: String,
        /// Services that there are.
        known: Vec<String>,
    },
    /// It is not clear which service a group is of.
    #[error("group `{group}` names no service, and there is no default one")]
    NoDefaultService {
        /// The group.
        group: String,
        /// Services that there are.
        known: Vec<String>,
    },
    /// A phase was asked for that no group has, or that has a place of its own.
    #[error("phase `{phase}` {reason}")]
    Phase {
        /// The phase.
        phase: String,
        /// What is wrong with it.
        reason: String,
        /// Phases that there are.
        known: Vec<String>,
    },
    /// A service failed, or cannot do what is described.
    #[error("service `{service}`: {error}")]
    Service {
        /// The service.
        service: String,
        /// What it said.
        #[source]
        error: ComputeError,
    },
}

impl RunError {
    /// What to do about it.
    pub fn help(&self) -> Option<String> {
        match self {
            Self::UnknownService { known, .. } | Self::NoDefaultService { known, .. } => {
                Some(match known.as_slice() {
                    [] => "add a [service.NAME] table".to_owned(),
                    known => format!(
                        "name one of {} in the group's node-spec or as default-service",
                        known.join(", ")
                    ),
                })
            }
            Self::Phase { known, .. } => Some(match known.as_slice() {
                [] => "the groups have no phases".to_owned(),
                known => format!("the groups have {}", known.join(", ")),
            }),
            Self::Service { error, .. } => error.help.clone(),
        }
    }

    /// Whether the description or the command was wrong, rather than a service failing.
    pub fn is_input(&self) -> bool {
        match self {
            Self::Service { error, .. } => error.is_input,
            _ => true,
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

    /// The phases of a run, in order: the default ones, then those asked for.
    fn phases(&self, groups: &[GroupSpec], asked: &[String]) -> Result<Vec<String>, RunError> {
        let mut known: Vec<String> =
            groups.iter().flat_map(|group| group.server.phases.keys().cloned()).collect();
        known.retain(|phase| !RESERVED_PHASES.contains(&phase.as_str()));
        known.sort();
        known.dedup();
        for phase in asked {
            let reason = if RESERVED_PHASES.contains(&phase.as_str()) {
                "has a place of its own in a run and cannot be asked for"
            } else if !known.contains(phase) {
                "does not exist in these groups"
            } else {
                continue;
            };
            return Err(RunError::Phase { phase: phase.clone(), reason: reason.to_owned(), known });
        }
        let defaults = DEFAULT_PHASES.iter().map(|phase| (*phase).to_owned());
        let mut phases: Vec<String> = defaults.filter(|phase| !asked.contains(phase)).collect();
        phases.extend(asked.iter().cloned());
        Ok(phases)
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
