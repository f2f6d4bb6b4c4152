//! Phases, groups, nodes and paths: who set them, and what became of that.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use pallet_core::compute::{Node, NodeState};
use pallet_core::document::Infrastructure;
use pallet_core::spec::{GroupSpec, Step, StepKind};
use pallet_core::transport::HostKeys;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::Kind;
use super::history::{Event, History, together};
use crate::find;
use crate::text::{Paint, names as names_of, visible};

/// What a document, or a program, says, and what runs have made of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Places<'a> {
    pub infrastructure: &'a Infrastructure,
    pub history: &'a History,
}

/// A step of a phase.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) struct StepPlace {
    /// What it does: `remote-file /etc/motd`.
    what: String,
    /// The spec that says so, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    spec: Option<String>,
    /// File, line and column.
    origin: String,
    /// What last became of it on the node.
    #[serde(skip_serializing_if = "Option::is_none")]
    last: Option<String>,
}

/// A phase with its steps.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct PhaseSteps {
    phase: String,
    steps: Vec<StepPlace>,
}

/// A phase: where it runs, and what it does there.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) struct PhaseExplanation {
    name: String,
    /// When it runs.
    runs: &'static str,
    groups: Vec<GroupSteps>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct GroupSteps {
    group: String,
    steps: Vec<StepPlace>,
}

/// A group.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) struct GroupExplanation {
    name: String,
    count: Option<u32>,
    cluster: Option<String>,
    service: Option<String>,
    roles: Vec<String>,
    settings: Map<String, Value>,
    default_phases: Vec<String>,
    phases: Vec<PhaseSteps>,
}

/// A node.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) struct NodeExplanation {
    name: String,
    /// Its groups; none where it is only known from earlier runs.
    groups: Vec<GroupExplanation>,
    /// What plan functions and specs that are gone did on it, latest first.
    others: Vec<Event>,
}

/// A path on nodes.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) struct PathExplanation {
    name: String,
    /// The steps that are about it, by group and phase.
    managed: Vec<Manager>,
    /// The steps that name it.
    mentioned: Vec<Manager>,
    /// The runs that changed it, latest first.
    changes: Vec<Event>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Manager {
    group: String,
    phase: String,
    #[serde(flatten)]
    step: StepPlace,
}

