//! Compiling: from specs, facts and settings to a list of actions. Pure.

mod compile;
mod error;
mod scene;
mod target;
#[cfg(test)]
mod tests;
mod value;

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

pub use compile::{Compiled, PlannedAction, compile};
pub use error::PlanError;
pub use scene::{Nodes, Scene, Values};
pub use target::{KNOWN_AFTER_CREATE, Target};

use crate::action::Action;
use crate::crates::Crate;
use crate::spec::{Origin, Step, StepKind, merge};

/// A function that looks at a node and gives steps for it.
pub type PlanFn = Arc<dyn Fn(&mut Plan<'_>) -> Result<(), PlanError> + Send + Sync>;

/// What a plan function works with: it sees everything that is known and adds steps for one node.
///
/// ```
/// use pallet_core::plan::{Plan, PlanError};
/// fn only_web(plan: &mut Plan<'_>) -> Result<(), PlanError> {
///     if plan.target().roles.contains("web") && plan.nodes_with_role("database").next().is_none() {
///         return Err(plan.error("a web node needs a database node"));
///     }
///     Ok(())
/// }
/// ```
#[derive(Debug)]
pub struct Plan<'a> {
    phase: &'a str,
    target: &'a Target,
    scene: Scene<'a>,
    steps: Vec<Step>,
    /// Settings as they are, and those among them that this function has set.
    settings: Map<String, Value>,
    set: BTreeSet<String>,
    reads: BTreeSet<String>,
    conditions: Vec<String>,
    handles: usize,
    origin: &'a Origin,
}

impl<'a> Plan<'a> {
    pub(super) fn new(
        phase: &'a str,
        target: &'a Target,
        scene: Scene<'a>,
        settings: Map<String, Value>,
        reads: &BTreeSet<String>,
        origin: &'a Origin,
    ) -> Self {
        Self {
            phase,
            target,
            scene,
            steps: Vec::new(),
            settings,
            set: BTreeSet::new(),
            reads: reads.clone(),
            conditions: Vec::new(),
            handles: 0,
            origin,
        }
    }

    /// The steps, and the settings that were set.
    pub(super) fn finish(mut self) -> (Vec<Step>, Map<String, Value>) {
        self.settings.retain(|facility, _| self.set.contains(facility));
        (self.steps, self.settings)
    }

