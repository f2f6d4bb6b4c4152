//! Node-specs, server-specs and group-specs.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use serde_json::{Map, Value};
use toml::Spanned;
use toml::de::DeValue;

use super::diagnostic::Mistake;
use super::environment::read_environment;
use super::reader::{Entry, Node, Reader, Table, join};
use super::steps::{StepDraft, read_step};
use super::values::dates_as_strings;
use crate::facts::PackageManager;
use crate::registry::Registry;
use crate::run::RESERVED_PHASES;
use crate::spec::{GroupName, NodeFilter, NodeSpec, Phase, ServerSpec, Step};

/// The node-specs of a document, by name.
pub(super) type NodeSpecs = BTreeMap<String, NodeSpec>;

/// What server-specs, group-specs and cluster-specs have in common, as far as it could be read.
#[derive(Debug)]
pub(super) struct SpecDraft {
    /// What it is called in messages: `server-spec.base`.
    pub(super) name: String,
    /// Names of the specs that it builds on.
    pub(super) extends: Vec<Spanned<String>>,
    /// Its own phases.
    pub(super) phases: BTreeMap<String, Vec<StepDraft>>,
    /// Which of the phases run without being asked for, with the place of the whole list.
    pub(super) default_phases: Option<(Range<usize>, Vec<Spanned<String>>)>,
    /// What nodes are made of.
    pub(super) node: Option<NodeDraft>,
    /// Settings by facility.
    pub(super) settings: Map<String, Value>,
    /// For a crate: its name, where the document first names it.
    pub(super) crate_place: Option<Spanned<String>>,
    packager: Option<PackageManager>,
    roles: BTreeSet<String>,
}

impl SpecDraft {
    /// The spec without what it builds on.
    pub(super) fn own(&self, nodes: &NodeSpecs) -> ServerSpec {
        let spec: Arc<str> = self.name.as_str().into();
        let phase = |(name, steps): (&String, &Vec<StepDraft>)| {
            let steps = steps.iter().filter_map(|step| step.step(&spec));
            (name.clone(), Phase { steps: steps.collect() })
        };
        ServerSpec {
            phases: self.phases.iter().map(phase).collect(),
            roles: self.roles.clone(),
            settings: self.settings.clone(),
            packager: self.packager,
            node: match &self.node {
                Some(NodeDraft::Named(name)) => nodes.get(name.get_ref()).cloned(),
                Some(NodeDraft::Inline(node)) => Some(NodeSpec::clone(node)),
                None => None,
            }
            .unwrap_or_default(),
            default_phases: self.order().into_iter().collect(),
        }
    }

    /// The draft of a crate that the document names at `place`.
    pub(super) fn of_crate(place: &Spanned<String>, spec: &ServerSpec) -> Self {
        let step = |step: &Step| StepDraft::of_step(step, place.span());
        let phase = |(name, phase): (&String, &Phase)| {
            (name.clone(), phase.steps.iter().map(step).collect())
        };
        let order = spec.default_phases.first().map(|order| {
            let named = |name: &String| Spanned::new(place.span(), name.clone());
            (place.span(), order.iter().map(named).collect())
        });
        Self {
            name: format!("crate {place}"),
            extends: Vec::new(),
            phases: spec.phases.iter().map(phase).collect(),
            default_phases: order,
            node: None,
            settings: spec.settings.clone(),
            crate_place: Some(place.clone()),
            packager: spec.packager,
            roles: spec.roles.clone(),
        }
    }

    /// The names of `default_phases`.
    pub(super) fn order(&self) -> Option<Vec<String>> {
        let (_, phases) = self.default_phases.as_ref()?;
        Some(phases.iter().map(|phase| phase.get_ref().clone()).collect())
    }

    /// Reads the keys that all specs have.
    pub(super) fn read(
        reader: &Reader,
        registry: &Registry,
        services: &BTreeSet<String>,
        table: &mut Table<'_, '_>,
    ) -> Self {
        Self {
            name: table.name().to_owned(),
            crate_place: None,
            node: read_node(reader, services, table.entry("node-spec")),
            extends: table.strings("extends"),
            roles: table.strings("roles").into_iter().map(Spanned::into_inner).collect(),
            settings: table
                .table("settings")
                .map(|it| read_settings(reader, &it))
                .unwrap_or_default(),
            phases: table
                .table("phases")
                .map(|phases| read_phases(reader, registry, &phases))
                .unwrap_or_default(),
            default_phases: read_default_phases(reader, table),
            packager: table
                .entry("packager")
                .and_then(|entry| reader.typed(&entry.name, entry.value)),
        }
    }
}

