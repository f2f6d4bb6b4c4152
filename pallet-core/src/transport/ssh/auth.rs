//! Logging in: what is tried, in which order, and what to say when nothing was accepted.

use std::path::Path;
use std::sync::Arc;

use russh::client::{AuthResult, Handle, KeyboardInteractiveAuthResponse as Interactive};
use russh::keys::{Algorithm, Certificate, HashAlg, PrivateKey, PrivateKeyWithHashAlg, PublicKey};
use russh::{MethodKind, MethodSet};

use crate::secret::Secret;

use super::certificate;
use super::host_key::describe;
use super::identities::{Agent, AgentSigner};
use super::key_ring::{KeyProblem, public_key};
use super::options::expand_home;
use super::route::{Identities, Stop};
use super::session::{Client, Link, reason};
use super::{SshOptions, TransportError};

/// A node that asks more often than this is not satisfied by the password.
const QUESTIONS: usize = 5;

/// A key to log in with, from a file.
pub(super) struct Identity {
    key: Holder,
    file: String,
}

/// Who can sign with a key.
enum Holder {
    Here(Arc<PrivateKey>),
    /// Only an agent can, and why.
    Agent(Box<PublicKey>, &'static str),
}

/// Loads the private key that the login names, before anything is sent anywhere.
pub(super) async fn own_keys(
    stop: &Stop,
    options: &SshOptions,
) -> Result<Option<Identity>, TransportError> {
    if let Some(text) = &stop.login.private_key {
        let key = options.key_ring.parse(text, stop.login.passphrase.as_ref()).await;
        let key = key.map_err(|problem| problem.into_error("the private key".as_ref()))?;
        let file = "the private key given".to_owned();
        return Ok(Some(Identity { key: Holder::Here(key), file }));
    }
    let Some(path) = &stop.login.private_key_path else { return Ok(None) };
    let path = expand_home(path);
    match identity(&path, stop, options).await {
        Ok(identity) => Ok(Some(identity)),
        Err(problem) => Err(problem.into_error(&path)),
    }
}

async fn identity(path: &Path, stop: &Stop, options: &SshOptions) -> Result<Identity, KeyProblem> {
    let has_agent = stop.identities.agent.is_some();
    let key = match options.key_ring.load(path, stop.login.passphrase.as_ref()).await {
        Ok(key) => Holder::Here(key),
        Err(KeyProblem::Encrypted(Some(key))) if has_agent => {
            Holder::Agent(key, "encrypted, no passphrase given")
        }
        Err(KeyProblem::Public(key)) if has_agent => Holder::Agent(key, "a public key"),
        Err(KeyProblem::Missing) if has_agent => match public_key(&path.with_extension("pub")) {
            Some(key) => Holder::Agent(key, "only the public key is there"),
            None => return Err(KeyProblem::Missing),
        },
        Err(problem) => return Err(problem),
    };
    Ok(Identity { key, file: path.display().to_string() })
}

/// Logs in.
pub(super) async fn login(
    handle: &mut Handle<Client>,
    link: &Link,
    stop: &Stop,
    named: Option<Identity>,
    options: &SshOptions,
) -> Result<(), TransportError> {
    let mut attempts = Attempts {
        handle,
        link,
        username: &stop.login.username,
        identities: &stop.identities,
        agent: None,
        offered: None,
        rsa: None,
        keys: Vec::new(),
        certificates: Vec::new(),
        tried: Vec::new(),
    };
    let password = stop.login.password.as_ref();
    let in_by_key = match named {
        Some(identity) => attempts.identity(identity).await?,
        None if password.is_none() => attempts.found_keys(stop, options).await?,
        None => false,
    };
    if in_by_key {
        return Ok(());
    }
    if let Some(password) = password
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
    identities: &'a Identities,
    /// The agent, once it was asked.
    agent: Option<Agent>,
    /// What the node takes, once it said so. It is not asked in advance: that is a round trip.
    offered: Option<MethodSet>,
    /// The hash for RSA signatures, once it was settled.
    rsa: Option<Result<HashAlg, &'static str>>,
    /// The keys that were offered.
    keys: Vec<PublicKey>,
    /// The certificates that were offered.
    certificates: Vec<Certificate>,
    tried: Vec<String>,
}

impl Attempts<'_> {
    fn may(&self, method: MethodKind) -> bool {
        self.offered.as_ref().is_none_or(|offered| offered.contains(&method))
    }

