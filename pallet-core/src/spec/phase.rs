//! Phases and their steps.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::Location;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

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

/// A phase to run, with arguments for its plan functions and templates.
///
/// On a command line it is `NAME`, or `NAME:KEY=VALUE,KEY=VALUE`; a comma within a value is
/// written `\,`.
///
/// ```
/// use pallet_core::spec::PhaseCall;
/// let deploy: PhaseCall = "deploy:version=1.2,note=a\\, b".parse()?;
/// assert_eq!(deploy, PhaseCall::new("deploy").argument("version", "1.2").argument("note", "a, b"));
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct PhaseCall {
    /// The phase's name.
    pub name: String,
    /// Arguments by name.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub arguments: Map<String, Value>,
}

impl PhaseCall {
    /// A phase without arguments.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), arguments: Map::new() }
    }

    /// Adds an argument.
    #[must_use]
    pub fn argument(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.arguments.insert(name.into(), value.into());
        self
    }
}

impl FromStr for PhaseCall {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, rest) = text.split_once(':').map_or((text, None), |(n, r)| (n, Some(r)));
        if name.is_empty() {
            return Err("a phase's name is missing".to_owned());
        }
        let mut call = Self::new(name);
        for argument in rest.map(split_at_commas).unwrap_or_default() {
            let Some((key, value)) = argument.split_once('=').filter(|(key, _)| !key.is_empty())
            else {
                return Err(format!(
                    "`{argument}` is no argument of phase `{name}`: use KEY=VALUE"
                ));
            };
            if call.arguments.insert(key.to_owned(), value.into()).is_some() {
                return Err(format!("argument `{key}` of phase `{name}` is given twice"));
            }
        }
        Ok(call)
    }
}

fn split_at_commas(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let is_escaped = letter == '\\' && letters.peek().is_some_and(|next| ",\\".contains(*next));
        let letter = if is_escaped { letters.next().unwrap_or(letter) } else { letter };
        match parts.last_mut() {
            Some(part) if letter != ',' || is_escaped => part.push(letter),
            _ => parts.push(String::new()),
        }
    }
    parts
}

impl fmt::Display for PhaseCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        for (position, (key, value)) in self.arguments.iter().enumerate() {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let text = text.replace('\\', "\\\\").replace(',', "\\,");
            write!(f, "{}{key}={text}", if position == 0 { ':' } else { ',' })?;
        }
        Ok(())
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
    /// Comes before these steps of the phase, wherever they stand.
    pub before: Vec<String>,
    /// Comes after these steps of the phase, wherever they stand.
    pub after: Vec<String>,
    /// Runs only on nodes with these facts.
    pub only_on: Option<OnlyOn>,
    /// Runs as this user in place of root.
    pub as_user: Option<String>,
    /// How long each of its actions may take on a node. Default: the run's limit.
    pub timeout: Option<Duration>,
    /// The spec that it was written in, as documents call it: `server-spec.base`. Steps of Rust
    /// code know only their origin.
    pub spec: Option<Arc<str>>,
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
        Self {
            kind,
            id: None,
            when_changed: Vec::new(),
            before: Vec::new(),
            after: Vec::new(),
            only_on: None,
            as_user: None,
            timeout: None,
            spec: None,
            origin,
        }
    }

    /// Whether both are copies of one step, and not only alike.
    pub(crate) fn is_same(&self, other: &Step) -> bool {
        let does_the_same = match (&self.kind, &other.kind) {
            (StepKind::Action(one), StepKind::Action(two)) => one.is_same(two),
            (StepKind::Plan(one), StepKind::Plan(two)) => Arc::ptr_eq(one, two),
            _ => false,
        };
        does_the_same && self.origin == other.origin && self.id == other.id
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

    /// Moves the step before the one called `id`, if it does not stand there; may be given several
    /// times. Steps that say nothing like this keep the order in which they were declared.
    #[must_use]
    pub fn before(mut self, id: impl Into<String>) -> Self {
        self.before.push(id.into());
        self
    }

    /// Moves the step after the one called `id`, if it does not stand there; may be given several
    /// times.
    #[must_use]
    pub fn after(mut self, id: impl Into<String>) -> Self {
        self.after.push(id.into());
        self
    }

    /// Runs the step as `user`.
    #[must_use]
    pub fn as_user(mut self, user: impl Into<String>) -> Self {
        self.as_user = Some(user.into());
        self
    }

    /// Ends each of its actions that takes longer.
    #[must_use]
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = Some(limit);
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Origin {
    /// The file.
    #[schemars(with = "String")]
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

    /// A place that nobody knows.
    pub(crate) fn unknown() -> Self {
        Self { file: Path::new("?").into(), line: 0, column: 0 }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_with_arguments_are_read_as_they_are_written() {
        for (text, arguments) in [
            ("deploy", serde_json::json!({})),
            ("deploy:a=1", serde_json::json!({ "a": "1" })),
            ("deploy:a=,b=x=y", serde_json::json!({ "a": "", "b": "x=y" })),
            (r"deploy:a=1\,2,b=c:\\d", serde_json::json!({ "a": "1,2", "b": r"c:\d" })),
        ] {
            let call: PhaseCall = text.parse().unwrap();
            assert_eq!(call.name, "deploy");
            assert_eq!(Value::Object(call.arguments.clone()), arguments, "{text}");
            assert_eq!(call.to_string(), text);
        }
        for wrong in ["", ":a=1", "deploy:", "deploy:a", "deploy:=1", "deploy:a=1,a=2"] {
            assert!(wrong.parse::<PhaseCall>().is_err(), "{wrong}");
        }
    }
}