/// Reads a `[server-spec.NAME]` table.
pub(super) fn read_server_spec(
    reader: &Reader,
    registry: &Registry,
    services: &BTreeSet<String>,
    entry: &Entry<'_, '_>,
) -> Option<SpecDraft> {
    let mut table = Table::of(reader, &entry.name, entry.value)?;
    let draft = SpecDraft::read(reader, registry, services, &mut table);
    table.finish();
    Some(draft)
}

/// A group-spec as far as it could be read.
#[derive(Debug)]
pub(super) struct GroupDraft {
    /// Its name, if it can be one.
    pub(super) name: Option<GroupName>,
    /// How many nodes there shall be.
    pub(super) count: Option<u32>,
    /// Which existing nodes it is made of, if it is.
    pub(super) filter: Option<NodeFilter>,
    /// Values for its nodes.
    pub(super) environment: Map<String, Value>,
    /// What its nodes are made of and what is on them.
    pub(super) spec: SpecDraft,
}

/// How a spec says what its nodes are made of.
#[derive(Debug)]
pub(super) enum NodeDraft {
    /// By the name of a node-spec.
    Named(Spanned<String>),
    /// By a table of its own.
    Inline(Box<NodeSpec>),
}

/// Reads a `[group-spec.NAME]` table.
pub(super) fn read_group_spec(
    reader: &Reader,
    registry: &Registry,
    services: &BTreeSet<String>,
    entry: &Entry<'_, '_>,
) -> Option<GroupDraft> {
    let name = read_group_name(reader, entry, "no name for a group");
    let mut table = Table::of(reader, &entry.name, entry.value)?;
    let count = table.entry("count");
    let filter = table.entry("node-filter");
    if let (Some(count), Some(_)) = (&count, &filter) {
        let message = format!("`{}` has both a count and a node-filter", entry.name);
        reader.note(
            Mistake::new(count.key.span(), message).label("cannot be met").help(
                "a group of existing nodes neither creates nor destroys; take one of them out",
            ),
        );
    }
    let draft = GroupDraft {
        name,
        count: count.and_then(|entry| read_count(reader, &entry)),
        filter: filter.and_then(|entry| reader.typed(&entry.name, entry.value)),
        environment: read_environment(reader, &mut table),
        spec: SpecDraft::read(reader, registry, services, &mut table),
    };
    table.finish();
    Some(draft)
}

/// Reads the key under which a group or a cluster stands.
pub(super) fn read_group_name(
    reader: &Reader,
    entry: &Entry<'_, '_>,
    label: &str,
) -> Option<GroupName> {
    let name = entry.key.get_ref().parse();
    name.inspect_err(|message: &String| {
        reader.note(Mistake::new(entry.key.span(), message).label(label));
    })
    .ok()
}

/// Reads how many of something there shall be.
pub(super) fn read_count(reader: &Reader, entry: &Entry<'_, '_>) -> Option<u32> {
    let expected = "a whole number that is not negative";
    let DeValue::Integer(integer) = entry.value.get_ref() else {
        reader.note_wrong_kind(&entry.name, entry.value, expected);
        return None;
    };
    let count = u32::from_str_radix(integer.as_str(), integer.radix()).ok();
    if count.is_none() {
        let is_negative = integer.as_str().starts_with('-');
        let message = if is_negative {
            format!("`{}` must be {expected}, but is {integer}", entry.name)
        } else {
            format!("`{}` must be at most {}, but is {integer}", entry.name, u32::MAX)
        };
        let label = if is_negative { "negative" } else { "too many" };
        reader.note(Mistake::new(entry.value.span(), message).label(label));
    }
    count
}

