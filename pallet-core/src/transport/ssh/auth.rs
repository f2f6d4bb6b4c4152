//! Logging in: what is tried, in which order, and what to say when nothing was accepted.

use std::sync::Arc;

use russh::client::{AuthResult, Handle, KeyboardInteractiveAuthResponse as Interactive};
use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::keys::{Algorithm, HashAlg, PrivateKey, PrivateKeyWithHashAlg, PublicKey};
use russh::{MethodKind, MethodSet};
use tokio::net::UnixStream;

use crate::login::Login;
use crate::secret::Secret;

use super::host_key::describe;
use super::key_ring::KeyProblem;
use super::options::expand_home;
use super::session::{Client, Link, reason};
use super::{SshOptions, TransportError};

/// A node that asks more often than this is not satisfied by the password.
const QUESTIONS: usize = 5;

/// The private key that a login names, ready for use.
pub(super) enum NamedKey {
    Loaded {
        key: Arc<PrivateKey>,
        file: String,
    },
    /// The file is encrypted and there is no passphrase, but an agent may hold the key.
    InAgent {
        key: Box<PublicKey>,
        file: String,
    },
}

/// Loads the private key that the login names, before anything is sent anywhere.
pub(super) async fn named_key(
    login: &Login,
    options: &SshOptions,
) -> Result<Option<NamedKey>, TransportError> {
    let Some(path) = &login.private_key_path else { return Ok(None) };
    let path = expand_home(path);
    let file = path.display().to_string();
    match options.key_ring.load(&path, login.passphrase.as_ref()).await {
        Ok(key) => Ok(Some(NamedKey::Loaded { key, file })),
        Err(KeyProblem::Encrypted(Some(key))) if options.identity_agent.is_some() => {
            Ok(Some(NamedKey::InAgent { key, file }))
        }
        Err(problem) => Err(problem.into_error(&path)),
    }
}

/// Logs in.
pub(super) async fn login(
    handle: &mut Handle<Client>,
    link: &Link,
    login: &Login,
    named_key: Option<NamedKey>,
    options: &SshOptions,
) -> Result<(), TransportError> {
    let mut attempts = Attempts {
        handle,
        link,
        username: &login.username,
        offered: None,
        rsa: None,
        keys: Vec::new(),
        tried: Vec::new(),
    };
    let in_by_key = match named_key {
        Some(NamedKey::Loaded { key, file }) => attempts.key(key, &file).await?,
        Some(NamedKey::InAgent { key, file }) => {
            attempts.tried.push(format!("{file} (encrypted, no passphrase given)"));
            attempts.agent(options, Some(&key)).await?
        }
        None if login.password.is_none() => {
            attempts.agent(options, None).await? || attempts.usual_files(login, options).await?
        }
        None => false,
    };
    if in_by_key {
        return Ok(());
    }
    if let Some(password) = &login.password
        && (attempts.password(password).await? || attempts.interactive(password).await?)
    {
        return Ok(());
    }
    Err(attempts.refused())
}

/// The attempts on one session.
struct Attempts<'a> {
    handle: &'a mut Handle<Client>,
    link: &'a Link,
    username: &'a str,
    /// What the node takes, once it said so. It is not asked in advance: that is a round trip.
    offered: Option<MethodSet>,
    /// The hash for RSA signatures, once it was settled.
    rsa: Option<Result<HashAlg, &'static str>>,
    /// The keys that were offered.
    keys: Vec<PublicKey>,
    tried: Vec<String>,
}

