//! The `remote-file` action.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pallet_core::action::{
    Action, ActionError, Decision, Mode, Preparation, ProbeSet, Upload, View,
};
use pallet_core::secret::{MaybeSecret, redact};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::attributes::attribute_setters;
use super::whole_file::{Content, Found, WholeFile, check_verify, remove};
use super::{download, template};
use crate::probes::{Digest, Stat};
use crate::values::{AccountName, Ensure, FileMode, RemotePath};

/// A file on a node, with its content, owner, group and mode.
///
/// The content is given by exactly one of `content`, `template`, `local-file` and `url`, and arrives
/// byte by byte as it is: nothing is expanded, and no newline is added.
///
/// - `template` names a handlebars file. It sees `node`, `facts`, `settings`, `environment` and
///   `nodes`, and the step's own `values`, which win. Writing a name
///   without a value is an error; `if`, `unless`, `each` and `with` may ask for one.
/// - The node itself fetches what is at `url`, if the file has not the digest `sha256` already.
/// - Owner, group and mode that are not given are those that the file has. A new file belongs to
///   the user who writes it, with mode 0644.
/// - With a secret anywhere in the content, no difference of contents is shown, and the mode is
///   0600 unless one is given.
/// - The file is replaced as a whole, at once, complete with owner and mode: nobody sees half of
///   it. Other hard links to it keep the old content.
/// - With `verify` a command looks at the new content first, and the old file stays if it fails.
///   The command runs as the step's user; `%s` in it stands for the path of the new content.
/// - With `backups = 3` the three latest earlier contents are kept, for root alone, in the folder
///   `/var/lib/pallet/backups/<path>`, named by the time at which they were replaced.
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
    /// The file.
    path: RemotePath,
    /// The content itself, or the source of a secret one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    content: Option<MaybeSecret>,
    /// A handlebars template on this machine, relative to the document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    template: Option<PathBuf>,
    /// Values for the template.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    values: Map<String, Value>,
    /// A file on this machine, relative to the document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    local_file: Option<PathBuf>,
    /// The address from which the node fetches it; needs `sha256`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    /// The SHA-256 digest of what is at `url`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sha256: Option<Digest>,
    /// The owner. Default: kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    owner: Option<AccountName>,
    /// The group. Default: kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    group: Option<AccountName>,
    /// The mode. Default: kept, 0644 for a new file; 0600 with a secret in the content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mode: Option<FileMode>,
    /// A command that looks at the new content before it is put in place; `%s` stands for its
    /// path: `nginx -t -c %s`. If the command fails, the old file stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    verify: Option<String>,
    /// How many earlier contents are kept in `/var/lib/pallet/backups`. Default: 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    backups: u32,
    /// Whether the file shall be there. Default: present.
    #[serde(default)]
    ensure: Ensure,
    /// What it shall hold, once that is known.
    #[serde(skip)]
    loaded: Option<Loaded>,
    /// Whether there are secrets in it.
    #[serde(skip)]
    is_secret: bool,
}

/// The mode of files with secrets.
const PRIVATE: FileMode = FileMode::from_bits(0o600);

/// What a file shall hold.
#[derive(Debug, Clone)]
enum Loaded {
    Bytes(Arc<[u8]>),
    Long(Upload),
    Fetched(String, Digest),
}

impl Loaded {
    fn content(&self) -> Content<'_> {
        match self {
            Self::Bytes(bytes) => Content::Bytes(bytes),
            Self::Long(upload) => Content::Long(upload),
            Self::Fetched(url, digest) => Content::Fetched(url, digest),
        }
    }
}

/// Longer files of this machine are not read into memory.
const LONG: u64 = 1024 * 1024;

fn is_zero(count: &u32) -> bool {
    *count == 0
}

