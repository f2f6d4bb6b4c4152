//! The crate `users`.

use std::collections::BTreeMap;

use pallet_core::crates::Crate;
use pallet_core::plan::{Plan, PlanError};
use pallet_core::spec::ServerSpec;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::support::{OrWrong, install, needs_debian, phase};
use crate::actions::{AuthorizedKey, Group, Sudoers, User};

/// Groups and accounts, with their keys and what sudo lets them do.
///
/// Specs that build on each other add to the same account: one gives it a shell, another one a key.
///
/// ```toml
/// [server-spec.base]
/// extends = ["users"]
///
/// [server-spec.base.settings.users]
/// groups.staff-web = {}
/// accounts.ada = { groups = ["staff-web"], shell = "/bin/bash", sudo = true }
/// accounts.old = { absent = true }
/// ```
#[derive(Debug)]
pub struct Users;

/// What the crate `users` can be told.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// Groups by name. Default: none.
    pub groups: BTreeMap<String, GroupSettings>,
    /// Accounts by name. Default: none.
    pub accounts: BTreeMap<String, Account>,
}

/// A group.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct GroupSettings {
    /// Its id. Default: the next free one.
    pub gid: Option<u32>,
    /// Whether its id is from the range for the system. Default: false.
    pub system: bool,
    /// Whether it shall not be there. Default: false.
    pub absent: bool,
}

/// An account.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Account {
    /// The user id. Default: the next free one.
    pub uid: Option<u32>,
    /// The primary group. Default: the one called like the account.
    pub group: Option<String>,
    /// Groups beside the primary one. Default: none are added.
    pub groups: Vec<String>,
    /// The home directory. Default: `/home/<name>`.
    pub home: Option<String>,
    /// Whether a new account's home directory is made. Default: true.
    pub create_home: bool,
    /// The login shell. Default: the system's choice.
    pub shell: Option<String>,
    /// The full name. Default: none.
    pub comment: Option<String>,
    /// Whether it is an account of the system's, not a person's. Default: false.
    pub system: bool,
    /// Public keys that may log in, as they stand in `.pub` files. Default: none are added.
    pub keys: Vec<String>,
    /// Whether sudo lets it do everything without a password. Default: left alone.
    pub sudo: Option<bool>,
    /// Whether it shall not be there. Default: false.
    pub absent: bool,
}

impl Default for Account {
    fn default() -> Self {
        Self {
            uid: None,
            group: None,
            groups: Vec::new(),
            home: None,
            create_home: true,
            shell: None,
            comment: None,
            system: false,
            keys: Vec::new(),
            sudo: None,
            absent: false,
        }
    }
}

impl Crate for Users {
    const NAME: &'static str = "users";
    const SUMMARY: &'static str = "Groups and accounts, with their keys and rights.";
    const EXAMPLE: &'static str = r#"[server-spec.base]
extends = ["users"]

[server-spec.base.settings.users]
groups.staff-web = {}
accounts.ada = { groups = ["staff-web"], shell = "/bin/bash", sudo = true }
accounts.old = { absent = true }
"#;
    type Settings = Settings;

    fn server_spec() -> ServerSpec {
        ServerSpec::new().phase("configure", phase(configure))
    }
}

fn configure(plan: &mut Plan<'_>) -> Result<(), PlanError> {
    let settings = plan.settings_of::<Users>()?;
    if settings.accounts.values().any(|account| account.sudo == Some(true)) {
        needs_debian(plan, Users::NAME)?;
        install(plan, ["sudo"])?;
    }
    for (name, group) in settings.groups.iter().filter(|(_, group)| !group.absent) {
        let action = Group::new(name).map(|it| group.gid.into_iter().fold(it, Group::gid));
        let action = action.or_wrong(plan)?;
        plan.action(if group.system { action.system() } else { action });
    }
    for (name, account) in &settings.accounts {
        let action = account.action(name).or_wrong(plan)?;
        plan.action(action);
        if !account.absent {
            for key in &account.keys {
                let action = AuthorizedKey::new(name, key).or_wrong(plan)?;
                plan.action(action);
            }
        }
        if let Some(allowed) = account.sudo {
            let action = sudo(name, allowed && !account.absent).or_wrong(plan)?;
            plan.action(action);
        }
    }
    // A group that is somebody's primary one can only go after them.
    for (name, _) in settings.groups.iter().filter(|(_, group)| group.absent) {
        let action = Group::new(name).or_wrong(plan)?.absent();
        plan.action(action);
    }
    Ok(())
}

/// sudo for everything, without a password.
pub(super) fn sudo(name: &str, allowed: bool) -> Result<Sudoers, String> {
    // Names of such files have no dots.
    let file = format!("pallet-{}", name.replace('.', "_"));
    match allowed {
        true => Sudoers::new(&file, [format!("{name} ALL=(ALL:ALL) NOPASSWD: ALL")]),
        false => Sudoers::absent(&file),
    }
}

impl Account {
    fn action(&self, name: &str) -> Result<User, String> {
        let mut user = User::new(name)?;
        if self.absent {
            return Ok(user.absent());
        }
        if let Some(uid) = self.uid {
            user = user.uid(uid);
        }
        if let Some(group) = &self.group {
            user = user.group(group)?;
        }
        user = user.create_home(self.create_home);
        if !self.groups.is_empty() {
            user = user.groups(self.groups.iter().map(String::as_str))?;
        }
        if let Some(home) = &self.home {
            user = user.home(home)?;
        }
        if let Some(shell) = &self.shell {
            user = user.shell(shell)?;
        }
        if let Some(comment) = &self.comment {
            user = user.comment(comment);
        }
        Ok(if self.system { user.system() } else { user })
    }
}
