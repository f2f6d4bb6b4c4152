//! Phases and their steps.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::Location;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::action::{Action, ActionBox};
use crate::facts::Facts;
use crate::plan::{Plan, PlanError, PlanFn};

/// A list of steps, carried out in the order in which they stand.
#[derive(Debug, Clone, Default)]
pub struct Phase {
    /// The steps.
    pub steps: Vec<Step>,
}

impl Phase {
    /// A phase without steps.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a step.
    #[must_use]
    pub fn step(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    /// Adds an action.
    #[must_use]
    #[track_caller]
    pub fn action(self, action: impl Action) -> Self {
        self.step(Step::action(action))
    }

    /// Adds a plan function.
    #[must_use]
    #[track_caller]
    pub fn plan<F>(self, function: F) -> Self
    where
        F: Fn(&mut Plan<'_>) -> Result<(), PlanError> + Send + Sync + 'static,
    {
        self.step(Step::plan(Arc::new(function)))
    }
}

/// One step of a phase.
#[derive(Debug, Clone)]
pub struct Step {
    /// What it does.
    pub kind: StepKind,
    /// A name that later steps can refer to.
    pub id: Option<String>,
    /// Runs only if one of these earlier steps of the phase changed something.
    pub when_changed: Vec<String>,
    /// Runs only on nodes with these facts.
    pub only_on: Option<OnlyOn>,
    /// Runs as this user in place of root.
    pub as_user: Option<String>,
    /// Where it was written.
    pub origin: Origin,
}

/// What a step does.
#[derive(Clone)]
pub enum StepKind {
    /// An action.
    Action(ActionBox),
    /// A plan function, which gives actions.
    Plan(PlanFn),
}

impl fmt::Debug for StepKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Action(action) => action.fmt(f),
            Self::Plan(_) => f.write_str("plan function"),
        }
    }
}

impl Step {
    /// A step that carries out an action.
    #[track_caller]
    pub fn action(action: impl Action) -> Self {
        Self::at(StepKind::Action(ActionBox::new(action)), Origin::caller())
    }

    /// A step that asks a plan function for actions.
    #[track_caller]
    pub fn plan(function: PlanFn) -> Self {
        Self::at(StepKind::Plan(function), Origin::caller())
    }

    /// A step written at `origin`.
    pub fn at(kind: StepKind, origin: Origin) -> Self {
        Self { kind, id: None, when_changed: Vec::new(), only_on: None, as_user: None, origin }
    }

    /// Names the step.
    #[must_use]
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Runs the step only if the step called `id` changed something; may be given several times.
    #[must_use]
    pub fn when_changed(mut self, id: impl Into<String>) -> Self {
        self.when_changed.push(id.into());
        self
    }

    /// Runs the step as `user`.
    #[must_use]
    pub fn as_user(mut self, user: impl Into<String>) -> Self {
        self.as_user = Some(user.into());
        self
    }

    /// Runs the step only where the facts fit.
    #[must_use]
    pub fn only_on(mut self, filter: OnlyOn) -> Self {
        self.only_on = Some(filter);
        self
    }
}

/// A condition on facts. All given keys must fit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct OnlyOn {
    /// A family the operating system belongs to: `debian` fits Ubuntu too.
    #[serde(default)]
    pub os_family: Option<String>,
    /// Exact `VERSION_ID`.
    #[serde(default)]
    pub os_version: Option<String>,
    /// Exact architecture.
    #[serde(default)]
    pub arch: Option<String>,
}

impl OnlyOn {
    /// Whether a node with these facts is meant.
    pub fn fits(&self, facts: &Facts) -> bool {
        let family_fits = |family: &String| facts.os_families.contains(family);
        self.os_family.as_ref().is_none_or(family_fits)
            && self.os_version.as_ref().is_none_or(|version| *version == facts.os_version)
            && self.arch.as_ref().is_none_or(|arch| *arch == facts.arch)
    }
}

/// Where something was written: a file with line and column, of a document or of Rust code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The file.
    pub file: Arc<Path>,
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1.
    pub column: u32,
}

impl Origin {
    /// The place in Rust code that called the calling function.
    #[track_caller]
    pub fn caller() -> Self {
        let location = Location::caller();
        Self {
            file: Path::new(location.file()).into(),
            line: location.line(),
            column: location.column(),
        }
    }

    /// The folder of the file, where relative local paths start.
    pub fn base(&self) -> &Path {
        self.file.parent().unwrap_or(Path::new(""))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file.display(), self.line, self.column)
    }
}

/// Phases by name.
pub(crate) type Phases = BTreeMap<String, Phase>;
