//! Journals: what a run does, written down while it does it, so that a run that breaks off can be
//! resumed and is not lost from view.
//!
//! A journal is a file of JSON lines for its owner alone; each line is appended in one piece. It
//! holds what reports hold: names, details, outputs, and neither contents nor secrets. What
//! happened on a node is also in the node's own run log, which is asked first.

mod folder;
mod line;
mod story;

use std::fs::{File, OpenOptions, TryLockError};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

pub use folder::Journals;
pub use line::Heading;
pub use story::{Ending, Story};

use crate::engine::{Control, Deeds, RunId};
use crate::report::{self, ActionReport, Report};
use crate::spec::Origin;
use line::{FORMAT, Line};

/// The journal of a run that goes on.
#[derive(Debug)]
pub struct Journal {
    file: Mutex<File>,
    path: PathBuf,
    /// What the broken part of a resumed run has done.
    before: Option<Story>,
}

/// Why there is no journal.
#[derive(Debug, Clone, thiserror::Error)]
pub enum JournalError {
    /// The environment does not say where journals are kept.
    #[error("where journals are kept is not known: there is no home folder")]
    NoFolder,
    /// The operating system refuses.
    #[error("{path} cannot be {what}: {reason}")]
    Io {
        /// The file or folder.
        path: String,
        /// What was tried.
        what: &'static str,
        /// The operating system's word.
        reason: String,
    },
    /// The file is no journal, or one of another version.
    #[error("{path} is no journal that can be read: {reason}")]
    Unreadable {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The run goes on.
    #[error("run {run} goes on")]
    Running {
        /// The run.
        run: RunId,
    },
    /// The latest run came to a good end, or there is none.
    #[error("there is nothing to resume{}", run.as_ref().map(|run| format!(": run {run} came to a good end")).unwrap_or_default())]
    NothingToResume {
        /// The latest run.
        run: Option<RunId>,
    },
}

impl JournalError {
    fn io(path: &Path, what: &'static str, error: &std::io::Error) -> Self {
        Self::Io { path: path.display().to_string(), what, reason: error.to_string() }
    }

    /// What to do about it.
    pub fn help(&self) -> Option<String> {
        match self {
            Self::NoFolder => Some("set PALLET_STATE_DIR to a folder".to_owned()),
            Self::Running { .. } => Some("wait for it, or interrupt it".to_owned()),
            Self::NothingToResume { run: None } => Some(
                "runs are resumed by the user, and with the file, that they were begun with"
                    .to_owned(),
            ),
            Self::Io { .. } | Self::Unreadable { .. } | Self::NothingToResume { .. } => None,
        }
    }
}

impl Journals {
    /// Begins a journal for a run of `project`. `command` is what [`Heading::command`] will say.
    ///
    /// # Errors
    /// [`JournalError::Io`] when it cannot be written.
    pub fn begin(
        &self,
        control: &Control,
        project: &str,
        command: Value,
    ) -> Result<Journal, JournalError> {
        self.make()?;
        self.prune();
        let path = self.path(&control.run);
        let mut options = OpenOptions::new();
        options.append(true).create_new(true).mode(0o600);
        let file = options.open(&path).map_err(|error| JournalError::io(&path, "made", &error))?;
        file.lock().map_err(|error| JournalError::io(&path, "locked", &error))?;
        let journal = Journal { file: Mutex::new(file), path, before: None };
        let heading = Heading {
            format: FORMAT,
            run: control.run.clone(),
            holder: control.holder.clone(),
            project: project.to_owned(),
            command,
        };
        journal.append(&Line::Run(heading))?;
        Ok(journal)
    }

    /// What the journal of a run says.
    ///
    /// # Errors
    /// [`JournalError`] when there is none, or it cannot be read.
    pub fn read(&self, run: &RunId) -> Result<Story, JournalError> {
        Story::read(&self.path(run)).map(|(story, _)| story)
    }

    /// Whether a process goes on with a run.
    pub fn goes_on(&self, run: &RunId) -> bool {
        matches!(Journal::lock(&self.path(run)), Err(None))
    }

