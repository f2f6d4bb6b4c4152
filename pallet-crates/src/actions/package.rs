//! The `package` action.

use std::slice;

use pallet_core::action::{Action, ActionError, Decision, Key, Preparation, ProbeSet, View};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::packages::PackageEnsure;
use super::transaction::Transaction;
use crate::packagers;
use crate::values::shorthand::{Shorthand, or_string, shorthand_serde};
use crate::values::{PackageName, ReleaseName, RemotePath};

/// A package of the node's distribution, by its package manager: apt, dnf, yum, zypper, pacman,
/// apk or brew.
///
/// A name that an installed package provides counts as installed. Package lists are fetched only
/// if the node has none. Configuration files that were changed on the node are kept. A package
/// that somebody holds is not touched unless `hold` is given. Homebrew does not work for root, so
/// its steps need `as-user`.
///
/// ```
/// use pallet_crates::Package;
/// let compiler = Package::new("g++")?.without_recommends();
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(remote = "Self", deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Package", transform = or_string)]
pub struct Package {
    /// Its name, perhaps with architecture and version: `libc6:amd64`, `curl=7.88.1-10`.
    name: PackageName,
    /// Whether it shall be installed. Default: present.
    #[serde(default)]
    ensure: PackageEnsure,
    /// Whether upgrades leave it alone. Default: as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hold: Option<bool>,
    /// Whether packages that it recommends are installed too. Default: true.
    #[serde(default = "yes")]
    recommends: bool,
    /// The release that it comes from, with what it needs of it, for apt:
    /// `bookworm-backports`. What is installed already stays, unless the latest is asked for.
    /// Default: as apt is set up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    release: Option<ReleaseName>,
    /// The file on the node that it comes from, in place of a source: `/var/cache/app.deb`. A step
    /// before brings it there. The version in `name` says when it is installed again; without one
    /// it is installed where it is missing. Not for apk and brew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    file: Option<RemotePath>,
}

shorthand_serde!(Package);

impl Shorthand for Package {
    const EXPECTING: &'static str = "a name, or a table with name and more";

    fn from_table<'de, D: Deserializer<'de>>(table: D) -> Result<Self, D::Error> {
        Self::deserialize(table)
    }

    fn from_text(name: &str) -> Result<Self, String> {
        Self::new(name)
    }
}

fn yes() -> bool {
    true
}

impl Package {
    /// A package that shall be installed.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the name.
    pub fn new(name: &str) -> Result<Self, String> {
        let ensure = PackageEnsure::Present;
        Ok(Self {
            name: name.parse()?,
            ensure,
            hold: None,
            recommends: true,
            release: None,
            file: None,
        })
    }

    /// Says whether it shall be installed.
    #[must_use]
    pub fn ensure(mut self, ensure: PackageEnsure) -> Self {
        self.ensure = ensure;
        self
    }

    /// Says whether upgrades leave it alone.
    #[must_use]
    pub fn hold(mut self, hold: bool) -> Self {
        self.hold = Some(hold);
        self
    }

    /// Installs no packages that are only recommended.
    #[must_use]
    pub fn without_recommends(mut self) -> Self {
        self.recommends = false;
        self
    }

    /// Takes it from a release that is not the node's own, with apt.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the name.
    pub fn release(mut self, release: &str) -> Result<Self, String> {
        self.release = Some(release.parse()?);
        Ok(self)
    }

    /// Takes it from a file on the node.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the path.
    pub fn file(mut self, path: &str) -> Result<Self, String> {
        self.file = Some(path.parse()?);
        Ok(self)
    }

    fn transaction(&self) -> Transaction<'_> {
        Transaction {
            packages: slice::from_ref(&self.name),
            ensure: self.ensure,
            recommends: self.recommends,
            release: self.release.as_ref(),
            file: self.file.as_ref(),
            hold: self.hold,
        }
    }
}

impl Action for Package {
    const NAME: &'static str = "package";
    const SUMMARY: &'static str = "A package of the node's distribution.";
    const EXAMPLE: &'static str = r#"{ package = "git" }"#;

    fn subject(&self) -> String {
        self.name.to_string()
    }

    fn may_write(&self) -> Vec<Key> {
        vec![Key::Everything]
    }

    fn prepare(&self, context: &Preparation<'_>) -> Result<Option<Self>, ActionError> {
        let manager = context.facts.package_manager.map(packagers::of);
        self.transaction().check(manager)?;
        Ok(None)
    }

    fn probe(&self, view: &View<'_>, wanted: &mut ProbeSet) {
        self.transaction().probe(view, wanted);
    }

    fn decide(&self, view: &View<'_>) -> Result<Decision, ActionError> {
        self.transaction().decide(view)
    }
}
