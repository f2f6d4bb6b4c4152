//! Connections: one per node and login, kept over all phases.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::facts::Facts;
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

/// How long single waits may take. They bound waiting for a node, not its work.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// The TCP connection. Default: 10 s.
    pub connect: Duration,
    /// The SSH handshake, and the login. Default: 60 s each; a guest that is interpreted may take
    /// 25 s for the key exchange alone.
    pub handshake: Duration,
    /// Starting a session: the login's shell, sudo, bash. Default: 60 s.
    pub session: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            handshake: Duration::from_secs(60),
            session: Duration::from_secs(60),
        }
    }
}

/// A node that is connected to as one login, with a session per user.
pub struct Connection {
    transport: Arc<dyn Transport>,
    login: Login,
    timeouts: Timeouts,
    facts: Facts,
    sessions: HashMap<Option<String>, Session>,
    accepted_host_key: Option<String>,
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
    /// Connects, starts a session as root and reads the facts.
    ///
    /// # Errors
    /// [`ConnectionError`], each wait bounded by `timeouts`.
    pub async fn open(
        reach: &Reach,
        login: &Login,
        timeouts: Timeouts,
    ) -> Result<Self, ConnectionError> {
        let (transport, accepted_host_key) = transport(reach, login, timeouts).await?;
        Self::over(transport, login.clone(), timeouts)
            .await
            .map(|connection| Self { accepted_host_key, ..connection })
    }

    /// Works over a transport that is there already.
    ///
    /// # Errors
    /// [`ConnectionError`] when no session as root can be started.
    pub async fn over(
        transport: Arc<dyn Transport>,
        login: Login,
        timeouts: Timeouts,
    ) -> Result<Self, ConnectionError> {
        let session = Session::open(transport.as_ref(), &login, None, timeouts.session).await?;
        Ok(Self {
            facts: session.facts().clone(),
            sessions: HashMap::from([(None, session)]),
            transport,
            login,
            timeouts,
            accepted_host_key: None,
        })
    }

    /// What the node is.
    pub fn facts(&self) -> &Facts {
        &self.facts
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
                let opened = Session::open(transport, &self.login, user, self.timeouts.session);
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

type Reached = (Arc<dyn Transport>, Option<String>);

#[cfg(feature = "ssh")]
async fn transport(
    reach: &Reach,
    login: &Login,
    timeouts: Timeouts,
) -> Result<Reached, ConnectionError> {
    use crate::transport::ssh::{SshOptions, SshTransport};

    let Some(endpoint) = &reach.endpoint else { return Ok((Arc::new(LocalTransport), None)) };
    let options = SshOptions {
        connect_timeout: timeouts.connect,
        handshake_timeout: timeouts.handshake,
        login_timeout: timeouts.handshake,
        ..SshOptions::default()
    };
    let (transport, connected) =
        SshTransport::connect(endpoint, login, &reach.host_keys, &options).await?;
    Ok((Arc::new(transport), connected.accepted_host_key))
}

#[cfg(not(feature = "ssh"))]
async fn transport(
    reach: &Reach,
    _login: &Login,
    _timeouts: Timeouts,
) -> Result<Reached, ConnectionError> {
    match &reach.endpoint {
        None => Ok((Arc::new(LocalTransport), None)),
        Some(endpoint) => Err(ConnectionError::NoSsh { endpoint: endpoint.clone() }),
    }
}
