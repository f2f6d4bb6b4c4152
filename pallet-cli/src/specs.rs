//! Groups and clusters that are described in Rust.

use pallet_core::document::Infrastructure;
use pallet_core::spec::{ClusterSpec, GroupSpec};

use crate::error::CliError;

/// What a program describes: groups and clusters, as a `pallet.toml` has them.
///
/// Of a `pallet.toml` beside the program, groups and clusters are added; what builds on each other
/// by name, there and here, is a crate: see [`App::registry`](crate::App::registry).
#[derive(Debug, Clone, Default)]
pub struct Specs {
    groups: Vec<GroupSpec>,
    clusters: Vec<ClusterSpec>,
}

impl Specs {
    /// Nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a group.
    #[must_use]
    pub fn group(mut self, group: GroupSpec) -> Self {
        self.groups.push(group);
        self
    }

    /// Adds a cluster, and with it its groups under the names that they have there.
    #[must_use]
    pub fn cluster(mut self, cluster: ClusterSpec) -> Self {
        self.clusters.push(cluster);
        self
    }

    /// Adds everything of others.
    #[must_use]
    pub fn with(mut self, others: Self) -> Self {
        self.groups.extend(others.groups);
        self.clusters.extend(others.clusters);
        self
    }

    /// Adds everything to what a document describes.
    pub(crate) fn add_to(self, infrastructure: &mut Infrastructure) -> Result<(), CliError> {
        for group in self.groups {
            add_group(infrastructure, group)?;
        }
        for cluster in self.clusters {
            let groups = cluster.groups().map_err(CliError::input)?;
            let names = groups.iter().map(|group| group.name.clone()).collect();
            if infrastructure.clusters.insert(cluster.name.clone(), names).is_some() {
                return Err(twice("cluster", cluster.name.as_str()));
            }
            for group in groups {
                add_group(infrastructure, group)?;
            }
        }
        Ok(())
    }
}

fn add_group(infrastructure: &mut Infrastructure, group: GroupSpec) -> Result<(), CliError> {
    let name = group.name.clone();
    match infrastructure.groups.insert(name.clone(), group) {
        None => Ok(()),
        Some(_) => Err(twice("group", name.as_str())),
    }
}

fn twice(noun: &str, name: &str) -> CliError {
    CliError::input(format!("{noun} `{name}` is described twice"))
        .hint("once by the program, and again by it or by the file: rename one of them")
}
