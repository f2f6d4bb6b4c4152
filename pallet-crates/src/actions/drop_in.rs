//! Files of root's in directories such as `/etc/cron.d`: what several actions share.

use pallet_core::action::{ActionError, Change, Key, ProbeSet, View};

use super::attributes::Attributes;
use super::whole_file::{WholeFile, remove};
use crate::probes::Stat;
use crate::values::{AccountName, FileMode, RemotePath};

/// A file that root owns, or that shall not be there.
pub(super) struct DropIn {
    /// `None` where the names do not make a path, which their types rule out.
    path: Option<RemotePath>,
    /// What it holds; `None` if it shall not be there.
    bytes: Option<Vec<u8>>,
    mode: FileMode,
    root: Option<AccountName>,
    verify: Option<&'static str>,
    /// The package that brings the directory.
    package: Option<&'static str>,
    also: Vec<Key>,
}

impl DropIn {
    pub fn new(folder: &str, name: &str, text: Option<String>) -> Self {
        Self::of_bytes(folder, name, text.map(String::into_bytes))
    }

    pub fn of_bytes(folder: &str, name: &str, bytes: Option<Vec<u8>>) -> Self {
        Self {
            path: format!("{folder}/{name}").parse().ok(),
            bytes,
            mode: FileMode::from_bits(0o644),
            root: "root".parse().ok(),
            verify: None,
            package: None,
            also: Vec::new(),
        }
    }

    pub fn mode(self, bits: u32) -> Self {
        Self { mode: FileMode::from_bits(bits), ..self }
    }

    pub fn verify(self, command: &'static str) -> Self {
        Self { verify: Some(command), ..self }
    }

    /// Says which package brings the directory: what is written there would have no effect without.
    pub fn of_package(self, package: &'static str) -> Self {
        Self { package: Some(package), ..self }
    }

    /// Says what else the change writes.
    pub fn also_writes(self, keys: impl IntoIterator<Item = Key>) -> Self {
        Self { also: keys.into_iter().collect(), ..self }
    }

    fn file<'a>(&'a self, path: &'a RemotePath, bytes: &'a [u8]) -> WholeFile<'a> {
        let attributes = Attributes {
            owner: self.root.as_ref(),
            group: self.root.as_ref(),
            mode: Some(self.mode),
        };
        let also = self.also.clone();
        WholeFile { attributes, verify: self.verify, also, ..WholeFile::new(path, bytes) }
    }

    pub fn probe(&self, view: &View<'_>, wanted: &mut ProbeSet) {
        match (&self.path, &self.bytes) {
            (Some(path), Some(bytes)) => self.file(path, bytes).probe(view, wanted),
            (Some(path), None) => wanted.ask::<Stat>(path.clone()),
            (None, _) => {}
        }
    }

    /// The change that is needed, if one is.
    pub fn decide(&self, view: &View<'_>) -> Result<Option<Change>, ActionError> {
        let Some(path) = &self.path else {
            return Err(ActionError::new("the name makes no path"));
        };
        match (&self.bytes, view.get::<Stat>(path)?) {
            (Some(bytes), _) => {
                self.check_package(path, view)?;
                self.file(path, bytes).decide(view)
            }
            (None, None) => Ok(None),
            (None, Some(entry)) => remove(path, entry).map(Some),
        }
    }

    fn check_package(&self, path: &RemotePath, view: &View<'_>) -> Result<(), ActionError> {
        let (Some(package), Some(folder)) = (self.package, path.parent()) else { return Ok(()) };
        match view.get::<Stat>(&folder)? {
            Some(_) => Ok(()),
            None => Err(ActionError::new(format!("the node has no {folder}")).help(format!(
                "install what reads it in an earlier step: {{ package = \"{package}\" }}"
            ))),
        }
    }
}
