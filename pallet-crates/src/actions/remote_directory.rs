//! The `remote-directory` action.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pallet_core::action::{
    Action, ActionError, Change, Decision, Fragment, Key, Preparation, ProbeSet, View,
};
use pallet_core::shell;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::attributes::{Attributes, Ids};
use super::whole_file::{Found, WholeFile, check_parent};
use crate::probes::{Entry, EntryKind, Stat};
use crate::values::{AccountName, FileMode, RemotePath};

/// A directory with all that is in a directory on this machine.
///
/// Files and directories are created and repaired as `remote-file` and `directory` would; what
/// else is there on the node stays. The parent directory has to exist. Symbolic links and other
/// special files on this machine are an error: nobody could say what is meant by them.
///
/// ```
/// use pallet_crates::RemoteDirectory;
/// let site = RemoteDirectory::new("/srv/www", "site")?.owner("www-data")?;
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RemoteDirectory {
    /// The directory on the node.
    path: RemotePath,
    /// The directory on this machine, relative to the document.
    local_directory: PathBuf,
    /// The owner of everything. Default: kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    owner: Option<AccountName>,
    /// The group of everything. Default: kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    group: Option<AccountName>,
    /// The mode of files. Default: 0644, or 0755 for those that may be run on this machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mode: Option<FileMode>,
    /// The mode of directories. Default: 0755.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    directory_mode: Option<FileMode>,
    /// What is in it, parents first, once it is known.
    #[serde(skip)]
    items: Option<Arc<[Item]>>,
}

/// Something in the directory.
#[derive(Debug)]
struct Item {
    path: RemotePath,
    mode: FileMode,
    /// What the file holds; `None`: a directory.
    bytes: Option<Vec<u8>>,
}

const DIRECTORY_MODE: FileMode = FileMode::from_bits(0o755);

owner_setters!(RemoteDirectory);

impl RemoteDirectory {
    /// A directory with all that is in `local_directory`, relative to the source file that makes
    /// the step.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the path.
    pub fn new(path: &str, local_directory: impl Into<PathBuf>) -> Result<Self, String> {
        Ok(Self {
            path: path.parse()?,
            local_directory: local_directory.into(),
            owner: None,
            group: None,
            mode: None,
            directory_mode: None,
            items: None,
        })
    }

    /// Sets the mode of files: `"0644"`.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the mode.
    pub fn mode(mut self, mode: &str) -> Result<Self, String> {
        self.mode = Some(mode.parse()?);
        Ok(self)
    }

