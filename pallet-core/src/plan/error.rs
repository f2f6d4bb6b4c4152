//! What is wrong with a phase, for one node.

use crate::action::ActionError;
use crate::spec::{Origin, Step};

/// Why a phase could not be compiled for a node.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{origin}: {}{message}", action.as_ref().map(|name| format!("{name}: ")).unwrap_or_default())]
pub struct PlanError {
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// The step in question.
    pub origin: Origin,
    /// The action in question.
    pub action: Option<String>,
}

impl PlanError {
    /// An error of the step at `origin`.
    pub(crate) fn new(origin: &Origin, message: impl Into<String>) -> Self {
        Self { message: message.into(), help: None, origin: origin.clone(), action: None }
    }

    /// Says what to do about it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub(super) fn of_action(step: &Step, action: &str, error: ActionError) -> Self {
        Self {
            message: error.message,
            help: error.help,
            origin: step.origin.clone(),
            action: Some(action.to_owned()),
        }
    }
}
