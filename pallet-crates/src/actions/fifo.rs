//! The `fifo` action.

use pallet_core::action::{
    Action, ActionError, Change, Decision, Fragment, Preparation, ProbeSet, View,
};
use pallet_core::shell;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::attributes::{Ids, attribute_setters};
use super::whole_file::{NEW_MODE, check_parent, remove};
use crate::probes::{Entry, EntryKind, Stat};
use crate::values::shorthand::{Shorthand, or_string, shorthand_serde};
use crate::values::{AccountName, Ensure, FileMode, RemotePath};

/// A named pipe with owner, group and mode.
///
/// A missing one is created by the user whose step it is, with mode 0644 unless told otherwise.
/// Anything else in its place is an error.
///
/// ```
/// use pallet_crates::Fifo;
/// let commands = Fifo::new("/run/app/commands")?.owner("app")?.mode("0600")?;
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(remote = "Self", deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Fifo", transform = or_string)]
pub struct Fifo {
    /// The pipe.
    path: RemotePath,
    /// The owner. Default: kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    owner: Option<AccountName>,
    /// The group. Default: kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    group: Option<AccountName>,
    /// The mode. Default: kept; 0644 for a new pipe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mode: Option<FileMode>,
    /// Whether the pipe shall be there. Default: present.
    #[serde(default)]
    ensure: Ensure,
}

shorthand_serde!(Fifo);
attribute_setters!(Fifo);

impl Shorthand for Fifo {
    const EXPECTING: &'static str = "a path, or a table with path and more";

    fn from_table<'de, D: Deserializer<'de>>(table: D) -> Result<Self, D::Error> {
        Self::deserialize(table)
    }

    fn from_text(path: &str) -> Result<Self, String> {
        Self::new(path)
    }
}

impl Fifo {
    /// A pipe that shall be there.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the path.
    pub fn new(path: &str) -> Result<Self, String> {
        let (owner, group, mode) = (None, None, None);
        Ok(Self { path: path.parse()?, owner, group, mode, ensure: Ensure::Present })
    }

    /// The pipe shall not be there.
    #[must_use]
    pub fn absent(mut self) -> Self {
        self.ensure = Ensure::Absent;
        self
    }

    fn decide_from(
        &self,
        (parent, entry): (Option<&Entry>, Option<&Entry>),
        ids: Ids,
    ) -> Result<Decision, ActionError> {
        let path = &self.path;
        if let Some(entry) = entry.filter(|entry| entry.kind != EntryKind::Pipe) {
            let what = entry.kind.with_article();
            return Err(ActionError::new(format!("{path} is {what}, not a named pipe"))
                .help("remove it, or choose another path"));
        }
        let mut fragment = Fragment::new();
        let details = match (self.ensure, entry) {
            (Ensure::Absent, None) => return Ok(Decision::Unchanged),
            (Ensure::Absent, Some(entry)) => return remove(path, entry).map(Decision::Change),
            (Ensure::Present, None) => {
                check_parent(path, parent)?;
                let mode = self.mode.unwrap_or(NEW_MODE);
                fragment.run(["mkfifo", "-m", &mode.to_string(), "--", path.as_str()]);
                self.attributes().give(&mut fragment, &shell::quote(path.as_str()), ids);
                if mode.bits() & 0o7000 != 0 {
                    fragment.run(["chmod", "--", &mode.to_string(), path.as_str()]);
                }
                vec![format!("created with mode {mode}")]
            }
            (Ensure::Present, Some(entry)) => {
                self.attributes().repair(&mut fragment, path.as_str(), ids, entry);
                self.attributes().differences(ids, entry)
            }
        };
        if details.is_empty() {
            return Ok(Decision::Unchanged);
        }
        fragment.brief();
        let after = self.attributes().entry(EntryKind::Pipe, NEW_MODE, ids, entry);
        let change = Change::new(fragment, [path.key()]);
        let change = details.into_iter().fold(change, Change::detail);
        Ok(Decision::Change(change.predict::<Stat>(path.clone(), Some(after))))
    }
}

impl Action for Fifo {
    const NAME: &'static str = "fifo";
    const SUMMARY: &'static str = "A named pipe with owner, group and mode.";
    const EXAMPLE: &'static str =
        r#"{ fifo = { path = "/run/app/commands", owner = "app", mode = "0600" } }"#;

    fn subject(&self) -> String {
        self.path.to_string()
    }

    fn prepare(&self, _: &Preparation<'_>) -> Result<Option<Self>, ActionError> {
        let describes = self.owner.is_some() || self.group.is_some() || self.mode.is_some();
        if self.path.parent().is_none() {
            return Err(ActionError::new("/ is a directory, not a named pipe"));
        }
        if self.ensure == Ensure::Absent && describes {
            let message = "a pipe that shall be absent has no owner, group or mode";
            return Err(
                ActionError::new(message).help("remove them, or remove ensure = \"absent\"")
            );
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
        let entry = view.get::<Stat>(&self.path)?.as_ref();
        let (mut parent, mut ids) = (None, Ids::default());
        if self.ensure == Ensure::Present {
            if let Some(path) = self.path.parent() {
                parent = view.get::<Stat>(&path)?.as_ref();
            }
            ids = self.attributes().ids(view)?;
        }
        self.decide_from((parent, entry), ids)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{apply, check};
    use super::*;
    use crate::probes::testing::Scratch;

    #[test]
    fn pipes_are_created_repaired_and_removed() {
        let scratch = Scratch::new();
        for name in Scratch::HOSTILE_NAMES {
            let fifo = Fifo::new(scratch.path(name).as_str()).unwrap();
            assert_eq!(check(&fifo), "created with mode 0644");
            assert_eq!(apply(&fifo), "created with mode 0644");
            let private = fifo.clone().mode("0600").unwrap();
            assert_eq!(apply(&private), "mode 0644 → 0600");
            assert_eq!(
                (apply(&private).as_str(), apply(&fifo).as_str()),
                ("unchanged", "unchanged")
            );
            let absent = fifo.absent();
            assert_eq!(
                (apply(&absent).as_str(), apply(&absent).as_str()),
                ("removed", "unchanged")
            );
        }
        let folder = Fifo::new(scratch.path("").as_str()).unwrap();
        assert!(apply(&folder).contains("is a directory, not a named pipe"));
    }
}
