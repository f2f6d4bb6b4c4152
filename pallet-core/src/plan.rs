//! Compiling: from specs, facts and settings to a list of actions. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::action::{Action, ActionBox, ActionError, Preparation};
use crate::facts::Facts;
use crate::spec::{Origin, Phase, Step, StepKind};

/// A function that looks at a node and gives steps for it.
pub type PlanFn = Arc<dyn Fn(&mut Plan<'_>) -> Result<(), PlanError> + Send + Sync>;

/// A node as plan functions and templates see it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Target {
    /// The node's name.
    pub name: String,
    /// Its group.
    pub group: String,
    /// Where it is reached; empty for the local machine.
    pub address: String,
    /// The roles it plays.
    pub roles: BTreeSet<String>,
    /// What it is.
    pub facts: Facts,
    /// Settings by facility.
    pub settings: Map<String, Value>,
    /// What its service says of it.
    pub properties: BTreeMap<String, String>,
}

/// What a plan function works with: it sees everything that is known and adds steps for one node.
///
/// ```
/// use pallet_core::plan::Plan;
/// fn only_web(plan: &mut Plan<'_>) -> Result<(), pallet_core::plan::PlanError> {
///     let database = plan.nodes().iter().find(|node| node.roles.contains("database"));
///     if database.is_none() && plan.target().roles.contains("web") {
///         return Err(plan.error("a web node needs a database node"));
///     }
///     Ok(())
/// }
/// ```
#[derive(Debug)]
pub struct Plan<'a> {
    phase: &'a str,
    target: &'a Target,
    nodes: &'a [Target],
    environment: &'a Map<String, Value>,
    steps: Vec<Step>,
    settings: Map<String, Value>,
    handles: usize,
    origin: &'a Origin,
}

impl<'a> Plan<'a> {
    /// The phase that is compiled.
    pub fn phase(&self) -> &'a str {
        self.phase
    }

    /// The node that steps are added for.
    pub fn target(&self) -> &'a Target {
        self.target
    }

    /// All nodes of this run, the target included.
    pub fn nodes(&self) -> &'a [Target] {
        self.nodes
    }

    /// The environment: values that do not depend on a node.
    pub fn environment(&self) -> &'a Map<String, Value> {
        self.environment
    }

    /// A facility's settings on the target, those set by this function included.
    pub fn settings(&self, facility: &str) -> Option<&Value> {
        self.settings.get(facility).or_else(|| self.target.settings.get(facility))
    }

    /// Sets a facility's settings on the target. Other nodes see them after the `settings` phase.
    pub fn set_settings(&mut self, facility: impl Into<String>, value: Value) {
        self.settings.insert(facility.into(), value);
    }

    /// Adds an action, and returns a handle for [`action_when_changed`](Self::action_when_changed).
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

    /// Adds a step as it is.
    pub fn step(&mut self, step: Step) {
        self.steps.push(step);
    }

    /// An error of this plan function.
    pub fn error(&self, message: impl Into<String>) -> PlanError {
        PlanError { message: message.into(), help: None, origin: self.origin.clone(), action: None }
    }

    fn push(&mut self, step: Step) -> Handle {
        // A colon cannot stand in an id of a document, so these never clash with those.
        self.handles += 1;
        let id = format!("{}:{}", self.origin, self.handles);
        self.steps.push(step.id(id.clone()));
        Handle(id)
    }
}

/// Refers to a step that a plan function added.
#[derive(Debug, Clone)]
pub struct Handle(String);

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

/// An action that is ready to be carried out on one node.
#[derive(Debug, Clone)]
pub struct PlannedAction {
    /// The action, completed for the node.
    pub action: ActionBox,
    /// The step's name, and those of the plan-function steps that it comes from.
    pub ids: Vec<String>,
    /// Positions of the earlier actions of which one has to have changed something. Empty:
    /// unconditional.
    pub when_changed: Option<Vec<usize>>,
    /// The user it runs as, in place of root.
    pub as_user: Option<String>,
    /// Where the step was written.
    pub origin: Origin,
}

/// What compiling a phase gives.
#[derive(Debug, Default)]
pub struct Compiled {
    /// The actions, in the order in which they run.
    pub actions: Vec<PlannedAction>,
    /// Settings that plan functions have set on the node.
    pub settings: Map<String, Value>,
}

