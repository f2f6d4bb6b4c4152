//! Reports: what a run did, as values.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::action::Seen;
use crate::secret::redact;
use crate::spec::Origin;

/// What a run did, or in check mode would do.
#[derive(Debug, Clone, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Report {
    /// Nodes that were created.
    pub created: Vec<String>,
    /// Stopped nodes that were started.
    pub started: Vec<String>,
    /// Nodes that were destroyed.
    pub destroyed: Vec<String>,
    /// Every node that took part, in the order of their names.
    pub nodes: Vec<NodeReport>,
    /// Failures that belong to no node's phase: creating, destroying.
    pub failures: Vec<Failure>,
    /// When the run began, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begun: Option<u64>,
    /// When it ended, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<u64>,
    /// Why the run was stopped before its end, if it was: then some phases are missing, and
    /// actions that were not begun are skipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<String>,
}

impl Report {
    /// The report of a run that begins now.
    pub fn begin() -> Self {
        Self { begun: Some(now()), ..Self::default() }
    }

    /// Whether anything failed anywhere, or the run was stopped.
    pub fn failed(&self) -> bool {
        self.stopped.is_some()
            || !self.failures.is_empty()
            || self.nodes.iter().any(|node| node.failure().is_some())
    }

    /// Counts actions over all nodes and phases.
    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        let phases = self.nodes.iter().flat_map(|node| &node.phases);
        for action in phases.flat_map(|phase| &phase.actions) {
            totals.earlier += usize::from(action.earlier);
            match action.status {
                Status::Unchanged => totals.unchanged += 1,
                Status::Changed | Status::WillChange | Status::MayChange { .. } => {
                    totals.changed += 1;
                }
                Status::Failed => totals.failed += 1,
                Status::Skipped { .. } => totals.skipped += 1,
            }
        }
        totals
    }
}

/// How many actions ended how.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub struct Totals {
    /// Changed, or would or may change in check mode.
    pub changed: usize,
    /// Those of them that were changed before the run broke off and was resumed.
    pub earlier: usize,
    /// As described already.
    pub unchanged: usize,
    /// Failed.
    pub failed: usize,
    /// Not tried.
    pub skipped: usize,
}

/// What happened on one node.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct NodeReport {
    /// The node's name.
    pub node: String,
    /// Its group.
    pub group: String,
    /// The phases that were begun on it, in their order.
    pub phases: Vec<PhaseReport>,
}

impl NodeReport {
    /// The failure that stopped the node, if one did.
    pub fn failure(&self) -> Option<&Failure> {
        self.phases.iter().find_map(|phase| phase.failure.as_ref())
    }
}

/// What happened in one phase on one node.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct PhaseReport {
    /// The phase. Reaching the node and reading its facts is called `connect`.
    pub phase: String,
    /// The actions, in their order.
    pub actions: Vec<ActionReport>,
    /// When it was begun, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begun: Option<u64>,
    /// How long it took.
    #[serde(rename = "millis", with = "millis")]
    #[schemars(with = "u64")]
    pub duration: Duration,
    /// What stopped it.
    pub failure: Option<Failure>,
    /// Values that its actions have read from the node, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub values: BTreeMap<String, String>,
}

/// What became of one action.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ActionReport {
    /// The action's name: `remote-file`.
    pub action: String,
    /// What it is about: `/etc/motd`.
    pub subject: String,
    /// Where its step was written.
    pub origin: Origin,
    /// How it ended.
    #[serde(flatten)]
    pub status: Status,
    /// What differed, one line each.
    pub details: Vec<String>,
    /// Difference of contents.
    pub diff: Option<String>,
    /// What it wrote on the node, both streams, shortened in the middle when it is long.
    pub output: String,
    /// When it was begun on the node, if it was, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begun: Option<u64>,
    /// How long it ran on the node.
    #[serde(rename = "millis", with = "millis")]
    #[schemars(with = "u64")]
    pub duration: Duration,
    /// Check mode: what the prediction is grounded on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ground: Option<Ground>,
    /// Whether it was done before the run broke off and was resumed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub earlier: bool,
}

/// What a prediction is grounded on, as digests: if all of them are the same later on, the
/// prediction still holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Ground {
    /// What the action describes.
    pub description: String,
    /// How the node would be changed.
    pub change: Option<String>,
    /// What was seen of the node.
    pub seen: Vec<Seen>,
}

/// How an action ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "status")]
pub enum Status {
    /// The node was as described.
    Unchanged,
    /// The node was changed.
    Changed,
    /// Check mode: it would be changed.
    WillChange,
    /// Check mode: nobody can know before it is tried.
    MayChange {
        /// Why.
        reason: String,
    },
    /// It failed; the phase's failure says how.
    Failed,
    /// It was not tried.
    Skipped {
        /// Why.
        reason: String,
    },
}

/// Something that failed.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Failure {
    /// The node, where there is one.
    pub node: Option<String>,
    /// What was being done: a phase, `create`, `destroy`, `connect`.
    pub phase: String,
    /// The action with its subject.
    pub action: Option<String>,
    /// Where the step was written.
    pub origin: Option<Origin>,
    /// What happened and why.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// What the failing program wrote.
    pub output: String,
}

impl Failure {
    /// A failure outside of any action. Secrets are taken out of the message.
    pub fn new(phase: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            node: None,
            phase: phase.into(),
            action: None,
            origin: None,
            message: redact(&message.into()).into_owned(),
            help: None,
            output: String::new(),
        }
    }

    /// Says on which node.
    #[must_use]
    pub fn node(mut self, node: impl Into<String>) -> Self {
        self.node = Some(node.into());
        self
    }

    /// Says what to do about it.
    #[must_use]
    pub fn help(mut self, help: Option<String>) -> Self {
        self.help = help;
        self
    }
}

/// Milliseconds since 1970.
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// When something began that has taken so long up to now.
pub(crate) fn begun(duration: Duration) -> u64 {
    now().saturating_sub(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

/// Durations as whole milliseconds.
mod millis {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_millis)
    }
}
