//! The `file` action.

use pallet_core::action::{
    Action, ActionError, Change, Decision, Fragment, Preparation, ProbeSet, View,
};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::attributes::{Ids, attribute_setters};
use super::whole_file::{NEW_MODE, WholeFile, check_kind, check_parent, remove};
use crate::probes::{Entry, EntryKind, Stat};
use crate::values::shorthand::{Shorthand, or_string, shorthand_serde};
use crate::values::{AccountName, Ensure, FileMode, RemotePath};

/// A file with owner, group and mode, whatever it holds.
///
/// A missing file is created empty, by the user who writes it and with mode 0644 unless told
/// otherwise. The content of one that is there is never touched. Use
/// [`RemoteFile`](super::RemoteFile) for a file whose content matters.
///
/// ```
/// use pallet_crates::File;
/// let log = File::new("/var/log/app.log")?.owner("app")?.mode("0640")?;
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(remote = "Self", deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "File", transform = or_string)]
pub struct File {
    /// The file.
    path: RemotePath,
    /// The owner. Default: kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    owner: Option<AccountName>,
    /// The group. Default: kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    group: Option<AccountName>,
    /// The mode. Default: kept; 0644 for a new file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mode: Option<FileMode>,
    /// Whether the file shall be there. Default: present.
    #[serde(default)]
    ensure: Ensure,
}

shorthand_serde!(File);

impl Shorthand for File {
    const EXPECTING: &'static str = "a path, or a table with path and more";

    fn from_table<'de, D: Deserializer<'de>>(table: D) -> Result<Self, D::Error> {
        Self::deserialize(table)
    }

    fn from_text(path: &str) -> Result<Self, String> {
        Self::new(path)
    }
}

attribute_setters!(File);

impl File {
    /// A file that shall be there.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the path.
    pub fn new(path: &str) -> Result<Self, String> {
        let (owner, group, mode) = (None, None, None);
        Ok(Self { path: path.parse()?, owner, group, mode, ensure: Ensure::Present })
    }

    /// The file shall not be there.
    #[must_use]
    pub fn absent(mut self) -> Self {
        self.ensure = Ensure::Absent;
        self
    }

    fn decide_from(&self, found: &Found<'_>) -> Result<Decision, ActionError> {
        match (self.ensure, found.entry) {
            (Ensure::Absent, None) => Ok(Decision::Unchanged),
            (Ensure::Absent, Some(entry)) => remove(&self.path, entry).map(Decision::Change),
            (Ensure::Present, None) => {
                check_parent(&self.path, found.parent)?;
                let mut fragment = Fragment::new();
                let attributes = self.attributes();
                let file = WholeFile { attributes, ..WholeFile::new(&self.path, &[]) };
                file.replace(&mut fragment, found.ids, false);
                fragment.brief();
                let mode = self.mode.unwrap_or(NEW_MODE);
                let details = vec![format!("created with mode {mode}")];
                let change = file.change(fragment, found.ids, None, None, details);
                Ok(Decision::Change(change))
            }
            (Ensure::Present, Some(entry)) => {
                check_kind(&self.path, found.entry)?;
                Ok(self.repair(found.ids, entry))
            }
        }
    }

    fn repair(&self, ids: Ids, entry: &Entry) -> Decision {
        let differences = self.attributes().differences(ids, entry);
        if differences.is_empty() {
            return Decision::Unchanged;
        }
        let mut fragment = Fragment::new();
        self.attributes().repair(&mut fragment, self.path.as_str(), ids, entry);
        fragment.brief();
        let after = self.attributes().entry(EntryKind::File, NEW_MODE, ids, Some(entry));
        let change = Change::new(fragment, [self.path.key()]);
        let change = differences.into_iter().fold(change, Change::detail);
        Decision::Change(change.predict::<Stat>(self.path.clone(), Some(after)))
    }
}

/// What was found on the node.
#[derive(Debug, Default)]
struct Found<'a> {
    parent: Option<&'a Entry>,
    entry: Option<&'a Entry>,
    ids: Ids,
}

impl Action for File {
    const NAME: &'static str = "file";
    const SUMMARY: &'static str = "A file with owner, group and mode, whatever it holds.";
    const EXAMPLE: &'static str =
        r#"{ file = { path = "/var/log/app.log", owner = "root", group = "adm", mode = "0640" } }"#;

    fn subject(&self) -> String {
        self.path.to_string()
    }

    fn prepare(&self, _: &Preparation<'_>) -> Result<Option<Self>, ActionError> {
        let describes = self.owner.is_some() || self.group.is_some() || self.mode.is_some();
        if self.path.parent().is_none() {
            return Err(ActionError::new("/ is a directory, not a file"));
        }
        if self.ensure == Ensure::Absent && describes {
            return Err(ActionError::new(
                "a file that shall be absent has no owner, group or mode",
            )
            .help("remove them, or remove ensure = \"absent\""));
        }
        Ok(None)
    }

    fn probe(&self, _: &View<'_>, wanted: &mut ProbeSet) {
        wanted.ask::<Stat>(self.path.clone());
        if self.ensure == Ensure::Present {
            self.path.parent().into_iter().for_each(|parent| wanted.ask::<Stat>(parent));
            self.attributes().probe(wanted);
        }
    }

    fn decide(&self, view: &View<'_>) -> Result<Decision, ActionError> {
        let mut found = Found { entry: view.get::<Stat>(&self.path)?.as_ref(), ..Found::default() };
        if self.ensure == Ensure::Present {
            if let Some(parent) = self.path.parent() {
                found.parent = view.get::<Stat>(&parent)?.as_ref();
            }
            found.ids = self.attributes().ids(view)?;
        }
        self.decide_from(&found)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::testing::{apply, check};
    use super::*;
    use crate::probes::testing::Scratch;

    #[test]
    fn files_are_created_repaired_and_removed_and_never_written() {
        let scratch = Scratch::new();
        for name in Scratch::HOSTILE_NAMES {
            let path = scratch.path(name);
            let file = File::new(path.as_str()).unwrap();
            assert_eq!(check(&file), "created with mode 0644");
            assert_eq!(apply(&file), "created with mode 0644");
            fs::write(path.as_str(), "kept").unwrap();
            let private = file.clone().mode("0600").unwrap();
            assert_eq!(apply(&private), "mode 0644 → 0600");
            assert_eq!(
                (apply(&private).as_str(), apply(&file).as_str()),
                ("unchanged", "unchanged")
            );
            assert_eq!(fs::read_to_string(path.as_str()).unwrap(), "kept");
            let absent = file.absent();
            assert_eq!(
                (apply(&absent).as_str(), apply(&absent).as_str()),
                ("removed", "unchanged")
            );
        }
    }

    #[test]
    fn nothing_else_is_taken_for_a_file() {
        let scratch = Scratch::new();
        let folder = scratch.path("folder");
        fs::create_dir(folder.as_str()).unwrap();
        let file = File::new(folder.as_str()).unwrap();
        assert!(apply(&file).contains("is a directory, not a file"));
        assert!(apply(&file.absent()).contains("is a directory, not a file"));
        let lost = File::new(scratch.path("gone/file").as_str()).unwrap();
        assert!(apply(&lost).contains("there is no directory"));
    }
}
