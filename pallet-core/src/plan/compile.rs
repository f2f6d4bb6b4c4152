//! From the steps of a phase to the actions of a node.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::value::{fill, has_placeholder, placeholder};
use super::{Plan, PlanError, Scene, Target, Values};
use crate::action::{ActionBox, ActionError, Preparation};
use crate::facts::Facts;
use crate::spec::{Cycle, Origin, Phase, Step, StepKind, Wishes, order};

/// An action that is ready to be carried out on one node.
#[derive(Debug, Clone)]
pub struct PlannedAction {
    /// The action, completed for the node.
    pub action: ActionBox,
    /// The step's name, and those of the plan-function steps that it comes from.
    pub ids: Vec<String>,
    /// Positions of the earlier actions of which one has to have changed something. `None`:
    /// unconditional.
    pub when_changed: Option<Vec<usize>>,
    /// The user it runs as, in place of root.
    pub as_user: Option<String>,
    /// How long it may take. Default: the run's limit.
    pub timeout: Option<Duration>,
    /// Where the step was written.
    pub origin: Origin,
    /// Whether it may change anything. A plan that does not show that forbids it.
    pub may_change: bool,
    /// How to complete the action once values are read that may be in it.
    pub(crate) open: Option<Open>,
}

/// An action whose parameters may have placeholders in them.
#[derive(Debug, Clone)]
pub(crate) struct Open {
    source: ActionBox,
    values: Arc<Values>,
}

impl PlannedAction {
    /// The action with what was read in the place of placeholders. `None`: there is nothing in it
    /// that depends on what is read.
    ///
    /// # Errors
    /// [`ActionError`] when a value was not read, or makes no sense where it stands.
    pub(crate) fn completed(
        &self,
        known: &BTreeMap<String, String>,
        facts: &Facts,
    ) -> Result<Option<ActionBox>, ActionError> {
        let Some(open) = &self.open else { return Ok(None) };
        let mut missing = Vec::new();
        let source = open.source.filled(|parameters| fill(parameters, known, &mut missing))?;
        let mut values = Values::clone(&open.values);
        if let Some(Value::Object(values)) = values.own.get_mut("values") {
            // A template that wants one of them says so.
            values.retain(|name, value| known.contains_key(name) || !has_placeholder(value));
        }
        values.own.values_mut().for_each(|value| fill(value, known, &mut Vec::new()));
        if let Some(name) = missing.first() {
            return Err(ActionError::new(format!("the value `{name}` was not read"))
                .help("the action that reads it was left out on this node"));
        }
        let preparation = Preparation { facts, values: &values, base: self.origin.base() };
        source.prepare(&preparation).map(Some)
    }
}

/// What compiling a phase gives.
#[derive(Debug, Default)]
pub struct Compiled {
    /// The actions, in the order in which they run.
    pub actions: Vec<PlannedAction>,
    /// Settings that plan functions have set on the node.
    pub settings: Map<String, Value>,
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
    let mut compiler = Compiler {
        name,
        target,
        scene,
        settings: target.settings.clone(),
        values: None,
        reads: BTreeSet::new(),
        compiled: Compiled::default(),
    };
    compiler.steps(&phase.steps, &[])?;
    Ok(compiler.compiled)
}

struct Compiler<'a> {
    name: &'a str,
    target: &'a Target,
    scene: Scene<'a>,
    /// Settings as they are at this point of the phase.
    settings: Map<String, Value>,
    /// What templates see; made when it is first needed.
    values: Option<Arc<Values>>,
    /// The values that actions of this phase read so far.
    reads: BTreeSet<String>,
    compiled: Compiled,
}

