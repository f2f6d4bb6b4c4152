//! The object-safe face of an action.

use std::any::Any;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use super::{Action, ActionError, Decision, Key, Preparation, ProbeSet, View};

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

    /// Whether both are the same value, and not only alike.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
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
        Ok(self.prepare_if_needed(context)?.unwrap_or_else(|| self.clone()))
    }

    /// See [`Action::prepare`]; `None` where the action is fine as it is.
    pub(crate) fn prepare_if_needed(
        &self,
        context: &Preparation<'_>,
    ) -> Result<Option<ActionBox>, ActionError> {
        self.0.prepare(context)
    }

    /// See [`Action::check`].
    ///
    /// # Errors
    /// Those of the action.
    pub fn check(&self, base: &Path) -> Result<(), ActionError> {
        self.0.check(base)
    }

    /// The action's parameters, as documents write them.
    ///
    /// # Errors
    /// [`ActionError`] when they cannot be written, which is a mistake in the action.
    pub fn parameters(&self) -> Result<Value, ActionError> {
        self.0.parameters()
    }

    /// The action with parameters that `change` has changed.
    pub(crate) fn filled(&self, change: impl FnOnce(&mut Value)) -> Result<ActionBox, ActionError> {
        let before = self.parameters()?;
        let mut parameters = before.clone();
        change(&mut parameters);
        if parameters == before { Ok(self.clone()) } else { self.0.with_parameters(parameters) }
    }

    /// See [`Action::may_write`].
    pub fn may_write(&self) -> Vec<Key> {
        self.0.may_write()
    }

    /// See [`Action::value_name`].
    pub fn value_name(&self) -> Option<&str> {
        self.0.value_name()
    }

    /// See [`Action::value`].
    ///
    /// # Errors
    /// Those of the action.
    pub fn value(&self, view: &View<'_>) -> Result<String, ActionError> {
        self.0.value(view)
    }

    /// See [`Action::is_repeatable`].
    pub fn is_repeatable(&self) -> bool {
        self.0.is_repeatable()
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
    fn check(&self, base: &Path) -> Result<(), ActionError>;
    fn prepare(&self, context: &Preparation<'_>) -> Result<Option<ActionBox>, ActionError>;
    fn probe(&self, view: &View<'_>, wanted: &mut ProbeSet);
    fn decide(&self, view: &View<'_>) -> Result<Decision, ActionError>;
    fn parameters(&self) -> Result<Value, ActionError>;
    fn with_parameters(&self, parameters: Value) -> Result<ActionBox, ActionError>;
    fn may_write(&self) -> Vec<Key>;
    fn value_name(&self) -> Option<&str>;
    fn value(&self, view: &View<'_>) -> Result<String, ActionError>;
    fn is_repeatable(&self) -> bool;
    fn as_any(&self) -> &dyn Any;
}

impl<A: Action> Erased for A {
    fn name(&self) -> &'static str {
        A::NAME
    }

    fn subject(&self) -> String {
        Action::subject(self)
    }

    fn check(&self, base: &Path) -> Result<(), ActionError> {
        Action::check(self, base)
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

    fn parameters(&self) -> Result<Value, ActionError> {
        serde_json::to_value(self)
            .map_err(|error| ActionError::new(format!("its parameters cannot be written: {error}")))
    }

    fn with_parameters(&self, parameters: Value) -> Result<ActionBox, ActionError> {
        let read = serde_json::from_value::<A>(parameters);
        read.map(ActionBox::new).map_err(|error| {
            ActionError::new(format!("what was read from the node does not fit: {error}"))
        })
    }

    fn may_write(&self) -> Vec<Key> {
        Action::may_write(self)
    }

    fn value_name(&self) -> Option<&str> {
        Action::value_name(self)
    }

    fn value(&self, view: &View<'_>) -> Result<String, ActionError> {
        Action::value(self, view)
    }

    fn is_repeatable(&self) -> bool {
        Action::is_repeatable(self)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
