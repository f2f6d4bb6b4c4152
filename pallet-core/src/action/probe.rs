//! Probes: how the engine looks at a node, in bulk.

use std::any::{Any, TypeId};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use serde::{Deserialize, Serialize};

use super::digest::digest;
use super::{Key, Knowledge};

/// One kind of question about a node, answered for many subjects by one process.
///
/// All requests of one kind that a wave needs are put to the node together. A kind is a type that
/// is never built; actions name it: `wanted.ask::<Stat>("/etc/motd".to_owned())`.
pub trait ProbeKind: Send + Sync + 'static {
    /// Name in programs, logs and errors.
    const NAME: &'static str;
    /// What is asked about, for example a path.
    type Request: Clone + Ord + Debug + Send + Sync + 'static;
    /// What is found.
    type Answer: Clone + Debug + Send + Sync + 'static;
    /// Whether the answer changes by itself as time goes by, as ages do. A saved plan does not
    /// insist on it then. Default: it does not.
    const DRIFTS: bool = false;
    /// Whether its script may run in the shell that runs others, which spares the node a process:
    /// it leaves no more behind there than functions and variables, and its only `exit` says that
    /// it could not look at all. Default: it gets a subshell of its own.
    const SHARES_SHELL: bool = false;

    /// The part of the node that the answer depends on.
    fn key(request: &Self::Request) -> Key;

    /// Bash code that prints the answers to all `requests` to standard output.
    ///
    /// It runs with `LC_ALL=C`, and changes nothing on the node. It exits with 0 unless it could not
    /// look at all.
    fn script(requests: &[Self::Request]) -> String;

    /// Reads what [`script`](Self::script) printed: one answer per request, in their order.
    ///
    /// # Errors
    /// A sentence that says what was not understood.
    fn parse(requests: &[Self::Request], output: &[u8]) -> Result<Vec<Self::Answer>, String>;
}

/// What one or more actions want to know.
#[derive(Debug, Default)]
pub struct ProbeSet {
    batches: BTreeMap<&'static str, Box<dyn Batch>>,
}

impl ProbeSet {
    /// Nothing wanted yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks a question; asking twice is asking once.
    pub fn ask<K: ProbeKind>(&mut self, request: K::Request) {
        let batch = self
            .batches
            .entry(K::NAME)
            .or_insert_with(|| Box::new(Requests::<K> { requests: BTreeSet::new() }));
        if let Some(requests) = batch.as_any_mut().downcast_mut::<Requests<K>>() {
            requests.requests.insert(request);
        }
    }

    /// Whether nothing is wanted.
    pub fn is_empty(&self) -> bool {
        self.batches.values().all(|batch| batch.is_empty())
    }

    /// Whether each question can be answered by what is known or predicted and not `written` since.
    pub(crate) fn is_answered(
        &self,
        known: &Knowledge,
        predicted: &Knowledge,
        written: &[Key],
    ) -> bool {
        self.batches.values().all(|batch| batch.is_answered(known, predicted, written))
    }

    /// Takes over the questions of `other` that `known` does not answer.
    pub(crate) fn add_unknown(&mut self, other: &ProbeSet, known: &Knowledge) {
        for (name, batch) in &other.batches {
            match self.batches.get_mut(name) {
                Some(mine) => mine.add_unknown(batch.as_ref(), known),
                None => {
                    let mut mine = batch.empty();
                    mine.add_unknown(batch.as_ref(), known);
                    if !mine.is_empty() {
                        self.batches.insert(name, mine);
                    }
                }
            }
        }
    }

    /// The parts of the node that the questions are about.
    pub(crate) fn keys(&self) -> Vec<Key> {
        self.batches.values().flat_map(|batch| batch.keys()).collect()
    }

    /// What of `known` answers these questions: what a decision is grounded on.
    pub(crate) fn seen(&self, known: &Knowledge) -> Vec<Seen> {
        self.batches.values().flat_map(|batch| batch.seen(known)).collect()
    }

