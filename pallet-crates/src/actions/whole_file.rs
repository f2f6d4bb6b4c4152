//! Files that are written as a whole: what several actions share.

use pallet_core::action::{ActionError, Change, Fragment, Key, Mode, ProbeSet, Upload, View};
use pallet_core::shell;

use super::attributes::{Attributes, Ids};
use super::difference::{Difference, difference};
use super::download;
use crate::probes::{Digest, Entry, EntryKind, FileContent, Seen, Sha256, Stat};
use crate::values::{FileMode, RemotePath};

/// The mode of a new file for which none is given.
pub(super) const NEW_MODE: FileMode = FileMode::from_bits(0o644);

/// Where earlier contents are kept.
const BACKUPS: &str = "/var/lib/pallet/backups";

/// What a file shall hold.
#[derive(Clone, Copy)]
pub(super) enum Content<'a> {
    /// These bytes.
    Bytes(&'a [u8]),
    /// A long file of this machine, which is never in memory as a whole.
    Long(&'a Upload),
    /// What the node fetches itself, from an address.
    Fetched(&'a str, &'a Digest),
}

impl Content<'_> {
    fn digest(self) -> Result<Digest, ActionError> {
        match self {
            Self::Bytes(bytes) => Ok(Digest::of(bytes)),
            Self::Long(upload) => {
                upload.sha256().parse().map_err(|error: String| ActionError::new(error))
            }
            Self::Fetched(_, digest) => Ok(digest.clone()),
        }
    }

    /// What will be seen of it; `None`: who knows.
    fn seen(self) -> Option<Seen> {
        match self {
            Self::Bytes(bytes) => Some(Seen::of(bytes)),
            Self::Long(_) => Some(Seen::Large),
            Self::Fetched(..) => None,
        }
    }
}

/// A file that shall hold something.
pub(super) struct WholeFile<'a> {
    pub path: &'a RemotePath,
    pub content: Content<'a>,
    pub attributes: Attributes<'a>,
    /// A command that looks at the new content, `%s`, before it is put in place.
    pub verify: Option<&'a str>,
    /// How many earlier contents are kept.
    pub backups: u32,
    /// Whether there are secrets in the content: then it is not compared for people.
    pub is_secret: bool,
    /// What else the change writes.
    pub also: Vec<Key>,
}

/// What was found on the node.
#[derive(Debug, Default)]
pub(super) struct Found<'a> {
    pub parent: Option<&'a Entry>,
    pub entry: Option<&'a Entry>,
    pub digest: Option<&'a Digest>,
    /// In check mode.
    pub seen: Option<&'a Seen>,
    pub ids: Ids,
}

impl<'a> WholeFile<'a> {
    /// A file with the owner, group and mode that it has, or that new files get.
    pub fn new(path: &'a RemotePath, bytes: &'a [u8]) -> Self {
        let attributes = Attributes { owner: None, group: None, mode: None };
        let content = Content::Bytes(bytes);
        Self {
            path,
            content,
            attributes,
            verify: None,
            backups: 0,
            is_secret: false,
            also: Vec::new(),
        }
    }

    pub fn probe(&self, view: &View<'_>, wanted: &mut ProbeSet) {
        wanted.ask::<Stat>(self.path.clone());
        if let Some(parent) = self.path.parent() {
            wanted.ask::<Stat>(parent);
        }
        wanted.ask::<Sha256>(self.path.clone());
        if view.mode() == Mode::Check && !self.is_secret {
            wanted.ask::<FileContent>(self.path.clone());
        }
        self.attributes.probe(wanted);
    }

