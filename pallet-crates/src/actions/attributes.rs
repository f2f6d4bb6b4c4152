//! Owner, group and mode of files and directories.

use pallet_core::action::{ActionError, Fragment, ProbeSet, View};
use pallet_core::shell;

use crate::probes::{Entry, EntryKind, GroupLookup, Passwd};
use crate::values::{AccountName, FileMode};

/// What is asked for; `None` keeps what is there.
#[derive(Clone, Copy, Default)]
pub(super) struct Attributes<'a> {
    pub owner: Option<&'a AccountName>,
    pub group: Option<&'a AccountName>,
    pub mode: Option<FileMode>,
}

/// The ids behind the names; `None` where no name is asked for or the id is not known yet.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Ids {
    pub uid: Option<u32>,
    pub gid: Option<u32>,
}

/// Implements the setters of `owner` and `group` for an action that has these fields.
macro_rules! owner_setters {
    ($type:ident) => {
        impl $type {
            /// Sets the owner.
            ///
            /// # Errors
            /// A sentence that says what is wrong with the name.
            pub fn owner(mut self, name: &str) -> Result<Self, String> {
                self.owner = Some(name.parse()?);
                Ok(self)
            }

            /// Sets the group.
            ///
            /// # Errors
            /// A sentence that says what is wrong with the name.
            pub fn group(mut self, name: &str) -> Result<Self, String> {
                self.group = Some(name.parse()?);
                Ok(self)
            }
        }
    };
}
pub(super) use owner_setters;

/// Implements the setters of `owner`, `group` and `mode` for an action that has these fields, and
/// gives them together as `attributes`.
macro_rules! attribute_setters {
    ($type:ident) => {
        $crate::actions::attributes::owner_setters!($type);

        impl $type {
            /// Sets the mode: `"0640"`.
            ///
            /// # Errors
            /// A sentence that says what is wrong with the mode.
            pub fn mode(mut self, mode: &str) -> Result<Self, String> {
                self.mode = Some(mode.parse()?);
                Ok(self)
            }

            fn attributes(&self) -> $crate::actions::attributes::Attributes<'_> {
                let (owner, group) = (self.owner.as_ref(), self.group.as_ref());
                $crate::actions::attributes::Attributes { owner, group, mode: self.mode }
            }
        }
    };
}
pub(super) use attribute_setters;

impl Attributes<'_> {
    pub fn probe(&self, wanted: &mut ProbeSet) {
        if let Some(owner) = self.owner {
            wanted.ask::<Passwd>(owner.clone());
        }
        if let Some(group) = self.group {
            wanted.ask::<GroupLookup>(group.clone());
        }
    }

    /// Makes sure that owner and group exist.
    pub fn ids(&self, view: &View<'_>) -> Result<Ids, ActionError> {
        let mut ids = Ids::default();
        if let Some(owner) = self.owner {
            let account = view.get::<Passwd>(owner)?.as_ref();
            ids.uid = account.ok_or_else(|| missing("user", owner))?.uid;
        }
        if let Some(group) = self.group {
            let entry = view.get::<GroupLookup>(group)?.as_ref();
            ids.gid = entry.ok_or_else(|| missing("group", group))?.gid;
        }
        Ok(ids)
    }

    /// What differs, one line each.
    pub fn differences(&self, ids: Ids, entry: &Entry) -> Vec<String> {
        let mut lines = Vec::new();
        if self.owner_differs(ids, entry) {
            lines.push(arrow("owner", entry.owner.as_deref(), entry.uid, self.owner));
        }
        if self.group_differs(ids, entry) {
            lines.push(arrow("group", entry.group.as_deref(), entry.gid, self.group));
        }
        if let Some(mode) = self.mode.filter(|mode| *mode != entry.mode) {
            lines.push(format!("mode {} → {mode}", entry.mode));
        }
        lines
    }

    fn owner_differs(&self, ids: Ids, entry: &Entry) -> bool {
        differs(self.owner, entry.owner.as_deref(), ids.uid, entry.uid)
    }

    fn group_differs(&self, ids: Ids, entry: &Entry) -> bool {
        differs(self.group, entry.group.as_deref(), ids.gid, entry.gid)
    }

    /// Adds the commands that repair `entry`, which stands at `path`.
    pub fn repair(&self, fragment: &mut Fragment, path: &str, ids: Ids, entry: &Entry) {
        let owner = self.owner.filter(|_| self.owner_differs(ids, entry));
        let group = self.group.filter(|_| self.group_differs(ids, entry));
        let chowns = owner.is_some() || group.is_some();
        if let Some(holders) = holders(owner, group) {
            fragment.run(["chown", "-h", "--", &holders, path]);
        }
        // A change of owner drops set-user-id and set-group-id bits.
        let mode = self.mode.unwrap_or(entry.mode);
        if mode != entry.mode || (chowns && mode.bits() & 0o7000 != 0) {
            let digits = match entry.kind {
                EntryKind::Directory => mode.five_digits(),
                _ => mode.to_string(),
            };
            fragment.run(["chmod", "--", &digits, path]);
        }
    }

    /// Adds a command that gives something new its owner and group. `place` is a shell word.
    /// What root makes for root belongs to root already: then no process is needed.
    pub fn give(&self, fragment: &mut Fragment, place: &str, ids: Ids) {
        let Some(holders) = holders(self.owner, self.group) else { return };
        let chown = format!("chown -h -- {} {place}", shell::quote(&holders));
        let is_owner = |uid| format!("[ $EUID -eq {uid} ]");
        // A directory may hand its own group down.
        let is_group = |gid| format!("[ ${{GROUPS[0]}} -eq {gid} ] && [ -G {place} ]");
        let owner = self.owner.map(|_| ids.uid.map(is_owner));
        let group = self.group.map(|_| ids.gid.map(is_group));
        // An id that is not known yet cannot be compared.
        let comparisons: Option<Vec<String>> = owner.into_iter().chain(group).collect();
        match comparisons {
            Some(comparisons) => fragment.line(&format!("{} || {chown}", comparisons.join(" && "))),
            None => fragment.line(&chown),
        };
    }

    /// What will be there: `before` with what is asked for, or something new.
    pub fn entry(
        &self,
        kind: EntryKind,
        default_mode: FileMode,
        ids: Ids,
        before: Option<&Entry>,
    ) -> Entry {
        let mut entry = before.cloned().unwrap_or(Entry {
            kind,
            mode: default_mode,
            uid: None,
            owner: None,
            gid: None,
            group: None,
        });
        if let Some(owner) = self.owner {
            entry.owner = Some(owner.to_string());
            entry.uid = ids.uid;
        }
        if let Some(group) = self.group {
            entry.group = Some(group.to_string());
            entry.gid = ids.gid;
        }
        entry.mode = self.mode.unwrap_or(entry.mode);
        entry
    }
}

