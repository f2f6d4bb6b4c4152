//! The `directory` action.

use pallet_core::action::{
    Action, ActionError, Change, Decision, Fragment, Key, Preparation, ProbeSet, View,
};
use pallet_core::shell;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::attributes::{Attributes, Ids, attribute_setters};
use super::below::Below;
use crate::probes::{Entry, EntryKind, Stat, StrayCounts};
use crate::values::shorthand::{Shorthand, or_string, shorthand_serde};
use crate::values::{AccountName, Ensure, FileMode, RemotePath};

/// A directory with owner, group and mode.
///
/// Owner, group and mode that are not given are those that the directory has. A new one belongs
/// to the user who creates it, with mode 0755, as do missing parents. A symbolic link in the
/// directory's place is an error: it is neither followed nor replaced. On the way to it, links
/// are followed.
///
/// With `below` owner and group go for everything below it, too, the mode for the directories, and
/// `file-mode` for the files. Links below are not followed, and other file systems not entered.
///
/// ```
/// use pallet_crates::Directory;
/// let data = Directory::new("/opt/app/data")?.owner("app")?.group("app")?.mode("0750")?;
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(remote = "Self", deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Directory", transform = or_string)]
pub struct Directory {
    /// The directory.
    path: RemotePath,
    /// The owner. Default: kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    owner: Option<AccountName>,
    /// The group. Default: kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    group: Option<AccountName>,
    /// The mode. Default: kept; 0755 for a new directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mode: Option<FileMode>,
    /// Whether owner, group and mode go for everything below, too. Default: false.
    #[serde(default)]
    below: bool,
    /// With `below`, the mode of files. Default: kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    file_mode: Option<FileMode>,
    /// Whether missing parents are created. Default: true.
    #[serde(default = "yes")]
    recursive: bool,
    /// Whether the directory shall be there. Default: present.
    #[serde(default)]
    ensure: Ensure,
    /// Whether `absent` removes what is in the directory too. Default: false.
    #[serde(default)]
    force: bool,
}

shorthand_serde!(Directory);

impl Shorthand for Directory {
    const EXPECTING: &'static str = "a path, or a table with path and more";

    fn from_table<'de, D: Deserializer<'de>>(table: D) -> Result<Self, D::Error> {
        Self::deserialize(table)
    }

    fn from_text(path: &str) -> Result<Self, String> {
        Self::new(path)
    }
}

fn yes() -> bool {
    true
}

const NEW_MODE: FileMode = FileMode::from_bits(0o755);

attribute_setters!(Directory);

impl Directory {
    /// A directory that shall be there.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the path.
    pub fn new(path: &str) -> Result<Self, String> {
        Ok(Self {
            path: path.parse()?,
            owner: None,
            group: None,
            mode: None,
            below: false,
            file_mode: None,
            recursive: true,
            ensure: Ensure::Present,
            force: false,
        })
    }

    /// Whether missing parents are created; they are unless told otherwise.
    #[must_use]
    pub fn recursive(mut self, recursive: bool) -> Self {
        self.recursive = recursive;
        self
    }

    /// Has owner, group and mode go for everything below it, too.
    #[must_use]
    pub fn below(mut self) -> Self {
        self.below = true;
        self
    }

    /// Sets the mode of all files [`below`](Self::below): `"0640"`.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the mode.
    pub fn file_mode(mut self, mode: &str) -> Result<Self, String> {
        self.file_mode = Some(mode.parse()?);
        Ok(self)
    }

    /// The directory shall not be there. One that is not empty is an error unless
    /// [`force`](Self::force) is set.
    #[must_use]
    pub fn absent(mut self) -> Self {
        self.ensure = Ensure::Absent;
        self
    }

    /// Lets [`absent`](Self::absent) remove what is in the directory too.
    #[must_use]
    pub fn force(mut self) -> Self {
        self.force = true;
        self
    }

    fn decide_from(&self, found: &Found) -> Result<Decision, ActionError> {
        match (self.ensure, &found.entry) {
            (Ensure::Present, None) => self.create(found),
            (Ensure::Absent, None) => Ok(Decision::Unchanged),
            (_, Some(entry)) if entry.kind != EntryKind::Directory => Err(self.in_the_way(entry)),
            (Ensure::Present, Some(entry)) => Ok(self.repair(found, entry)),
            (Ensure::Absent, Some(_)) => Ok(self.remove()),
        }
    }

    fn in_the_way(&self, entry: &Entry) -> ActionError {
        let what = entry.kind.with_article();
        ActionError::new(format!("{} is {what}, not a directory", self.path)).help(
            match entry.kind {
                EntryKind::Link => "name the directory that the link leads to, or remove the link",
                _ => "remove it, or choose another path",
            },
        )
    }

    fn create(&self, found: &Found) -> Result<Decision, ActionError> {
        let path = self.path.as_str();
        let mode = self.mode.unwrap_or(NEW_MODE);
        let mut missing = Vec::new();
        for (parent, entry) in &found.parents {
            match entry.as_ref().map(|entry| entry.kind) {
                Some(EntryKind::Directory | EntryKind::Link) => {}
                Some(kind) => {
                    return Err(ActionError::new(format!(
                        "{path} cannot be created: {parent} is {}",
                        kind.with_article()
                    )));
                }
                None => missing.push(parent),
            }
        }
        if let (false, Some(first)) = (self.recursive, missing.first()) {
            return Err(ActionError::new(format!("{path} cannot be created: {first} is missing"))
                .help("leave out recursive = false, or create it in an earlier step"));
        }

        let mut fragment = Fragment::new();
        if let Some(parent) = self.path.parent().filter(|_| !missing.is_empty()) {
            fragment.run(["mkdir", "-p", "--", parent.as_str()]);
        }
        fragment.run(["mkdir", "-m", &mode.to_string(), "--", path]);
        let quoted = shell::quote(path);
        self.attributes().give(&mut fragment, &quoted, found.ids);
        // A parent with the set-group-id bit has handed it down.
        let chmod = shell::command(["chmod", "--", &mode.five_digits(), path]);
        if mode.bits() & 0o7000 == 0 {
            fragment.line(&format!("[ ! -g {quoted} ] || {chmod}"));
        } else {
            fragment.line(&chmod);
        }
        fragment.brief();

        let writes: Vec<Key> =
            missing.iter().map(|parent| parent.key()).chain([self.path.key()]).collect();
        let entry = self.attributes().entry(EntryKind::Directory, NEW_MODE, found.ids, None);
        let mut change = Change::new(fragment, writes).detail(format!("created with mode {mode}"));
        for parent in missing {
            let nobody = Attributes::default();
            let entry = nobody.entry(EntryKind::Directory, NEW_MODE, Ids::default(), None);
            change = change.predict::<Stat>(parent.clone(), Some(entry));
        }
        Ok(Decision::Change(change.predict::<Stat>(self.path.clone(), Some(entry))))
    }

    fn repair(&self, found: &Found, entry: &Entry) -> Decision {
        let ids = found.ids;
        let mut details = self.attributes().differences(ids, entry);
        let mut fragment = Fragment::new();
        self.attributes().repair(&mut fragment, self.path.as_str(), ids, entry);
        let mut writes = self.path.key();
        if let (Some(below), Some(counts)) = (self.everything_below(), found.below) {
            let told = below.repair(&mut fragment, counts);
            if !told.is_empty() {
                writes = self.path.tree();
            }
            details.extend(told);
        }
        if details.is_empty() {
            return Decision::Unchanged;
        }
        let after = self.attributes().entry(EntryKind::Directory, NEW_MODE, ids, Some(entry));
        let change = details.into_iter().fold(Change::new(fragment, [writes]), Change::detail);
        Decision::Change(change.predict::<Stat>(self.path.clone(), Some(after)))
    }

    fn everything_below(&self) -> Option<Below> {
        let is_meant = self.below && self.ensure == Ensure::Present;
        is_meant.then(|| Below::new(&self.path, self.attributes(), self.file_mode))
    }

    fn remove(&self) -> Decision {
        let path = self.path.as_str();
        let mut fragment = Fragment::new();
        if self.force {
            fragment.run(["rm", "-rf", "--one-file-system", "--", path]);
        } else {
            fragment.run(["rmdir", "--", path]);
        }
        let detail = if self.force { "removed with what is in it" } else { "removed" };
        let change = Change::new(fragment, [self.path.tree()]).detail(detail);
        Decision::Change(change.predict::<Stat>(self.path.clone(), None))
    }
}

/// What was found on the node.
#[derive(Debug)]
struct Found {
    entry: Option<Entry>,
    parents: Vec<(RemotePath, Option<Entry>)>,
    below: Option<StrayCounts>,
    ids: Ids,
}

impl Action for Directory {
    const NAME: &'static str = "directory";
    const SUMMARY: &'static str = "A directory with owner, group and mode.";
    const EXAMPLE: &'static str =
        r#"{ directory = { path = "/opt/app", owner = "root", group = "adm", mode = "0750" } }"#;

    fn subject(&self) -> String {
        self.path.to_string()
    }

    fn prepare(&self, _: &Preparation<'_>) -> Result<Option<Self>, ActionError> {
        let describes = self.owner.is_some() || self.group.is_some() || self.mode.is_some();
        match self.ensure {
            Ensure::Absent if self.path.parent().is_none() => {
                Err(ActionError::new("the root directory cannot be removed"))
            }
            Ensure::Absent if describes => Err(ActionError::new(
                "a directory that shall be absent has no owner, group or mode",
            )
            .help("remove them, or remove ensure = \"absent\"")),
            Ensure::Present if self.force => {
                Err(ActionError::new("`force` says how to remove a directory")
                    .help("remove it, or add ensure = \"absent\""))
            }
            Ensure::Absent if self.below => {
                Err(ActionError::new("`below` is for directories that shall be there"))
            }
            Ensure::Present if self.file_mode.is_some() && !self.below => {
                Err(ActionError::new("`file-mode` is for what is below the directory")
                    .help("say below = true, or write the files with remote-file"))
            }
            _ => Ok(None),
        }
    }

    fn probe(&self, _: &View<'_>, wanted: &mut ProbeSet) {
        wanted.ask::<Stat>(self.path.clone());
        if self.ensure == Ensure::Present {
            self.path.ancestors().into_iter().for_each(|parent| wanted.ask::<Stat>(parent));
            self.attributes().probe(wanted);
            self.everything_below().into_iter().for_each(|below| below.probe(wanted));
        }
    }

    fn decide(&self, view: &View<'_>) -> Result<Decision, ActionError> {
        let mut found = Found {
            entry: view.get::<Stat>(&self.path)?.clone(),
            parents: Vec::new(),
            below: self.everything_below().map(|below| below.look(view)).transpose()?,
            ids: Ids::default(),
        };
        if self.ensure == Ensure::Present {
            found.ids = self.attributes().ids(view)?;
            for parent in self.path.ancestors() {
                let entry = view.get::<Stat>(&parent)?.clone();
                found.parents.push((parent, entry));
            }
        }
        self.decide_from(&found)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::super::testing::{change, entry, outcome, run};
    use super::*;
    use crate::probes::testing::{Scratch, ask};

    fn look(directory: &Directory) -> Found {
        let parents = directory.path.ancestors();
        let entries = ask::<Stat>(&parents);
        Found {
            entry: ask::<Stat>(std::slice::from_ref(&directory.path)).remove(0),
            parents: parents.into_iter().zip(entries).collect(),
            below: None,
            ids: Ids::default(),
        }
    }

    #[test]
    fn decision_table() {
        let plain = Directory::new("/opt/app").unwrap();
        let owned = plain.clone().owner("app").unwrap().mode("0700").unwrap();
        let shallow = plain.clone().recursive(false);
        let absent = plain.clone().absent();
        let folder = || Some(entry(EntryKind::Directory, 0o755));
        let file = || Some(entry(EntryKind::File, 0o644));
        let link = || Some(entry(EntryKind::Link, 0o777));
        let cases = [
            (&plain, folder(), folder(), "unchanged"),
            (&plain, None, folder(), "created with mode 0755"),
            (&plain, None, None, "created with mode 0755"),
            (&plain, None, link(), "created with mode 0755"),
            (&plain, None, file(), "error: /opt/app cannot be created: /opt is a file"),
            (&plain, file(), folder(), "error: /opt/app is a file, not a directory"),
            (&plain, link(), folder(), "error: /opt/app is a symbolic link, not a directory"),
            (&owned, folder(), folder(), "owner root → app; mode 0755 → 0700"),
            (&owned, None, folder(), "created with mode 0700"),
            (&shallow, None, None, "error: /opt/app cannot be created: /opt is missing"),
            (&absent, None, None, "unchanged"),
            (&absent, folder(), folder(), "removed"),
            (&absent, file(), folder(), "error: /opt/app is a file, not a directory"),
        ];
        for (directory, entry, parent, expected) in cases {
            let parents = vec![("/opt".parse().unwrap(), parent)];
            let found = Found { entry, parents, below: None, ids: Ids::default() };
            assert_eq!(outcome(directory.decide_from(&found)), expected, "{directory:?}");
        }
    }

    #[test]
    fn creates_repairs_and_removes_for_real() {
        let scratch = Scratch::new();
        let parent = scratch.path("set group id");
        fs::create_dir(parent.as_str()).unwrap();
        fs::set_permissions(parent.as_str(), fs::Permissions::from_mode(0o2755)).unwrap();
        for name in Scratch::HOSTILE_NAMES {
            let path = scratch.path(&format!("set group id/{name}/below/{name}"));
            let directory = Directory::new(path.as_str()).unwrap().mode("0700").unwrap();
            let create = change(directory.decide_from(&look(&directory)));
            let ran = run(&create.fragment);
            assert_eq!((ran.status, ran.output.as_str()), (0, ""), "{name:?}");
            assert_eq!(outcome(directory.decide_from(&look(&directory))), "unchanged", "{name:?}");

            fs::set_permissions(path.as_str(), fs::Permissions::from_mode(0o2777)).unwrap();
            let repair = change(directory.decide_from(&look(&directory)));
            assert_eq!(repair.details, ["mode 2777 → 0700"]);
            assert_eq!(run(&repair.fragment).status, 0);
            assert_eq!(outcome(directory.decide_from(&look(&directory))), "unchanged", "{name:?}");

            let absent = Directory::new(path.as_str()).unwrap().absent();
            fs::write(format!("{path}/file"), "x").unwrap();
            let remove = change(absent.decide_from(&look(&absent)));
            assert_ne!(run(&remove.fragment).status, 0, "not empty");
            let remove = change(absent.clone().force().decide_from(&look(&absent)));
            assert_eq!(run(&remove.fragment).status, 0);
            assert_eq!(outcome(absent.decide_from(&look(&absent))), "unchanged");
        }
    }

    #[test]
    fn removal_by_force_does_not_follow_links() {
        let scratch = Scratch::new();
        let kept = scratch.path("kept");
        fs::write(kept.as_str(), "x").unwrap();
        let directory = Directory::new(scratch.path("gone").as_str()).unwrap().absent().force();
        fs::create_dir(directory.path.as_str()).unwrap();
        symlink(kept.as_str(), format!("{}/link", directory.path)).unwrap();
        let remove = change(directory.decide_from(&look(&directory)));
        assert_eq!(run(&remove.fragment).status, 0);
        assert!(fs::exists(kept.as_str()).unwrap());
    }
}
