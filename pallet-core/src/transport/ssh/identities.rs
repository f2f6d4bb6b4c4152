//! The agent and its keys.

use std::path::Path;

use russh::Signer;
use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::keys::{Certificate, HashAlg, PublicKey};
use tokio::net::UnixStream;

/// An SSH agent, asked once per login which keys it holds.
pub(super) struct Agent {
    pub(super) client: AgentClient<UnixStream>,
    pub(super) keys: Vec<PublicKey>,
    pub(super) certificates: Vec<Certificate>,
}

impl Agent {
    /// Asks the agent that listens at `socket`.
    pub(super) async fn ask(socket: &Path) -> Result<Self, String> {
        let failed = |error: &dyn std::fmt::Display| {
            format!("the SSH agent at {} ({error})", socket.display())
        };
        let mut client = AgentClient::connect_uds(socket).await.map_err(|error| failed(&error))?;
        let identities = client.request_identities().await.map_err(|error| failed(&error))?;
        let (mut keys, mut certificates) = (Vec::new(), Vec::new());
        for identity in identities {
            match identity {
                AgentIdentity::PublicKey { key, .. } => keys.push(key),
                AgentIdentity::Certificate { certificate, .. } => certificates.push(certificate),
            }
        }
        Ok(Self { client, keys, certificates })
    }

    /// Its keys, those first that only its certificates tell of.
    pub(super) fn all(&self) -> Vec<PublicKey> {
        let certified = self.certificates.iter().map(certified_key);
        let mut all: Vec<PublicKey> = certified.chain(self.keys.iter().cloned()).collect();
        let mut seen = Vec::new();
        all.retain(|key| {
            let is_new = !seen.contains(key.key_data());
            if is_new {
                seen.push(key.key_data().clone());
            }
            is_new
        });
        all
    }

    pub(super) fn holds(&self, key: &PublicKey) -> bool {
        self.all().iter().any(|held| held.key_data() == key.key_data())
    }
}

/// The key that a certificate is about.
pub(super) fn certified_key(certificate: &Certificate) -> PublicKey {
    PublicKey::new(certificate.public_key().clone(), "")
}

/// Signs for certificates. An agent that holds the key alone, without the certificate, is asked to
/// sign with the key: the signature is the same.
pub(super) struct AgentSigner<'a> {
    pub(super) agent: &'a mut AgentClient<UnixStream>,
    pub(super) key: &'a PublicKey,
    pub(super) holds_itself: bool,
}

impl Signer for AgentSigner<'_> {
    type Error = russh::AgentAuthError;

    async fn auth_sign(
        &mut self,
        identity: &AgentIdentity,
        hash: Option<HashAlg>,
        to_sign: Vec<u8>,
    ) -> Result<Vec<u8>, Self::Error> {
        if self.holds_itself {
            return self.agent.auth_sign(identity, hash, to_sign).await;
        }
        self.agent.auth_sign(&AgentIdentity::from(self.key.clone()), hash, to_sign).await
    }
}
