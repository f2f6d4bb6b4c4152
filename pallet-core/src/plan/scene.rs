//! What phases are compiled against, and what templates see of it.

use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use serde_json::{Map, Value};

use super::Target;

/// The nodes of a run, as all of its plan functions and templates see them. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Nodes(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    targets: Vec<Target>,
    /// For templates; made once for all nodes, and only where one asks for it.
    value: OnceLock<Value>,
}

impl From<Vec<Target>> for Nodes {
    fn from(targets: Vec<Target>) -> Self {
        Self(Arc::new(Inner { targets, value: OnceLock::new() }))
    }
}

impl Deref for Nodes {
    type Target = [Target];

    fn deref(&self) -> &[Target] {
        &self.0.targets
    }
}

impl Nodes {
    fn value(&self) -> &Value {
        self.0.value.get_or_init(|| serde_json::to_value(&self.0.targets).unwrap_or_default())
    }
}

/// What phases are compiled against.
#[derive(Debug, Clone, Copy)]
pub struct Scene<'a> {
    /// All nodes of the run, and those that it takes into account.
    pub nodes: &'a Nodes,
    /// Values that do not depend on a node.
    pub environment: &'a Map<String, Value>,
    /// What the phase was called with.
    pub arguments: Option<&'a Map<String, Value>>,
}

impl<'a> Scene<'a> {
    /// Nodes and an environment.
    pub fn new(nodes: &'a Nodes, environment: &'a Map<String, Value>) -> Self {
        Self { nodes, environment, arguments: None }
    }

    /// The same for a phase with arguments.
    #[must_use]
    pub fn with_arguments(self, arguments: &'a Map<String, Value>) -> Self {
        Self { arguments: Some(arguments), ..self }
    }
}

const NODES: &str = "nodes";

/// What templates see.
///
/// ```
/// use pallet_core::plan::{Nodes, Target, Values};
/// let nodes = Nodes::from(vec![Target::new("web-1", "web")]);
/// let values = Values::new([("environment".to_owned(), "test".into())].into_iter().collect(), nodes);
/// assert_eq!(values.get("nodes").unwrap()[0]["name"], "web-1");
/// assert_eq!(values.names().collect::<Vec<_>>(), ["environment", "nodes"]);
/// ```
#[derive(Debug, Clone, Default)]
pub struct Values {
    pub(super) own: Map<String, Value>,
    nodes: Nodes,
}

impl Values {
    /// Values by name, to which the nodes come as `nodes`.
    pub fn new(own: Map<String, Value>, nodes: Nodes) -> Self {
        Self { own, nodes }
    }

    /// The value of this name.
    pub fn get(&self, name: &str) -> Option<&Value> {
        match name {
            NODES => Some(self.nodes.value()),
            name => self.own.get(name),
        }
    }

    /// The names of all values.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.own.keys().map(String::as_str).chain([NODES])
    }
}
