//! From a document to specs.

use std::collections::{BTreeMap, BTreeSet};

use toml::Spanned;
use toml::de::DeTable;

use super::clusters::{ClusterDraft, read_cluster_spec};
use super::crates;
use super::diagnostic::Mistake;
use super::environment::read_environment;
use super::extends::{self, ServerSpecs};
use super::reader::{Entry, Reader, Table, unknown_key};
use super::services::read_service;
use super::specs::{
    GroupDraft, NodeDraft, NodeSpecs, SpecDraft, check_reference, read_group_spec, read_node_spec,
    read_server_spec,
};
use super::{Diagnostics, Document, Infrastructure, references};
use crate::config::{self, SECTIONS, Settings, merge};
use crate::registry::Registry;
use crate::spec::{GroupName, GroupSpec};

/// Reads the whole `table` of `document`.
pub(super) fn resolve(
    document: &Document,
    table: Spanned<DeTable<'_>>,
    registry: &Registry,
) -> Result<Infrastructure, Diagnostics> {
    let mut reader = Reader::new(document.file.clone(), document.text.clone());
    let table = &merged(document, table, &mut reader);
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
        root.entry("admin-user").and_then(|entry| reader.typed(&entry.name, entry.value));
    let ssh = root.entry("ssh").and_then(|entry| reader.typed(&entry.name, entry.value));
    let environment = read_environment(&reader, &mut root);

    let node_specs = root.table("node-spec");
    let node_names = names(node_specs.as_ref());
    let node_specs: NodeSpecs = section(node_specs.as_ref(), |entry| {
        read_node_spec(&reader, &service_names, &entry.name, entry.value)
    });
    let spec_section = root.table("server-spec");
    let spec_names = names(spec_section.as_ref());
    let settings = |entry: &Entry<'_, '_>, draft: &mut SpecDraft| {
        crates::read_settings(&reader, registry, &spec_names, entry, draft);
    };
    let mut specs: ServerSpecs = section(spec_section.as_ref(), |entry| {
        let mut draft = read_server_spec(&reader, registry, &service_names, entry)?;
        settings(entry, &mut draft);
        Some(draft)
    });
    let group_section = root.table("group-spec");
    let group_names = names(group_section.as_ref());
    let groups = section(group_section.as_ref(), |entry| {
        let mut draft = read_group_spec(&reader, registry, &service_names, entry)?;
        settings(entry, &mut draft.spec);
        Some(draft)
    });
    let clusters = section(root.table("cluster-spec").as_ref(), |entry| {
        let mut draft = read_cluster_spec(&reader, registry, &service_names, entry)?;
        settings(entry, &mut draft.spec);
        Some(draft)
    });
    root.finish();
    let extended = {
        let others = groups.values().map(|group| &group.spec);
        let all = specs.values().chain(others).chain(clusters.values().map(|it| &it.spec));
        all.flat_map(|spec| spec.extends.iter().cloned()).collect::<Vec<_>>()
    };
    crates::add_extended(registry, &extended, &mut specs);

    let drafts = Drafts { registry, specs: &specs, node_specs: &node_specs, groups: &groups };
    for spec in drafts.all().chain(clusters.values().map(|cluster| &cluster.spec)) {
        if let Some(NodeDraft::Named(name)) = &spec.node {
            check_reference(&reader, &name.span(), name.get_ref(), &node_names, "node-spec");
        }
    }
    for (name, _) in clusters.values().flat_map(|cluster| &cluster.members) {
        check_reference(&reader, &name.span(), name.get_ref(), &group_names, "group-spec");
    }
    let others = groups.values().map(|group| &group.spec);
    let broken = extends::check(
        &reader,
        registry,
        &specs,
        others.chain(clusters.values().map(|it| &it.spec)),
    );
    references::check(&reader, &specs, &drafts.lines(&clusters), &broken);
    drop(broken);
    let (finished, members) = drafts.finished(&reader, &clusters);
    let settings = config::list(table.get_ref(), |span| reader.origin(span));
    reader.finish()?;

    Ok(Infrastructure {
        services,
        default_service: default_service.map(Spanned::into_inner),
        admin_user,
        environment,
        ssh: ssh.unwrap_or_default(),
        settings,
        groups: finished,
        clusters: members,
        server_specs: crates::own_specs(&specs, &node_specs),
        node_specs,
        base,
    })
}