    /// Offers the keys that are found where the login names none: those that were chosen for this
    /// host before the agent's others, and those before the usual files.
    async fn found_keys(
        &mut self,
        stop: &Stop,
        options: &SshOptions,
    ) -> Result<bool, TransportError> {
        let Identities { are_chosen, only, .. } = *self.identities;
        let files_first = are_chosen || only;
        if files_first && self.files(stop, options).await? {
            return Ok(true);
        }
        if !only && self.agents_keys().await? {
            return Ok(true);
        }
        Ok(!files_first && self.files(stop, options).await?)
    }

    async fn files(&mut self, stop: &Stop, options: &SshOptions) -> Result<bool, TransportError> {
        for path in &self.identities.files {
            match identity(path, stop, options).await {
                Ok(identity) => {
                    if self.identity(identity).await? {
                        return Ok(true);
                    }
                }
                Err(KeyProblem::Missing) if !self.identities.are_chosen => {}
                Err(problem) => {
                    self.tried.push(format!("{} ({})", path.display(), problem.reason()));
                }
            }
        }
        Ok(false)
    }

    /// Offers a key from a file, its certificates first. True: we are in.
    async fn identity(&mut self, identity: Identity) -> Result<bool, TransportError> {
        let Identity { key, file } = identity;
        match key {
            Holder::Here(key) => {
                for certificate in self.certificates_of(key.public_key(), Some(file.as_ref())) {
                    if self.certificate(&key, certificate, &file).await? {
                        return Ok(true);
                    }
                }
                self.key(key, &file).await
            }
            Holder::Agent(key, why) => {
                self.tried.push(format!("{file} ({why})"));
                if !self.ask_agent().await {
                    return Ok(false);
                }
                if !self.agent.as_ref().is_some_and(|agent| agent.holds(&key)) {
                    self.tried.push("the SSH agent, which does not hold this key".to_owned());
                    return Ok(false);
                }
                let file = file.strip_suffix(".pub").unwrap_or(&file);
                self.agent_key(*key, Some(file.as_ref())).await
            }
        }
    }

    /// The certificates of a key: beside its file, those that are configured, the agent's.
    fn certificates_of(&mut self, key: &PublicKey, file: Option<&Path>) -> Vec<Certificate> {
        let mut found = Vec::new();
        let beside = file.map(certificate::beside);
        for file in beside.iter().chain(&self.identities.certificates) {
            match certificate::read_user(file) {
                Some(Ok(certificate)) => found.push(certificate),
                Some(Err(reason)) => self.tried.push(format!("{} ({reason})", file.display())),
                None => {}
            }
        }
        found.extend(self.agent.iter().flat_map(|agent| agent.certificates.iter().cloned()));
        found.retain(|certificate| certificate.public_key() == key.key_data());
        found
    }

    /// Offers a key that we hold.
    async fn key(&mut self, key: Arc<PrivateKey>, file: &str) -> Result<bool, TransportError> {
        let name = format!("{file} ({})", describe(key.public_key()));
        let Some(hash) = self.admit(key.public_key(), &name).await else { return Ok(false) };
        let key = PrivateKeyWithHashAlg::new(key, hash);
        let result = self.handle.authenticate_publickey(self.username, key).await;
        self.settle(name, result).await
    }

    /// Offers a certificate of a key that we hold.
    async fn certificate(
        &mut self,
        key: &Arc<PrivateKey>,
        certificate: Certificate,
        file: &str,
    ) -> Result<bool, TransportError> {
        let name = format!("the certificate `{}` of {file}", certificate.key_id());
        if matches!(key.algorithm(), Algorithm::Rsa { .. }) {
            self.tried.push(format!("{name} (RSA: only an SSH agent can use it)"));
            return Ok(false);
        }
        if !self.admit_certificate(&certificate, &name) {
            return Ok(false);
        }
        let key = Arc::clone(key);
        let result = self.handle.authenticate_openssh_cert(self.username, key, certificate).await;
        self.settle(name, result).await
    }