    fn attributes(&self, mode: FileMode) -> Attributes<'_> {
        Attributes { owner: self.owner.as_ref(), group: self.group.as_ref(), mode: Some(mode) }
    }

    /// Collects what is in a directory of this machine, in the order of the names.
    fn collect(
        &self,
        local: &Path,
        remote: RemotePath,
        items: &mut Vec<Item>,
    ) -> Result<(), ActionError> {
        let lost = |path: &Path, error: std::io::Error| {
            ActionError::new(format!("cannot read {}: {error}", path.display()))
                .help("local paths are relative to the file that names them")
        };
        let listing = std::fs::read_dir(local).map_err(|error| lost(local, error))?;
        let mut entries =
            listing.collect::<Result<Vec<_>, _>>().map_err(|error| lost(local, error))?;
        entries.sort_by_key(std::fs::DirEntry::file_name);
        let mode = self.directory_mode.unwrap_or(DIRECTORY_MODE);
        items.push(Item { path: remote.clone(), mode, bytes: None });
        for entry in entries {
            let path = entry.path();
            let name = entry.file_name();
            let below = name.to_str().and_then(|name| format!("{remote}/{name}").parse().ok());
            let Some(below) = below else {
                return Err(ActionError::new(format!(
                    "the name of {} is not UTF-8",
                    path.display()
                )));
            };
            // Links are not followed.
            let metadata = entry.metadata().map_err(|error| lost(&path, error))?;
            if metadata.is_dir() {
                self.collect(&path, below, items)?;
            } else if metadata.is_file() {
                let may_run = metadata.permissions().mode() & 0o111 != 0;
                let default = FileMode::from_bits(if may_run { 0o755 } else { 0o644 });
                let bytes = std::fs::read(&path).map_err(|error| lost(&path, error))?;
                let mode = self.mode.unwrap_or(default);
                items.push(Item { path: below, mode, bytes: Some(bytes) });
            } else {
                return Err(ActionError::new(format!(
                    "{} is neither a file nor a directory",
                    path.display()
                ))
                .help("remove it, or make links with symbolic-link"));
            }
        }
        Ok(())
    }

    fn items(&self) -> &[Item] {
        self.items.as_deref().unwrap_or_default()
    }

    /// What a directory needs, if anything.
    fn directory(
        &self,
        item: &Item,
        ids: Ids,
        entry: Option<&Entry>,
    ) -> Result<Option<Change>, ActionError> {
        let attributes = self.attributes(item.mode);
        let path = item.path.as_str();
        let mut fragment = Fragment::new();
        let details = match entry {
            None => {
                fragment.run(["mkdir", "-m", &item.mode.to_string(), "--", path]);
                attributes.give(&mut fragment, &shell::quote(path), ids);
                vec![format!("created with mode {}", item.mode)]
            }
            Some(entry) if entry.kind == EntryKind::Directory => {
                attributes.repair(&mut fragment, path, ids, entry);
                attributes.differences(ids, entry)
            }
            Some(entry) => {
                let what = entry.kind.with_article();
                return Err(ActionError::new(format!("{path} is {what}, not a directory"))
                    .help("remove it, or choose another path"));
            }
        };
        if details.is_empty() {
            return Ok(None);
        }
        Ok(Some(details.into_iter().fold(Change::new(fragment, []), Change::detail)))
    }

    fn file<'a>(&'a self, item: &'a Item, bytes: &'a [u8]) -> WholeFile<'a> {
        WholeFile { attributes: self.attributes(item.mode), ..WholeFile::new(&item.path, bytes) }
    }

    /// How an item is called in reports.
    fn called<'a>(&self, item: &'a Item) -> &'a str {
        let below = item.path.as_str().strip_prefix(self.path.as_str()).unwrap_or_default();
        match below.trim_start_matches('/') {
            "" => "directory",
            name => name,
        }
    }
}

impl Action for RemoteDirectory {
    const NAME: &'static str = "remote-directory";
    const SUMMARY: &'static str = "A directory with all that is in a directory on this machine.";
    const EXAMPLE: &'static str =
        r#"{ remote-directory = { path = "/srv/www", local-directory = "site" } }"#;

    fn subject(&self) -> String {
        self.path.to_string()
    }

    fn prepare(&self, context: &Preparation<'_>) -> Result<Option<Self>, ActionError> {
        if self.path.parent().is_none() {
            return Err(ActionError::new("/ is not looked after as a whole")
                .help("name a directory below it"));
        }
        let mut items = Vec::new();
        let local = context.local_path(&self.local_directory);
        self.collect(&local, self.path.clone(), &mut items)?;
        Ok(Some(Self { items: Some(items.into()), ..self.clone() }))
    }

    fn probe(&self, view: &View<'_>, wanted: &mut ProbeSet) {
        self.path.parent().into_iter().for_each(|parent| wanted.ask::<Stat>(parent));
        for item in self.items() {
            match &item.bytes {
                Some(bytes) => self.file(item, bytes).probe(view, wanted),
                None => wanted.ask::<Stat>(item.path.clone()),
            }
        }
        self.attributes(DIRECTORY_MODE).probe(wanted);
    }