impl Attempts<'_> {
    fn may(&self, method: MethodKind) -> bool {
        self.offered.as_ref().is_none_or(|offered| offered.contains(&method))
    }

    /// Offers a key that we hold. True: we are in.
    async fn key(&mut self, key: Arc<PrivateKey>, file: &str) -> Result<bool, TransportError> {
        let name = format!("{file} ({})", describe(key.public_key()));
        let Some(hash) = self.admit(key.public_key(), &name).await else { return Ok(false) };
        let key = PrivateKeyWithHashAlg::new(key, hash);
        let result = self.handle.authenticate_publickey(self.username, key).await;
        self.settle(name, result).await
    }

    /// Offers the agent's keys, or only one of them.
    async fn agent(
        &mut self,
        options: &SshOptions,
        only: Option<&PublicKey>,
    ) -> Result<bool, TransportError> {
        let Some(socket) = &options.identity_agent else { return Ok(false) };
        let mut agent = match AgentClient::connect_uds(socket).await {
            Ok(agent) => agent,
            Err(error) => {
                self.tried.push(format!("the SSH agent at {} ({error})", socket.display()));
                return Ok(false);
            }
        };
        let identities = match agent.request_identities().await {
            Ok(identities) => identities,
            Err(error) => {
                self.tried.push(format!("the SSH agent at {} ({error})", socket.display()));
                return Ok(false);
            }
        };
        let mut keys = identities.into_iter().filter_map(|identity| match identity {
            AgentIdentity::PublicKey { key, .. } => Some(key),
            AgentIdentity::Certificate { .. } => None,
        });
        if let Some(only) = only {
            match keys.find(|key| key.key_data() == only.key_data()) {
                Some(key) => return self.agent_key(&mut agent, key).await,
                None => {
                    self.tried.push("the SSH agent, which does not hold this key".to_owned());
                    return Ok(false);
                }
            }
        }
        let keys: Vec<_> = keys.collect();
        if keys.is_empty() {
            self.tried.push("the SSH agent, which holds no key".to_owned());
        }
        for key in keys {
            if self.agent_key(&mut agent, key).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn agent_key(
        &mut self,
        agent: &mut AgentClient<UnixStream>,
        key: PublicKey,
    ) -> Result<bool, TransportError> {
        let name = format!("the SSH agent's {}", describe(&key));
        let Some(hash) = self.admit(&key, &name).await else { return Ok(false) };
        match self.handle.authenticate_publickey_with(self.username, key, hash, agent).await {
            Ok(result) => self.settle(name, Ok(result)).await,
            // The node lives; the agent would not sign.
            Err(russh::AgentAuthError::Key(error)) => {
                self.tried.push(format!("{name} ({error})"));
                Ok(false)
            }
            Err(russh::AgentAuthError::Send(_)) => Err(self.ended().await),
        }
    }

    /// Offers the keys in the usual files.
    async fn usual_files(
        &mut self,
        login: &Login,
        options: &SshOptions,
    ) -> Result<bool, TransportError> {
        for path in &options.identity_files {
            let name = path.display().to_string();
            match options.key_ring.load(path, login.passphrase.as_ref()).await {
                Ok(key) => {
                    if self.key(key, &name).await? {
                        return Ok(true);
                    }
                }
                Err(KeyProblem::Missing) => {}
                Err(problem) => self.tried.push(format!("{name} ({})", problem.reason())),
            }
        }
        Ok(false)
    }

    /// Whether to offer a key, and with which hash. A key is offered once, wherever it is found:
    /// nodes count attempts.
    async fn admit(&mut self, key: &PublicKey, name: &str) -> Option<Option<HashAlg>> {
        if !self.may(MethodKind::PublicKey) {
            self.tried.push(format!("{name} (not offered: the node takes no keys)"));
            return None;
        }
        if self.keys.iter().any(|offered| offered.key_data() == key.key_data()) {
            return None;
        }
        self.keys.push(key.clone());
        if !matches!(key.algorithm(), Algorithm::Rsa { .. }) {
            return Some(None);
        }
        match self.rsa_hash().await {
            Ok(hash) => Some(Some(hash)),
            Err(why) => {
                self.tried.push(format!("{name} (not offered: {why})"));
                None
            }
        }
    }

    async fn rsa_hash(&mut self) -> Result<HashAlg, &'static str> {
        if let Some(settled) = self.rsa {
            return settled;
        }
        let settled = match self.handle.best_supported_rsa_hash().await {
            Ok(Some(Some(hash))) => Ok(hash),
            Ok(Some(None)) => Err("the node takes RSA only with SHA-1, which is not safe"),
            // It did not say; every sshd since 2016 takes this one.
            Ok(None) | Err(_) => Ok(HashAlg::Sha512),
        };
        self.rsa = Some(settled);
        settled
    }

    async fn password(&mut self, password: &Secret) -> Result<bool, TransportError> {
        if !self.may(MethodKind::Password) {
            return Ok(false);
        }
        let result = self.handle.authenticate_password(self.username, password.reveal()).await;
        self.settle("the password".to_owned(), result).await
    }

    /// Answers every hidden question with the password.
    async fn interactive(&mut self, password: &Secret) -> Result<bool, TransportError> {
        if !self.may(MethodKind::KeyboardInteractive) {
            return Ok(false);
        }
        let name = "the password as keyboard-interactive answer".to_owned();
        let start = self.handle.authenticate_keyboard_interactive_start(self.username, None).await;
        let mut reply = start;
        for _ in 0..QUESTIONS {
            let prompts = match reply {
                Ok(Interactive::InfoRequest { prompts, .. }) => prompts,
                Ok(Interactive::Success) => {
                    return self.settle(name, Ok(AuthResult::Success)).await;
                }
                Ok(Interactive::Failure { remaining_methods, partial_success }) => {
                    let failure = AuthResult::Failure { remaining_methods, partial_success };
                    return self.settle(name, Ok(failure)).await;
                }
                Err(error) => return self.settle(name, Err(error)).await,
            };
            let answers = prompts.iter().map(|prompt| {
                if prompt.echo { String::new() } else { password.reveal().to_owned() }
            });
            let answers = answers.collect();
            reply = self.handle.authenticate_keyboard_interactive_respond(answers).await;
        }
        self.tried.push(format!("{name} (the node kept asking)"));
        Ok(false)
    }

    async fn settle(
        &mut self,
        what: String,
        result: Result<AuthResult, russh::Error>,
    ) -> Result<bool, TransportError> {
        match result {
            Ok(AuthResult::Success) => {
                let endpoint = &self.link.endpoint;
                tracing::debug!(%endpoint, username = self.username, with = what, "logged in");
                Ok(true)
            }
            Ok(AuthResult::Failure { remaining_methods, partial_success }) => {
                let more = if partial_success { " (accepted, but not enough)" } else { "" };
                self.tried.push(format!("{what}{more}"));
                // The library reports a session that ended in the middle as a failure, too.
                if self.link.end_reason().is_some() && remaining_methods.is_empty() {
                    return Err(self.ended().await);
                }
                self.offered = Some(remaining_methods);
                Ok(false)
            }
            Err(error) => {
                self.link.end(reason(&error));
                self.tried.push(what);
                Err(self.ended().await)
            }
        }
    }

    /// The error for a session that ended: a refusal, if the node had refused something before.
    async fn ended(&self) -> TransportError {
        match self.offered {
            Some(_) => self.refused(),
            None => self.link.lost().await,
        }
    }

    fn refused(&self) -> TransportError {
        let mut reason = if self.tried.is_empty() {
            "there is no private key, SSH agent or password to try".to_owned()
        } else {
            format!("tried {}", self.tried.join(", "))
        };
        if let Some(offered) = &self.offered {
            let names: Vec<&str> = offered.iter().map(<&str>::from).collect();
            let names = if names.is_empty() { "nothing else".to_owned() } else { names.join(", ") };
            reason = format!("{reason}; the node takes {names}");
        }
        if let Some(end) = self.link.end_reason() {
            reason = format!("{reason}; {end}");
        }
        TransportError::LoginRefused {
            endpoint: self.link.endpoint.clone(),
            username: self.username.to_owned(),
            reason,
        }
    }
}