    /// The phase that is compiled.
    pub fn phase(&self) -> &'a str {
        self.phase
    }

    /// An argument that the phase was called with.
    pub fn argument(&self, name: &str) -> Option<&'a Value> {
        self.scene.arguments?.get(name)
    }

    /// The node that steps are added for.
    pub fn target(&self) -> &'a Target {
        self.target
    }

    /// All nodes of this run, the target included, and those that it takes into account.
    pub fn nodes(&self) -> &'a [Target] {
        self.scene.nodes
    }

    /// The nodes that play a role, in the order of their names.
    pub fn nodes_with_role(&self, role: &str) -> impl Iterator<Item = &'a Target> {
        self.scene.nodes.iter().filter(move |node| node.roles.contains(role))
    }

    /// The nodes of a group, in the order of their names.
    pub fn nodes_in_group(&self, group: &str) -> impl Iterator<Item = &'a Target> {
        self.scene.nodes.iter().filter(move |node| node.groups.contains(group))
    }

    /// Whether the target is the first node that plays a role: for what has to be done once.
    pub fn is_first_with_role(&self, role: &str) -> bool {
        self.nodes_with_role(role).next().is_some_and(|first| first.name == self.target.name)
    }

    /// The environment: values that do not depend on a node.
    pub fn environment(&self) -> &'a Map<String, Value> {
        self.scene.environment
    }

    /// A facility's settings on the target, those set by this phase so far included.
    pub fn settings(&self, facility: &str) -> Option<&Value> {
        self.settings.get(facility)
    }

    /// A facility's settings on the target, in a type of their own. Without any, those of an empty
    /// table: a type whose fields all have defaults is then read with them.
    ///
    /// # Errors
    /// [`PlanError`] that says what in the settings does not fit the type.
    pub fn settings_as<T: DeserializeOwned>(&self, facility: &str) -> Result<T, PlanError> {
        let settings = self.settings(facility).cloned();
        serde_json::from_value(settings.unwrap_or_else(|| Value::Object(Map::new()))).map_err(
            |error| self.error(format!("the settings of `{facility}` are not right: {error}")),
        )
    }

    /// A crate's settings on the target, with its defaults where nothing else is set.
    ///
    /// # Errors
    /// As [`settings_as`](Self::settings_as).
    pub fn settings_of<C: Crate>(&self) -> Result<C::Settings, PlanError> {
        self.settings_as(C::NAME)
    }

    /// Sets a facility's settings on the target, in place of those that are there. Later steps see
    /// them at once; other nodes see them after the phase.
    pub fn set_settings(&mut self, facility: impl Into<String>, value: Value) {
        let facility = facility.into();
        self.set.insert(facility.clone());
        self.settings.insert(facility, value);
    }

    /// Sets some of a facility's settings on the target; tables are merged key by key.
    pub fn update_settings(&mut self, facility: impl Into<String>, over: Map<String, Value>) {
        let facility = facility.into();
        self.set.insert(facility.clone());
        match self.settings.get_mut(&facility) {
            Some(Value::Object(under)) => merge(under, over),
            _ => {
                self.settings.insert(facility, Value::Object(over));
            }
        }
    }

    /// A value that an earlier phase has read from the target.
    pub fn value(&self, name: &str) -> Option<&'a str> {
        self.target.values.get(name).map(String::as_str)
    }

    /// A text that stands for a value read from the target: as it is where an earlier phase has
    /// read it, else a placeholder for what an earlier action of this phase reads. It can be a
    /// part of any text parameter of later actions, and of settings; Rust code cannot look into it.
    ///
    /// # Errors
    /// [`PlanError`] when nothing reads that value.
    pub fn placeholder(&self, name: &str) -> Result<String, PlanError> {
        if self.reads.contains(name) {
            return Ok(value::placeholder(name));
        }
        if let Some(value) = self.value(name) {
            return Ok(value.to_owned());
        }
        Err(self
            .error(format!("no earlier action reads a value called `{name}`"))
            .help("add the action that reads it before"))
    }

    /// Adds an action, and returns a handle for [`when_changed`](Self::when_changed).
    #[track_caller]
    pub fn action(&mut self, action: impl Action) -> Handle {
        self.push(Step::action(action))
    }

    /// Adds an action that runs only if one of the `handles`' steps changed something.
    #[track_caller]
    pub fn action_when_changed(&mut self, handles: &[&Handle], action: impl Action) -> Handle {
        let step = Step::action(action);
        self.push(handles.iter().fold(step, |step, handle| step.when_changed(handle.0.clone())))
    }

    /// Adds steps that run only if one of the `handles`' steps changed something.
    ///
    /// # Errors
    /// Those of `steps`.
    pub fn when_changed(
        &mut self,
        handles: &[&Handle],
        steps: impl FnOnce(&mut Self) -> Result<(), PlanError>,
    ) -> Result<(), PlanError> {
        let inner = handles.iter().map(|handle| handle.0.clone()).collect();
        let outer = std::mem::replace(&mut self.conditions, inner);
        let added = steps(self);
        self.conditions = outer;
        added
    }

    /// Adds a step as it is.
    pub fn step(&mut self, mut step: Step) {
        if step.when_changed.is_empty() {
            step.when_changed.clone_from(&self.conditions);
        }
        if let StepKind::Action(action) = &step.kind {
            self.reads.extend(action.value_name().map(str::to_owned));
        }
        self.steps.push(step);
    }

    /// An error of this plan function.
    pub fn error(&self, message: impl Into<String>) -> PlanError {
        PlanError::new(self.origin, message)
    }

    fn push(&mut self, step: Step) -> Handle {
        // A colon cannot stand in an id of a document, so these never clash with those.
        self.handles += 1;
        let id = format!("{}:{}", self.origin, self.handles);
        self.step(step.id(id.clone()));
        Handle(id)
    }
}

/// Refers to a step that a plan function added.
#[derive(Debug, Clone)]
pub struct Handle(String);
