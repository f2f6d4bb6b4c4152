//! What is known of a home directory that is created with its user.

use pallet_core::action::{ActionError, Key, ProbeSet, View};

use crate::probes::{Entry, EntryKind, HomeMode, Skeleton, Stat};
use crate::values::{FileMode, RemotePath};

/// The place of a new user's home directory, as it is before.
#[derive(Debug)]
pub(super) struct HomePlace {
    pub path: RemotePath,
    pub entry: Option<Entry>,
    pub parent: Option<Entry>,
    /// The mode that it will get.
    pub mode: FileMode,
    /// What will be copied into it.
    pub skeleton: Vec<String>,
}

impl HomePlace {
    pub fn probe(path: &RemotePath, wanted: &mut ProbeSet) {
        wanted.ask::<Skeleton>(());
        wanted.ask::<HomeMode>(());
        wanted.ask::<Stat>(path.clone());
        if let Some(parent) = path.parent() {
            wanted.ask::<Stat>(parent);
        }
    }

    pub fn look(path: RemotePath, view: &View<'_>) -> Result<Self, ActionError> {
        let parent = match path.parent() {
            Some(parent) => view.get::<Stat>(&parent)?.clone(),
            None => None,
        };
        Ok(Self {
            entry: view.get::<Stat>(&path)?.clone(),
            parent,
            mode: *view.get::<HomeMode>(&())?,
            skeleton: view.get::<Skeleton>(&())?.clone(),
            path,
        })
    }

    /// Whether exactly the home directory and the skeleton's entries will be new.
    pub fn is_foreseen(&self) -> bool {
        let is_directory = |entry: &Entry| entry.kind == EntryKind::Directory;
        self.entry.is_none() && self.parent.as_ref().is_some_and(is_directory)
    }

    /// What creating the user writes there: nothing if the directory exists.
    pub fn writes(&self) -> Vec<Key> {
        if self.is_foreseen() {
            let below = self.skeleton.iter().map(|entry| format!("{}/{entry}", self.path));
            return std::iter::once(self.path.to_string()).chain(below).map(Key::path).collect();
        }
        match self.entry {
            Some(_) => Vec::new(),
            // Its parents are created with it, or lie elsewhere.
            None => {
                let parents = self.path.ancestors().into_iter().map(|path| path.key());
                parents.chain([self.path.tree()]).collect()
            }
        }
    }
}
