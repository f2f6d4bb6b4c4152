//! Nodes as plan functions and templates see them.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::{Map, Value};

use crate::crates::Crate;
use crate::facts::Facts;

/// A node as plan functions and templates see it.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Target {
    /// The node's name.
    pub name: String,
    /// Its own group: the one that it was made for, or is listed under.
    pub group: String,
    /// All groups that it is in.
    pub groups: BTreeSet<String>,
    /// The cluster that its group is part of.
    pub cluster: Option<String>,
    /// Where it is reached; empty for the local machine, and `known after create` for a node that
    /// does not exist yet.
    pub address: String,
    /// The roles it plays.
    pub roles: BTreeSet<String>,
    /// What it is. For a node that does not exist yet, or is not worked on in this run: what its
    /// service says of its image.
    pub facts: Facts,
    /// Settings by facility.
    pub settings: Map<String, Value>,
    /// What its service says of it.
    pub properties: BTreeMap<String, String>,
    /// What earlier phases have read from it, by the names that their actions gave.
    pub values: BTreeMap<String, String>,
}

/// What the address of a node says before the node exists.
pub const KNOWN_AFTER_CREATE: &str = "known after create";

impl Target {
    /// A node of which nothing but its name and its group is known.
    pub fn new(name: impl Into<String>, group: impl Into<String>) -> Self {
        let group = group.into();
        Self {
            name: name.into(),
            groups: BTreeSet::from([group.clone()]),
            group,
            ..Self::default()
        }
    }

    /// A crate's settings on the node, if it has any: with the crate, or by hand.
    ///
    /// # Errors
    /// What in the settings does not fit their type.
    pub fn settings_of<C: Crate>(&self) -> Result<Option<C::Settings>, serde_json::Error> {
        self.settings.get(C::NAME).cloned().map(serde_json::from_value).transpose()
    }

    /// Gives the facts.
    #[must_use]
    pub fn facts(mut self, facts: Facts) -> Self {
        self.facts = facts;
        self
    }
}
