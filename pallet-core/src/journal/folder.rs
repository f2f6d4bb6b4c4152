//! The folder in which journals are kept.

use std::env;
use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::{Journal, JournalError};
use crate::engine::RunId;

/// What the names of journals end with.
const EXTENSION: &str = "journal";
/// So many journals are kept.
const KEPT: usize = 100;

/// The journals of this user's runs.
#[derive(Debug, Clone)]
pub struct Journals {
    folder: PathBuf,
}

impl Journals {
    /// Those in `folder`, which need not exist.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// Those in the usual place: `runs` in `$PALLET_STATE_DIR`, in `$XDG_STATE_HOME/pallet` or in
    /// `~/.local/state/pallet`.
    ///
    /// # Errors
    /// [`JournalError::NoFolder`] when the environment names none.
    pub fn usual() -> Result<Self, JournalError> {
        let named = |name| env::var_os(name).filter(|it| !it.is_empty()).map(PathBuf::from);
        let state = named("PALLET_STATE_DIR")
            .or_else(|| Some(named("XDG_STATE_HOME")?.join("pallet")))
            .or_else(|| Some(env::home_dir()?.join(".local/state/pallet")))
            .ok_or(JournalError::NoFolder)?;
        Ok(Self::new(state.join("runs")))
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The runs that have a journal, latest first.
    ///
    /// # Errors
    /// [`JournalError::Io`] when the folder cannot be read. That there is none is no error.
    pub fn runs(&self) -> Result<Vec<RunId>, JournalError> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(JournalError::io(&self.folder, "read", &error)),
        };
        let run = |path: PathBuf| {
            let is_journal = path.extension().is_some_and(|it| it == EXTENSION);
            path.file_stem().filter(|_| is_journal)?.to_str()?.parse().ok()
        };
        let mut runs: Vec<RunId> = entries.filter_map(|entry| run(entry.ok()?.path())).collect();
        runs.sort_by(|one, two| two.cmp(one));
        Ok(runs)
    }

    /// The latest run of a project that did not come to a good end.
    ///
    /// # Errors
    /// [`JournalError::NothingToResume`] when the latest one did, or there is none.
    pub fn broken(&self, project: &str) -> Result<RunId, JournalError> {
        for run in self.runs()? {
            // One that cannot be read says why when it is asked for by name.
            let Ok(story) = self.read(&run) else { continue };
            if story.heading.project == project {
                return if story.is_over() {
                    Err(JournalError::NothingToResume { run: Some(run) })
                } else {
                    Ok(run)
                };
            }
        }
        Err(JournalError::NothingToResume { run: None })
    }

    pub(super) fn path(&self, run: &RunId) -> PathBuf {
        self.folder.join(run.as_str()).with_extension(EXTENSION)
    }

    /// Makes the folder, for its owner alone.
    pub(super) fn make(&self) -> Result<(), JournalError> {
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder.create(&self.folder).map_err(|error| JournalError::io(&self.folder, "made", &error))
    }

    /// Removes the oldest journals. One of a run that goes on is left alone.
    pub(super) fn prune(&self) {
        for run in self.runs().unwrap_or_default().iter().skip(KEPT) {
            if Journal::lock(&self.path(run)).is_ok() && fs::remove_file(self.path(run)).is_err() {
                tracing::debug!(%run, "an old journal could not be removed");
            }
        }
    }
}
