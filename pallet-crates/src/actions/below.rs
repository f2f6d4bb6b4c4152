//! Owner, group and mode of everything below a directory.

use pallet_core::action::{ActionError, Fragment, ProbeSet, View};
use pallet_core::shell;

use super::attributes::Attributes;
use crate::probes::{StrayCounts, Strays, TreeAttributes};
use crate::values::{FileMode, RemotePath};

/// What everything below a directory shall have.
pub(super) struct Below(TreeAttributes);

impl Below {
    /// Owner, group and the mode of directories as `attributes` say, and files with `file_mode`.
    pub fn new(path: &RemotePath, attributes: Attributes<'_>, file_mode: Option<FileMode>) -> Self {
        Self(TreeAttributes {
            path: path.clone(),
            owner: attributes.owner.cloned(),
            group: attributes.group.cloned(),
            directory_mode: attributes.mode.map(FileMode::bits),
            file_mode: file_mode.map(FileMode::bits),
            with_itself: false,
        })
    }

    /// The same for the directory itself, too.
    pub fn with_itself(self) -> Self {
        Self(TreeAttributes { with_itself: true, ..self.0 })
    }

    pub fn probe(&self, wanted: &mut ProbeSet) {
        wanted.ask::<Strays>(self.0.clone());
    }

    pub fn look(&self, view: &View<'_>) -> Result<StrayCounts, ActionError> {
        view.get::<Strays>(&self.0).copied()
    }

    /// Adds what repairs it, and says in short what was wrong.
    pub fn repair(&self, fragment: &mut Fragment, found: StrayCounts) -> Vec<String> {
        let mut details = Vec::new();
        let (owner, group) = (self.0.owner.as_ref(), self.0.group.as_ref());
        let holders = match (owner, group) {
            (Some(owner), Some(group)) => Some(format!("{owner}:{group}")),
            (Some(owner), None) => Some(owner.to_string()),
            (None, Some(group)) => Some(format!(":{group}")),
            (None, None) => None,
        };
        if let Some(holders) = holders.filter(|_| found.by_owner != Some(0)) {
            // Ids may have got names since, or lost them: then all are given away.
            let tests = self.0.other_owner().unwrap_or_default();
            fragment.line(&format!(
                "{} {tests} -exec chown -h -- {} {{}} +",
                self.0.find(),
                shell::quote(&holders)
            ));
            details.push(match found.by_owner {
                Some(count) => format!("{count} {} → {holders}", self.place()),
                None => format!("all {} → {holders}", self.place()),
            });
        }
        if found.by_mode > 0 {
            for (test, mode) in self.0.other_modes() {
                fragment.line(&format!("{} {test} -exec chmod -- {mode} {{}} +", self.0.find()));
            }
            details.push(format!("{} {} with another mode", found.by_mode, self.place()));
        }
        details
    }

    fn place(&self) -> &'static str {
        if self.0.with_itself { "in it" } else { "below" }
    }
}
