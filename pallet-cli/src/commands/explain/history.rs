//! What earlier runs have done, as their journals tell it.

use pallet_core::journal::Journals;
use pallet_core::report::{ActionReport, Status};
use schemars::JsonSchema;
use serde::Serialize;

use crate::project::Project;
use crate::recorded;

/// What became of actions in the runs of a project, latest first.
#[derive(Debug, Default)]
pub(super) struct History {
    entries: Vec<Entry>,
}

/// What became of an action on a node in a run.
#[derive(Debug)]
pub(super) struct Entry {
    pub run: String,
    pub began: String,
    pub node: String,
    pub group: String,
    pub phase: String,
    pub report: ActionReport,
}

/// What is told of it, on one node or on several.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Event {
    pub run: String,
    pub began: String,
    pub nodes: Vec<String>,
    pub phase: String,
    pub action: String,
    pub subject: String,
    pub status: &'static str,
    pub details: Vec<String>,
    pub origin: String,
}

impl History {
    /// Reads the journals of a project's runs. One that cannot be read is left out, and said.
    pub(super) fn of(project: &Project, journals: &Journals) -> Self {
        let name = recorded::name(&project.file);
        let mut entries = Vec::new();
        for run in journals.runs().unwrap_or_default() {
            let story = match journals.read(&run) {
                Ok(story) => story,
                Err(error) => {
                    tracing::warn!("{error}");
                    continue;
                }
            };
            if story.heading.project != name {
                continue;
            }
            for node in story.report().nodes {
                for phase in node.phases {
                    entries.extend(phase.actions.into_iter().map(|report| Entry {
                        run: run.to_string(),
                        began: run.began(),
                        node: node.node.clone(),
                        group: node.group.clone(),
                        phase: phase.phase.clone(),
                        report,
                    }));
                }
            }
        }
        Self { entries }
    }

    /// The names of all nodes that runs have worked on.
    pub(super) fn nodes(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|entry| entry.node.as_str())
    }

    /// The group that a node was last seen in.
    pub(super) fn group_of(&self, node: &str) -> Option<&str> {
        let of_node = self.entries.iter().filter(|entry| entry.node == node);
        of_node.map(|entry| entry.group.as_str()).find(|group| !group.is_empty())
    }

    /// All that was told of a node's actions, latest run first.
    pub(super) fn on(&self, node: &str) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |entry| entry.node == node)
    }

    /// All that was told of a subject, latest run first.
    pub(super) fn about(&self, subject: &str) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |entry| entry.report.subject == subject)
    }
}

impl Entry {
    /// Whether something was changed, or failed.
    pub(super) fn is_change(&self) -> bool {
        matches!(self.report.status, Status::Changed | Status::Failed) && !self.report.earlier
    }

    /// What is told of it.
    pub(super) fn event(&self) -> Event {
        Event {
            run: self.run.clone(),
            began: self.began.clone(),
            nodes: vec![self.node.clone()],
            phase: self.phase.clone(),
            action: self.report.action.clone(),
            subject: self.report.subject.clone(),
            status: status(&self.report.status),
            details: self.report.details.clone(),
            origin: self.report.origin.to_string(),
        }
    }
}

impl Event {
    /// Whether both are the same but for their nodes.
    fn is_like(&self, other: &Event) -> bool {
        let what = |it: &Event| (it.run.clone(), it.phase.clone(), it.action.clone());
        what(self) == what(other)
            && self.subject == other.subject
            && self.status == other.status
            && self.details == other.details
            && self.origin == other.origin
    }
}

/// What happened alike on many nodes is told once.
pub(super) fn together(events: impl Iterator<Item = Event>) -> Vec<Event> {
    let mut told: Vec<Event> = Vec::new();
    for event in events {
        match told.iter_mut().find(|known| known.is_like(&event)) {
            Some(known) => known.nodes.extend(event.nodes),
            None => told.push(event),
        }
    }
    told
}

fn status(status: &Status) -> &'static str {
    match status {
        Status::Unchanged => "unchanged",
        Status::Changed => "changed",
        Status::Failed => "failed",
        Status::Skipped { .. } => "skipped",
        Status::WillChange => "will change",
        Status::MayChange { .. } => "may change",
    }
}
