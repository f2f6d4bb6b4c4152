//! Logins: who we are on a node, and how we prove it.

use std::path::PathBuf;

use serde::{Deserialize, Deserializer, de};

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
    /// The folder in which nodes keep their lock, their run log and uploads. Default: the run's
    /// [`node_folder`](crate::engine::Control::node_folder).
    #[serde(default, deserialize_with = "absolute")]
    pub state_root: Option<String>,
}

/// A path on a node, which has to be absolute.
fn absolute<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let path = String::deserialize(deserializer)?;
    if !path.starts_with('/') || path.contains(['\0', '\n', '\r']) {
        return Err(de::Error::custom(format!("`{}` is no absolute path", path.escape_debug())));
    }
    Ok(Some(path))
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
            state_root: None,
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

    /// The same login, with the keys of `other` if it has neither a key nor a password: images are
    /// often prepared with the key that their nodes are administered with later.
    #[must_use]
    pub fn or_keys_of(mut self, other: &Login) -> Self {
        let has_own = self.private_key_path.is_some() || self.private_key.is_some();
        if !has_own && self.password.is_none() {
            self.private_key_path.clone_from(&other.private_key_path);
            self.private_key.clone_from(&other.private_key);
            self.passphrase.clone_from(&other.passphrase);
        }
        self
    }

    /// What sudo may be told when it asks.
    pub fn sudo_secret(&self) -> Option<&Secret> {
        self.sudo_password.as_ref().or(self.password.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_without_credentials_takes_the_keys_of_another_one() {
        let key = |path: &str| Some(PathBuf::from(path));
        let admin = Login {
            private_key_path: key("admin"),
            passphrase: Some(Secret::new("of admin")),
            sudo_password: Some(Secret::new("admin's own")),
            ..Login::new("admin")
        };
        let filled = Login::new("image").or_keys_of(&admin);
        assert_eq!((filled.username.as_str(), filled.private_key_path), ("image", key("admin")));
        assert!(filled.passphrase.is_some() && filled.sudo_password.is_none());
        let with_key = Login { private_key_path: key("image"), ..Login::new("image") };
        let with_password = Login { password: Some(Secret::new("p")), ..Login::new("image") };
        assert_eq!(with_key.or_keys_of(&admin).private_key_path, key("image"));
        assert_eq!(with_password.or_keys_of(&admin).private_key_path, None);
    }

    #[test]
    fn the_folder_on_nodes_is_an_absolute_path() {
        let read = |text: &str| toml::from_str::<Login>(&format!("username = 'a'\n{text}"));
        assert_eq!(read("").unwrap().state_root, None);
        let found = read("state-root = '/srv/my state'").unwrap();
        assert_eq!(found.state_root.as_deref(), Some("/srv/my state"));
        for wrong in ["state-root = 'state'", r#"state-root = "/a\nb""#, "state-root = ''"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
