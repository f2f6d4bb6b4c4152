//! Transports: how programs reach a node.
//!
//! A [`Transport`] is an established connection as one login; it starts [`Process`]es. Everything
//! above it (framing, sudo, waves) is the same for all transports.

mod child;
mod jump_host;
mod local;
mod sandbox;
#[cfg(feature = "ssh")]
pub mod ssh;

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tokio::io::AsyncWrite;
use tokio::sync::mpsc;

use crate::secret::SecretError;

pub use jump_host::JumpHost;
pub use local::LocalTransport;
pub use sandbox::SandboxTransport;

/// Where a node listens.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Endpoint {
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// How a node's host key is checked. There is no way not to check it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "policy")]
pub enum HostKeys {
    /// Only these keys, each in OpenSSH's form (`ssh-ed25519 AAAA…`): read through the hypervisor,
    /// or given by the user.
    Pinned {
        /// The keys.
        keys: Vec<String>,
    },
    /// The user's known_hosts files; a host that is not in them is refused.
    KnownHosts,
    /// As [`KnownHosts`](Self::KnownHosts), but a host seen for the first time is accepted,
    /// remembered and reported. Only where the service or image says so.
    FirstContact,
}

/// An established connection to a node, as one login.
#[async_trait]
pub trait Transport: Send + Sync {
    /// Starts `command` through the login's shell.
    ///
    /// # Errors
    /// [`TransportError`] when the connection is gone or the node refuses.
    async fn exec(&self, command: &str) -> Result<Process, TransportError>;

    /// A program of this machine that gives its own terminal to `command` on the node, or to the
    /// login's shell if there is no command, where the transport has such a program. Default: it
    /// has none.
    fn terminal(&self, _command: Option<&str>) -> Option<std::process::Command> {
        None
    }

    /// Ends the connection; processes on it are lost.
    async fn close(&self);
}

/// A process on a node. Its output must be read until [`Output::Exit`] or [`Output::Lost`]:
/// the channel holds it without bound, so that one slow reader never stalls the connection.
pub struct Process {
    /// Standard input; shutting it down sends end of file.
    pub stdin: Box<dyn AsyncWrite + Send + Unpin>,
    /// What the process writes, and how it ends.
    pub output: mpsc::UnboundedReceiver<Output>,
}

/// Something that a process did.
#[derive(Debug)]
pub enum Output {
    /// Bytes on standard output.
    Stdout(Vec<u8>),
    /// Bytes on standard error.
    Stderr(Vec<u8>),
    /// It ended with this status (128 + signal number for a signal). Nothing follows.
    Exit(u32),
    /// The connection was lost first. Nothing follows.
    Lost(TransportError),
}

