//! Logins: who we are on a node, and how we prove it.

use std::path::PathBuf;

use serde::Deserialize;

use crate::secret::Secret;

/// An account on nodes, how to log in to it and how to become root from it.
///
/// As a document table:
///
/// ```toml
/// [admin-user]
/// username         = "pallet-admin"
/// private-key-path = "~/.ssh/id_ed25519"
/// sudo-password    = { env = "SUDO_PASSWORD" }
/// ```
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Login {
    /// Account name on the node.
    pub username: String,
    /// Private key file. Without one, and without a password, the SSH agent and the usual files
    /// in `~/.ssh` are tried.
    #[serde(default)]
    pub private_key_path: Option<PathBuf>,
    /// Passphrase of the private key.
    #[serde(default)]
    pub passphrase: Option<Secret>,
    /// Password for the login itself.
    #[serde(default)]
    pub password: Option<Secret>,
    /// Password that sudo asks for. Default: the login's password, if there is one.
    #[serde(default)]
    pub sudo_password: Option<Secret>,
    /// Work as this account, without sudo. Default: false.
    #[serde(default)]
    pub no_sudo: bool,
}

impl Login {
    /// A login by the agent or the usual keys, becoming root by a sudo that asks for nothing.
    pub fn new(username: impl Into<String>) -> Self {
        Self {
            username: username.into(),
            private_key_path: None,
            passphrase: None,
            password: None,
            sudo_password: None,
            no_sudo: false,
        }
    }

    /// What sudo may be told when it asks.
    pub fn sudo_secret(&self) -> Option<&Secret> {
        self.sudo_password.as_ref().or(self.password.as_ref())
    }
}
