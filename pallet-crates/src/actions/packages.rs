//! The `packages` action.

use pallet_core::action::{Action, ActionError, Decision, Key, Preparation, ProbeSet, View};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::transaction::Transaction;
use crate::packagers;
use crate::values::shorthand::{Shorthand, or_list, shorthand_serde};
use crate::values::{PackageName, ReleaseName};

/// Several packages, installed or removed in one transaction.
///
/// All that [`Package`](super::Package) says goes for each of them.
///
/// ```
/// use pallet_crates::Packages;
/// let tools = Packages::new(["build-essential", "git", "curl"])?;
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(remote = "Self", deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Packages", transform = or_list)]
pub struct Packages {
    /// Names, each perhaps with architecture and version: `libc6:amd64`, `curl=7.88.1-10`.
    names: Vec<PackageName>,
    /// Whether they shall be installed. Default: present.
    #[serde(default)]
    ensure: PackageEnsure,
    /// Whether upgrades leave them alone. Default: as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hold: Option<bool>,
    /// Whether packages that they recommend are installed too. Default: true.
    #[serde(default = "yes")]
    recommends: bool,
    /// The release that they come from, with what they need of it, for apt:
    /// `bookworm-backports`. What is installed already stays, unless the latest is asked for.
    /// Default: as apt is set up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    release: Option<ReleaseName>,
}

/// Whether a package shall be installed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PackageEnsure {
    /// It is installed, in the version that is named if one is.
    #[default]
    Present,
    /// It is installed, in the newest version that the lists of packages know.
    Latest,
    /// It is not installed; configuration files may remain.
    Absent,
    /// It is not installed, and its configuration files are gone too.
    Purged,
}

shorthand_serde!(Packages);

impl Shorthand for Packages {
    const EXPECTING: &'static str = "a list of names, or a table with names and more";

    fn from_table<'de, D: Deserializer<'de>>(table: D) -> Result<Self, D::Error> {
        Self::deserialize(table)
    }

    fn from_text(name: &str) -> Result<Self, String> {
        Err(format!("`packages` takes a list: packages = [\"{name}\"], or package = \"{name}\""))
    }

    fn from_list(list: Vec<String>) -> Option<Result<Self, String>> {
        Some(Self::new(list.iter().map(String::as_str)))
    }
}

fn yes() -> bool {
    true
}

impl Packages {
    /// Packages that shall be installed.
    ///
    /// # Errors
    /// A sentence that says what is wrong with a name.
    pub fn new<'n>(names: impl IntoIterator<Item = &'n str>) -> Result<Self, String> {
        let names = names.into_iter().map(str::parse).collect::<Result<_, String>>()?;
        Ok(Self {
            names,
            ensure: PackageEnsure::Present,
            hold: None,
            recommends: true,
            release: None,
        })
    }

    /// Says whether they shall be installed.
    #[must_use]
    pub fn ensure(mut self, ensure: PackageEnsure) -> Self {
        self.ensure = ensure;
        self
    }

    /// Says whether upgrades leave them alone.
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

    /// Takes them from a release that is not the node's own, with apt.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the name.
    pub fn release(mut self, release: &str) -> Result<Self, String> {
        self.release = Some(release.parse()?);
        Ok(self)
    }

    fn transaction(&self) -> Transaction<'_> {
        Transaction {
            packages: &self.names,
            ensure: self.ensure,
            recommends: self.recommends,
            release: self.release.as_ref(),
            file: None,
            hold: self.hold,
        }
    }
}

impl Action for Packages {
    const NAME: &'static str = "packages";
    const SUMMARY: &'static str = "Several packages, installed or removed in one transaction.";
    const EXAMPLE: &'static str = r#"{ packages = ["build-essential", "git"] }"#;

    fn subject(&self) -> String {
        let shown: Vec<String> = self.names.iter().take(3).map(ToString::to_string).collect();
        let rest = self.names.len() - shown.len();
        match rest {
            0 => shown.join(", "),
            rest => format!("{} and {rest} more", shown.join(", ")),
        }
    }

    fn prepare(&self, context: &Preparation<'_>) -> Result<Option<Self>, ActionError> {
        if self.names.is_empty() {
            return Err(ActionError::new("the list of packages is empty"));
        }
        for package in &self.names {
            let is_other_version = |other: &&PackageName| {
                other.name() == package.name()
                    && other.arch() == package.arch()
                    && *other != package
            };
            if let Some(other) = self.names.iter().find(is_other_version) {
                return Err(ActionError::new(format!("both {package} and {other} are asked for"))
                    .help("name each package once"));
            }
        }
        self.transaction().check(context.facts.package_manager.map(packagers::of))?;
        Ok(None)
    }

    fn may_write(&self) -> Vec<Key> {
        vec![Key::Everything]
    }

    fn probe(&self, view: &View<'_>, wanted: &mut ProbeSet) {
        self.transaction().probe(view, wanted);
    }

    fn decide(&self, view: &View<'_>) -> Result<Decision, ActionError> {
        self.transaction().decide(view)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_package_in_two_versions_is_a_mistake() {
        use pallet_core::facts::Facts;
        let values = pallet_core::plan::Values::default();
        let base = std::path::Path::new("");
        let context = Preparation { facts: &Facts::default(), values: &values, base };
        let prepare = |names: &[&str]| {
            let packages = Packages::new(names.iter().copied()).unwrap();
            packages.prepare(&context).map_err(|error| error.to_string())
        };
        assert!(prepare(&["git", "git", "libc6:amd64", "libc6:i386"]).is_ok());
        assert_eq!(prepare(&["git", "git=1"]).unwrap_err(), "both git and git=1 are asked for");
        assert_eq!(prepare(&[]).unwrap_err(), "the list of packages is empty");
    }

    #[test]
    fn subjects_do_not_grow() {
        let packages = |names: &[&str]| Packages::new(names.iter().copied()).unwrap();
        assert_eq!(packages(&["a", "b=1"]).subject(), "a, b=1");
        assert_eq!(packages(&["a", "b", "c", "d", "e"]).subject(), "a, b, c and 2 more");
    }
}