/// The document's table with the settings below and above it.
fn merged<'d>(
    document: &'d Document,
    own: Spanned<DeTable<'d>>,
    reader: &mut Reader,
) -> Spanned<DeTable<'d>> {
    let mut start = document.text.len() + 1;
    let mut next = |settings: &'d Settings| {
        let table = merge::table(settings, start);
        reader.add(start, settings.file.clone(), settings.text.clone());
        let (sections, others): (Vec<_>, Vec<_>) =
            table.into_iter().partition(|(key, _)| SECTIONS.contains(&key.get_ref().as_ref()));
        for (key, _) in &others {
            reader.note(unknown_key("", key, SECTIONS));
        }
        // One place stays between two texts: the end of a text is a place of its own.
        start += settings.text.len() + 1;
        sections.into_iter().collect::<DeTable<'d>>()
    };
    let span = own.span();
    let mut table = DeTable::new();
    for settings in &document.below {
        merge::merge(&mut table, next(settings));
    }
    merge::merge(&mut table, own.into_inner());
    for settings in &document.above {
        merge::merge(&mut table, next(settings));
    }
    Spanned::new(span, table)
}

type Clusters = BTreeMap<String, ClusterDraft>;

/// What groups are put together from.
struct Drafts<'s> {
    registry: &'s Registry,
    specs: &'s ServerSpecs,
    node_specs: &'s NodeSpecs,
    groups: &'s BTreeMap<String, GroupDraft>,
}

impl<'s> Drafts<'s> {
    fn all(&self) -> impl Iterator<Item = &'s SpecDraft> {
        self.specs.values().chain(self.groups.values().map(|group| &group.spec))
    }

    /// The groups that stand for themselves: in no cluster.
    fn alone(&self, clusters: &Clusters) -> impl Iterator<Item = &'s GroupDraft> {
        let members: BTreeSet<String> = clusters
            .values()
            .flat_map(|cluster| &cluster.members)
            .map(|(name, _)| name.get_ref().clone())
            .collect();
        self.groups.iter().filter(move |(name, _)| !members.contains(*name)).map(|(_, it)| it)
    }

    /// The groups of a cluster, with their counts there.
    fn members<'c>(
        &self,
        cluster: &'c ClusterDraft,
    ) -> impl Iterator<Item = (&'c Spanned<String>, &'s GroupDraft, Option<u32>)> {
        let groups = self.groups;
        let member = move |(name, count): &'c (Spanned<String>, Option<u32>)| {
            Some((name, groups.get(name.get_ref())?, *count))
        };
        cluster.members.iter().filter_map(member)
    }

    /// What is merged with each other: groups, alone or under their clusters.
    fn lines<'c>(&self, clusters: &'c Clusters) -> Vec<Vec<&'c SpecDraft>>
    where
        's: 'c,
    {
        let alone = self.alone(clusters).map(|group| vec![&group.spec]);
        let within = clusters.values().flat_map(|cluster| {
            self.members(cluster).map(|(_, group, _)| vec![&cluster.spec, &group.spec])
        });
        alone.chain(within).collect()
    }

    /// All groups under the names that they have in a run, and those of each cluster.
    fn finished(
        &self,
        reader: &Reader,
        clusters: &Clusters,
    ) -> (BTreeMap<GroupName, GroupSpec>, BTreeMap<GroupName, Vec<GroupName>>) {
        let alone =
            self.alone(clusters).filter_map(|group| self.group(reader, group, &[&group.spec]));
        let mut all: BTreeMap<_, _> = alone.map(|it| (it.name.clone(), it)).collect();
        let mut members: BTreeMap<GroupName, Vec<GroupName>> = BTreeMap::new();
        for draft in clusters.values() {
            let Some(cluster) = draft.cluster() else { continue };
            let names = members.entry(cluster.name.clone()).or_default();
            for (place, group, count) in self.members(draft) {
                let Some(mut group) = self.group(reader, group, &[&draft.spec, &group.spec]) else {
                    continue;
                };
                group.count = count.or(group.count);
                match cluster.adopt(group) {
                    Err(message) => {
                        reader.note(Mistake::new(place.span(), message).label("too long together"))
                    }
                    // Listed twice, which was noted.
                    Ok(group) if names.contains(&group.name) => {}
                    Ok(group) if all.contains_key(&group.name) => {
                        let message = format!(
                            "there are two groups `{}`: this one, within cluster `{}`, and another",
                            group.name, cluster.name
                        );
                        let mistake = Mistake::new(place.span(), message).label("the second one");
                        reader.note(mistake.help("rename one of them"));
                    }
                    Ok(group) => {
                        names.push(group.name.clone());
                        all.insert(group.name.clone(), group);
                    }
                }
            }
        }
        (all, members)
    }

    fn group(&self, reader: &Reader, group: &GroupDraft, tops: &[&SpecDraft]) -> Option<GroupSpec> {
        let server = extends::merged(tops, self.specs, self.node_specs);
        crates::check_merged(reader, self.registry, tops, self.specs, &server);
        let mut made = GroupSpec::new(group.name.clone()?, Default::default(), server);
        made.count = group.count;
        made.filter = group.filter.clone();
        made.environment = group.environment.clone();
        Some(made)
    }
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