attribute_setters!(RemoteFile);

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
            url: None,
            sha256: None,
            owner: None,
            group: None,
            mode: None,
            verify: None,
            backups: 0,
            ensure: Ensure::Present,
            loaded: None,
            is_secret: false,
        })
    }

    /// Gives the content.
    #[must_use]
    pub fn content(mut self, content: impl Into<MaybeSecret>) -> Self {
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

    /// Says from where the node fetches the content, and what its SHA-256 digest is.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the digest.
    pub fn url(mut self, url: impl Into<String>, sha256: &str) -> Result<Self, String> {
        self.url = Some(url.into());
        self.sha256 = Some(sha256.parse()?);
        Ok(self)
    }

    /// Has `command` look at the new content before it is put in place; `%s` in it stands for the
    /// path of the new content.
    #[must_use]
    pub fn verify(mut self, command: impl Into<String>) -> Self {
        self.verify = Some(command.into());
        self
    }

    /// Keeps so many earlier contents.
    #[must_use]
    pub fn backups(mut self, count: u32) -> Self {
        self.backups = count;
        self
    }

    /// The file shall not be there.
    #[must_use]
    pub fn absent(mut self) -> Self {
        self.ensure = Ensure::Absent;
        self
    }

    fn check(&self) -> Result<(), ActionError> {
        let sources = [
            ("content", self.content.is_some()),
            ("template", self.template.is_some()),
            ("local-file", self.local_file.is_some()),
            ("url", self.url.is_some()),
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
                .help("give exactly one of content, template, local-file and url"));
        }
        if given.len() > 1 {
            return Err(ActionError::new(format!(
                "a file has one source, not {}",
                given.join(" and ")
            ))
            .help("give exactly one of content, template, local-file and url"));
        }
        download::check(("url", self.url.as_ref()), ("sha256", self.sha256.as_ref()))?;
        if !self.values.is_empty() && self.template.is_none() {
            return Err(ActionError::new("`values` are for templates")
                .help("name the template with `template`, or remove `values`"));
        }
        if self.ensure == Ensure::Absent && (self.verify.is_some() || self.backups > 0) {
            return Err(ActionError::new("`verify` and `backups` are for files that are written")
                .help("remove them, or remove ensure = \"absent\""));
        }
        self.verify.as_deref().map_or(Ok(()), check_verify)
    }

    fn load(&self, context: &Preparation<'_>) -> Result<Loaded, ActionError> {
        if let Some(path) = &self.template {
            let file = context.local_path(path);
            let text = String::from_utf8(context.read(path)?).map_err(|_| {
                ActionError::new(format!("{} is not UTF-8, so it is no template", file.display()))
                    .help("use local-file for a file that is copied as it is")
            })?;
            let rendered = template::render(&file, &text, context.values, &self.values)?;
            return Ok(Loaded::Bytes(rendered.into_bytes().into()));
        }
        if let Some(path) = &self.local_file {
            let file = context.local_path(path);
            if std::fs::metadata(&file).is_ok_and(|it| it.is_file() && it.len() > LONG) {
                let unreadable =
                    |error| ActionError::new(format!("cannot read {}: {error}", file.display()));
                return Upload::file(&file).map(Loaded::Long).map_err(unreadable);
            }
            return Ok(Loaded::Bytes(context.read(path)?.into()));
        }
        if let (Some(url), Some(sha256)) = (&self.url, &self.sha256) {
            return Ok(Loaded::Fetched(url.clone(), sha256.clone()));
        }
        let content = self.content.as_ref().map_or(Ok(""), MaybeSecret::reveal);
        let content =
            content.map_err(|error| ActionError::new(error.to_string()).help(error.help()))?;
        Ok(Loaded::Bytes(content.as_bytes().into()))
    }

    fn decide_from(&self, found: &Found<'_>, mode: Mode) -> Result<Decision, ActionError> {
        match (self.ensure, found.entry) {
            (Ensure::Absent, None) => Ok(Decision::Unchanged),
            (Ensure::Absent, Some(entry)) => remove(&self.path, entry).map(Decision::Change),
            (Ensure::Present, _) => self.write(found, mode),
        }
    }

    fn write(&self, found: &Found<'_>, mode: Mode) -> Result<Decision, ActionError> {
        let Some(loaded) = &self.loaded else {
            return Err(ActionError::new("the content was not prepared")
                .help("this is a mistake in the engine: `prepare` must come before `decide`"));
        };
        let change = self.whole(loaded.content()).decide_from(found, mode)?;
        Ok(change.map_or(Decision::Unchanged, Decision::Change))
    }

    fn whole<'a>(&'a self, content: Content<'a>) -> WholeFile<'a> {
        WholeFile {
            content,
            attributes: self.attributes(),
            verify: self.verify.as_deref(),
            backups: self.backups,
            is_secret: self.is_secret,
            ..WholeFile::new(&self.path, &[])
        }
    }
}

impl Action for RemoteFile {
    const NAME: &'static str = "remote-file";
    const SUMMARY: &'static str = "A file with its content, owner, group and mode.";
    const EXAMPLE: &'static str =
        r#"{ remote-file = { path = "/etc/motd", content = "Welcome.\n", mode = "0644" } }"#;

    fn check(&self, base: &Path) -> Result<(), ActionError> {
        if let Some(template) = &self.template {
            return template::check(&base.join(template));
        }
        // A path with a placeholder in it is known once that is read.
        let file = self.local_file.as_ref().map(|file| base.join(file));
        match file.filter(|file| !file.to_string_lossy().contains("{{")) {
            Some(file) => template::check_readable(&file),
            None => Ok(()),
        }
    }

    fn subject(&self) -> String {
        self.path.to_string()
    }

    fn prepare(&self, context: &Preparation<'_>) -> Result<Option<Self>, ActionError> {
        self.check()?;
        if self.ensure == Ensure::Absent {
            return Ok(None);
        }
        let loaded = self.load(context)?;
        let is_secret = self.content.as_ref().is_some_and(MaybeSecret::is_secret)
            || matches!(&loaded, Loaded::Bytes(bytes)
                if matches!(redact(&String::from_utf8_lossy(bytes)), Cow::Owned(_)));
        let mode = self.mode.or(is_secret.then_some(PRIVATE));
        // What was rendered stands for all of these from now on.
        Ok(Some(Self { loaded: Some(loaded), is_secret, mode, ..self.clone() }))
    }

    fn probe(&self, view: &View<'_>, wanted: &mut ProbeSet) {
        match self.ensure {
            Ensure::Absent => wanted.ask::<Stat>(self.path.clone()),
            Ensure::Present => self.whole(Content::Bytes(&[])).probe(view, wanted),
        }
    }

    fn decide(&self, view: &View<'_>) -> Result<Decision, ActionError> {
        let found = match self.ensure {
            Ensure::Absent => {
                Found { entry: view.get::<Stat>(&self.path)?.as_ref(), ..Found::default() }
            }
            Ensure::Present => self.whole(Content::Bytes(&[])).look(view)?,
        };
        self.decide_from(&found, view.mode())
    }
}

#[cfg(test)]
mod tests;
