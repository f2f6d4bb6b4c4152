//! The `group` action.

use pallet_core::action::{
    Action, ActionError, Change, Decision, Fragment, Key, Preparation, ProbeSet, View,
};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use crate::probes::{GroupEntry, GroupLookup};
use crate::values::shorthand::{Shorthand, or_string, shorthand_serde};
use crate::values::{AccountName, Ensure};

/// A group of users.
///
/// ```
/// use pallet_crates::Group;
/// let app = Group::new("app")?.gid(2000);
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(remote = "Self", deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Group", transform = or_string)]
pub struct Group {
    /// Its name.
    name: AccountName,
    /// The group id. Default: kept; the next free one for a new group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    gid: Option<u32>,
    /// Whether a new group gets an id from the range for system groups. Default: false.
    #[serde(default)]
    system: bool,
    /// Whether the group shall be there. Default: present.
    #[serde(default)]
    ensure: Ensure,
}

shorthand_serde!(Group);

impl Shorthand for Group {
    const EXPECTING: &'static str = "a name, or a table with name and more";

    fn from_table<'de, D: Deserializer<'de>>(table: D) -> Result<Self, D::Error> {
        Self::deserialize(table)
    }

    fn from_text(name: &str) -> Result<Self, String> {
        Self::new(name)
    }
}

impl Group {
    /// A group that shall be there.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the name.
    pub fn new(name: &str) -> Result<Self, String> {
        Ok(Self { name: name.parse()?, gid: None, system: false, ensure: Ensure::Present })
    }

    /// Sets the group id.
    #[must_use]
    pub fn gid(mut self, gid: u32) -> Self {
        self.gid = Some(gid);
        self
    }

    /// Gives a new group an id from the range for system groups.
    #[must_use]
    pub fn system(mut self) -> Self {
        self.system = true;
        self
    }

    /// The group shall not be there.
    #[must_use]
    pub fn absent(mut self) -> Self {
        self.ensure = Ensure::Absent;
        self
    }

    fn decide_from(&self, found: Option<&GroupEntry>) -> Decision {
        match (self.ensure, found) {
            (Ensure::Absent, None) => Decision::Unchanged,
            (Ensure::Absent, Some(_)) => self.remove(),
            (Ensure::Present, None) => self.create(),
            (Ensure::Present, Some(entry)) => self.repair(entry),
        }
    }

    fn create(&self) -> Decision {
        let mut words = vec!["groupadd".to_owned()];
        if self.system {
            words.push("--system".to_owned());
        }
        let mut detail = "created".to_owned();
        if let Some(gid) = self.gid {
            words.extend(["--gid".to_owned(), gid.to_string()]);
            detail.push_str(&format!(" with gid {gid}"));
        }
        let after = GroupEntry { gid: self.gid, members: Vec::new() };
        self.change(words, Key::group(self.name.as_str()), detail, Some(after))
    }

    fn repair(&self, entry: &GroupEntry) -> Decision {
        let Some(gid) = self.gid.filter(|gid| Some(*gid) != entry.gid) else {
            return Decision::Unchanged;
        };
        let words = ["groupmod", "--gid", &gid.to_string()].map(str::to_owned).to_vec();
        let detail = match entry.gid {
            Some(before) => format!("gid {before} → {gid}"),
            None => format!("gid → {gid}"),
        };
        let after = GroupEntry { gid: Some(gid), members: entry.members.clone() };
        // Files of the group are now of another, or of none.
        self.change(words, Key::Everything, detail, Some(after))
    }

    fn remove(&self) -> Decision {
        // Files of the group are now of none.
        self.change(vec!["groupdel".to_owned()], Key::Everything, "removed".to_owned(), None)
    }

    fn change(
        &self,
        mut words: Vec<String>,
        writes: Key,
        detail: String,
        after: Option<GroupEntry>,
    ) -> Decision {
        words.extend(["--".to_owned(), self.name.to_string()]);
        let mut fragment = Fragment::new();
        fragment.run(words);
        let change = Change::new(fragment, [writes]).detail(detail);
        Decision::Change(change.predict::<GroupLookup>(self.name.clone(), after))
    }
}

impl Action for Group {
    const NAME: &'static str = "group";
    const SUMMARY: &'static str = "A group of users.";
    const EXAMPLE: &'static str = r#"{ group = { name = "app", gid = 2000 } }"#;

    fn subject(&self) -> String {
        self.name.to_string()
    }

    fn prepare(&self, _: &Preparation<'_>) -> Result<Option<Self>, ActionError> {
        if self.ensure == Ensure::Absent && (self.gid.is_some() || self.system) {
            return Err(ActionError::new("a group that shall be absent is not described")
                .help("give its name alone, or remove ensure = \"absent\""));
        }
        Ok(None)
    }

    fn probe(&self, _: &View<'_>, wanted: &mut ProbeSet) {
        wanted.ask::<GroupLookup>(self.name.clone());
    }

    fn decide(&self, view: &View<'_>) -> Result<Decision, ActionError> {
        Ok(self.decide_from(view.get::<GroupLookup>(&self.name)?.as_ref()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{change, outcome};
    use super::*;

    #[test]
    fn decision_table() {
        let app = Group::new("app").unwrap();
        let there = GroupEntry { gid: Some(1000), members: Vec::new() };
        let cases = [
            (app.clone(), None, "created", "groupadd -- app\n"),
            (
                app.clone().gid(7).system(),
                None,
                "created with gid 7",
                "groupadd --system --gid 7 -- app\n",
            ),
            (app.clone(), Some(&there), "unchanged", ""),
            (app.clone().gid(1000), Some(&there), "unchanged", ""),
            (app.clone().gid(7), Some(&there), "gid 1000 → 7", "groupmod --gid 7 -- app\n"),
            (app.clone().absent(), Some(&there), "removed", "groupdel -- app\n"),
            (app.absent(), None, "unchanged", ""),
        ];
        for (group, found, expected, code) in cases {
            assert_eq!(outcome(Ok(group.decide_from(found))), expected, "{group:?}");
            if !code.is_empty() {
                assert_eq!(change(Ok(group.decide_from(found))).fragment.code(), code);
            }
        }
    }
}