    pub fn look<'v>(&self, view: &View<'v>) -> Result<Found<'v>, ActionError> {
        let seen = match view.mode() {
            Mode::Check if !self.is_secret => Some(view.get::<FileContent>(self.path)?),
            Mode::Check | Mode::Apply => None,
        };
        Ok(Found {
            parent: match self.path.parent() {
                Some(parent) => view.get::<Stat>(&parent)?.as_ref(),
                None => None,
            },
            entry: view.get::<Stat>(self.path)?.as_ref(),
            digest: view.get::<Sha256>(self.path)?.as_ref(),
            seen,
            ids: self.attributes.ids(view)?,
        })
    }

    /// The change that is needed, if one is.
    pub fn decide(&self, view: &View<'_>) -> Result<Option<Change>, ActionError> {
        self.decide_from(&self.look(view)?, view.mode())
    }

    pub fn decide_from(
        &self,
        found: &Found<'_>,
        mode: Mode,
    ) -> Result<Option<Change>, ActionError> {
        check_parent(self.path, found.parent)?;
        check_kind(self.path, found.entry)?;
        let digest = self.content.digest()?;
        let differs = found.digest != Some(&digest);
        let mut details = match (found.entry, found.digest) {
            (None, _) => {
                vec![format!("created with mode {}", self.attributes.mode.unwrap_or(NEW_MODE))]
            }
            (Some(_), Some(_)) if differs => vec!["content differs".to_owned()],
            (Some(_), None) => vec!["content cannot be read, so it is written anew".to_owned()],
            (Some(_), Some(_)) => Vec::new(),
        };
        if let Some(entry) = found.entry {
            details.extend(self.attributes.differences(found.ids, entry));
        }
        if details.is_empty() {
            return Ok(None);
        }
        let mut fragment = Fragment::new();
        match found.entry {
            Some(entry) if !differs => {
                self.attributes.repair(&mut fragment, self.path.as_str(), found.ids, entry);
            }
            entry => self.replace(&mut fragment, found.ids, entry.is_some()),
        }
        if self.verify.is_none() && matches!(self.content, Content::Bytes(_)) {
            fragment.brief();
        }
        let is_shown = mode == Mode::Check && differs && !self.is_secret;
        let seen = found.seen.filter(|_| is_shown);
        Ok(Some(self.change(fragment, found.ids, found.entry, seen, details)))
    }

    /// A change that leaves the file as it shall be, shown as a difference from `seen`.
    pub fn change(
        &self,
        fragment: Fragment,
        ids: Ids,
        before: Option<&Entry>,
        seen: Option<&Seen>,
        details: Vec<String>,
    ) -> Change {
        let writes = self.also.iter().cloned().chain([self.path.key()]);
        let mut change = details.into_iter().fold(Change::new(fragment, writes), Change::detail);
        let after = self.content.seen();
        if let (Some(seen), Some(after)) = (seen, &after) {
            match difference(self.path.as_str(), seen, after) {
                Difference::Unified(diff) => change.diff = Some(diff),
                Difference::Hidden(reason) => {
                    change = change.detail(format!("no difference shown: {reason}"));
                }
            }
        }
        let entry = self.attributes.entry(EntryKind::File, NEW_MODE, ids, before);
        let change = change
            .predict::<Stat>(self.path.clone(), Some(entry))
            .predict::<Sha256>(self.path.clone(), self.content.digest().ok());
        match after {
            Some(after) => change.predict::<FileContent>(self.path.clone(), after),
            None => change,
        }
    }

    /// Writes a file beside the target and renames it. The new file is private until it has its
    /// owner and mode, and it is removed if anything goes wrong before.
    pub fn replace(&self, fragment: &mut Fragment, ids: Ids, exists: bool) {
        let target = shell::quote(self.path.as_str()).into_owned();
        let temporary = fragment.temporary_beside(self.path.as_str());
        // With `-C` bash creates the file and never opens one that is there, nor follows a link.
        // `mktemp` would do the same with one process more for every file.
        fragment.line(&format!("temporary={temporary}; umask 077"));
        fragment.line("set -C; : > \"$temporary\"; set +C");
        // An empty file is there already.
        let source = match self.content {
            Content::Bytes([]) => None,
            Content::Bytes(bytes) => Some(fragment.payload(bytes)),
            Content::Long(upload) => Some(fragment.upload(upload.clone())),
            Content::Fetched(url, digest) => {
                download::fetch(fragment, url, digest, "\"$temporary\"");
                None
            }
        };
        if let Some(source) = source {
            fragment.line(&format!("{source} > \"$temporary\""));
        }
        let is_given = self.attributes.owner.is_some() && self.attributes.group.is_some();
        if exists && !is_given {
            fragment.line(&format!(
                "[ -O {target} ] && [ -G {target} ] && [ -G \"$temporary\" ] || \
                 chown --reference={target} -- \"$temporary\""
            ));
        }
        self.attributes.give(fragment, "\"$temporary\"", ids);
        match (self.attributes.mode, exists) {
            (None, true) => fragment.line(&format!("chmod --reference={target} -- \"$temporary\"")),
            (mode, _) => {
                fragment.line(&format!("chmod -- {} \"$temporary\"", mode.unwrap_or(NEW_MODE)))
            }
        };
        if let Some(command) = self.verify {
            verify(fragment, command);
        }
        if exists && self.backups > 0 {
            self.back_up(fragment);
        }
        fragment.last(&format!("mv -fT -- \"$temporary\" {target}"));
    }

    /// Keeps the old content. Names of backups sort by time.
    fn back_up(&self, fragment: &mut Fragment) {
        let folder = format!("{BACKUPS}{}", self.path);
        let quoted = shell::quote(&folder);
        let target = shell::quote(self.path.as_str());
        fragment.run(["mkdir", "-p", "--", &folder]);
        fragment.line(&format!(
            "cp -pT -- {target} {quoted}/\"$(date -u +%Y%m%dT%H%M%S.%N)\"\n\
             kept=()\n\
             for file in {quoted}/[0-9]*T[0-9]*.[0-9]*; do [ ! -f \"$file\" ] || kept+=(\"$file\"); done\n\
             [ ${{#kept[@]}} -le {count} ] || rm -f -- \"${{kept[@]:0:${{#kept[@]}}-{count}}}\"",
            count = self.backups,
        ));
    }
}

