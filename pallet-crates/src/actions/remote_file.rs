//! The `remote-file` action.

use std::path::PathBuf;
use std::sync::Arc;

use pallet_core::action::{
    Action, ActionError, Change, Decision, Fragment, Mode, Preparation, ProbeSet, View,
};
use pallet_core::shell;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::attributes::{Attributes, Ids};
use super::difference::{Difference, difference};
use super::template;
use crate::probes::{Digest, Entry, EntryKind, FileContent, Seen, Sha256, Stat};
use crate::values::{AccountName, Ensure, FileMode, RemotePath};

/// A file on a node, with its content, owner, group and mode.
///
/// The content is given by exactly one of `content`, `template` and `local-file`, and arrives byte
/// by byte as it is: nothing is expanded, and no newline is added.
///
/// - `template` names a handlebars file. It sees `node`, `facts`, `settings`, `environment` and
///   `nodes`, and the step's own `values`, which win. Writing a name
///   without a value is an error; `if`, `unless`, `each` and `with` may ask for one.
/// - Owner, group and mode that are not given are those that the file has. A new file belongs to
///   the user who writes it, with mode 0644.
/// - The file is replaced as a whole, at once, complete with owner and mode: nobody sees half of
///   it. Other hard links to it keep the old content.
/// - A symbolic link in its place is an error: it is neither followed nor replaced. On the way to
///   it, links are followed. The directory has to exist.
///
/// ```
/// use pallet_crates::RemoteFile;
/// let motd = RemoteFile::new("/etc/motd")?.content("Welcome.\n").mode("0644")?;
/// let app = RemoteFile::new("/etc/app.conf")?.template("app.conf.hbs").value("port", 8080);
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RemoteFile {
    path: RemotePath,
    /// The content itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    content: Option<String>,
    /// A handlebars template on this machine, relative to the document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    template: Option<PathBuf>,
    /// Values for the template.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    values: Map<String, Value>,
    /// A file on this machine, relative to the document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    local_file: Option<PathBuf>,
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
    /// The bytes, once they are known.
    #[serde(skip)]
    bytes: Option<Arc<[u8]>>,
}

const NEW_MODE: FileMode = FileMode::from_bits(0o644);

impl RemoteFile {
    /// A file that shall be there; its content is still to be given.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the path.
    pub fn new(path: &str) -> Result<Self, String> {
        Ok(Self {
            path: path.parse()?,
            content: None,
            template: None,
            values: Map::new(),
            local_file: None,
            owner: None,
            group: None,
            mode: None,
            ensure: Ensure::Present,
            bytes: None,
        })
    }

    /// Gives the content.
    #[must_use]
    pub fn content(mut self, content: impl Into<String>) -> Self {
        self.content = Some(content.into());
        self
    }

    /// Names the handlebars template that gives the content, relative to the source file that
    /// makes the step.
    #[must_use]
    pub fn template(mut self, path: impl Into<PathBuf>) -> Self {
        self.template = Some(path.into());
        self
    }

    /// Gives the template a value.
    #[must_use]
    pub fn value(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.values.insert(name.into(), value.into());
        self
    }

