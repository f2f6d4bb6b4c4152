//! Documents: `pallet.toml`, read into specs.
//!
//! Reading touches nothing but the document and the files that its secrets name. Every mistake is
//! found here, before any connection, and all mistakes of a document are told at once, each with
//! its place and with what would be allowed.
//!
//! ```
//! use pallet_core::document::Document;
//! use pallet_core::registry::Registry;
//!
//! let text = r#"
//!     [group-spec.web]
//!     roles = ["web"]
//!     count = 2
//! "#;
//! let infrastructure = Document::parse("pallet.toml", text)?.resolve(&Registry::new())?;
//! assert_eq!(infrastructure.groups.values().next().and_then(|group| group.count), Some(2));
//!
//! let mistaken = Document::parse("pallet.toml", "[group-specs.web]")?.resolve(&Registry::new());
//! let diagnostics = mistaken.expect_err("there is a mistake in it");
//! assert!(diagnostics.to_string().starts_with("pallet.toml:1:2: unknown key `group-specs`"));
//! # Ok::<(), pallet_core::document::Diagnostics>(())
//! ```
//!
//! # The parts of a document
//!
//! ```toml
//! default-service = "lab"              # of several services, the one that makes nodes
//!
//! [service.lab]
//! provider = "node-list"               # the other keys are the provider's
//! nodes    = [{ name = "web-1", group = "web", host = "192.0.2.10" }]
//!
//! [admin-user]                         # see `Login`
//! username         = "admin"
//! private-key-path = "~/.ssh/id_ed25519"
//!
//! [environment]                        # free values for templates and plan functions
//! domain = "example.org"
//!
//! [node-spec.small]                    # see `NodeSpec`
//! image    = { os-family = "ubuntu" }
//! hardware = { min-ram = 1024 }
//!
//! [server-spec.base]
//! roles          = ["managed"]
//! settings       = { nginx = { port = 80 } }   # by facility
//! packager       = "apt"                       # in place of the one found
//! default-phases = ["install", "configure"]    # what runs without being asked for
//!
//! [server-spec.base.phases]            # a phase is an array of steps
//! configure = [
//!   { remote-file = { path = "/etc/motd", content = "hi" }, id = "motd" },
//!   { exec-script = "systemctl reload x", when-changed = "motd", only-on = { os-family = "debian" } },
//!   { plan-fn = "announce", as-user = "admin" },
//!   { directory = "/srv", before = "motd" },   # where declared order does not suffice
//! ]
//!
//! [group-spec.web]                     # as a server-spec, and:
//! extends   = ["base"]
//! node-spec = "small"                  # or a table
//! count     = 2
//!
//! [group-spec.old]                     # nodes that exist, whatever group they were made for
//! node-filter = { names = ["db-*"], properties = { os-family = "debian" } }
//!
//! [cluster-spec.prod]                  # as a server-spec, for all nodes of its groups, and:
//! groups      = { web = 4 }            # or a list; its group is called prod-web
//! environment = { domain = "example.org" }
//! ```
//!
//! A name in `extends` is a server-spec of the document, or a [crate](crate::crates) of the registry;
//! settings of a crate are checked against their type.
//!
//! What a spec extends runs first, in listed order; a spec that is reached on several ways runs
//! once, at the first place.

mod check;
mod clusters;
mod crates;
mod diagnostic;
mod environment;
mod extends;
mod position;
mod reader;
mod references;
mod resolve;
mod serde_mistake;
mod services;
mod specs;
mod steps;
mod suggest;
mod syntax;
mod values;

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Map, Value};

pub use diagnostic::{Diagnostic, Diagnostics};

use crate::compute::ServiceOpener;
use crate::config::{Setting, Settings, SshSettings};
use crate::login::Login;
use crate::registry::Registry;
use crate::spec::{GroupName, GroupSpec, NodeSpec, Origin, ServerSpec};
use diagnostic::{Mistake, collected};

/// Documents are written by hand; what is larger is another kind of file.
const MAX_SIZE: u64 = 16 << 20;

/// A document whose text is TOML.
#[derive(Clone)]
pub struct Document {
    file: Arc<Path>,
    text: Arc<str>,
    /// Settings that the document wins over, the lowest first.
    below: Vec<Settings>,
    /// Settings that win over the document, the lowest first.
    above: Vec<Settings>,
}

/// What a document describes. Nothing in it has been connected to.
#[derive(Debug)]
pub struct Infrastructure {
    /// Services by name, configured and not opened.
    pub services: BTreeMap<String, Service>,
    /// The service that nodes come from where nothing else is said.
    pub default_service: Option<String>,
    /// The account that nodes are administered with; the path of its key is ready for use.
    pub admin_user: Option<Login>,
    /// How SSH connections are made.
    pub ssh: SshSettings,
    /// All settings that count, by name, and where each came from.
    pub settings: Vec<Setting>,
    /// Values that do not depend on a node.
    pub environment: Map<String, Value>,
    /// Groups, everything that they extend merged into them; those of clusters under the names
    /// that they have there.
    pub groups: BTreeMap<GroupName, GroupSpec>,
    /// Clusters, with the names of their groups.
    pub clusters: BTreeMap<GroupName, Vec<GroupName>>,
    /// Server-specs, everything that they extend merged into them.
    pub server_specs: BTreeMap<String, ServerSpec>,
    /// Node-specs.
    pub node_specs: BTreeMap<String, NodeSpec>,
    /// The document's folder, where relative local paths start.
    pub base: PathBuf,
}

