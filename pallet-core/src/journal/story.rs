//! What a journal says.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use super::JournalError;
use super::line::{FORMAT, Heading, Line};
use crate::engine::{DeedState, Deeds};
use crate::report::{ActionReport, Failure, NodeReport, PhaseReport, Report, Status};
use crate::spec::Origin;

/// What a journal says of a run so far.
#[derive(Debug, Clone)]
pub struct Story {
    /// Which run it is.
    pub heading: Heading,
    /// How each action ended, by node and id.
    ends: HashMap<(String, String), End>,
    /// The actions that were begun, in that order.
    begun: Vec<Begun>,
    /// Where each of them stands there, by node and id.
    places: HashMap<(String, String), usize>,
    ending: Ending,
    /// What the run itself said at its end.
    report: Option<Box<Report>>,
}

#[derive(Debug, Clone)]
enum End {
    Done(Box<ActionReport>),
    Failed(String),
}

/// An action that was begun.
#[derive(Debug, Clone)]
struct Begun {
    node: String,
    phase: String,
    id: String,
    action: String,
    subject: String,
    origin: Option<Origin>,
    at: Option<u64>,
}

/// How a run came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// All was done.
    Good,
    /// Something failed.
    Failed,
    /// It was stopped.
    Stopped,
    /// It did not: it goes on, or was cut off.
    None,
}

impl Story {
    /// Whether the run came to a good end.
    pub fn is_over(&self) -> bool {
        self.ending == Ending::Good
    }

    /// How the run came to its end, if it did.
    pub fn ending(&self) -> Ending {
        self.ending
    }

    /// What is told of each action that has changed a node, with the node.
    pub fn changes(&self) -> impl Iterator<Item = (&str, &ActionReport)> {
        self.ends.iter().filter_map(|((node, _), end)| match end {
            End::Done(report) => Some((node.as_str(), report.as_ref())),
            End::Failed(_) => None,
        })
    }

    /// What the run has done. Of one that did not come to its end, the actions that were begun;
    /// what it found as described is not written down before the end.
    pub fn report(&self) -> Report {
        match &self.report {
            Some(report) => Report::clone(report),
            None => self.rebuilt(),
        }
    }

    fn rebuilt(&self) -> Report {
        let mut report = Report::default();
        let mut nodes: BTreeMap<&str, NodeReport> = BTreeMap::new();
        for begun in &self.begun {
            let node = nodes.entry(&begun.node).or_insert_with(|| NodeReport {
                node: begun.node.clone(),
                group: String::new(),
                phases: Vec::new(),
            });
            let action = self.action(begun);
            let failure = (action.status == Status::Failed).then(|| self.failure(begun));
            report.begun = report.begun.into_iter().chain(begun.at).min();
            match node.phases.iter_mut().find(|phase| phase.phase == begun.phase) {
                Some(phase) => {
                    phase.actions.push(action);
                    phase.failure = phase.failure.take().or(failure);
                    let took =
                        begun.at.zip(phase.begun).map(|(at, begun)| at.saturating_sub(begun));
                    phase.duration = Duration::from_millis(took.unwrap_or_default());
                }
                None => node.phases.push(PhaseReport {
                    phase: begun.phase.clone(),
                    begun: begun.at,
                    duration: action.duration,
                    actions: vec![action],
                    failure,
                    values: BTreeMap::new(),
                }),
            }
        }
        report.nodes = nodes.into_values().collect();
        report
    }

    fn action(&self, begun: &Begun) -> ActionReport {
        if let Some(done) = self.outcome(&begun.node, &begun.id) {
            return done.clone();
        }
        ActionReport {
            action: begun.action.clone(),
            subject: begun.subject.clone(),
            origin: begun.origin.clone().unwrap_or_else(Origin::unknown),
            status: Status::Failed,
            details: Vec::new(),
            diff: None,
            output: String::new(),
            begun: begun.at,
            duration: Duration::ZERO,
            ground: None,
            earlier: false,
        }
    }