impl Compiler<'_> {
    /// `callers` are the names of the plan-function steps that gave these.
    fn steps(&mut self, steps: &[Step], callers: &[String]) -> Result<(), PlanError> {
        if steps.iter().all(|step| step.before.is_empty() && step.after.is_empty()) {
            return steps.iter().try_for_each(|step| self.step(step, callers));
        }
        for position in ordered(self.name, steps)? {
            if let Some(step) = steps.get(position) {
                self.step(step, callers)?;
            }
        }
        Ok(())
    }

    fn step(&mut self, step: &Step, callers: &[String]) -> Result<(), PlanError> {
        if step.only_on.as_ref().is_some_and(|filter| !filter.fits(&self.target.facts)) {
            return Ok(());
        }
        match &step.kind {
            StepKind::Action(action) => self.action(step, action, callers),
            StepKind::Plan(function) => {
                let mut plan = Plan::new(
                    self.name,
                    self.target,
                    self.scene,
                    self.settings.clone(),
                    &self.reads,
                    &step.origin,
                );
                function(&mut plan)?;
                let (steps, settings) = plan.finish();
                if !settings.is_empty() {
                    self.values = None;
                }
                self.settings.extend(settings.clone());
                self.compiled.settings.extend(settings);
                let steps: Vec<Step> =
                    steps.into_iter().map(|inner| inherit(inner, step)).collect();
                let callers: Vec<String> = step.id.iter().chain(callers).cloned().collect();
                self.steps(&steps, &callers)
            }
        }
    }

    fn action(
        &mut self,
        step: &Step,
        action: &ActionBox,
        callers: &[String],
    ) -> Result<(), PlanError> {
        let values = self.values();
        let preparation =
            Preparation { facts: &self.target.facts, values: &values, base: step.origin.base() };
        let of_step = |error| PlanError::of_action(step, action.name(), error);
        let prepared = action.prepare_if_needed(&preparation).map_err(of_step)?;
        let is_open = !self.reads.is_empty()
            && (prepared.is_some() || has_placeholder(&action.parameters().map_err(of_step)?));
        if let Some(name) = action.value_name()
            && self.reads.insert(name.to_owned())
        {
            self.values = None;
        }
        let when_changed = self.conditions(step);
        self.compiled.actions.push(PlannedAction {
            action: prepared.unwrap_or_else(|| action.clone()),
            ids: step.id.iter().chain(callers).cloned().collect(),
            when_changed,
            as_user: step.as_user.clone(),
            timeout: step.timeout,
            origin: step.origin.clone(),
            may_change: true,
            open: is_open.then(|| Open { source: action.clone(), values }),
        });
        Ok(())
    }

    /// What templates see at this point of the phase.
    fn values(&mut self) -> Arc<Values> {
        if let Some(values) = &self.values {
            return values.clone();
        }
        let mut read: BTreeMap<String, String> = self.target.values.clone();
        read.extend(self.reads.iter().map(|name| (name.clone(), placeholder(name))));
        let own = [
            ("node", json!(self.target)),
            ("facts", json!(self.target.facts)),
            ("settings", json!(self.settings)),
            ("environment", json!(self.scene.environment)),
            ("arguments", json!(self.scene.arguments.cloned().unwrap_or_default())),
            ("values", json!(read)),
        ];
        let own = own.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let values = Arc::new(Values::new(own, self.scene.nodes.clone()));
        self.values = Some(values.clone());
        values
    }

    fn conditions(&self, step: &Step) -> Option<Vec<usize>> {
        if step.when_changed.is_empty() {
            return None;
        }
        let is_meant =
            |planned: &PlannedAction| step.when_changed.iter().any(|id| planned.ids.contains(id));
        // A step that `only-on` left out is no mistake; nothing has changed then. Documents are
        // checked for unknown ids when they are read.
        let actions = self.compiled.actions.iter().enumerate();
        Some(actions.filter(|(_, planned)| is_meant(planned)).map(|(at, _)| at).collect())
    }
}

/// The positions of steps in the order in which they run.
fn ordered(phase: &str, steps: &[Step]) -> Result<Vec<usize>, PlanError> {
    let named = |step: &Step, id: &String| -> Result<Vec<usize>, PlanError> {
        let is_called = |other: &Step| other.id.as_ref() == Some(id);
        let positions: Vec<usize> =
            (0..).zip(steps).filter(|(_, it)| is_called(it)).map(|(at, _)| at).collect();
        if positions.is_empty() {
            let message = format!("no step of phase `{phase}` is called `{id}`");
            return Err(PlanError::new(&step.origin, message)
                .help("`before` and `after` name steps of the same phase and plan function"));
        }
        Ok(positions)
    };
    let mut wishes = Vec::with_capacity(steps.len());
    for step in steps {
        let all = |ids: &[String]| -> Result<Vec<usize>, PlanError> {
            Ok(ids.iter().map(|id| named(step, id)).collect::<Result<Vec<_>, _>>()?.concat())
        };
        wishes.push(Wishes { before: all(&step.before)?, after: all(&step.after)? });
    }
    order(&wishes).map_err(|Cycle(cycle)| {
        let steps: Vec<&Step> = cycle.iter().filter_map(|at| steps.get(*at)).collect();
        let origin = steps.first().map_or_else(Origin::caller, |step| step.origin.clone());
        let name = |step: &&Step| match &step.id {
            Some(id) => format!("`{id}` ({})", step.origin),
            None => format!("the step at {}", step.origin),
        };
        let names: Vec<String> = steps.iter().chain(steps.first()).map(name).collect();
        PlanError::new(&origin, format!("steps wait for each other: {}", names.join(" before ")))
            .help("take one of their `before` and `after` away")
    })
}

/// Steps of a plan function run under the conditions of the step that called it.
fn inherit(mut inner: Step, outer: &Step) -> Step {
    inner.as_user = inner.as_user.or_else(|| outer.as_user.clone());
    inner.timeout = inner.timeout.or(outer.timeout);
    if inner.when_changed.is_empty() {
        inner.when_changed.clone_from(&outer.when_changed);
    }
    inner
}