    /// Goes on with the journal of a run. Give it, and the run's name, to the [`Control`] of the
    /// run that resumes it: see [`Control::resuming`].
    ///
    /// # Errors
    /// [`JournalError`] when the run goes on or came to a good end.
    pub fn resume(&self, run: &RunId, holder: &str) -> Result<Journal, JournalError> {
        let path = self.path(run);
        let file = Journal::lock(&path).map_err(|error| match error {
            None => JournalError::Running { run: run.clone() },
            Some(error) => JournalError::io(&path, "opened", &error),
        })?;
        let (story, length) = Story::read(&path)?;
        if story.is_over() {
            return Err(JournalError::NothingToResume { run: Some(run.clone()) });
        }
        // The last line of a process that was killed may be half a line.
        file.set_len(length).map_err(|error| JournalError::io(&path, "repaired", &error))?;
        let journal = Journal { file: Mutex::new(file), path, before: Some(story) };
        journal.append(&Line::Resumed { holder: holder.to_owned() })?;
        Ok(journal)
    }
}

impl Drop for Journal {
    /// As with every lock: a program that is being started in this moment has the file as well.
    fn drop(&mut self) {
        let file = self.file.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = file.unlock() {
            tracing::warn!(%error, "{} is locked until this program ends", self.path.display());
        }
    }
}

impl Journal {
    /// Opens and locks a journal; the error is `None` when another process has it.
    fn lock(path: &Path) -> Result<File, Option<std::io::Error>> {
        let file = OpenOptions::new().append(true).open(path).map_err(Some)?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => Err(None),
            Err(TryLockError::Error(error)) => Err(Some(error)),
        }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the broken part of a resumed run says of itself.
    pub fn before(&self) -> Option<&Story> {
        self.before.as_ref()
    }

    /// Removes the journal of a run that could not begin: there is nothing to resume. That of a
    /// run that is resumed stays.
    pub fn discard(&self) {
        if self.before.is_none() && std::fs::remove_file(&self.path).is_err() {
            tracing::warn!("{} could not be removed", self.path.display());
        }
    }

    /// Notes that the run has ended.
    pub fn end(&self, report: &Report) {
        self.note(&Line::End {
            failed: report.failed(),
            stopped: report.stopped.clone(),
            report: Some(Box::new(report.clone())),
        });
    }

    pub(crate) fn begun(
        &self,
        node: &str,
        phase: &str,
        id: &str,
        (action, subject): (&str, &str),
        origin: &Origin,
    ) {
        self.note(&Line::Begun {
            node: node.to_owned(),
            phase: phase.to_owned(),
            id: id.to_owned(),
            action: action.to_owned(),
            subject: subject.to_owned(),
            origin: Some(origin.clone()),
            at: Some(report::now()),
        });
    }

    pub(crate) fn done(&self, node: &str, phase: &str, id: &str, report: &ActionReport) {
        self.note(&Line::Done {
            node: node.to_owned(),
            phase: phase.to_owned(),
            id: id.to_owned(),
            report: Box::new(report.clone()),
        });
    }

    /// The node has said that the action failed: then it may be tried again.
    pub(crate) fn failed(&self, node: &str, phase: &str, id: &str, message: &str) {
        self.note(&Line::Failed {
            node: node.to_owned(),
            phase: phase.to_owned(),
            id: id.to_owned(),
            message: message.to_owned(),
        });
    }

    /// Adds what the node's log cannot know: how actions of other users' sessions ended.
    pub(crate) fn complete(&self, node: &str, deeds: &mut Deeds) {
        if let Some(story) = &self.before {
            story.complete(node, deeds);
        }
    }

    /// What the broken part of a resumed run has told of an action.
    pub(crate) fn report(&self, node: &str, id: &str) -> Option<ActionReport> {
        self.before.as_ref()?.outcome(node, id).cloned()
    }

    /// A run does not fail because its journal cannot be written: the nodes' own logs say what is
    /// needed to resume it.
    fn note(&self, line: &Line) {
        if let Err(error) = self.append(line) {
            tracing::warn!("{error}");
        }
    }

    fn append(&self, line: &Line) -> Result<(), JournalError> {
        let mut bytes = serde_json::to_vec(line).map_err(|error| JournalError::Unreadable {
            path: self.path.display().to_string(),
            reason: error.to_string(),
        })?;
        bytes.push(b'\n');
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(&bytes).map_err(|error| JournalError::io(&self.path, "written", &error))
    }
}

#[cfg(test)]
mod tests;