    fn failure(&self, begun: &Begun) -> Failure {
        let message = match self.ends.get(&(begun.node.clone(), begun.id.clone())) {
            Some(End::Failed(message)) => message.clone(),
            _ => "it was begun, and how it ended is not known".to_owned(),
        };
        Failure {
            action: Some(format!("{} {}", begun.action, begun.subject)),
            origin: begun.origin.clone(),
            ..Failure::new(begun.phase.clone(), message).node(begun.node.clone())
        }
    }

    /// Reads a journal, and says how long the part of it is that consists of whole lines.
    pub(super) fn read(path: &Path) -> Result<(Self, u64), JournalError> {
        let bytes = std::fs::read(path).map_err(|error| JournalError::io(path, "read", &error))?;
        let unreadable =
            |reason: String| JournalError::Unreadable { path: path.display().to_string(), reason };
        let length = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let mut lines = bytes.get(..length).unwrap_or_default().split(|byte| *byte == b'\n');
        let first = lines.next().unwrap_or_default();
        let format = serde_json::from_slice::<Version>(first)
            .map_err(|_| unreadable("its first line names no run".to_owned()))?
            .format;
        if format != FORMAT {
            return Err(unreadable(format!(
                "it has format {format}, and this program writes format {FORMAT}"
            )));
        }
        let read = |number: usize, line: &[u8]| {
            serde_json::from_slice::<Line>(line)
                .map_err(|error| unreadable(format!("line {number}: {error}")))
        };
        let Line::Run(heading) = read(1, first)? else {
            return Err(unreadable("its first line names no run".to_owned()));
        };
        let mut story = Self {
            heading,
            ends: HashMap::new(),
            begun: Vec::new(),
            places: HashMap::new(),
            ending: Ending::None,
            report: None,
        };
        for (at, line) in lines.enumerate().filter(|(_, line)| !line.is_empty()) {
            story.take_in(read(at + 2, line)?);
        }
        Ok((story, length as u64))
    }

    fn take_in(&mut self, line: Line) {
        match line {
            Line::Done { node, id, report, .. } => {
                self.ends.insert((node, id), End::Done(report));
            }
            Line::Failed { node, id, message, .. } => {
                self.ends.insert((node, id), End::Failed(message));
            }
            Line::End { failed, stopped, report } => {
                self.ending = match (stopped, failed) {
                    (Some(_), _) => Ending::Stopped,
                    (None, true) => Ending::Failed,
                    (None, false) => Ending::Good,
                };
                self.report = report;
            }
            Line::Resumed { .. } => {
                self.ending = Ending::None;
                self.report = None;
            }
            Line::Begun { node, phase, id, action, subject, origin, at } => {
                let place = self.places.entry((node.clone(), id.clone()));
                let place = *place.or_insert(self.begun.len());
                let begun = Begun { node, phase, id, action, subject, origin, at };
                // An action that a resumed run begins again is one action.
                match self.begun.get_mut(place) {
                    Some(earlier) => *earlier = begun,
                    None => self.begun.push(begun),
                }
            }
            Line::Run(_) => {}
        }
    }

    /// Adds what the node's log cannot know.
    pub(super) fn complete(&self, node: &str, deeds: &mut Deeds) {
        let begun: Vec<String> = deeds.ids().map(str::to_owned).collect();
        for id in begun {
            let state = match self.ends.get(&(node.to_owned(), id.clone())) {
                Some(End::Done(_)) => DeedState::Done,
                Some(End::Failed(_)) => DeedState::Failed,
                None => continue,
            };
            deeds.ended(&id, state);
        }
    }

    /// What is told of an action that has changed a node.
    pub(super) fn outcome(&self, node: &str, id: &str) -> Option<&ActionReport> {
        match self.ends.get(&(node.to_owned(), id.to_owned()))? {
            End::Done(report) => Some(report),
            End::Failed(_) => None,
        }
    }
}

#[derive(serde::Deserialize)]
struct Version {
    format: u32,
}
