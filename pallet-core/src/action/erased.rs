//! The object-safe face of an action.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use super::{Action, ActionError, Decision, Preparation, ProbeSet, View};

/// Any action, shared cheaply.
#[derive(Clone)]
pub struct ActionBox(Arc<dyn Erased>);

/// What the registry knows about an action, for reference pages, `explain` and editors.
#[derive(Debug, Clone)]
pub struct ActionInfo {
    /// The key of a step.
    pub name: &'static str,
    /// One sentence.
    pub summary: &'static str,
    /// A step as it stands in a document.
    pub example: &'static str,
    /// JSON schema of the parameters.
    pub schema: Value,
}

impl ActionInfo {
    /// Describes `A`.
    pub fn of<A: Action>() -> Self {
        Self {
            name: A::NAME,
            summary: A::SUMMARY,
            example: A::EXAMPLE,
            schema: schemars::schema_for!(A).to_value(),
        }
    }
}

impl ActionBox {
    /// Wraps an action.
    pub fn new(action: impl Action) -> Self {
        Self(Arc::new(action))
    }

    /// The action's name: `remote-file`.
    pub fn name(&self) -> &'static str {
        self.0.name()
    }

    /// What the value is about.
    pub fn subject(&self) -> String {
        self.0.subject()
    }

    /// The action as its own type, if it is an `A`.
    pub fn downcast_ref<A: Action>(&self) -> Option<&A> {
        self.0.as_any().downcast_ref()
    }

    /// See [`Action::prepare`].
    ///
    /// # Errors
    /// Those of the action.
    pub fn prepare(&self, context: &Preparation<'_>) -> Result<ActionBox, ActionError> {
        Ok(self.0.prepare(context)?.unwrap_or_else(|| self.clone()))
    }

    /// See [`Action::probe`].
    pub fn probe(&self, view: &View<'_>) -> ProbeSet {
        let mut wanted = ProbeSet::new();
        self.0.probe(view, &mut wanted);
        wanted
    }

    /// See [`Action::decide`].
    ///
    /// # Errors
    /// Those of the action.
    pub fn decide(&self, view: &View<'_>) -> Result<Decision, ActionError> {
        self.0.decide(view)
    }
}

impl fmt::Debug for ActionBox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name(), self.subject())
    }
}

impl<A: Action> From<A> for ActionBox {
    fn from(action: A) -> Self {
        Self::new(action)
    }
}

trait Erased: Send + Sync {
    fn name(&self) -> &'static str;
    fn subject(&self) -> String;
    fn prepare(&self, context: &Preparation<'_>) -> Result<Option<ActionBox>, ActionError>;
    fn probe(&self, view: &View<'_>, wanted: &mut ProbeSet);
    fn decide(&self, view: &View<'_>) -> Result<Decision, ActionError>;
    fn as_any(&self) -> &dyn Any;
}

impl<A: Action> Erased for A {
    fn name(&self) -> &'static str {
        A::NAME
    }

    fn subject(&self) -> String {
        Action::subject(self)
    }

    fn prepare(&self, context: &Preparation<'_>) -> Result<Option<ActionBox>, ActionError> {
        Ok(Action::prepare(self, context)?.map(ActionBox::new))
    }

    fn probe(&self, view: &View<'_>, wanted: &mut ProbeSet) {
        Action::probe(self, view, wanted);
    }

    fn decide(&self, view: &View<'_>) -> Result<Decision, ActionError> {
        Action::decide(self, view)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