    /// Names the file on this machine that gives the content, relative to the source file that
    /// makes the step.
    #[must_use]
    pub fn local_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.local_file = Some(path.into());
        self
    }

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

    /// Sets the mode: `"0644"`.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the mode.
    pub fn mode(mut self, mode: &str) -> Result<Self, String> {
        self.mode = Some(mode.parse()?);
        Ok(self)
    }

    /// The file shall not be there.
    #[must_use]
    pub fn absent(mut self) -> Self {
        self.ensure = Ensure::Absent;
        self
    }

    fn attributes(&self) -> Attributes<'_> {
        Attributes { owner: self.owner.as_ref(), group: self.group.as_ref(), mode: self.mode }
    }

    fn check(&self) -> Result<(), ActionError> {
        let sources = [
            ("content", self.content.is_some()),
            ("template", self.template.is_some()),
            ("local-file", self.local_file.is_some()),
        ];
        let given: Vec<&str> =
            sources.iter().filter(|(_, given)| *given).map(|(name, _)| *name).collect();
        if self.path.parent().is_none() {
            return Err(ActionError::new("/ is a directory, not a file"));
        }
        if self.ensure == Ensure::Absent {
            let attributes = self.owner.is_some() || self.group.is_some() || self.mode.is_some();
            if !given.is_empty() || attributes {
                return Err(ActionError::new(
                    "a file that shall be absent has no content, owner, group or mode",
                )
                .help("remove them, or remove ensure = \"absent\""));
            }
        } else if given.is_empty() {
            return Err(ActionError::new("the file has no content")
                .help("give exactly one of content, template and local-file"));
        }
        if given.len() > 1 {
            return Err(ActionError::new(format!(
                "a file has one source, not {}",
                given.join(" and ")
            ))
            .help("give exactly one of content, template and local-file"));
        }
        if !self.values.is_empty() && self.template.is_none() {
            return Err(ActionError::new("`values` are for templates")
                .help("name the template with `template`, or remove `values`"));
        }
        Ok(())
    }

    fn load(&self, context: &Preparation<'_>) -> Result<Arc<[u8]>, ActionError> {
        if let Some(path) = &self.template {
            let file = context.local_path(path);
            let text = String::from_utf8(context.read(path)?).map_err(|_| {
                ActionError::new(format!("{} is not UTF-8, so it is no template", file.display()))
                    .help("use local-file for a file that is copied as it is")
            })?;
            let rendered = template::render(&file, &text, context.values, &self.values)?;
            return Ok(rendered.into_bytes().into());
        }
        if let Some(path) = &self.local_file {
            return Ok(context.read(path)?.into());
        }
        Ok(self.content.clone().unwrap_or_default().into_bytes().into())
    }

    fn decide_from(&self, found: &Found<'_>, mode: Mode) -> Result<Decision, ActionError> {
        match (self.ensure, found.entry) {
            (Ensure::Absent, None) => Ok(Decision::Unchanged),
            (Ensure::Absent, Some(entry)) => self.remove(entry),
            (Ensure::Present, _) => self.write(found, mode),
        }
    }

    fn remove(&self, entry: &Entry) -> Result<Decision, ActionError> {
        if entry.kind == EntryKind::Directory {
            return Err(ActionError::new(format!("{} is a directory, not a file", self.path))
                .help("use the directory action to remove it"));
        }
        let mut fragment = Fragment::new();
        fragment.run(["rm", "-f", "--", self.path.as_str()]);
        let change = Change::new(fragment, [self.path.key()]).detail("removed");
        let change = change.predict::<Stat>(self.path.clone(), None);
        let change = change.predict::<Sha256>(self.path.clone(), None);
        Ok(Decision::Change(change.predict::<FileContent>(self.path.clone(), Seen::Nothing)))
    }

    fn write(&self, found: &Found<'_>, mode: Mode) -> Result<Decision, ActionError> {
        let Some(bytes) = &self.bytes else {
            return Err(ActionError::new("the content was not prepared")
                .help("this is a mistake in the engine: `prepare` must come before `decide`"));
        };
        self.check_place(found)?;
        let digest = Digest::of(bytes);
        let differs = found.digest != Some(&digest);
        let mut details = match (found.entry, found.digest) {
            (None, _) => {
                vec![format!("created with mode {}", self.mode.unwrap_or(NEW_MODE))]
            }
            (Some(_), Some(_)) if differs => vec!["content differs".to_owned()],
            (Some(_), None) => vec!["content cannot be read, so it is written anew".to_owned()],
            (Some(_), Some(_)) => Vec::new(),
        };
        if let Some(entry) = found.entry {
            details.extend(self.attributes().differences(found.ids, entry));
        }
        if details.is_empty() {
            return Ok(Decision::Unchanged);
        }

        let mut fragment = Fragment::new();
        match found.entry {
            Some(entry) if !differs => {
                self.attributes().repair(&mut fragment, self.path.as_str(), found.ids, entry);
            }
            _ => self.replace(&mut fragment, bytes, found),
        }
        let entry = self.attributes().entry(EntryKind::File, NEW_MODE, found.ids, found.entry);
        let change = Change::new(fragment, [self.path.key()]);
        let mut change = details.into_iter().fold(change, Change::detail);
        if let (Mode::Check, true, Some(seen)) = (mode, differs, found.seen) {
            match difference(self.path.as_str(), seen, bytes) {
                Difference::Unified(diff) => change.diff = Some(diff),
                Difference::Hidden(reason) => {
                    change = change.detail(format!("no difference shown: {reason}"));
                }
            }
        }
        let change = change.predict::<Stat>(self.path.clone(), Some(entry));
        let change = change.predict::<Sha256>(self.path.clone(), Some(digest));
        Ok(Decision::Change(change.predict::<FileContent>(self.path.clone(), Seen::of(bytes))))
    }

    fn check_place(&self, found: &Found<'_>) -> Result<(), ActionError> {
        let path = &self.path;
        match found.parent.map(|entry| (entry, entry.kind)) {
            Some((_, EntryKind::Directory | EntryKind::Link)) => {}
            Some((_, kind)) => {
                let what = kind.with_article();
                return Err(ActionError::new(format!(
                    "{path} cannot be written: its parent is {what}"
                ))
                .help("remove that, or choose another path"));
            }
            None => {
                let parent = path.parent().map(|parent| parent.to_string()).unwrap_or_default();
                return Err(ActionError::new(format!(
                    "{path} cannot be written: there is no directory {parent}"
                ))
                .help(format!("create it in an earlier step: {{ directory = \"{parent}\" }}")));
            }
        }
        match found.entry.map(|entry| entry.kind) {
            None | Some(EntryKind::File) => Ok(()),
            Some(EntryKind::Link) => Err(ActionError::new(format!("{path} is a symbolic link"))
                .help(
                    "name the file that it leads to, or remove the link first: a link is \
                       neither followed nor replaced",
                )),
            Some(kind) => {
                let what = kind.with_article();
                Err(ActionError::new(format!("{path} is {what}, not a file"))
                    .help("remove it, or choose another path"))
            }
        }
    }

    /// Writes a file beside the target and renames it. The new file is private until it has its
    /// owner and mode, and it is removed if anything goes wrong before.
    fn replace(&self, fragment: &mut Fragment, bytes: &[u8], found: &Found<'_>) {
        let target = shell::quote(self.path.as_str()).into_owned();
        let folder = self.path.parent().map(|parent| parent.to_string()).unwrap_or_default();
        let start = format!("{}/.pallet.", folder.trim_end_matches('/'));
        let payload = fragment.payload(bytes);
        // With `-C` bash creates the file and never opens one that is there, nor follows a link.
        // `mktemp` would do the same with one process more for every file.
        fragment.line(&format!("temporary={}$$.$RANDOM$RANDOM$RANDOM", shell::quote(&start)));
        fragment.line("umask 077");
        fragment.line("set -C; : > \"$temporary\"; set +C");
        fragment.line("trap 'rm -f -- \"$temporary\"' EXIT");
        fragment.line(&format!("{payload} > \"$temporary\""));
        let is_given = self.owner.is_some() && self.group.is_some();
        if found.entry.is_some() && !is_given {
            fragment.line(&format!(
                "[ -O {target} ] && [ -G {target} ] && [ -G \"$temporary\" ] || \
                 chown --reference={target} -- \"$temporary\""
            ));
        }
        self.attributes().give(fragment, "\"$temporary\"", found.ids);
        match (self.mode, found.entry) {
            (None, Some(_)) => {
                fragment.line(&format!("chmod --reference={target} -- \"$temporary\""))
            }
            (mode, _) => {
                fragment.line(&format!("chmod -- {} \"$temporary\"", mode.unwrap_or(NEW_MODE)))
            }
        };
        fragment.line(&format!("mv -fT -- \"$temporary\" {target}"));
        fragment.line("trap - EXIT");
    }
}

