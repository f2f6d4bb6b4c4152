//! From a document to specs.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};
use toml::Spanned;
use toml::de::DeTable;

use super::extends::{self, ServerSpecs};
use super::reader::{Entry, Reader, Table};
use super::services::{read_admin_user, read_service};
use super::specs::{
    GroupDraft, NodeDraft, check_reference, read_group_spec, read_node_spec, read_server_spec,
};
use super::{Diagnostics, Document, Infrastructure, references};
use crate::registry::Registry;
use crate::spec::{GroupSpec, NodeSpec};

/// Reads the whole `table` of `document`.
pub(super) fn resolve(
    document: &Document,
    table: &Spanned<DeTable<'_>>,
    registry: &Registry,
) -> Result<Infrastructure, Diagnostics> {
    let reader = Reader::new(document.file.clone(), document.text.clone());
    let mut root = Table::root(&reader, table);
    let base = document.base();

    let default_service = root.string("default-service");
    let services = root.table("service");
    let service_names = names(services.as_ref());
    let services = section(services.as_ref(), |entry| read_service(&reader, registry, entry));
    if let Some(name) = &default_service {
        check_reference(&reader, &name.span(), name.get_ref(), &service_names, "service");
    }
    let admin_user =
        root.entry("admin-user").and_then(|entry| read_admin_user(&reader, &base, &entry));
    let environment = root.table("environment").map(|table| free_table(&reader, &table));

    let node_specs = root.table("node-spec");
    let node_names = names(node_specs.as_ref());
    let node_specs = section(node_specs.as_ref(), |entry| {
        read_node_spec(&reader, &service_names, &entry.name, entry.value)
    });
    let specs: ServerSpecs = section(root.table("server-spec").as_ref(), |entry| {
        read_server_spec(&reader, registry, entry)
    });
    let groups = section(root.table("group-spec").as_ref(), |entry| {
        read_group_spec(&reader, registry, &service_names, entry)
    });
    root.finish();

    for group in groups.values() {
        if let NodeDraft::Named(name) = &group.node {
            check_reference(&reader, &name.span(), name.get_ref(), &node_names, "node-spec");
        }
    }
    let group_specs = || groups.values().map(|group| &group.spec);
    let broken = extends::check(&reader, &specs, group_specs());
    references::check(&reader, &specs, group_specs(), &broken);
    drop(broken);
    reader.finish()?;

    let groups = groups.values().filter_map(|group| finished(group, &specs, &node_specs));
    Ok(Infrastructure {
        services,
        default_service: default_service.map(Spanned::into_inner),
        admin_user,
        environment: environment.unwrap_or_default(),
        groups: groups.map(|group| (group.name.clone(), group)).collect(),
        server_specs: specs
            .iter()
            .map(|(name, spec)| (name.clone(), extends::merged(spec, &specs)))
            .collect(),
        node_specs,
        base,
    })
}

/// A group whose parts have all been found to be right.
fn finished(
    group: &GroupDraft,
    specs: &ServerSpecs,
    node_specs: &BTreeMap<String, NodeSpec>,
) -> Option<GroupSpec> {
    let node = match &group.node {
        NodeDraft::Named(name) => node_specs.get(name.get_ref())?.clone(),
        NodeDraft::Inline(node) => NodeSpec::clone(node),
    };
    let server = extends::merged(&group.spec, specs);
    Some(GroupSpec { name: group.name.clone()?, count: group.count, node, server })
}

/// Reads a table of named things; those with mistakes are left out.
fn section<T>(
    table: Option<&Table<'_, '_>>,
    read: impl Fn(&Entry<'_, '_>) -> Option<T>,
) -> BTreeMap<String, T> {
    let read = |entry: Entry<'_, '_>| Some((entry.key.to_string(), read(&entry)?));
    table.into_iter().flat_map(Table::others).filter_map(read).collect()
}

/// The names in a section, of things with mistakes too: who refers to them is right.
fn names(table: Option<&Table<'_, '_>>) -> BTreeSet<String> {
    table.into_iter().flat_map(Table::others).map(|entry| entry.key.to_string()).collect()
}

fn free_table(reader: &Reader, table: &Table<'_, '_>) -> Map<String, Value> {
    let read = |entry: Entry<'_, '_>| {
        Some((entry.key.to_string(), reader.json(&entry.name, entry.value)?))
    };
    table.others().filter_map(read).collect()
}
