//! Configuration in layers: what holds for a person, a project and a single run.
//!
//! From the lowest to the highest; what a higher layer says wins:
//!
//! 1. `~/.pallet/config.toml`: the person's settings,
//! 2. `~/.pallet/services/*.toml`, by name: services, one table each (`[rack]`),
//! 3. the project's `pallet.toml`,
//! 4. [environment variables](Settings::variables).
//!
//! `PALLET_HOME` names another folder than `~/.pallet`. Layers other than the project have only
//! `default-service`, `[service.NAME]`, `[admin-user]`, `[environment]` and `[ssh]`.
//!
//! Tables are merged key by key, `[environment]` at every depth; a service of another provider
//! replaces the one below it. Relative paths of secrets and keys start at the folder of the file
//! that names them; those of a service's own keys at the folder of the file that names its
//! provider. Each value [knows](Setting) where it came from.
//!
//! ```
//! use pallet_core::config::Settings;
//! use pallet_core::document::Document;
//! use pallet_core::registry::Registry;
//!
//! let person = Settings::parse("/home/me/.pallet/config.toml", "environment.proxy = 'http://p'")?;
//! let project = Document::parse("pallet.toml", "environment.domain = 'example.org'")?;
//! let variables = Settings::variables([("PALLET_ADMIN_USER".to_owned(), "ops".to_owned())]);
//! let found = project.over([person]).under(variables).resolve(&Registry::new())?;
//! assert_eq!(found.admin_user.map(|user| user.username).as_deref(), Some("ops"));
//! let places: Vec<String> = found.settings.iter().map(|one| one.to_string()).collect();
//! assert_eq!(places, [
//!     "admin-user.username = \"ops\"  # $PALLET_ADMIN_USER",
//!     "environment.domain = \"example.org\"  # pallet.toml:1",
//!     "environment.proxy = \"http://p\"  # /home/me/.pallet/config.toml:1",
//! ]);
//! # Ok::<(), pallet_core::document::Diagnostics>(())
//! ```

mod literal;
pub(crate) mod merge;
mod origin;
mod ssh;
mod variables;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use literal::{Literal, Located};
pub(crate) use origin::list;
pub use origin::{Setting, SettingOrigin};
pub use ssh::{ConfigFile, SshSettings};

use crate::document::{Diagnostics, read_text};

/// The keys that layers other than the project have.
pub(crate) const SECTIONS: [&str; 5] =
    ["default-service", "service", "admin-user", "environment", "ssh"];

/// One layer other than the project.
#[derive(Clone)]
pub struct Settings {
    pub(crate) file: Arc<Path>,
    pub(crate) text: Arc<str>,
    pub(crate) content: Content,
}

/// What a layer holds.
#[derive(Clone)]
pub(crate) enum Content {
    /// TOML.
    Text,
    /// TOML whose keys are the names of services.
    Services,
    /// Something else that was read already.
    Tree(Arc<Located>),
}

impl Settings {
    /// Reads a file such as `~/.pallet/config.toml`.
    ///
    /// # Errors
    /// [`Diagnostics`] when it cannot be read or is no TOML.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, Diagnostics> {
        let (file, text) = read_text(path.as_ref())?;
        Self::checked(file, text, Content::Text)
    }

    /// Reads a file whose tables are services by their names, such as `~/.pallet/services/x.toml`.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_services(path: impl AsRef<Path>) -> Result<Self, Diagnostics> {
        let (file, text) = read_text(path.as_ref())?;
        Self::checked(file, text, Content::Services)
    }

    /// Takes over a text; `path` is its name in messages, and relative paths start at its folder.
    ///
    /// # Errors
    /// [`Diagnostics`] with the syntax errors.
    pub fn parse(path: impl AsRef<Path>, text: impl Into<Arc<str>>) -> Result<Self, Diagnostics> {
        Self::checked(path.as_ref().into(), text.into(), Content::Text)
    }

    /// Takes over values that were read from `text` in another format.
    pub fn tree(path: impl AsRef<Path>, text: impl Into<Arc<str>>, tree: Located) -> Self {
        let content = Content::Tree(Arc::new(tree));
        Self { file: path.as_ref().into(), text: text.into(), content }
    }

    fn checked(file: Arc<Path>, text: Arc<str>, content: Content) -> Result<Self, Diagnostics> {
        crate::document::check_syntax(&file, &text)?;
        Ok(Self { file, text, content })
    }

    /// The layers of a person: `config.toml` and then `services/*.toml`, by name, in `home`. What
    /// does not exist says nothing.
    ///
    /// # Errors
    /// [`Diagnostics`] of the first file that cannot be used.
    pub fn of_person(home: &Path) -> Result<Vec<Self>, Diagnostics> {
        let mut layers = Vec::new();
        let config = home.join("config.toml");
        if config.exists() {
            layers.push(Self::read(config)?);
        }
        let folder = home.join("services");
        let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
        let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        files.retain(|file| file.extension().is_some_and(|extension| extension == "toml"));
        files.sort();
        for file in files {
            layers.push(Self::read_services(file)?);
        }
        Ok(layers)
    }

    /// The folder of a person's settings: `PALLET_HOME`, or `~/.pallet`.
    pub fn home() -> Option<PathBuf> {
        match std::env::var_os("PALLET_HOME").filter(|home| !home.is_empty()) {
            Some(home) => Some(home.into()),
            None => std::env::home_dir().map(|home| home.join(".pallet")),
        }
    }

    /// The folder where relative paths start.
    pub(crate) fn base(&self) -> &Path {
        self.file.parent().unwrap_or(Path::new(""))
    }
}

/// The text stays out: it may hold passwords.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").field("file", &self.file).finish_non_exhaustive()
    }
}
