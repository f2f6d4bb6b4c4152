//! What a run was asked for, as its journal keeps it.

use std::path::Path;

use pallet_core::engine::Control;
use pallet_core::journal::{JournalError, Journals};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::args::Limits;
use crate::error::{CliError, Kind};
use crate::project::Project;
use crate::selection::Wanted;

/// What a run was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Recorded {
    /// What is done.
    pub verb: Verb,
    /// The groups, as they were written.
    pub groups: Vec<String>,
    /// The phases, as they were written.
    pub phases: Vec<String>,
    /// Whether nodes that were created and never answered are left for a look.
    #[serde(default)]
    pub keep_failed: bool,
}

/// The commands whose runs are written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verb {
    /// `pallet converge`
    Converge,
    /// `pallet lift`
    Lift,
    /// `pallet converge PLAN`
    Plan,
}

impl Recorded {
    /// Notes what is asked for.
    pub fn new<P: ToString>(verb: Verb, groups: &[Wanted], phases: &[P]) -> Self {
        Self {
            verb,
            groups: groups.iter().map(ToString::to_string).collect(),
            phases: phases.iter().map(ToString::to_string).collect(),
            keep_failed: false,
        }
    }

    /// The control of a run that begins, with its journal.
    pub fn begin(&self, project: &Project, limits: &Limits) -> Result<Control, CliError> {
        let mut control = limits.control();
        let command = serde_json::to_value(self)
            .map_err(|error| CliError::new(Kind::Failed, error.to_string()))?;
        let journal = Journals::usual()?.begin(&control, &name(&project.file), command)?;
        control.journal = Some(journal.into());
        Ok(control)
    }
}

/// What journals call a project: its file, wherever it is looked at from.
pub fn name(file: &Path) -> String {
    let path = file.canonicalize().or_else(|_| std::path::absolute(file));
    path.unwrap_or_else(|_| file.to_owned()).display().to_string()
}

/// What a journal's run was asked for, as somebody would type it.
pub fn words(command: &serde_json::Value) -> String {
    let Ok(asked) = serde_json::from_value::<Recorded>(command.clone()) else {
        return command.to_string();
    };
    let verb = match asked.verb {
        Verb::Converge => "converge",
        Verb::Lift => "lift",
        Verb::Plan => "converge PLAN",
    };
    let phases = asked.phases.iter().map(|phase| format!("--phase {phase}"));
    let words: Vec<String> =
        [verb.to_owned()].into_iter().chain(asked.groups.clone()).chain(phases).collect();
    words.join(" ")
}

impl From<JournalError> for CliError {
    fn from(error: JournalError) -> Self {
        let kind = match error {
            JournalError::NothingToResume { .. } => Kind::Input,
            JournalError::Running { .. } => Kind::Refused,
            _ => Kind::Failed,
        };
        let hints = error.help().into_iter().collect();
        Self { hints, ..Self::new(kind, error.to_string()) }
    }
}