/// Adds a command that has to find the new content good.
fn verify(fragment: &mut Fragment, command: &str) {
    // The name of the new file gets into the command as one word, whatever it is.
    let pieces: Vec<_> = command.split("%s").map(shell::quote).collect();
    fragment.line("printf -v place %q \"$temporary\"");
    fragment.line(&format!("command={}", pieces.join("\"$place\"")));
    fragment.line(
        "bash -c \"$command\" || { echo \"the new content does not pass \\`verify\\`; \
         the old file stays\"; exit 1; }",
    );
}

/// Checks that a command looks at the new content.
pub(super) fn check_verify(command: &str) -> Result<(), ActionError> {
    if command.contains('\0') {
        return Err(ActionError::new("`verify` contains a NUL byte, at which bash would stop"));
    }
    if !command.contains("%s") {
        return Err(ActionError::new("`verify` does not look at the new content")
            .help("write %s where the command takes its path: verify = \"nginx -t -c %s\""));
    }
    Ok(())
}

/// Checks that there is a directory to write in.
pub(super) fn check_parent(path: &RemotePath, parent: Option<&Entry>) -> Result<(), ActionError> {
    match parent.map(|entry| entry.kind) {
        Some(EntryKind::Directory | EntryKind::Link) => Ok(()),
        Some(kind) => {
            let what = kind.with_article();
            Err(ActionError::new(format!("{path} cannot be written: its parent is {what}"))
                .help("remove that, or choose another path"))
        }
        None => {
            let parent = path.parent().map(|parent| parent.to_string()).unwrap_or_default();
            Err(ActionError::new(format!(
                "{path} cannot be written: there is no directory {parent}"
            ))
            .help(format!("create it in an earlier step: {{ directory = \"{parent}\" }}")))
        }
    }
}

/// Checks that nothing but a file is in the way.
pub(super) fn check_kind(path: &RemotePath, entry: Option<&Entry>) -> Result<(), ActionError> {
    match entry.map(|entry| entry.kind) {
        None | Some(EntryKind::File) => Ok(()),
        Some(EntryKind::Link) => Err(ActionError::new(format!("{path} is a symbolic link")).help(
            "name the file that it leads to, or remove the link first: a link is neither \
             followed nor replaced",
        )),
        Some(kind) => {
            let what = kind.with_article();
            Err(ActionError::new(format!("{path} is {what}, not a file"))
                .help("remove it, or choose another path"))
        }
    }
}

/// The change that removes what is at `path`.
pub(super) fn remove(path: &RemotePath, entry: &Entry) -> Result<Change, ActionError> {
    if entry.kind == EntryKind::Directory {
        return Err(ActionError::new(format!("{path} is a directory, not a file"))
            .help("use the directory action to remove it"));
    }
    let mut fragment = Fragment::new();
    fragment.run(["rm", "-f", "--", path.as_str()]);
    Ok(Change::new(fragment, [path.key()])
        .detail("removed")
        .predict::<Stat>(path.clone(), None)
        .predict::<Sha256>(path.clone(), None)
        .predict::<FileContent>(path.clone(), Seen::Nothing))
}
