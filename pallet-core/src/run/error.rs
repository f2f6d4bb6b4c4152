//! Why a run could not begin.

use super::plan::PlanDifference;
use crate::compute::ComputeError;

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
    /// The default phases of the groups contradict each other.
    #[error("the groups' default phases contradict each other: {}", cycle.join(" before "))]
    PhaseOrder {
        /// Each shall come before the next, and the last before the first.
        cycle: Vec<String>,
    },
    /// A group of existing nodes was given a count.
    #[error("group `{group}` consists of existing nodes: it cannot have a count")]
    CountOfExisting {
        /// The group.
        group: String,
    },
    /// Nodes of two services have one name.
    #[error("there would be two nodes called `{node}`: of service `{}` and of service `{}`", services.0, services.1)]
    SameName {
        /// The name.
        node: String,
        /// The services.
        services: (String, String),
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
    /// Another converge is working on the group.
    #[error("group `{group}` of service `{service}` is being converged by {holder}")]
    Busy {
        /// The group.
        group: String,
        /// Its service.
        service: String,
        /// Who does it, since when.
        holder: String,
    },
    /// The lock of a group cannot be taken.
    #[error("cannot lock group `{group}` with {file}: {reason}")]
    Lock {
        /// The group.
        group: String,
        /// The lock's file.
        file: String,
        /// Why not.
        reason: String,
    },
    /// What a plan shows is not what would be done any more.
    #[error("the plan does not hold any more: {} since it was made", differences_text(differences))]
    Moved {
        /// What is different now.
        differences: Vec<PlanDifference>,
    },
}

fn differences_text(differences: &[PlanDifference]) -> String {
    match differences.len() {
        1 => "one thing has changed".to_owned(),
        count => format!("{count} things have changed"),
    }
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
            Self::PhaseOrder { .. } => {
                Some("list them in the same order in every `default-phases`".to_owned())
            }
            Self::CountOfExisting { .. } => Some(
                "leave the count out; destroy its nodes through the groups that made them"
                    .to_owned(),
            ),
            Self::SameName { .. } => Some(
                "reports, journals and templates know nodes by their names: work on one of them at a time, or rename it"
                    .to_owned(),
            ),
            Self::Service { error, .. } => error.help.clone(),
            Self::Busy { .. } => {
                Some("wait until it is done; its lock goes with it, however it ends".to_owned())
            }
            Self::Lock { .. } => None,
            Self::Moved { .. } => {
                Some("nothing was done; make a new plan, and look at it".to_owned())
            }
        }
    }

    /// Whether the description or the command was wrong, rather than a service failing.
    pub fn is_input(&self) -> bool {
        match self {
            Self::Service { error, .. } => error.is_input,
            Self::Busy { .. } | Self::Lock { .. } | Self::Moved { .. } => false,
            _ => true,
        }
    }

    /// Whether all is well, and the run refused to go on for safety's sake.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Busy { .. } | Self::Moved { .. })
    }
}
