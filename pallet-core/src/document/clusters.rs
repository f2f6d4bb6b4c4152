//! Cluster-specs.

use std::collections::BTreeSet;

use serde_json::{Map, Value};
use toml::Spanned;
use toml::de::DeValue;

use super::diagnostic::Mistake;
use super::environment::read_environment;
use super::reader::{Entry, Reader, Table};
use super::specs::{SpecDraft, read_count, read_group_name};
use crate::registry::Registry;
use crate::spec::{ClusterSpec, GroupName};

/// A cluster-spec as far as it could be read.
#[derive(Debug)]
pub(super) struct ClusterDraft {
    /// Its name, if it can be one.
    pub(super) name: Option<GroupName>,
    /// Its groups, with their counts in this cluster.
    pub(super) members: Vec<(Spanned<String>, Option<u32>)>,
    /// What its groups' nodes are made of, and what is on them.
    pub(super) spec: SpecDraft,
    count: Option<u32>,
    environment: Map<String, Value>,
}

impl ClusterDraft {
    /// The cluster without its groups; what is on their nodes is merged elsewhere.
    pub(super) fn cluster(&self) -> Option<ClusterSpec> {
        let mut cluster = ClusterSpec::new(self.name.clone()?);
        cluster.count = self.count;
        cluster.environment = self.environment.clone();
        Some(cluster)
    }
}

/// Reads a `[cluster-spec.NAME]` table.
pub(super) fn read_cluster_spec(
    reader: &Reader,
    registry: &Registry,
    services: &BTreeSet<String>,
    entry: &Entry<'_, '_>,
) -> Option<ClusterDraft> {
    let name = read_group_name(reader, entry, "no name for a cluster");
    let mut table = Table::of(reader, &entry.name, entry.value)?;
    let draft = ClusterDraft {
        name,
        members: read_members(reader, &mut table),
        count: table.entry("count").and_then(|entry| read_count(reader, &entry)),
        environment: read_environment(reader, &mut table),
        spec: SpecDraft::read(reader, registry, services, &mut table),
    };
    table.finish();
    Some(draft)
}

/// Reads `groups`: an array of names, or a table of names with counts.
fn read_members(reader: &Reader, table: &mut Table<'_, '_>) -> Vec<(Spanned<String>, Option<u32>)> {
    let Some(entry) = table.entry("groups") else {
        let message = format!("`{}` does not say which groups it has", table.name());
        reader.note(
            Mistake::new(table.span(), message)
                .label("no `groups`")
                .help("add `groups = [\"…\"]`, or a table of groups with their counts"),
        );
        return Vec::new();
    };
    if let DeValue::Table(_) = entry.value.get_ref() {
        let Some(groups) = Table::of(reader, &entry.name, entry.value) else { return Vec::new() };
        let member = |entry: Entry<'_, '_>| {
            let name = Spanned::new(entry.key.span(), entry.key.to_string());
            (name, read_count(reader, &entry))
        };
        return groups.others().map(member).collect();
    }
    let names = table.strings("groups");
    for (position, name) in names.iter().enumerate() {
        if names.iter().take(position).any(|earlier| earlier.get_ref() == name.get_ref()) {
            let mistake = Mistake::new(name.span(), format!("group `{name}` is listed twice"));
            reader.note(mistake.label("the second one").help("give it a count in place of that"));
        }
    }
    names.into_iter().map(|name| (name, None)).collect()
}
