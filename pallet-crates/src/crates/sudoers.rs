//! The crate `sudoers`.

use std::collections::BTreeMap;

use pallet_core::crates::Crate;
use pallet_core::plan::{Plan, PlanError};
use pallet_core::spec::ServerSpec;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::support::{OrWrong, install, needs_debian, phase};
use crate::actions;

/// Rules for sudo, in files of their own in `/etc/sudoers.d`: what the distribution and others have
/// said stays. `visudo` looks at each file before it holds.
///
/// ```toml
/// [server-spec.base]
/// extends = ["sudoers"]
///
/// [server-spec.base.settings.sudoers]
/// passwordless = ["%ops"]
/// files.deploy = ["Cmnd_Alias WEB = /usr/bin/systemctl reload nginx", "deploy ALL=(root) NOPASSWD: WEB"]
/// files.old    = []
/// ```
#[derive(Debug)]
pub struct Sudoers;

/// What the crate `sudoers` can be told.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// Accounts, and groups with a `%` before their name, that may do everything without a
    /// password. Default: none.
    pub passwordless: Vec<String>,
    /// Files by name, each with its lines: aliases, defaults and rules. A file without lines is
    /// removed. Default: none.
    pub files: BTreeMap<String, Vec<String>>,
}

impl Crate for Sudoers {
    const NAME: &'static str = "sudoers";
    const SUMMARY: &'static str = "Rules for sudo, checked before they hold.";
    const EXAMPLE: &'static str = r#"[server-spec.base]
extends = ["sudoers"]

[server-spec.base.settings.sudoers]
passwordless = ["%ops"]
files.deploy = ["Cmnd_Alias WEB = /usr/bin/systemctl reload nginx", "deploy ALL=(root) NOPASSWD: WEB"]
files.old    = []
"#;
    type Settings = Settings;

    fn server_spec() -> ServerSpec {
        ServerSpec::new().phase("install", phase(install_sudo)).phase("configure", phase(configure))
    }
}

fn install_sudo(plan: &mut Plan<'_>) -> Result<(), PlanError> {
    needs_debian(plan, Sudoers::NAME)?;
    install(plan, ["sudo"])
}

fn configure(plan: &mut Plan<'_>) -> Result<(), PlanError> {
    let Settings { passwordless, files } = plan.settings_of::<Sudoers>()?;
    let all = passwordless.iter().map(|who| format!("{who} ALL=(ALL:ALL) NOPASSWD: ALL"));
    let general = ("pallet-passwordless".to_owned(), all.collect());
    for (name, lines) in std::iter::once(general).chain(files) {
        let action = match lines.is_empty() {
            true => actions::Sudoers::absent(&name),
            false => actions::Sudoers::new(&name, lines),
        };
        let action = action.or_wrong(plan)?;
        plan.action(action);
    }
    Ok(())
}