/// What was found on the node.
#[derive(Debug)]
struct Found<'a> {
    parent: Option<&'a Entry>,
    entry: Option<&'a Entry>,
    digest: Option<&'a Digest>,
    /// In check mode.
    seen: Option<&'a Seen>,
    ids: Ids,
}

impl Action for RemoteFile {
    const NAME: &'static str = "remote-file";
    const SUMMARY: &'static str = "A file with its content, owner, group and mode.";
    const EXAMPLE: &'static str =
        r#"{ remote-file = { path = "/etc/motd", content = "Welcome.\n", mode = "0644" } }"#;

    fn subject(&self) -> String {
        self.path.to_string()
    }

    fn prepare(&self, context: &Preparation<'_>) -> Result<Option<Self>, ActionError> {
        self.check()?;
        if self.ensure == Ensure::Absent {
            return Ok(None);
        }
        let bytes = self.load(context)?;
        // The rendered bytes stand for all of these from now on.
        Ok(Some(Self { bytes: Some(bytes), ..self.clone() }))
    }

    fn probe(&self, view: &View<'_>, wanted: &mut ProbeSet) {
        wanted.ask::<Stat>(self.path.clone());
        if self.ensure == Ensure::Absent {
            return;
        }
        if let Some(parent) = self.path.parent() {
            wanted.ask::<Stat>(parent);
        }
        wanted.ask::<Sha256>(self.path.clone());
        if view.mode() == Mode::Check {
            wanted.ask::<FileContent>(self.path.clone());
        }
        self.attributes().probe(wanted);
    }

    fn decide(&self, view: &View<'_>) -> Result<Decision, ActionError> {
        let entry = view.get::<Stat>(&self.path)?.as_ref();
        let mut found =
            Found { parent: None, entry, digest: None, seen: None, ids: Ids::default() };
        if self.ensure == Ensure::Present {
            if let Some(parent) = self.path.parent() {
                found.parent = view.get::<Stat>(&parent)?.as_ref();
            }
            found.digest = view.get::<Sha256>(&self.path)?.as_ref();
            if view.mode() == Mode::Check {
                found.seen = Some(view.get::<FileContent>(&self.path)?);
            }
            found.ids = self.attributes().ids(view)?;
        }
        self.decide_from(&found, view.mode())
    }
}

#[cfg(test)]
mod tests;
