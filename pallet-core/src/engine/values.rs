//! Values that actions read from a node for later actions of the same phase.

use std::collections::BTreeMap;

use crate::action::{ActionBox, ActionError};
use crate::facts::Facts;
use crate::plan::PlannedAction;

/// What was read, and the actions that have waited for it.
#[derive(Debug)]
pub(super) struct Values {
    known: BTreeMap<String, String>,
    completed: Vec<Option<Result<ActionBox, ActionError>>>,
    are_doubtful: bool,
}

impl Values {
    /// Nothing read, for a phase of so many actions.
    pub fn new(actions: usize) -> Self {
        Self {
            known: BTreeMap::new(),
            completed: (0..actions).map(|_| None).collect(),
            are_doubtful: false,
        }
    }

    /// What was read, by name.
    pub fn known(&self) -> &BTreeMap<String, String> {
        &self.known
    }

    /// Notes what was read. A doubtful value is one that an earlier change may yet change.
    pub fn note(&mut self, name: &str, value: String, is_doubtful: bool) {
        self.known.insert(name.to_owned(), value);
        self.are_doubtful |= is_doubtful;
    }

    /// Notes that what an action reads, if it reads something, cannot be known yet.
    pub fn note_missing(&mut self, action: &ActionBox) {
        self.are_doubtful |= action.value_name().is_some();
    }

    /// Whether values are missing or may yet change.
    pub fn are_doubtful(&self) -> bool {
        self.are_doubtful
    }

    /// Completes the action at `position` with what was read.
    pub fn complete(&mut self, position: usize, planned: &PlannedAction, facts: &Facts) {
        let completed = planned.completed(&self.known, facts);
        if let Some(slot) = self.completed.get_mut(position) {
            *slot = Some(completed.map(|action| action.unwrap_or_else(|| planned.action.clone())));
        }
    }

    /// Whether the action at `position` has been completed, or cannot be.
    pub fn is_complete(&self, position: usize) -> bool {
        self.completed.get(position).is_some_and(Option::is_some)
    }

    /// The completed action at `position`.
    pub fn completed(&self, position: usize) -> Option<Result<&ActionBox, &ActionError>> {
        self.completed.get(position)?.as_ref().map(Result::as_ref)
    }
}