fn read_node(
    reader: &Reader,
    services: &BTreeSet<String>,
    entry: Option<Entry<'_, '_>>,
) -> Option<NodeDraft> {
    let entry = entry?;
    match entry.value.get_ref() {
        DeValue::String(name) => {
            Some(NodeDraft::Named(Spanned::new(entry.value.span(), name.to_string())))
        }
        DeValue::Table(_) => {
            let node = read_node_spec(reader, services, &entry.name, entry.value)?;
            Some(NodeDraft::Inline(Box::new(node)))
        }
        _ => {
            let expected = "the name of a node-spec or a table";
            reader.note_wrong_kind(&entry.name, entry.value, expected);
            None
        }
    }
}

fn read_default_phases(
    reader: &Reader,
    table: &mut Table<'_, '_>,
) -> Option<(Range<usize>, Vec<Spanned<String>>)> {
    let span = table.entry("default-phases")?.value.span();
    let phases = table.strings("default-phases");
    for (position, phase) in phases.iter().enumerate() {
        let at = |message| Mistake::new(phase.span(), message);
        if RESERVED_PHASES.contains(&phase.get_ref().as_str()) {
            reader.note(
                at(format!("phase `{phase}` has a place of its own in a run"))
                    .label("not a default phase")
                    .help("it runs where it belongs, without being listed"),
            );
        }
        if phases.iter().take(position).any(|earlier| earlier.get_ref() == phase.get_ref()) {
            reader.note(at(format!("phase `{phase}` is listed twice")).label("the second one"));
        }
    }
    Some((span, phases))
}

/// Reads a node-spec: a `[node-spec.NAME]` table, or one within a group-spec.
pub(super) fn read_node_spec(
    reader: &Reader,
    services: &BTreeSet<String>,
    name: &str,
    value: &Node<'_>,
) -> Option<NodeSpec> {
    let mut value = value.clone();
    dates_as_strings(value.get_mut());
    let spec: NodeSpec = reader.typed(name, &value)?;
    let service = value.get_ref().get("service");
    if let (Some(service), Some(place)) = (&spec.service, service) {
        check_reference(reader, &place.span(), service, services, "service");
    }
    Some(spec)
}

/// Notes a name that nothing has.
pub(super) fn check_reference<'n>(
    reader: &Reader,
    span: &Range<usize>,
    name: &str,
    known: impl IntoIterator<Item = &'n String>,
    noun: &str,
) {
    let known: Vec<&str> = known.into_iter().map(String::as_str).collect();
    if known.contains(&name) {
        return;
    }
    let help = if known.is_empty() {
        format!("this document has no `[{noun}.…]` tables")
    } else {
        super::suggest::choices(name, known, &format!("{noun}s"))
    };
    let mistake = Mistake::new(span.clone(), format!("there is no {noun} `{name}`"));
    reader.note(mistake.label("not known").help(help));
}

fn read_settings(reader: &Reader, table: &Table<'_, '_>) -> Map<String, Value> {
    let read = |entry: Entry<'_, '_>| {
        if !entry.value.get_ref().is_table() {
            reader.note_wrong_kind(
                &entry.name,
                entry.value,
                "a table, as every facility's settings",
            );
        }
        Some((entry.key.to_string(), reader.json(&entry.name, entry.value)?))
    };
    table.others().filter_map(read).collect()
}

fn read_phases(
    reader: &Reader,
    registry: &Registry,
    table: &Table<'_, '_>,
) -> BTreeMap<String, Vec<StepDraft>> {
    let read = |entry: Entry<'_, '_>| {
        let name = entry.key.get_ref();
        if !is_phase_name(name) {
            let message = format!("`{name}` cannot be a phase's name");
            reader.note(
                Mistake::new(entry.key.span(), message)
                    .label("no phase name")
                    .help("use lower-case letters and digits, with single hyphens between words"),
            );
        }
        let DeValue::Array(values) = entry.value.get_ref() else {
            reader.note_wrong_kind(&entry.name, entry.value, "an array of steps");
            return None;
        };
        let phase = join(table.name(), name);
        let steps = values.iter().filter_map(|value| read_step(reader, registry, &phase, value));
        Some((name.to_string(), steps.collect()))
    };
    table.others().filter_map(read).collect()
}

fn is_phase_name(name: &str) -> bool {
    let is_word = |word: &str| {
        !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
    };
    name.split('-').all(is_word)
}
