//! Connections: one per node and login, kept over all phases.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::{Instant, sleep, timeout};

use super::control::Control;
use super::deeds::Deeds;
use super::foresight::Foresight;
use crate::action::Upload;
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
        login.unlock().await.map_err(SessionError::Secret)?;
        let Some(endpoint) = &reach.endpoint else {
            return self.work_over(Arc::new(LocalTransport), login.clone()).await;
        };
        let (transport, accepted, username) =
            self.transport(endpoint, login, &reach.host_keys).await?;
        let actual = Login { username, ..login.clone() };
        let connection = self.work_over(transport, actual).await?;
        let way_back: Arc<dyn WayBack> = Arc::new(Route {
            connector: self.clone(),
            endpoint: endpoint.clone(),
            login: login.clone(),
            host_keys: reach.host_keys.clone(),
        });
        Ok(Connection { accepted_host_key: accepted, way_back: Some(way_back), ..connection })
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
            packager: None,
            sessions: HashMap::from([(None, session)]),
            transport,
            login,
            session_timeout: timeout,
            accepted_host_key: None,
            foresight: Foresight::default(),
            uploaders: HashMap::new(),
            way_back: None,
            is_taken: false,
            deeds: Deeds::default(),
        })
    }

    #[cfg(feature = "ssh")]
    async fn transport(
        &self,
        endpoint: &Endpoint,
        login: &Login,
        host_keys: &HostKeys,
    ) -> Result<(Arc<dyn Transport>, Option<String>, String), ConnectionError> {
        use crate::transport::ssh::SshTransport;

        let (transport, connected) =
            SshTransport::connect(endpoint, login, host_keys, &self.ssh).await?;
        Ok((Arc::new(transport), connected.accepted_host_key, connected.username))
    }

    #[cfg(not(feature = "ssh"))]
    async fn transport(
        &self,
        endpoint: &Endpoint,
        _login: &Login,
        _host_keys: &HostKeys,
    ) -> Result<(Arc<dyn Transport>, Option<String>, String), ConnectionError> {
        Err(ConnectionError::NoSsh { endpoint: endpoint.clone() })
    }
}

/// A node that is connected to as one login, with a session per user.
pub struct Connection {
    transport: Arc<dyn Transport>,
    login: Login,
    session_timeout: Duration,
    facts: Facts,
    /// What counts in place of the package manager that was found.
    packager: Option<PackageManager>,
    sessions: HashMap<Option<String>, Session>,
    accepted_host_key: Option<String>,
    /// Check mode: what the phases that were looked at so far would do.
    pub(super) foresight: Foresight,
    /// Channels for long contents, per user.
    uploaders: HashMap<Option<String>, Session>,
    /// How the node is reached when it has started anew.
    way_back: Option<Arc<dyn WayBack>>,
    /// Whether the node's lock is this run's.
    pub(super) is_taken: bool,
    /// What an earlier part of this run has done on the node.
    pub(super) deeds: Deeds,
}

/// A way to a node that has started anew.
#[async_trait]
pub trait WayBack: Send + Sync {
    /// Connects to the node once more.
    ///
    /// # Errors
    /// [`ConnectionError`] while the node is not there.
    async fn transport(&self) -> Result<Arc<dyn Transport>, ConnectionError>;
}

/// The way that a connection was made.
struct Route {
    connector: Connector,
    endpoint: Endpoint,
    login: Login,
    host_keys: HostKeys,
}

#[async_trait]
impl WayBack for Route {
    async fn transport(&self) -> Result<Arc<dyn Transport>, ConnectionError> {
        let made = self.connector.transport(&self.endpoint, &self.login, &self.host_keys).await?;
        Ok(made.0)
    }
}

/// Starts sessions on a node beside those of its connection.
#[derive(Clone)]
pub(super) struct Opener {
    transport: Arc<dyn Transport>,
    login: Login,
    session_timeout: Duration,
}

