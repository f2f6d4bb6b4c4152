//! A small action for tests: a script.

use pallet_core::action::{Action, ActionError, Change, Decision, Fragment, Key, ProbeSet, View};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Runs a script, which may change everything.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Run {
    pub script: String,
}

impl Run {
    pub fn new(script: impl Into<String>) -> Self {
        Self { script: script.into() }
    }
}

impl Action for Run {
    const NAME: &'static str = "run";
    const SUMMARY: &'static str = "Runs a script.";
    const EXAMPLE: &'static str = "{ run = { script = \"true\" } }";

    fn subject(&self) -> String {
        self.script.chars().take(20).collect()
    }

    fn is_repeatable(&self) -> bool {
        false
    }

    fn probe(&self, _view: &View<'_>, _wanted: &mut ProbeSet) {}

    fn decide(&self, _view: &View<'_>) -> Result<Decision, ActionError> {
        let mut fragment = Fragment::new();
        fragment.line(&self.script);
        Ok(Decision::Change(Change::new(fragment, [Key::Everything])))
    }
}