    /// Connects to the agent if that was not done yet. False: there is none.
    async fn ask_agent(&mut self) -> bool {
        if self.agent.is_none()
            && let Some(socket) = &self.identities.agent
        {
            match Agent::ask(socket).await {
                Ok(agent) => self.agent = Some(agent),
                Err(reason) => self.tried.push(reason),
            }
        }
        self.agent.is_some()
    }

    /// Offers all of the agent's keys.
    async fn agents_keys(&mut self) -> Result<bool, TransportError> {
        if !self.ask_agent().await {
            return Ok(false);
        }
        let keys = self.agent.as_ref().map(Agent::all).unwrap_or_default();
        if keys.is_empty() {
            self.tried.push("the SSH agent, which holds no key".to_owned());
        }
        for key in keys {
            if self.agent_key(key, None).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Offers a key that the agent holds, its certificates first.
    async fn agent_key(
        &mut self,
        key: PublicKey,
        file: Option<&Path>,
    ) -> Result<bool, TransportError> {
        for certificate in self.certificates_of(&key, file) {
            let name = format!("the certificate `{}` of the SSH agent's key", certificate.key_id());
            let hash = match self.hash_for(&key).await {
                Ok(hash) => hash,
                Err(why) => {
                    self.tried.push(format!("{name} (not offered: {why})"));
                    continue;
                }
            };
            if !self.admit_certificate(&certificate, &name) {
                continue;
            }
            let Some(agent) = &mut self.agent else { return Ok(false) };
            let holds_itself = agent.certificates.contains(&certificate);
            let mut signer = AgentSigner { agent: &mut agent.client, key: &key, holds_itself };
            let username = self.username;
            let result = self
                .handle
                .authenticate_certificate_with(username, certificate, hash, &mut signer)
                .await;
            if self.settle_signed(name, result).await? {
                return Ok(true);
            }
        }
        let name = format!("the SSH agent's {}", describe(&key));
        let Some(hash) = self.admit(&key, &name).await else { return Ok(false) };
        let Some(agent) = &mut self.agent else { return Ok(false) };
        let client = &mut agent.client;
        let result =
            self.handle.authenticate_publickey_with(self.username, key, hash, client).await;
        self.settle_signed(name, result).await
    }

    async fn settle_signed(
        &mut self,
        name: String,
        result: Result<AuthResult, russh::AgentAuthError>,
    ) -> Result<bool, TransportError> {
        match result {
            Ok(result) => self.settle(name, Ok(result)).await,
            // The node lives; the agent would not sign.
            Err(russh::AgentAuthError::Key(error)) => {
                self.tried.push(format!("{name} ({error})"));
                Ok(false)
            }
            Err(russh::AgentAuthError::Send(_)) => Err(self.ended().await),
        }
    }

    /// Whether to offer a certificate: once, like keys.
    fn admit_certificate(&mut self, certificate: &Certificate, name: &str) -> bool {
        if !self.may(MethodKind::PublicKey) {
            self.tried.push(format!("{name} (not offered: the node takes no keys)"));
            return false;
        }
        if self.certificates.contains(certificate) {
            return false;
        }
        self.certificates.push(certificate.clone());
        true
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
        match self.hash_for(key).await {
            Ok(hash) => Some(hash),
            Err(why) => {
                self.tried.push(format!("{name} (not offered: {why})"));
                None
            }
        }
    }

    /// The hash that a key's signatures are made with; `None` where the key itself says it.
    async fn hash_for(&mut self, key: &PublicKey) -> Result<Option<HashAlg>, &'static str> {
        match key.algorithm() {
            Algorithm::Rsa { .. } => self.rsa_hash().await.map(Some),
            _ => Ok(None),
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
        let result = self.handle.authenticate_password(self.username, password.reveal()?).await;
        self.settle("the password".to_owned(), result).await
    }

    /// Answers every hidden question with the password.
    async fn interactive(&mut self, password: &Secret) -> Result<bool, TransportError> {
        if !self.may(MethodKind::KeyboardInteractive) {
            return Ok(false);
        }
        let name = "the password as keyboard-interactive answer".to_owned();
        let password = password.reveal()?;
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
            let answers = prompts
                .iter()
                .map(|prompt| if prompt.echo { String::new() } else { password.to_owned() });
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