impl<'a> Places<'a> {
    fn groups(&self) -> impl Iterator<Item = &'a GroupSpec> {
        self.infrastructure.groups.values()
    }

    /// A phase that some group has.
    pub(super) fn phase(&self, name: &str) -> Option<PhaseExplanation> {
        let has_it = |group: &&GroupSpec| group.server.phases.contains_key(name);
        let groups: Vec<GroupSteps> = self
            .groups()
            .filter(has_it)
            .map(|group| GroupSteps {
                group: group.name.to_string(),
                steps: self.steps(group, name, None),
            })
            .collect();
        let is_default = self.groups().filter(has_it).any(|group| {
            group.server.default_order().is_ok_and(|order| order.iter().any(|it| it == name))
        });
        let runs = match name {
            "settings" => "before all others, and without touching nodes",
            "bootstrap" => "once, on nodes that were created, as the user of their image",
            "create-group" => "on groups that had no nodes, after they were created",
            "destroy-server" => "on nodes before they are destroyed",
            "destroy-group" => "on the last nodes of a group before they are destroyed",
            _ if is_default => "each time, without being asked for",
            _ => "only when it is asked for, with --phase",
        };
        (!groups.is_empty()).then(|| PhaseExplanation { name: name.to_owned(), runs, groups })
    }

    /// A group, by its name.
    pub(super) fn group(&self, name: &str) -> Option<GroupExplanation> {
        let group = self.groups().find(|group| group.name.as_str() == name)?;
        Some(self.explain_group(group, None))
    }

    /// A node that a group's name says, that a filter chooses, or that a run has worked on.
    pub(super) fn node(&self, name: &str) -> Option<NodeExplanation> {
        let known = self.history.group_of(name);
        let groups: Vec<&GroupSpec> =
            self.groups().filter(|group| has_node(group, name, known)).collect();
        if groups.is_empty() && !self.history.nodes().any(|node| node == name) {
            return None;
        }
        let described: BTreeSet<String> = groups
            .iter()
            .flat_map(|group| group.server.phases.values())
            .flat_map(|phase| &phase.steps)
            .map(|step| step.origin.to_string())
            .collect();
        let mut told = BTreeSet::new();
        let others = self
            .history
            .on(name)
            .filter(|entry| !described.contains(&entry.report.origin.to_string()))
            .filter(|entry| {
                let report = &entry.report;
                told.insert((entry.phase.clone(), report.action.clone(), report.subject.clone()))
            })
            .map(|entry| entry.event())
            .collect();
        let groups = groups.into_iter().map(|group| self.explain_group(group, Some(name)));
        Some(NodeExplanation { name: name.to_owned(), groups: groups.collect(), others })
    }

    /// A path that some step, or some run, is about.
    pub(super) fn path(&self, name: &str) -> Option<PathExplanation> {
        let wanted = name.trim_end_matches('/');
        let (mut managed, mut mentioned) = (Vec::new(), Vec::new());
        for group in self.groups() {
            for (phase, steps) in &group.server.phases {
                for step in &steps.steps {
                    let StepKind::Action(action) = &step.kind else { continue };
                    let manager = || Manager {
                        group: group.name.to_string(),
                        phase: phase.clone(),
                        step: self.step(step, None),
                    };
                    if action.subject() == wanted {
                        managed.push(manager());
                    } else if action.parameters().is_ok_and(|it| names(&it, wanted)) {
                        mentioned.push(manager());
                    }
                }
            }
        }
        let changes = self.history.about(wanted).filter(|entry| entry.is_change());
        let changes = together(changes.map(|entry| entry.event()));
        let is_known = !managed.is_empty() || !mentioned.is_empty() || !changes.is_empty();
        is_known.then(|| PathExplanation { name: wanted.to_owned(), managed, mentioned, changes })
    }

    /// All names that can be explained here.
    pub(super) fn names(&self) -> Vec<(Kind, String)> {
        let mut names = BTreeMap::new();
        for group in self.groups() {
            names.insert(group.name.to_string(), Kind::Group);
            for number in 1..=group.count.unwrap_or_default().min(1_000) {
                names.insert(group.name.node_name(number), Kind::Node);
            }
            for (phase, steps) in &group.server.phases {
                names.insert(phase.clone(), Kind::Phase);
                for step in &steps.steps {
                    if let StepKind::Action(action) = &step.kind
                        && action.subject().starts_with('/')
                    {
                        names.insert(action.subject(), Kind::Path);
                    }
                }
            }
        }
        let (_, existing) = find::names_of(self.infrastructure);
        names.extend(existing.into_iter().map(|node| (node, Kind::Node)));
        names.extend(self.history.nodes().map(|node| (node.to_owned(), Kind::Node)));
        names.into_iter().map(|(name, kind)| (kind, name)).collect()
    }

    fn explain_group(&self, group: &GroupSpec, node: Option<&str>) -> GroupExplanation {
        let phases = group.server.phases.keys().map(|phase| PhaseSteps {
            phase: phase.clone(),
            steps: self.steps(group, phase, node),
        });
        GroupExplanation {
            name: group.name.to_string(),
            count: group.count,
            cluster: group.cluster.as_ref().map(ToString::to_string),
            service: self.service(group),
            roles: group.server.roles.iter().cloned().collect(),
            settings: group.server.settings.clone(),
            default_phases: group.server.default_order().unwrap_or_default(),
            phases: phases.collect(),
        }
    }

    /// The service that a group's nodes are of, as far as the description says it.
    fn service(&self, group: &GroupSpec) -> Option<String> {
        let said = group.node.service.clone().or(self.infrastructure.default_service.clone());
        let mut all = self.infrastructure.services.keys();
        said.or_else(|| all.next().filter(|_| all.next().is_none()).cloned())
    }

    fn steps(&self, group: &GroupSpec, phase: &str, node: Option<&str>) -> Vec<StepPlace> {
        let steps = group.server.phases.get(phase).map(|phase| phase.steps.iter());
        steps.into_iter().flatten().map(|step| self.step(step, node)).collect()
    }

    fn step(&self, step: &Step, node: Option<&str>) -> StepPlace {
        let what = match &step.kind {
            StepKind::Action(action) => format!("{} {}", action.name(), action.subject()),
            StepKind::Plan(_) => "plan function".to_owned(),
        };
        let origin = step.origin.to_string();
        StepPlace {
            spec: step.spec.as_deref().map(str::to_owned),
            last: node.and_then(|node| self.last(node, &what)),
            what,
            origin,
        }
    }

    /// When a step last changed a node, or failed on it.
    fn last(&self, node: &str, what: &str) -> Option<String> {
        let is_it = |entry: &&super::history::Entry| {
            what == format!("{} {}", entry.report.action, entry.report.subject)
        };
        let mut told = self.history.on(node).filter(is_it).peekable();
        let latest = told.peek()?.event();
        match told.find(|entry| entry.is_change()).map(|entry| entry.event()) {
            Some(change) => {
                Some(format!("{} {} by run {}", change.status, change.began, change.run))
            }
            None => Some(format!("{} in run {}", latest.status, latest.run)),
        }
    }
}

