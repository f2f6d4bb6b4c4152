//! The crate `git`.

use std::collections::BTreeMap;

use pallet_core::crates::Crate;
use pallet_core::plan::{Plan, PlanError};
use pallet_core::shell;
use pallet_core::spec::{ServerSpec, Step};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::support::{OrWrong, install, needs_debian, phase};
use crate::actions::{self, ExecScript};

/// Git, its system-wide configuration, and working copies.
///
/// ```toml
/// [server-spec.app]
/// extends = ["git"]
///
/// [server-spec.app.settings.git]
/// config."safe.directory" = "*"
/// checkouts."/opt/app" = { repository = "https://example.com/app.git", ref = "v1.2" }
/// ```
#[derive(Debug)]
pub struct Git;

/// What the crate `git` can be told.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// The packages. Default: `git`.
    pub packages: Vec<String>,
    /// Values of the system-wide configuration, by their names. Default: none are set.
    pub config: BTreeMap<String, String>,
    /// Working copies by their paths. Default: none.
    pub checkouts: BTreeMap<String, Checkout>,
}

/// A working copy.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Checkout {
    /// The address of the repository, as the node reaches it.
    pub repository: String,
    /// A branch, a tag, or a whole commit id. Default: `main`.
    #[serde(default = "main", rename = "ref")]
    pub reference: String,
    /// The account that fetches and owns it; the directory above has to be the account's, too.
    /// Default: root.
    #[serde(default)]
    pub user: Option<String>,
    /// Whether changes made by hand are given up. Default: false.
    #[serde(default)]
    pub force: bool,
}

fn main() -> String {
    "main".to_owned()
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            packages: vec!["git".to_owned()],
            config: BTreeMap::new(),
            checkouts: BTreeMap::new(),
        }
    }
}

impl Crate for Git {
    const NAME: &'static str = "git";
    const SUMMARY: &'static str = "Git, its configuration, and working copies.";
    const EXAMPLE: &'static str = r#"[server-spec.app]
extends = ["git"]

[server-spec.app.settings.git]
config."safe.directory" = "*"
checkouts."/opt/app" = { repository = "https://example.com/app.git", ref = "v1.2" }
"#;
    type Settings = Settings;

    fn server_spec() -> ServerSpec {
        ServerSpec::new().phase("install", phase(install_git)).phase("configure", phase(configure))
    }
}

fn install_git(plan: &mut Plan<'_>) -> Result<(), PlanError> {
    needs_debian(plan, Git::NAME)?;
    let settings = plan.settings_of::<Git>()?;
    install(plan, settings.packages.iter().map(String::as_str))
}

fn configure(plan: &mut Plan<'_>) -> Result<(), PlanError> {
    let settings = plan.settings_of::<Git>()?;
    for (name, value) in &settings.config {
        let (key, word) = (shell::quote(name), shell::quote(value));
        let set = ExecScript::new(format!("git config --system --replace-all -- {key} {word}"))
            .name(format!("git config {name} = {value}"))
            .unless(format!("[ \"$(git config --system --get-all -- {key})\" = {word} ]"))
            .read_only_guards()
            .affects("/etc/gitconfig")
            .or_wrong(plan)?;
        plan.action(set);
    }
    for (path, checkout) in &settings.checkouts {
        let copy = actions::Git::new(path, &checkout.repository).or_wrong(plan)?;
        let copy = copy.at(&checkout.reference);
        let step = Step::action(if checkout.force { copy.force() } else { copy });
        plan.step(match &checkout.user {
            Some(user) => step.as_user(user),
            None => step,
        });
    }
    Ok(())
}
