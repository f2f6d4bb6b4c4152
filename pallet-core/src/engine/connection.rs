//! Connections: one per node and login, kept over all phases.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::wave::Foresight;
use crate::facts::{Facts, PackageManager};
use crate::login::Login;
use crate::session::{Session, SessionError};
use crate::transport::{Endpoint, HostKeys, LocalTransport, Transport, TransportError};

/// Where a node is and how to be sure of it.
#[derive(Debug, Clone)]
pub struct Reach {
    /// Where its sshd listens; `None` for this machine.
    pub endpoint: Option<Endpoint>,
    /// How its host key is checked.
    pub host_keys: HostKeys,
}

/// How nodes are connected to. Keep one for all nodes of a program: clones share the private keys
/// that were read.
#[derive(Debug, Clone)]
pub struct Connector {
    /// How long starting a session may take: the login's shell, sudo, bash. Default: 60 s.
    pub session_timeout: Duration,
    /// Settings of SSH connections. Default: those of [`SshOptions`], but 60 s for the handshake,
    /// since the key exchange alone may take 25 s on an emulated machine.
    ///
    /// [`SshOptions`]: crate::transport::ssh::SshOptions
    #[cfg(feature = "ssh")]
    pub ssh: crate::transport::ssh::SshOptions,
}

impl Default for Connector {
    fn default() -> Self {
        Self {
            session_timeout: Duration::from_secs(60),
            #[cfg(feature = "ssh")]
            ssh: crate::transport::ssh::SshOptions {
                handshake_timeout: Duration::from_secs(60),
                ..Default::default()
            },
        }
    }
}

impl Connector {
    /// Connects, starts a session as root and reads the facts.
    ///
    /// # Errors
    /// [`ConnectionError`], after bounded waits.
    pub async fn connect(
        &self,
        reach: &Reach,
        login: &Login,
    ) -> Result<Connection, ConnectionError> {
        let Some(endpoint) = &reach.endpoint else {
            return self.work_over(Arc::new(LocalTransport), login.clone()).await;
        };
        let (transport, accepted) = self.transport(endpoint, login, &reach.host_keys).await?;
        let connection = self.work_over(transport, login.clone()).await?;
        Ok(Connection { accepted_host_key: accepted, ..connection })
    }

    /// Works over a transport that is there already.
    ///
    /// # Errors
    /// [`ConnectionError`] when no session as root can be started.
    pub async fn work_over(
        &self,
        transport: Arc<dyn Transport>,
        login: Login,
    ) -> Result<Connection, ConnectionError> {
        let timeout = self.session_timeout;
        let session = Session::open(transport.as_ref(), &login, None, timeout).await?;
        Ok(Connection {
            facts: session.facts().clone(),
            sessions: HashMap::from([(None, session)]),
            transport,
            login,
            session_timeout: timeout,
            accepted_host_key: None,
            foresight: Foresight::default(),
        })
    }

    #[cfg(feature = "ssh")]
    async fn transport(
        &self,
        endpoint: &Endpoint,
        login: &Login,
        host_keys: &HostKeys,
    ) -> Result<(Arc<dyn Transport>, Option<String>), ConnectionError> {
        use crate::transport::ssh::SshTransport;

        let (transport, connected) =
            SshTransport::connect(endpoint, login, host_keys, &self.ssh).await?;
        Ok((Arc::new(transport), connected.accepted_host_key))
    }

    #[cfg(not(feature = "ssh"))]
    async fn transport(
        &self,
        endpoint: &Endpoint,
        _login: &Login,
        _host_keys: &HostKeys,
    ) -> Result<(Arc<dyn Transport>, Option<String>), ConnectionError> {
        Err(ConnectionError::NoSsh { endpoint: endpoint.clone() })
    }
}

/// A node that is connected to as one login, with a session per user.
pub struct Connection {
    transport: Arc<dyn Transport>,
    login: Login,
    session_timeout: Duration,
    facts: Facts,
    sessions: HashMap<Option<String>, Session>,
    accepted_host_key: Option<String>,
    /// Check mode: what the phases that were looked at so far would do.
    pub(super) foresight: Foresight,
}

/// Why a node could not be connected to.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ConnectionError {
    /// The transport failed.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The session failed.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The crate was built without its SSH feature.
    #[error("{endpoint} can only be reached over SSH, which this program was built without")]
    NoSsh {
        /// Where.
        endpoint: Endpoint,
    },
}

impl ConnectionError {
    /// What to do about it.
    pub fn help(&self) -> Option<String> {
        match self {
            Self::Transport(error) => error.help(),
            Self::Session(error) => error.help(),
            Self::NoSsh { .. } => Some("build with the feature `ssh`".to_owned()),
        }
    }
}

impl Connection {
    /// What the node is.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Works with this package manager in place of the one that was found.
    pub fn use_package_manager(&mut self, manager: PackageManager) {
        self.facts.package_manager = Some(manager);
    }

    /// The fingerprint of a host key that was accepted on first contact.
    pub fn accepted_host_key(&self) -> Option<&str> {
        self.accepted_host_key.as_deref()
    }

    /// The account that is logged in.
    pub fn username(&self) -> &str {
        &self.login.username
    }

    /// The session of a user, started when it is first needed.
    pub(crate) async fn session(
        &mut self,
        user: Option<&str>,
    ) -> Result<&mut Session, SessionError> {
        use std::collections::hash_map::Entry;
        match self.sessions.entry(user.map(str::to_owned)) {
            Entry::Occupied(there) => Ok(there.into_mut()),
            Entry::Vacant(place) => {
                let transport = self.transport.as_ref();
                let opened = Session::open(transport, &self.login, user, self.session_timeout);
                Ok(place.insert(opened.await?))
            }
        }
    }

    /// Ends the connection.
    pub async fn close(self) {
        drop(self.sessions);
        self.transport.close().await;
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("login", &self.login.username).finish_non_exhaustive()
    }
}