/// A configured service.
#[derive(Debug)]
pub struct Service {
    /// The provider's name, as the document has it.
    pub provider: String,
    /// Opens it.
    pub opener: ServiceOpener,
    /// Where relative paths of the table start: the folder of the file that names the provider.
    pub base: PathBuf,
    /// The account that its nodes are administered with, if it is another one than elsewhere.
    pub admin_user: Option<Login>,
    /// Values for its nodes, which win over the general ones.
    pub environment: Map<String, Value>,
    /// Where it is described.
    pub origin: Origin,
}

impl Document {
    /// Reads a file.
    ///
    /// # Errors
    /// [`Diagnostics`] when the file cannot be read, is no UTF-8 text or no TOML.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, Diagnostics> {
        let (file, text) = read_text(path.as_ref())?;
        Self::parse(file, text)
    }

    /// Takes over a document's text. `path` is its name in messages, and its folder is where
    /// relative local paths start.
    ///
    /// # Errors
    /// [`Diagnostics`] with the syntax errors.
    pub fn parse(path: impl AsRef<Path>, text: impl Into<Arc<str>>) -> Result<Self, Diagnostics> {
        let (file, text) = (path.as_ref().into(), text.into());
        check_syntax(&file, &text)?;
        Ok(Self { file, text, below: Vec::new(), above: Vec::new() })
    }

    /// Puts the document over settings, the lowest first: what the document says wins.
    #[must_use]
    pub fn over(mut self, settings: impl IntoIterator<Item = Settings>) -> Self {
        self.below.extend(settings);
        self
    }

    /// Puts the document under settings, the lowest first: what they say wins.
    #[must_use]
    pub fn under(mut self, settings: impl IntoIterator<Item = Settings>) -> Self {
        self.above.extend(settings);
        self
    }

    /// Turns the document into specs, with the actions, plan functions and providers that
    /// `registry` knows.
    ///
    /// # Errors
    /// [`Diagnostics`] with all mistakes.
    pub fn resolve(&self, registry: &Registry) -> Result<Infrastructure, Diagnostics> {
        let table = syntax::parse(&self.text)
            .map_err(|mistakes| diagnostics(&self.file, &self.text, mistakes))?;
        resolve::resolve(self, table, registry)
    }

    /// The document's path, as it was given.
    pub fn path(&self) -> &Path {
        &self.file
    }

    /// The document's text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The document's folder, where relative local paths start.
    pub fn base(&self) -> PathBuf {
        match self.file.parent() {
            Some(folder) if folder != Path::new("") => folder.to_owned(),
            _ => PathBuf::from("."),
        }
    }
}

/// Reads a file of settings or a document.
pub(crate) fn read_text(path: &Path) -> Result<(Arc<Path>, Arc<str>), Diagnostics> {
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path);
    let read = file.and_then(|file| file.take(MAX_SIZE + 1).read_to_end(&mut bytes));
    if let Err(error) = read {
        let help = match error.kind() {
            std::io::ErrorKind::NotFound => "check the path",
            std::io::ErrorKind::IsADirectory => "name the file in it, such as pallet.toml",
            _ => "check that it may be read",
        };
        return Err(unreadable(path, format!("cannot be read: {error}"), help));
    }
    if bytes.len() as u64 > MAX_SIZE {
        let message = format!("is larger than {} MiB", MAX_SIZE >> 20);
        return Err(unreadable(path, message, "check that it is a Pallet document"));
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok((path.into(), text.into())),
        Err(error) => {
            let start = error.utf8_error().valid_up_to();
            let text = String::from_utf8_lossy(error.as_bytes());
            let replaced = char::REPLACEMENT_CHARACTER.len_utf8();
            let mistake = Mistake::new(start..start + replaced, "this is not UTF-8 text")
                .label("no UTF-8 from here on")
                .help("save the file in UTF-8");
            Err(one(path, &text.into(), mistake))
        }
    }
}

/// The text stays out: it is long, and it may hold passwords.
impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document").field("file", &self.file).finish_non_exhaustive()
    }
}

/// Parses a text for its syntax errors.
pub(crate) fn check_syntax(file: &Arc<Path>, text: &Arc<str>) -> Result<(), Diagnostics> {
    syntax::parse(text).map(drop).map_err(|mistakes| diagnostics(file, text, mistakes))
}

/// The one of `known` that `given` was probably meant to be.
pub(crate) fn closest_name<'a>(
    given: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    suggest::closest(given, known)
}

fn diagnostics(file: &Arc<Path>, text: &Arc<str>, mistakes: Vec<Mistake>) -> Diagnostics {
    collected(mistakes.into_iter().map(|mistake| mistake.in_document(file, text)).collect())
}

fn unreadable(path: &Path, message: String, help: &str) -> Diagnostics {
    one(path, &"".into(), Mistake::new(0..0, message).help(help))
}

fn one(path: &Path, source: &Arc<str>, mistake: Mistake) -> Diagnostics {
    collected(vec![mistake.in_document(&path.into(), source)])
}
