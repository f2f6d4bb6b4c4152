//! How many of what.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{NodeFilter, NodeSpec, ServerSpec};
use crate::compute::Node;

/// A group of equal nodes.
#[derive(Debug, Clone)]
pub struct GroupSpec {
    /// Its name; nodes are called `<name>-1`, `<name>-2`, …
    pub name: GroupName,
    /// How many nodes there shall be. `None`: as many as there are.
    pub count: Option<u32>,
    /// What the nodes are made of.
    pub node: NodeSpec,
    /// What is on them, extended specs already merged.
    pub server: ServerSpec,
    /// Chooses existing nodes, whatever groups they were made for, in place of nodes of the group's
    /// own. Such a group has no count: it neither creates nor destroys. A node that is in several
    /// groups gets what all of them say, its own group first.
    pub filter: Option<NodeFilter>,
    /// The cluster that it is part of.
    pub cluster: Option<GroupName>,
    /// Values for plan functions and templates on its nodes; they win over those of the fleet.
    pub environment: Map<String, Value>,
}

impl GroupSpec {
    /// A group of as many nodes as there are. What `server` says of nodes is in the group's
    /// node-spec, as far as `node` does not say otherwise.
    pub fn new(name: GroupName, node: NodeSpec, server: ServerSpec) -> Self {
        let node = server.node.clone().overlaid_with(&node);
        Self {
            name,
            count: None,
            node,
            server,
            filter: None,
            cluster: None,
            environment: Map::new(),
        }
    }

    /// A group of existing nodes.
    pub fn of_existing(name: GroupName, filter: NodeFilter, server: ServerSpec) -> Self {
        Self { filter: Some(filter), ..Self::new(name, NodeSpec::new(), server) }
    }

    /// Sets how many nodes there shall be.
    #[must_use]
    pub fn count(mut self, count: u32) -> Self {
        self.count = Some(count);
        self
    }

    /// Whether a node is in the group.
    pub fn has(&self, node: &Node) -> bool {
        match &self.filter {
            Some(filter) => filter.fits(node),
            None => node.group == self.name.as_str(),
        }
    }
}

/// A group's name: letters, digits and hyphens, beginning with a letter, at most 50 characters,
/// so that `<name>-<number>` is a host name everywhere.
///
/// ```
/// use pallet_core::spec::GroupName;
/// assert!("web".parse::<GroupName>().is_ok());
/// assert!("web server".parse::<GroupName>().is_err());
/// ```
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
pub struct GroupName(String);

impl GroupName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of the group's node with this number.
    pub fn node_name(&self, number: u32) -> String {
        format!("{}-{number}", self.0)
    }

    /// The name of a group within the cluster of this name.
    pub(super) fn within(&self, group: &GroupName) -> Result<GroupName, String> {
        format!("{}-{}", self.0, group.0).parse()
    }

    /// The number of a node of this group, if `node_name` is one of its names.
    pub fn node_number(&self, node_name: &str) -> Option<u32> {
        let digits = node_name.strip_prefix(&self.0)?.strip_prefix('-')?;
        let number: u32 = digits.parse().ok()?;
        // `web-01` and `web-+1` are not names that we give.
        (number.to_string() == digits).then_some(number)
    }
}

impl FromStr for GroupName {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let starts_well = name.starts_with(|first: char| first.is_ascii_alphabetic());
        let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if starts_well && is_plain && name.len() <= 50 {
            Ok(Self(name.to_owned()))
        } else {
            Err(format!(
                "`{name}` cannot be a group's name: use letters, digits and hyphens, \
                 beginning with a letter, at most 50 characters"
            ))
        }
    }
}

impl TryFrom<String> for GroupName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        name.parse()
    }
}

impl From<GroupName> for String {
    fn from(name: GroupName) -> String {
        name.0
    }
}

impl fmt::Display for GroupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