/// What phases are compiled against.
#[derive(Debug, Clone, Copy)]
pub struct Scene<'a> {
    /// All nodes of the run.
    pub nodes: &'a [Target],
    /// Values that do not depend on a node.
    pub environment: &'a Map<String, Value>,
}

/// Compiles one phase for one node.
///
/// # Errors
/// [`PlanError`]: the step, and what is wrong with it.
pub fn compile(
    name: &str,
    phase: &Phase,
    target: &Target,
    scene: Scene<'_>,
) -> Result<Compiled, PlanError> {
    let values = json!({
        "node": target,
        "facts": target.facts,
        "settings": target.settings,
        "environment": scene.environment,
        "nodes": scene.nodes,
    });
    let mut compiler = Compiler { name, target, scene, values, compiled: Compiled::default() };
    for step in &phase.steps {
        compiler.step(step, &[])?;
    }
    Ok(compiler.compiled)
}

struct Compiler<'a> {
    name: &'a str,
    target: &'a Target,
    scene: Scene<'a>,
    values: Value,
    compiled: Compiled,
}

impl Compiler<'_> {
    /// `callers` are the names of the plan-function steps that gave this one.
    fn step(&mut self, step: &Step, callers: &[String]) -> Result<(), PlanError> {
        if step.only_on.as_ref().is_some_and(|filter| !filter.fits(&self.target.facts)) {
            return Ok(());
        }
        match &step.kind {
            StepKind::Action(action) => self.action(step, action, callers),
            StepKind::Plan(function) => {
                let mut plan = Plan {
                    phase: self.name,
                    target: self.target,
                    nodes: self.scene.nodes,
                    environment: self.scene.environment,
                    steps: Vec::new(),
                    settings: Map::new(),
                    handles: 0,
                    origin: &step.origin,
                };
                function(&mut plan)?;
                let (steps, settings) = (plan.steps, plan.settings);
                self.compiled.settings.extend(settings);
                let callers: Vec<String> = step.id.iter().chain(callers).cloned().collect();
                steps.into_iter().try_for_each(|inner| self.step(&inherit(inner, step), &callers))
            }
        }
    }

    fn action(
        &mut self,
        step: &Step,
        action: &ActionBox,
        callers: &[String],
    ) -> Result<(), PlanError> {
        let preparation = Preparation {
            facts: &self.target.facts,
            values: &self.values,
            base: step.origin.base(),
        };
        let action = action
            .prepare(&preparation)
            .map_err(|error| step_error(step, Some(action.name()), error))?;
        let when_changed = self.conditions(step)?;
        self.compiled.actions.push(PlannedAction {
            action,
            ids: step.id.iter().chain(callers).cloned().collect(),
            when_changed,
            as_user: step.as_user.clone(),
            origin: step.origin.clone(),
        });
        Ok(())
    }

    fn conditions(&self, step: &Step) -> Result<Option<Vec<usize>>, PlanError> {
        if step.when_changed.is_empty() {
            return Ok(None);
        }
        let mut positions = Vec::new();
        for id in &step.when_changed {
            let named = |planned: &PlannedAction| planned.ids.contains(id);
            positions.extend(
                self.compiled
                    .actions
                    .iter()
                    .enumerate()
                    .filter(|(_, p)| named(p))
                    .map(|(at, _)| at),
            );
            // A step that `only-on` left out is no mistake; nothing has changed then. Documents
            // are checked for unknown ids when they are read.
        }
        Ok(Some(positions))
    }
}

/// Steps of a plan function run under the conditions of the step that called it.
fn inherit(mut inner: Step, outer: &Step) -> Step {
    inner.as_user = inner.as_user.or_else(|| outer.as_user.clone());
    if inner.when_changed.is_empty() {
        inner.when_changed.clone_from(&outer.when_changed);
    }
    inner
}

fn step_error(step: &Step, action: Option<&str>, error: ActionError) -> PlanError {
    PlanError {
        message: error.message,
        help: error.help,
        origin: step.origin.clone(),
        action: action.map(str::to_owned),
    }
}