/// Names are compared first; several names may share an id, so ids are compared too.
fn differs(
    wanted: Option<&AccountName>,
    found: Option<&str>,
    id: Option<u32>,
    found_id: Option<u32>,
) -> bool {
    let Some(wanted) = wanted else { return false };
    let same_name = found == Some(wanted.as_str());
    let same_id = id.is_some() && id == found_id;
    !same_name && !same_id
}

fn holders(owner: Option<&AccountName>, group: Option<&AccountName>) -> Option<String> {
    match (owner, group) {
        (None, None) => None,
        (Some(owner), None) => Some(owner.to_string()),
        (owner, Some(group)) => {
            Some(format!("{}:{group}", owner.map(AccountName::as_str).unwrap_or_default()))
        }
    }
}

fn arrow(what: &str, name: Option<&str>, id: Option<u32>, wanted: Option<&AccountName>) -> String {
    let wanted = wanted.map(AccountName::as_str).unwrap_or_default();
    match (name, id) {
        (Some(name), _) => format!("{what} {name} → {wanted}"),
        (None, Some(id)) => format!("{what} {id} → {wanted}"),
        (None, None) => format!("{what} → {wanted}"),
    }
}

fn missing(what: &str, name: &AccountName) -> ActionError {
    ActionError::new(format!("there is no {what} `{name}` on the node"))
        .help(format!("create it in an earlier step: {{ {what} = \"{name}\" }}"))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{account, entry};
    use super::*;

    #[test]
    fn difference_table() {
        let root = entry(EntryKind::File, 0o600);
        let app = account("app");
        let name = account("root");
        let toor = account("toor");
        let ids = |uid| Ids { uid, gid: None };
        let cases = [
            (None, None, None, &[] as &[&str]),
            (Some(&name), Some(0), Some(0o600), &[]),
            (Some(&app), Some(7), None, &["owner root → app"]),
            (Some(&toor), Some(0), None, &[]),
            (Some(&app), None, Some(0o4755), &["owner root → app", "mode 0600 → 4755"]),
            (None, None, Some(0o644), &["mode 0600 → 0644"]),
        ];
        for (owner, uid, mode, expected) in cases {
            let wanted = Attributes { owner, group: None, mode: mode.map(FileMode::from_bits) };
            assert_eq!(wanted.differences(ids(uid), &root), expected);
            let mut fragment = Fragment::new();
            wanted.repair(&mut fragment, "/x", ids(uid), &root);
            assert_eq!(fragment.code().is_empty(), expected.is_empty());
        }
    }

    #[test]
    fn set_user_id_survives_a_change_of_owner() {
        let app = account("app");
        let wanted = Attributes { owner: Some(&app), group: None, mode: None };
        let mut fragment = Fragment::new();
        wanted.repair(&mut fragment, "/x y", Ids::default(), &entry(EntryKind::File, 0o4755));
        assert_eq!(fragment.code(), "chown -h -- app '/x y'\nchmod -- 4755 '/x y'\n");
    }

    #[test]
    fn root_gives_nothing_to_root() {
        let root = account("root");
        let give = |owner, group, ids| {
            let mut fragment = Fragment::new();
            Attributes { owner, group, mode: None }.give(&mut fragment, "\"$x\"", ids);
            fragment.code().to_owned()
        };
        let known = Ids { uid: Some(0), gid: Some(0) };
        assert_eq!(give(None, None, known), "");
        assert_eq!(
            give(Some(&root), Some(&root), known),
            "[ $EUID -eq 0 ] && [ ${GROUPS[0]} -eq 0 ] && [ -G \"$x\" ] || chown -h -- root:root \"$x\"\n"
        );
        let half_known = Ids { uid: Some(0), gid: None };
        assert_eq!(give(Some(&root), Some(&root), half_known), "chown -h -- root:root \"$x\"\n");
        assert_eq!(give(None, Some(&root), half_known), "chown -h -- :root \"$x\"\n");
    }

    #[test]
    fn an_owner_without_a_name_is_shown_by_id() {
        let app = account("app");
        let nameless = Entry { uid: Some(1234), owner: None, ..entry(EntryKind::File, 0o600) };
        let wanted = Attributes { owner: Some(&app), group: Some(&app), mode: None };
        assert_eq!(
            wanted.differences(Ids::default(), &nameless),
            ["owner 1234 → app", "group root → app"]
        );
    }
}