    fn decide(&self, view: &View<'_>) -> Result<Decision, ActionError> {
        if let Some(parent) = self.path.parent() {
            check_parent(&self.path, view.get::<Stat>(&parent)?.as_ref())?;
        }
        let ids = self.attributes(DIRECTORY_MODE).ids(view)?;
        let nobody = Attributes { owner: None, group: None, mode: None };
        let folder = nobody.entry(EntryKind::Directory, DIRECTORY_MODE, ids, None);
        let mut fragment = Fragment::new();
        let mut details = Vec::new();
        let mut diffs = String::new();
        let mut writes: Vec<Key> = Vec::new();
        for item in self.items() {
            let change = match &item.bytes {
                None => self.directory(item, ids, view.get::<Stat>(&item.path)?.as_ref())?,
                Some(bytes) => {
                    let file = self.file(item, bytes);
                    // By then there will be a directory around it.
                    let found = Found { parent: Some(&folder), ..file.look(view)? };
                    file.decide_from(&found, view.mode())?
                }
            };
            let Some(change) = change else { continue };
            fragment.append(&change.fragment);
            let name = self.called(item);
            details.extend(change.details.iter().map(|detail| format!("{name}: {detail}")));
            diffs.push_str(change.diff.as_deref().unwrap_or_default());
            writes.push(item.path.key());
        }
        if details.is_empty() {
            return Ok(Decision::Unchanged);
        }
        let mut change = details.into_iter().fold(Change::new(fragment, writes), Change::detail);
        change.diff = Some(diffs).filter(|diffs| !diffs.is_empty());
        Ok(Decision::Change(change))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::super::testing::{apply, check};
    use super::*;
    use crate::probes::testing::Scratch;

    #[test]
    fn a_tree_arrives_and_is_repaired() {
        let scratch = Scratch::new();
        let local = scratch.path("local");
        fs::create_dir_all(format!("{local}/a b/empty")).unwrap();
        fs::write(format!("{local}/a b/it's"), "one\n").unwrap();
        fs::write(format!("{local}/run"), "#!/bin/sh\n").unwrap();
        fs::set_permissions(format!("{local}/run"), fs::Permissions::from_mode(0o700)).unwrap();
        fs::write(format!("{local}/void"), "").unwrap();
        let path = scratch.path("remote");
        let tree = RemoteDirectory::new(path.as_str(), local.as_str()).unwrap();
        let expected = "directory: created with mode 0755; a b: created with mode 0755; \
            a b/empty: created with mode 0755; a b/it's: created with mode 0644; \
            run: created with mode 0755; void: created with mode 0644";
        assert_eq!((check(&tree).as_str(), apply(&tree).as_str()), (expected, expected));
        assert_eq!((check(&tree).as_str(), apply(&tree).as_str()), ("unchanged", "unchanged"));
        assert_eq!(fs::read_to_string(format!("{path}/a b/it's")).unwrap(), "one\n");

        fs::write(format!("{path}/a b/it's"), "two\n").unwrap();
        fs::write(format!("{path}/other"), "stays").unwrap();
        fs::set_permissions(format!("{path}/a b"), fs::Permissions::from_mode(0o700)).unwrap();
        let repaired = "a b: mode 0700 → 0755; a b/it's: content differs";
        assert_eq!((check(&tree).as_str(), apply(&tree).as_str()), (repaired, repaired));
        assert_eq!(apply(&tree), "unchanged");
        assert!(fs::exists(format!("{path}/other")).unwrap());

        fs::remove_file(format!("{path}/run")).unwrap();
        fs::create_dir(format!("{path}/run")).unwrap();
        assert!(apply(&tree).contains("run is a directory, not a file"));
    }

    #[test]
    #[should_panic(expected = "is neither a file nor a directory")]
    fn links_are_refused() {
        let scratch = Scratch::new();
        let local = scratch.path("local");
        fs::create_dir(local.as_str()).unwrap();
        symlink("/etc/passwd", format!("{local}/link")).unwrap();
        apply(&RemoteDirectory::new("/tmp/x", local.as_str()).unwrap());
    }
}