    /// The batches, one per kind, in a stable order.
    pub(crate) fn batches(&self) -> impl Iterator<Item = &dyn Batch> {
        self.batches.values().map(AsRef::as_ref).filter(|batch| !batch.is_empty())
    }
}

/// What was seen of one part of a node, in a form that can be kept and compared, and that tells
/// nothing of contents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Seen {
    /// The kind of question.
    pub probe: String,
    /// The part of the node.
    pub what: String,
    /// Digest of the answer.
    pub digest: String,
}

/// All requests of one kind, with the kind's type erased.
pub(crate) trait Batch: Debug + Send + Sync {
    fn name(&self) -> &'static str;
    fn is_empty(&self) -> bool;
    fn empty(&self) -> Box<dyn Batch>;
    fn script(&self) -> String;
    /// Whether the script may run in the shell that runs others.
    fn shares_shell(&self) -> bool;
    fn learn(&self, output: &[u8], into: &mut Knowledge) -> Result<(), String>;
    fn is_answered(&self, known: &Knowledge, predicted: &Knowledge, written: &[Key]) -> bool;
    fn add_unknown(&mut self, other: &dyn Batch, known: &Knowledge);
    fn seen(&self, known: &Knowledge) -> Vec<Seen>;
    fn keys(&self) -> Vec<Key>;
    fn as_any(&self) -> &dyn Any;
    fn as_any_mut(&mut self) -> &mut dyn Any;
}

struct Requests<K: ProbeKind> {
    requests: BTreeSet<K::Request>,
}

impl<K: ProbeKind> Debug for Requests<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct(K::NAME).field("requests", &self.requests).finish()
    }
}

impl<K: ProbeKind> Requests<K> {
    fn list(&self) -> Vec<K::Request> {
        self.requests.iter().cloned().collect()
    }
}

impl<K: ProbeKind> Batch for Requests<K> {
    fn name(&self) -> &'static str {
        K::NAME
    }

    fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    fn empty(&self) -> Box<dyn Batch> {
        Box::new(Self { requests: BTreeSet::new() })
    }

    fn script(&self) -> String {
        K::script(&self.list())
    }

    fn shares_shell(&self) -> bool {
        K::SHARES_SHELL
    }

    fn learn(&self, output: &[u8], into: &mut Knowledge) -> Result<(), String> {
        let requests = self.list();
        let answers = K::parse(&requests, output)?;
        if answers.len() != requests.len() {
            return Err(format!("{} questions, {} answers", requests.len(), answers.len()));
        }
        for (request, answer) in requests.into_iter().zip(answers) {
            into.insert::<K>(request, answer);
        }
        Ok(())
    }

    fn is_answered(&self, known: &Knowledge, predicted: &Knowledge, written: &[Key]) -> bool {
        self.requests.iter().all(|request| {
            let key = K::key(request);
            predicted.get::<K>(request).is_some()
                || (known.get::<K>(request).is_some()
                    && !written.iter().any(|write| write.overlaps(&key)))
        })
    }

    fn add_unknown(&mut self, other: &dyn Batch, known: &Knowledge) {
        if let Some(other) = other.as_any().downcast_ref::<Self>() {
            let unknown = other.requests.iter().filter(|request| known.get::<K>(request).is_none());
            self.requests.extend(unknown.cloned());
        }
    }

    fn seen(&self, known: &Knowledge) -> Vec<Seen> {
        if K::DRIFTS {
            return Vec::new();
        }
        let seen = |request: &K::Request| {
            let answer = known.get::<K>(request)?;
            Some(Seen {
                probe: K::NAME.to_owned(),
                what: K::key(request).to_string(),
                digest: digest([format!("{request:?} {answer:?}").as_bytes()]),
            })
        };
        self.requests.iter().filter_map(seen).collect()
    }

    fn keys(&self) -> Vec<Key> {
        self.requests.iter().map(K::key).collect()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

/// Identifies a kind in [`Knowledge`].
pub(super) fn kind_id<K: ProbeKind>() -> TypeId {
    TypeId::of::<Requests<K>>()
}
