//! Groups of nodes that exist already, chosen by what they are.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::Deserialize;

use super::NamePattern;
use crate::compute::Node;

/// Chooses existing nodes. All given keys must fit; a filter without keys chooses all nodes.
///
/// ```
/// use pallet_core::spec::NodeFilter;
/// let filter = NodeFilter::named("db-*")?.property("os-family", "debian");
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct NodeFilter {
    /// Patterns of which the node's name fits one: `web-*`. Empty: any name.
    pub names: Vec<NamePattern>,
    /// Groups of which the node was created for, or is listed under, one. Empty: any group.
    pub groups: Vec<String>,
    /// What the service has to say of the node.
    pub properties: BTreeMap<String, NamePattern>,
    /// A condition of a Rust program's own.
    #[serde(skip)]
    pub predicate: Option<Predicate>,
}

/// A condition on nodes.
pub type Predicate = Arc<dyn Fn(&Node) -> bool + Send + Sync>;

impl NodeFilter {
    /// Nodes whose names fit a pattern.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the pattern.
    pub fn named(pattern: &str) -> Result<Self, String> {
        Ok(Self { names: vec![pattern.parse()?], ..Self::default() })
    }

    /// Nodes that fulfil a condition.
    pub fn when(predicate: impl Fn(&Node) -> bool + Send + Sync + 'static) -> Self {
        Self { predicate: Some(Arc::new(predicate)), ..Self::default() }
    }

    /// Only nodes of which the service says this.
    #[must_use]
    pub fn property(mut self, key: impl Into<String>, value: &str) -> Self {
        self.properties.insert(key.into(), NamePattern::exactly(value));
        self
    }

    /// Whether a node is meant.
    pub fn fits(&self, node: &Node) -> bool {
        let has_name = self.names.is_empty() || self.names.iter().any(|name| name.fits(&node.name));
        let has_group = self.groups.is_empty() || self.groups.contains(&node.group);
        let has_properties = self
            .properties
            .iter()
            .all(|(key, wanted)| node.properties.get(key).is_some_and(|value| wanted.fits(value)));
        has_name
            && has_group
            && has_properties
            && self.predicate.as_ref().is_none_or(|predicate| predicate(node))
    }
}

impl fmt::Debug for NodeFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeFilter")
            .field("names", &self.names)
            .field("groups", &self.groups)
            .field("properties", &self.properties)
            .field("predicate", &self.predicate.as_ref().map(|_| "…"))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compute::NodeState;
    use crate::transport::HostKeys;

    #[test]
    fn all_that_is_said_has_to_fit() {
        let node = Node {
            id: "1".to_owned(),
            name: "db-1".to_owned(),
            group: "db".to_owned(),
            state: NodeState::Running,
            endpoint: None,
            host_keys: HostKeys::KnownHosts,
            image_user: None,
            bootstrapped: true,
            properties: BTreeMap::from([("os-family".to_owned(), "debian".to_owned())]),
        };
        let cases = [
            ("", true),
            ("names = ['web-*', 'db-?']", true),
            ("names = ['web-*']", false),
            ("groups = ['db']", true),
            ("groups = ['web']", false),
            ("properties = { os-family = 'deb*' }", true),
            ("properties = { os-family = 'debian', rack = '7' }", false),
            ("names = ['db-*']\ngroups = ['web']", false),
        ];
        for (text, expected) in cases {
            let filter: NodeFilter = toml::from_str(text).unwrap();
            assert_eq!(filter.fits(&node), expected, "{text}");
        }
        assert!(NodeFilter::when(|node| node.bootstrapped).fits(&node));
        assert!(!NodeFilter::named("db-*").unwrap().property("os-family", "deb*").fits(&node));
    }
}
