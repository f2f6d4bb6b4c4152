//! What a journal says.

use std::collections::HashMap;
use std::path::Path;

use super::JournalError;
use super::line::{FORMAT, Heading, Line};
use crate::engine::{DeedState, Deeds};
use crate::report::ActionReport;

/// What a journal says of a run so far.
#[derive(Debug, Clone)]
pub struct Story {
    /// Which run it is.
    pub heading: Heading,
    /// How each action ended, by node and id.
    ends: HashMap<(String, String), End>,
    is_over: bool,
}

#[derive(Debug, Clone)]
enum End {
    Done(Box<ActionReport>),
    Failed,
}

impl Story {
    /// Whether the run came to a good end.
    pub fn is_over(&self) -> bool {
        self.is_over
    }

    /// What is told of each action that has changed a node, with the node.
    pub fn changes(&self) -> impl Iterator<Item = (&str, &ActionReport)> {
        self.ends.iter().filter_map(|((node, _), end)| match end {
            End::Done(report) => Some((node.as_str(), report.as_ref())),
            End::Failed => None,
        })
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
        let mut story = Self { heading, ends: HashMap::new(), is_over: false };
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
            Line::Failed { node, id, .. } => {
                self.ends.insert((node, id), End::Failed);
            }
            Line::End { failed, stopped } => self.is_over = !failed && stopped.is_none(),
            Line::Resumed { .. } => self.is_over = false,
            Line::Run(_) | Line::Begun { .. } => {}
        }
    }

    /// Adds what the node's log cannot know.
    pub(super) fn complete(&self, node: &str, deeds: &mut Deeds) {
        let begun: Vec<String> = deeds.ids().map(str::to_owned).collect();
        for id in begun {
            let state = match self.ends.get(&(node.to_owned(), id.clone())) {
                Some(End::Done(_)) => DeedState::Done,
                Some(End::Failed) => DeedState::Failed,
                None => continue,
            };
            deeds.ended(&id, state);
        }
    }

    /// What is told of an action that has changed a node.
    pub(super) fn report(&self, node: &str, id: &str) -> Option<&ActionReport> {
        match self.ends.get(&(node.to_owned(), id.to_owned()))? {
            End::Done(report) => Some(report),
            End::Failed => None,
        }
    }
}

#[derive(serde::Deserialize)]
struct Version {
    format: u32,
}