impl Opener {
    /// Starts a session as root, or as `user`.
    pub async fn open(&self, user: Option<&str>) -> Result<Session, SessionError> {
        Session::open(self.transport.as_ref(), &self.login, user, self.session_timeout).await
    }
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
        self.packager = Some(manager);
    }

    /// The fingerprint of a host key that was accepted on first contact.
    pub fn accepted_host_key(&self) -> Option<&str> {
        self.accepted_host_key.as_deref()
    }

    /// What tells this start of the node from others; empty where that cannot be known.
    pub(super) fn boot(&self) -> &str {
        self.sessions.get(&None).map(Session::boot).unwrap_or_default()
    }

    /// The account that is logged in.
    pub fn username(&self) -> &str {
        &self.login.username
    }

    /// The folder in which the node keeps what outlives a session, where somebody has named one.
    pub(super) fn folder(&self, control: &Control) -> Option<String> {
        self.login.state_root.clone().or_else(|| control.node_folder.clone())
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

    /// Starts sessions beside those that are kept.
    pub(super) fn opener(&self) -> Opener {
        Opener {
            transport: self.transport.clone(),
            login: self.login.clone(),
            session_timeout: self.session_timeout,
        }
    }

    /// Puts a content on the node for a user's programs; returns its folder.
    pub(super) async fn put(
        &mut self,
        user: Option<&str>,
        upload: &Upload,
        folder: Option<&str>,
    ) -> Result<String, SessionError> {
        let mut uploader = match self.uploaders.remove(&user.map(str::to_owned)) {
            Some(there) => there,
            None => self.opener().open(user).await?,
        };
        // A session that has failed is not kept.
        let folder = uploader.put(upload, folder).await?;
        self.uploaders.insert(user.map(str::to_owned), uploader);
        Ok(folder)
    }

    /// Says how the node is reached once more after it has started anew. Connections that
    /// [`Connector::connect`] made over a network know that by themselves.
    #[must_use]
    pub fn way_back(mut self, way_back: Arc<dyn WayBack>) -> Self {
        self.way_back = Some(way_back);
        self
    }

    /// Waits until the node has started anew, and connects to it.
    ///
    /// # Errors
    /// [`ConnectionError`] when it does not within `patience`, or there is no way back.
    pub(super) async fn come_back(
        &mut self,
        boot: &str,
        patience: Duration,
    ) -> Result<(), ConnectionError> {
        let late = || SessionError::Overdue { what: "starting anew", after: patience };
        let way_back = self.way_back.clone().ok_or_else(|| SessionError::NotStarted {
            reason: "this connection cannot be made a second time".to_owned(),
        })?;
        self.sessions.clear();
        self.uploaders.clear();
        self.is_taken = false;
        self.transport.close().await;
        let deadline = Instant::now() + patience;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let attempt = timeout(left, async {
                let transport = way_back.transport().await?;
                let timeout = self.session_timeout;
                let session = Session::open(transport.as_ref(), &self.login, None, timeout).await?;
                Ok::<_, ConnectionError>((transport, session))
            });
            match attempt.await {
                Ok(Ok((transport, session))) if session.boot() != boot => {
                    self.facts = session.facts().clone();
                    self.facts.package_manager = self.packager.or(self.facts.package_manager);
                    self.transport = transport;
                    self.sessions.insert(None, session);
                    return Ok(());
                }
                // It is on its way down, or still the node that it was.
                Ok(Ok((transport, _))) => transport.close().await,
                Ok(Err(error)) => tracing::debug!(%error, "the node is not back yet"),
                Err(_) => return Err(late().into()),
            }
            sleep(Duration::from_secs(1)).await;
        }
    }

    /// Ends the connection.
    pub async fn close(self) {
        drop((self.sessions, self.uploaders));
        self.transport.close().await;
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("login", &self.login.username).finish_non_exhaustive()
    }
}
