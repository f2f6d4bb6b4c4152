//! What an action gets to see.

use std::path::{Path, PathBuf};

use super::{Key, Knowledge, ProbeKind};
use crate::facts::Facts;
use crate::plan::Values;
use crate::spec::Origin;

/// Whether the engine is about to change the node or only to say what it would change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Nothing is changed; actions may ask for more, so that they can show differences.
    Check,
    /// Differences are repaired.
    Apply,
}

/// Why an action cannot be carried out. The engine adds where: file, node, phase and step.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct ActionError {
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// Where it is, if it is in a file that the parameters name.
    pub place: Option<Box<Origin>>,
}

impl ActionError {
    /// An error that says what is wrong.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), help: None, place: None }
    }

    /// Says in which line of which file it is.
    #[must_use]
    pub fn at(mut self, file: &Path, line: u32, column: u32) -> Self {
        self.place = Some(Box::new(Origin { file: file.into(), line, column }));
        self
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// What [`Action::prepare`](super::Action::prepare) works with: everything known about the node
/// before it is looked at closely, and the place that relative local paths start from.
#[derive(Debug)]
pub struct Preparation<'a> {
    /// The node's facts.
    pub facts: &'a Facts,
    /// Values for templates: `node`, `facts`, `settings`, `environment`, `arguments`, `values`,
    /// `nodes`.
    pub values: &'a Values,
    /// The folder of the document in which the step stands.
    pub base: &'a Path,
}

impl Preparation<'_> {
    /// A local path as the step's author meant it: relative to the document.
    pub fn local_path(&self, path: impl AsRef<Path>) -> PathBuf {
        self.base.join(path)
    }

    /// Reads a local file that the step names.
    ///
    /// # Errors
    /// [`ActionError`] naming the file and the operating system's reason.
    pub fn read(&self, path: impl AsRef<Path>) -> Result<Vec<u8>, ActionError> {
        let path = self.local_path(path);
        std::fs::read(&path).map_err(|error| {
            ActionError::new(format!("cannot read {}: {error}", path.display()))
                .help("local paths are relative to the file that names them")
        })
    }
}

/// What is known about the node at one point of a phase: seen by probes, overlaid with what
/// earlier actions of the same wave will have done.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    pub(crate) facts: &'a Facts,
    pub(crate) mode: Mode,
    pub(crate) known: &'a Knowledge,
    pub(crate) predicted: &'a Knowledge,
    pub(crate) written: &'a [Key],
}

impl<'a> View<'a> {
    /// A view of what probes have seen, with nothing predicted: for testing an action by itself.
    ///
    /// ```
    /// use pallet_core::action::{Knowledge, Mode, View};
    /// use pallet_core::facts::Facts;
    /// let (facts, known) = (Facts::default(), Knowledge::new());
    /// assert_eq!(View::new(&facts, Mode::Apply, &known).mode(), Mode::Apply);
    /// ```
    pub fn new(facts: &'a Facts, mode: Mode, known: &'a Knowledge) -> Self {
        Self { facts, mode, known, predicted: known, written: &[] }
    }

    /// The node's facts.
    pub fn facts(&self) -> &'a Facts {
        self.facts
    }

    /// Whether changes are made or only shown.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// The answer to a probe.
    ///
    /// # Errors
    /// [`ActionError`] when the action did not ask for it in [`probe`](super::Action::probe).
    pub fn get<K: ProbeKind>(&self, request: &K::Request) -> Result<&'a K::Answer, ActionError> {
        if let Some(answer) = self.predicted.get::<K>(request) {
            return Ok(answer);
        }
        let key = K::key(request);
        match self.known.get::<K>(request) {
            Some(answer) if !self.written.iter().any(|write| write.overlaps(&key)) => Ok(answer),
            _ => Err(ActionError::new(format!(
                "the action looks at {} {request:?} without having asked for it",
                K::NAME
            ))
            .help("this is a mistake in the action: `probe` must ask for all that `decide` needs")),
        }
    }
}
