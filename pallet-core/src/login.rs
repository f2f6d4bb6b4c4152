//! Logins: who we are on a node, and how we prove it.

use std::path::PathBuf;

use serde::Deserialize;

use crate::local_path;
use crate::secret::{Secret, SecretError};

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
    /// Nobody chose the account: the SSH configuration may name another one.
    #[serde(skip)]
    pub username_is_assumed: bool,
    /// Private key file. Without one, and without a password, the SSH agent and the usual files
    /// in `~/.ssh` are tried.
    #[serde(default, deserialize_with = "local_path::optional")]
    pub private_key_path: Option<PathBuf>,
    /// The private key itself, where it is in no file: `{ env = "DEPLOY_KEY" }`.
    #[serde(default)]
    pub private_key: Option<Secret>,
    /// Passphrase of the private key.
    #[serde(default)]
    pub passphrase: Option<Secret>,
    /// Password for the login itself.
    #[serde(default)]
    pub password: Option<Secret>,
    /// Password that sudo asks for. Default: the login's password, if there is one.
    #[serde(default)]
    pub sudo_password: Option<Secret>,
    /// Work as the account that is logged in, without sudo. Default: false.
    #[serde(default)]
    pub no_sudo: bool,
    /// Work as this account, through sudo. Default: root. Wins over `no-sudo`, and steps that name
    /// an account win over it.
    #[serde(default)]
    pub sudo_user: Option<String>,
}

impl Login {
    /// A login by the agent or the usual keys, becoming root by a sudo that asks for nothing.
    pub fn new(username: impl Into<String>) -> Self {
        Self {
            username: username.into(),
            username_is_assumed: false,
            private_key_path: None,
            private_key: None,
            passphrase: None,
            password: None,
            sudo_password: None,
            no_sudo: false,
            sudo_user: None,
        }
    }

    /// As [`new`](Self::new), for an account that nobody chose, such as that of this machine's
    /// user: the `User` of `~/.ssh/config` counts instead where there is one.
    pub fn assumed(username: impl Into<String>) -> Self {
        Self { username_is_assumed: true, ..Self::new(username) }
    }

    /// Fetches the secrets that are fetched only when they are needed: asks their commands,
    /// decrypts their files. Later ones are at hand.
    ///
    /// # Errors
    /// The first [`SecretError`].
    pub async fn unlock(&self) -> Result<(), SecretError> {
        let secrets = [&self.private_key, &self.passphrase, &self.password, &self.sudo_password];
        let secrets: Vec<Secret> = secrets.into_iter().flatten().cloned().collect();
        if secrets.is_empty() {
            return Ok(());
        }
        let fetch = move || secrets.iter().try_for_each(|secret| secret.reveal().map(|_| ()));
        // A task that is cancelled: the program ends.
        tokio::task::spawn_blocking(fetch).await.unwrap_or(Ok(()))
    }

    /// What sudo may be told when it asks.
    pub fn sudo_secret(&self) -> Option<&Secret> {
        self.sudo_password.as_ref().or(self.password.as_ref())
    }
}
