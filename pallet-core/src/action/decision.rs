//! Decisions: what an action makes of what was seen.

use serde::{Deserialize, Serialize};

use super::{Fragment, Key, Knowledge, ProbeKind};

/// What has to happen so that the node is as an action describes.
#[derive(Debug)]
pub enum Decision {
    /// It is so already.
    Unchanged,
    /// Something differs.
    Change(Change),
}

/// How sure a predicted change is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "certainty", content = "reason")]
pub enum Certainty {
    /// It will change.
    Will,
    /// It may change; the text says why nobody can know before it is tried.
    May(String),
}

/// A change that an action wants to make.
#[derive(Debug)]
pub struct Change {
    /// How sure the change is.
    pub certainty: Certainty,
    /// What differs, one short line each, for people: `mode 0600 → 0644`.
    pub details: Vec<String>,
    /// A unified diff of contents, where there is one. Never of secrets.
    pub diff: Option<String>,
    /// How to make it so.
    pub fragment: Fragment,
    /// What will be true afterwards.
    pub effects: Effects,
}

impl Change {
    /// A certain change that `fragment` makes, writing the `writes` keys.
    pub fn new(fragment: Fragment, writes: impl IntoIterator<Item = Key>) -> Self {
        Self {
            certainty: Certainty::Will,
            details: Vec::new(),
            diff: None,
            fragment,
            effects: Effects::unknown(writes),
        }
    }

    /// Adds a line that says what differs.
    #[must_use]
    pub fn detail(mut self, line: impl Into<String>) -> Self {
        self.details.push(line.into());
        self
    }

    /// Says what a probe would answer afterwards; see [`Effects::predict`].
    #[must_use]
    pub fn predict<K: ProbeKind>(mut self, request: K::Request, answer: K::Answer) -> Self {
        self.effects.predict::<K>(request, answer);
        self
    }
}

/// What a change does to the node: the keys it writes, and what probes would answer afterwards.
///
/// Answers that depend on a written key and are not predicted count as unknown: actions that need
/// them wait for the next wave, which looks again.
#[derive(Debug)]
pub struct Effects {
    pub(crate) writes: Vec<Key>,
    pub(crate) predicted: Knowledge,
}

impl Effects {
    /// Writes `writes`, and nothing is known about what will be there.
    pub fn unknown(writes: impl IntoIterator<Item = Key>) -> Self {
        Self { writes: writes.into_iter().collect(), predicted: Knowledge::new() }
    }

    /// The keys that are written.
    pub fn writes(&self) -> &[Key] {
        &self.writes
    }

    /// What probes would answer afterwards, as far as it is known.
    pub fn predicted(&self) -> &Knowledge {
        &self.predicted
    }

    /// Says what a probe would answer after the change.
    pub fn predict<K: ProbeKind>(&mut self, request: K::Request, answer: K::Answer) {
        self.predicted.insert::<K>(request, answer);
    }
}
