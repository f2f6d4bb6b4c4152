//! The crate `automated-admin-user`.

use std::path::PathBuf;

use pallet_core::crates::Crate;
use pallet_core::plan::{Plan, PlanError};
use pallet_core::spec::ServerSpec;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::support::{OrWrong, install, needs_debian, phase};
use super::users::sudo;
use crate::actions::{AuthorizedKey, User};

/// The account that nodes are administered with: it may log in with your key and do everything
/// without a password, so that Pallet needs the image's own account only once.
///
/// It is made in the phase `bootstrap` of new nodes, and kept as it shall be by `configure`.
///
/// ```toml
/// [server-spec.base]
/// extends = ["automated-admin-user"]
/// settings.automated-admin-user.username = "ops"
/// settings.automated-admin-user.public-keys = [
///   "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHkC6ofhGtSsTjDw1VYzhBZZqGQmMe1JeVHZWaz2sBgf ops@desk",
/// ]
/// ```
#[derive(Debug)]
pub struct AutomatedAdminUser;

/// What the crate `automated-admin-user` can be told.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// The account. Default: the name of this machine's user.
    pub username: Option<String>,
    /// Public keys that may log in, as they stand in `.pub` files. Default: none beside those of
    /// `public-key-paths`.
    pub public_keys: Vec<String>,
    /// Files on this machine with public keys; `~` is the own home folder. Default: if no key is
    /// given at all, the first of `~/.ssh/id_ed25519.pub`, `id_ecdsa.pub` and `id_rsa.pub` that is
    /// there.
    pub public_key_paths: Vec<String>,
    /// The login shell. Default: `/bin/bash`.
    pub shell: String,
    /// Whether sudo lets it do everything without a password. Default: true.
    pub sudo: bool,
    /// Whether the package `sudo` is installed. Default: true.
    pub install_sudo: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            username: None,
            public_keys: Vec::new(),
            public_key_paths: Vec::new(),
            shell: "/bin/bash".to_owned(),
            sudo: true,
            install_sudo: true,
        }
    }
}

impl Crate for AutomatedAdminUser {
    const NAME: &'static str = "automated-admin-user";
    const SUMMARY: &'static str = "The account that nodes are administered with.";
    const EXAMPLE: &'static str = r#"[server-spec.base]
extends = ["automated-admin-user"]
settings.automated-admin-user.username = "ops"
settings.automated-admin-user.public-keys = [
  "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHkC6ofhGtSsTjDw1VYzhBZZqGQmMe1JeVHZWaz2sBgf ops@desk",
]
"#;
    type Settings = Settings;

    fn server_spec() -> ServerSpec {
        ServerSpec::new().phase("bootstrap", phase(make)).phase("configure", phase(make))
    }
}

fn make(plan: &mut Plan<'_>) -> Result<(), PlanError> {
    let settings = plan.settings_of::<AutomatedAdminUser>()?;
    let name = match settings.username.clone().or_else(|| std::env::var("USER").ok()) {
        Some(name) => name,
        None => {
            let error = plan.error("nobody says which account shall be made");
            return Err(error.help("set `settings.automated-admin-user.username`"));
        }
    };
    let keys = settings.keys(plan)?;
    if settings.sudo && settings.install_sudo {
        needs_debian(plan, AutomatedAdminUser::NAME)?;
        install(plan, ["sudo"])?;
    }
    let user = User::new(&name).and_then(|user| user.shell(&settings.shell)).or_wrong(plan)?;
    plan.action(user);
    for key in keys {
        let action = AuthorizedKey::new(&name, &key).or_wrong(plan)?;
        plan.action(action);
    }
    if name != "root" {
        let action = sudo(&name, settings.sudo).or_wrong(plan)?;
        plan.action(action);
    }
    Ok(())
}

impl Settings {
    /// All keys; an account without one could never be used.
    fn keys(&self, plan: &Plan<'_>) -> Result<Vec<String>, PlanError> {
        let mut keys = self.public_keys.clone();
        for path in &self.public_key_paths {
            keys.push(read(path).map_err(|message| {
                plan.error(message).help("a path begins with ~/ or /; check that the file is there")
            })?);
        }
        if keys.is_empty() {
            let usual = ["id_ed25519", "id_ecdsa", "id_rsa"];
            keys.extend(usual.iter().find_map(|name| read(&format!("~/.ssh/{name}.pub")).ok()));
        }
        if keys.is_empty() {
            let error = plan.error("there is no public key for the account that shall be made");
            return Err(error.help(
                "give one in `public-keys` or `public-key-paths`, or make one with `ssh-keygen`",
            ));
        }
        Ok(keys)
    }
}

fn read(path: &str) -> Result<String, String> {
    let file = match (path.strip_prefix("~/"), std::env::home_dir()) {
        (Some(below), Some(home)) => home.join(below),
        _ => PathBuf::from(path),
    };
    let text = std::fs::read_to_string(&file)
        .map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    Ok(text.trim().to_owned())
}