/// Why a node could not be reached or talked to.
#[derive(Debug, Clone, thiserror::Error)]
pub enum TransportError {
    /// No TCP connection.
    #[error("cannot connect to {endpoint}: {reason}")]
    Unreachable {
        /// Where.
        endpoint: Endpoint,
        /// The operating system's word.
        reason: String,
    },
    /// The node did not answer in time.
    #[error("{endpoint} did not finish {what} within {after:?}")]
    TimedOut {
        /// Where.
        endpoint: Endpoint,
        /// What was waited for: `the TCP connection`, `the SSH handshake`, `the login`.
        what: &'static str,
        /// How long.
        after: Duration,
    },
    /// The host key is not the expected one.
    #[error("the host key of {endpoint} has changed: expected {expected}, got {got}")]
    HostKeyChanged {
        /// Where.
        endpoint: Endpoint,
        /// Fingerprints that would be right.
        expected: String,
        /// Fingerprint that was shown.
        got: String,
        /// Where the expectation stands: a known_hosts file and line, or `pinned`.
        source_of_truth: String,
    },
    /// The host key is marked as one that must not be accepted.
    #[error("the host key of {endpoint} is revoked: {got}")]
    HostKeyRevoked {
        /// Where.
        endpoint: Endpoint,
        /// Fingerprint that was shown.
        got: String,
        /// The known_hosts file and line that revoke it.
        source_of_truth: String,
    },
    /// The host is not known.
    #[error("the host key of {endpoint} is unknown ({got}; searched {searched})")]
    HostKeyUnknown {
        /// Where.
        endpoint: Endpoint,
        /// Fingerprint that was shown.
        got: String,
        /// The files that were searched, and lines in them that could not be used.
        searched: String,
    },
    /// What listens there did not agree on a secure connection.
    #[error("{endpoint} did not complete the SSH handshake: {reason}")]
    HandshakeFailed {
        /// Where.
        endpoint: Endpoint,
        /// Why.
        reason: String,
    },
    /// No way to log in was accepted.
    #[error("{endpoint} refused the login of {username}: {reason}")]
    LoginRefused {
        /// Where.
        endpoint: Endpoint,
        /// As whom.
        username: String,
        /// What was tried.
        reason: String,
    },
    /// The account is not there.
    #[error("{node} has no account `{username}`")]
    NoAccount {
        /// The node.
        node: String,
        /// The account.
        username: String,
    },
    /// The certificate that a host shows is signed by a known authority, and yet no good.
    #[error("the host certificate of {endpoint} cannot be accepted: {reason}")]
    HostCertificate {
        /// Where.
        endpoint: Endpoint,
        /// What is wrong with it.
        reason: String,
        /// The known_hosts file and line of the authority.
        authority: String,
    },
    /// A jump host on the way could not be passed.
    #[error("jump host {hop}: {error}")]
    JumpHost {
        /// Where the jump host listens.
        hop: Endpoint,
        /// Why.
        error: Box<TransportError>,
    },
    /// The SSH configuration cannot be followed.
    #[error("{place}: {reason}")]
    Configuration {
        /// File and line.
        place: String,
        /// Why.
        reason: String,
    },
    /// A password or passphrase cannot be had.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// A private key or known_hosts file cannot be used.
    #[error("{path}: {reason}")]
    KeyFile {
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
    /// The node did not start a program.
    #[error("{endpoint} refused to start a program: {reason}")]
    ProcessRefused {
        /// Where.
        endpoint: Endpoint,
        /// Why, as far as known.
        reason: String,
    },
    /// The connection broke.
    #[error("the connection to {endpoint} was lost: {reason}")]
    Lost {
        /// Where.
        endpoint: String,
        /// Why, as far as known.
        reason: String,
    },
}

impl TransportError {
    /// What to do about it.
    pub fn help(&self) -> Option<String> {
        match self {
            Self::Unreachable { endpoint, .. } => Some(format!(
                "check that the node runs and that its sshd listens on port {}",
                endpoint.port
            )),
            Self::TimedOut { .. } => {
                Some("check the address, firewalls, and that the node is not overloaded".to_owned())
            }
            Self::HostKeyChanged { source_of_truth, .. } => Some(format!(
                "somebody may be in between; if the node was reinstalled, remove the old key ({source_of_truth})"
            )),
            Self::HostKeyRevoked { source_of_truth, .. } => Some(format!(
                "give the node a new host key; {source_of_truth} says that this one is compromised"
            )),
            Self::HostKeyUnknown { endpoint, .. } => Some(format!(
                "compare the fingerprint with the node's console, then add the line that `ssh-keyscan -p {} {}` prints to known_hosts",
                endpoint.port, endpoint.host
            )),
            Self::HandshakeFailed { endpoint, .. } => {
                Some(format!("check that port {} is that of an sshd", endpoint.port))
            }
            Self::LoginRefused { .. } => {
                Some("check username, private-key-path and the node's authorized_keys".to_owned())
            }
            Self::ProcessRefused { .. } => {
                Some("check MaxSessions and ForceCommand in the node's sshd_config".to_owned())
            }
            Self::NoAccount { .. } => {
                Some("make the account in the phase `bootstrap`, or log in as root: `admin-user = { username = \"root\" }` for the service".to_owned())
            }
            Self::HostCertificate { authority, .. } => Some(format!(
                "have the host's key signed anew by the authority that {authority} trusts"
            )),
            Self::JumpHost { error, .. } => error.help(),
            Self::Secret(error) => Some(error.help()),
            Self::Configuration { .. } | Self::KeyFile { .. } | Self::Lost { .. } => None,
        }
    }
}