/// Whether a node is one of a group: by its name, or since it was seen there.
fn has_node(group: &GroupSpec, name: &str, known: Option<&str>) -> bool {
    if group.filter.is_some() {
        let node = Node {
            id: name.to_owned(),
            name: name.to_owned(),
            group: known.unwrap_or_default().to_owned(),
            state: NodeState::Running,
            endpoint: None,
            host_keys: HostKeys::KnownHosts,
            image_user: None,
            bootstrapped: true,
            properties: BTreeMap::new(),
        };
        return group.has(&node);
    }
    known == Some(group.name.as_str()) || group.name.node_number(name).is_some()
}

/// Whether a text in `value` is `path`, or has it as a word.
fn names(value: &Value, path: &str) -> bool {
    match value {
        Value::String(text) => text
            .split_whitespace()
            .any(|word| word.trim_matches(|c: char| "'\"();,".contains(c)) == path),
        Value::Array(values) => values.iter().any(|value| names(value, path)),
        Value::Object(values) => values.values().any(|value| names(value, path)),
        _ => false,
    }
}

impl StepPlace {
    fn line(&self, indent: usize, paint: Paint) -> String {
        let place = match &self.spec {
            Some(spec) => format!("{spec}, {}", self.origin),
            None => self.origin.clone(),
        };
        let mut text =
            format!("{:indent$}{}  {}\n", "", visible(&self.what), paint.dim(&visible(&place)));
        if let Some(last) = &self.last {
            let _ = writeln!(text, "{:indent$}  {}", "", visible(last));
        }
        text
    }
}

impl PhaseExplanation {
    /// For people.
    pub(super) fn text(&self, paint: Paint) -> String {
        let mut text = format!("phase {}\nruns {}\n", paint.bold(&self.name), self.runs);
        for group in &self.groups {
            let _ = writeln!(text, "\non group {}", paint.bold(&group.group));
            text.extend(group.steps.iter().map(|step| step.line(2, paint)));
        }
        text
    }
}

impl GroupExplanation {
    /// For people.
    pub(super) fn text(&self, paint: Paint) -> String {
        format!("group {}\n{}", paint.bold(&self.name), self.body(paint))
    }

    fn body(&self, paint: Paint) -> String {
        let mut text = String::new();
        let mut line = |key: &str, value: String| {
            if !value.is_empty() {
                let _ = writeln!(text, "  {key:<9}  {}", visible(&value));
            }
        };
        line("count", self.count.map_or("as many as there are".to_owned(), |it| it.to_string()));
        line("cluster", self.cluster.clone().unwrap_or_default());
        line("service", self.service.clone().unwrap_or_default());
        line("roles", self.roles.join(", "));
        for (facility, value) in &self.settings {
            line("settings", format!("{facility} = {value}"));
        }
        line("phases", self.default_phases.join(", "));
        for phase in &self.phases {
            let _ = writeln!(text, "\n  {}", paint.bold(&phase.phase));
            text.extend(phase.steps.iter().map(|step| step.line(4, paint)));
        }
        text
    }
}

impl NodeExplanation {
    /// For people.
    pub(super) fn text(&self, paint: Paint) -> String {
        let mut text = format!("node {}\n", paint.bold(&visible(&self.name)));
        for group in &self.groups {
            let _ = write!(text, "  group      {}\n{}", group.name, group.body(paint));
        }
        if self.groups.is_empty() {
            text += "  not described any more; earlier runs have worked on it\n";
        }
        if !self.others.is_empty() {
            let _ = writeln!(
                text,
                "\n  {}",
                paint.bold("by plan functions, or not described any more")
            );
            text.extend(self.others.iter().map(|event| event.line(4, paint)));
        }
        text
    }
}

impl PathExplanation {
    /// For people.
    pub(super) fn text(&self, paint: Paint) -> String {
        let mut text = format!("path {}\n", paint.bold(&visible(&self.name)));
        for (heading, managers) in [("set by", &self.managed), ("named by", &self.mentioned)] {
            for manager in managers {
                let where_to = format!("{heading} group {}, {}", manager.group, manager.phase);
                let _ = write!(text, "\n  {where_to}\n{}", manager.step.line(4, paint));
            }
        }
        if self.changes.is_empty() {
            text += "\n  no run that is written down has changed it\n";
        } else {
            let _ = writeln!(text, "\n  {}", paint.bold("changed by"));
            text.extend(self.changes.iter().map(|event| event.line(4, paint)));
        }
        text
    }
}

impl Event {
    fn line(&self, indent: usize, paint: Paint) -> String {
        let what = format!("{} {} {}", self.action, self.subject, self.status);
        let place = format!("run {}, {}, {}", self.run, self.phase, self.origin);
        let mut text = format!(
            "{:indent$}{}  {}\n{:indent$}  {} on {}\n",
            "",
            visible(&what),
            paint.dim(&visible(&place)),
            "",
            self.began,
            visible(&names_of(&self.nodes))
        );
        for detail in &self.details {
            let _ = writeln!(text, "{:indent$}  {}", "", visible(detail));
        }
        text
    }
}
