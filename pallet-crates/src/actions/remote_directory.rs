//! The `remote-directory` action.

mod archive;

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pallet_core::action::{
    Action, ActionError, Change, Decision, Fragment, Key, Preparation, ProbeSet, Upload, View,
};
use pallet_core::shell;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::archive::{Archive, Place};
use super::attributes::{Attributes, Ids, owner_setters};
use super::below::Below;
use super::download;
use super::whole_file::{Found, WholeFile, check_parent};
use crate::probes::{Digest, Entry, EntryKind, Listing, Stat};
use crate::values::{AccountName, FileMode, RemotePath};

/// A directory with all that is in a directory on this machine, or in an archive.
///
/// With `local-directory`, files and directories are created and repaired as `remote-file` and
/// `directory` would. Symbolic links and other special files on this machine are an error: nobody
/// could say what is meant by them.
///
/// With `archive`, a file on this machine, or `url`, from where the node fetches it, an archive is
/// unpacked: whatever tar can read, or a `.zip` where the node has unzip. It is unpacked again when
/// the archive is another one; a mark in the directory, `.pallet-archive`, tells. Changes that were
/// made to the files by hand are not seen. Owner, group and modes that are given go for all of it.
///
/// The parent directory has to exist. What else is there on the node stays, unless `exact` is set.
///
/// ```
/// use pallet_crates::RemoteDirectory;
/// let site = RemoteDirectory::new("/srv/www", "site")?.owner("www-data")?.exact();
/// let tool = RemoteDirectory::archive("/opt/tool", "tool-1.2.tar.gz")?.strip_components(1);
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RemoteDirectory {
    /// The directory on the node.
    path: RemotePath,
    /// The directory on this machine, relative to the document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    local_directory: Option<PathBuf>,
    /// The archive on this machine, relative to the document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    archive: Option<PathBuf>,
    /// The address from which the node fetches the archive; needs `sha256`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    /// The SHA-256 digest of the archive at `url`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sha256: Option<Digest>,
    /// How many leading directories of the names in the archive are left out. Default: 0.
    #[serde(default)]
    strip_components: u32,
    /// Whether everything else in the directory is removed. Default: false.
    #[serde(default)]
    exact: bool,
    /// The owner of everything. Default: kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    owner: Option<AccountName>,
    /// The group of everything. Default: kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    group: Option<AccountName>,
    /// The mode of files. Default: 0644, or 0755 for those that may be run on this machine; those
    /// in an archive as it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mode: Option<FileMode>,
    /// The mode of directories. Default: 0755; those in an archive as it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    directory_mode: Option<FileMode>,
    /// What is in it, parents first, once it is known.
    #[serde(skip)]
    items: Option<Arc<[Item]>>,
    /// The archive, once it is known.
    #[serde(skip)]
    packed: Option<Archive>,
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
        Ok(Self { local_directory: Some(local_directory.into()), ..Self::empty(path)? })
    }

    /// A directory with all that is in an archive, relative to the source file that makes the step.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the path.
    pub fn archive(path: &str, archive: impl Into<PathBuf>) -> Result<Self, String> {
        Ok(Self { archive: Some(archive.into()), ..Self::empty(path)? })
    }

    /// A directory with all that is in an archive that the node fetches.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the path or the digest.
    pub fn url(path: &str, url: impl Into<String>, sha256: &str) -> Result<Self, String> {
        let sha256 = Some(sha256.parse()?);
        Ok(Self { url: Some(url.into()), sha256, ..Self::empty(path)? })
    }

    fn empty(path: &str) -> Result<Self, String> {
        Ok(Self {
            path: path.parse()?,
            local_directory: None,
            archive: None,
            url: None,
            sha256: None,
            strip_components: 0,
            exact: false,
            owner: None,
            group: None,
            mode: None,
            directory_mode: None,
            items: None,
            packed: None,
        })
    }

    /// Leaves out so many leading directories of the names in the archive.
    #[must_use]
    pub fn strip_components(mut self, count: u32) -> Self {
        self.strip_components = count;
        self
    }

    /// Removes everything else in the directory.
    #[must_use]
    pub fn exact(mut self) -> Self {
        self.exact = true;
        self
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

    /// What is there and shall not be; of a directory, nothing that is in it.
    fn strangers<'a>(&self, listing: &'a [String]) -> Vec<&'a str> {
        let known: BTreeSet<&str> = self.items().iter().map(|item| self.called(item)).collect();
        let mut strangers: Vec<&str> =
            listing.iter().map(String::as_str).filter(|name| !known.contains(name)).collect();
        strangers.sort_unstable();
        let mut top: Vec<&str> = Vec::new();
        for name in strangers {
            let is_below =
                |other: &&str| name.strip_prefix(*other).is_some_and(|rest| rest.starts_with('/'));
            if !top.iter().any(is_below) {
                top.push(name);
            }
        }
        top
    }

    fn below(&self) -> Below {
        let directories = Attributes {
            owner: self.owner.as_ref(),
            group: self.group.as_ref(),
            mode: self.directory_mode,
        };
        Below::new(&self.path, directories, self.mode).with_itself()
    }

    fn check(&self) -> Result<(), ActionError> {
        if self.path.parent().is_none() {
            return Err(ActionError::new("/ is not looked after as a whole")
                .help("name a directory below it"));
        }
        let given = [self.local_directory.is_some(), self.archive.is_some(), self.url.is_some()];
        if given.iter().filter(|given| **given).count() != 1 {
            return Err(ActionError::new("the directory has no source, or more than one")
                .help("give exactly one of local-directory, archive and url"));
        }
        download::check(("url", self.url.as_ref()), ("sha256", self.sha256.as_ref()))?;
        if self.strip_components == 0 {
            return Ok(());
        }
        let name = self.archive.as_ref().map(|path| path.display().to_string());
        match name.or(self.url.clone()) {
            None => Err(ActionError::new("`strip-components` is for archives")),
            Some(name) if Archive::is_zip(&name) => {
                Err(ActionError::new("`strip-components` is for tar's archives, not for .zip"))
            }
            Some(_) => Ok(()),
        }
    }

    /// The archive, with its digest.
    fn packed(&self, context: &Preparation<'_>) -> Result<Archive, ActionError> {
        let archive = |place, digest, name: &str| Archive {
            place,
            digest,
            is_zip: Archive::is_zip(name),
            strip_components: self.strip_components,
            is_exact: self.exact,
        };
        if let (Some(url), Some(digest)) = (&self.url, &self.sha256) {
            return Ok(archive(Place::There(url.clone()), digest.clone(), url));
        }
        let path = context.local_path(self.archive.as_deref().unwrap_or(Path::new("")));
        let upload = Upload::file(&path).map_err(|error| {
            ActionError::new(format!("cannot read {}: {error}", path.display()))
                .help("local paths are relative to the file that names them")
        })?;
        let digest = upload.sha256().parse().map_err(|error: String| ActionError::new(error))?;
        Ok(archive(Place::Here(upload), digest, &path.display().to_string()))
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
    const SUMMARY: &'static str =
        "A directory with all that is in a directory on this machine, or in an archive.";
    const EXAMPLE: &'static str =
        r#"{ remote-directory = { path = "/srv/www", local-directory = "site" } }"#;

    fn subject(&self) -> String {
        self.path.to_string()
    }

    fn prepare(&self, context: &Preparation<'_>) -> Result<Option<Self>, ActionError> {
        self.check()?;
        if let Some(local) = &self.local_directory {
            let mut items = Vec::new();
            self.collect(&context.local_path(local), self.path.clone(), &mut items)?;
            return Ok(Some(Self { items: Some(items.into()), ..self.clone() }));
        }
        let packed = Some(self.packed(context)?);
        Ok(Some(Self { packed, ..self.clone() }))
    }

    fn probe(&self, view: &View<'_>, wanted: &mut ProbeSet) {
        self.attributes(DIRECTORY_MODE).probe(wanted);
        if let Some(archive) = &self.packed {
            return archive.probe(&self.path, &self.below(), wanted);
        }
        self.path.parent().into_iter().for_each(|parent| wanted.ask::<Stat>(parent));
        for item in self.items() {
            match &item.bytes {
                Some(bytes) => self.file(item, bytes).probe(view, wanted),
                None => wanted.ask::<Stat>(item.path.clone()),
            }
        }
        if self.exact {
            wanted.ask::<Listing>(self.path.clone());
        }
    }

    fn decide(&self, view: &View<'_>) -> Result<Decision, ActionError> {
        if let Some(archive) = &self.packed {
            self.attributes(DIRECTORY_MODE).ids(view)?;
            return archive.decide(&self.path, &self.below(), view);
        }
        if let Some(parent) = self.path.parent() {
            check_parent(&self.path, view.get::<Stat>(&parent)?.as_ref())?;
        }
        let ids = self.attributes(DIRECTORY_MODE).ids(view)?;
        let nobody = Attributes::default();
        let folder = nobody.entry(EntryKind::Directory, DIRECTORY_MODE, ids, None);
        let mut fragment = Fragment::new();
        let mut details = Vec::new();
        let mut diffs = String::new();
        let mut writes: Vec<Key> = Vec::new();
        if self.exact {
            for name in self.strangers(view.get::<Listing>(&self.path)?) {
                let path = format!("{}/{name}", self.path);
                fragment.run(["rm", "-rf", "--one-file-system", "--", &path]);
                details.push(format!("{name}: removed"));
                writes.push(Key::tree(path));
            }
        }
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
mod tests;
