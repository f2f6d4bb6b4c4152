//! SSH, as a client: host keys are always checked, one connection carries many programs.
//!
//! ```no_run
//! # async fn example() -> Result<(), pallet_core::transport::TransportError> {
//! use pallet_core::login::Login;
//! use pallet_core::transport::ssh::{SshOptions, SshTransport};
//! use pallet_core::transport::{Endpoint, HostKeys, Transport};
//!
//! let endpoint = Endpoint { host: "web-1.example.net".to_owned(), port: 22 };
//! let login = Login::new("pallet-admin");
//! let options = SshOptions::default();
//! let (node, _) =
//!     SshTransport::connect(&endpoint, &login, &HostKeys::KnownHosts, &options).await?;
//! let process = node.exec("uname -r").await?;
//! # Ok(())
//! # }
//! ```

mod auth;
mod certificate;
mod channel;
mod config;
mod host_key;
mod identities;
mod jump;
mod key_ring;
mod known_hosts;
mod line;
mod options;
mod pattern;
mod remember;
mod route;
mod session;
mod tcp;

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use russh::client::Handle;
use russh::{Disconnect, Preferred, client, kex};
use tokio::time::timeout;

pub use config::SshConfig;
pub use jump::JumpConnections;
pub use key_ring::KeyRing;
pub use options::SshOptions;

use crate::login::Login;

use super::{Endpoint, HostKeys, JumpHost, Process, Transport, TransportError};
use channel::Channels;
use host_key::HostKeyCheck;
use line::{HangUp, Line, Stream};
use route::Stop;
use session::{Client, Link};

/// How long [`Transport::close`] waits for its farewell to leave before it hangs up.
const FAREWELL: Duration = Duration::from_millis(250);

/// An SSH connection to a node, as one login.
///
/// Dropping it ends the connection at once: programs that still run on it are reported as
/// [`Output::Lost`](super::Output::Lost).
pub struct SshTransport {
    handle: Handle<Client>,
    link: Arc<Link>,
    channels: Channels,
    hang_up: Mutex<Option<HangUp>>,
    accepted: Arc<OnceLock<String>>,
    /// The jump host's connection that this one goes through lives as long.
    _through: Option<Arc<SshTransport>>,
}

/// What is worth telling about a connection that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connected {
    /// Fingerprint (`SHA256:…`) of a host key that was accepted without proof, because of
    /// [`HostKeys::FirstContact`], and is remembered from now on. Report it.
    pub accepted_host_key: Option<String>,
    /// The account that is logged in; not that of the login only where the SSH configuration
    /// names one and the login's was [assumed](Login::assumed).
    pub username: String,
}

impl SshTransport {
    /// Connects, checks the host key and logs in. Every wait on the way is bounded by `options`.
    ///
    /// What the SSH configuration of `options` says about the host counts where `endpoint` and
    /// `login` leave it open, and names the jump hosts; see [`SshConfig`].
    ///
    /// A private key named by `login` is the only one that is tried; it may be a public key whose
    /// private part an agent holds. Without one, and without a password, the keys that the
    /// configuration names, the agent's keys and then the usual files are. With each key goes its
    /// certificate, if there is one. The password comes last, as itself and as the answer to
    /// keyboard-interactive questions.
    ///
    /// # Errors
    /// Each step has errors of its own: see [`TransportError`].
    pub async fn connect(
        endpoint: &Endpoint,
        login: &Login,
        host_keys: &HostKeys,
        options: &SshOptions,
    ) -> Result<(Self, Connected), TransportError> {
        let route = route::plan(endpoint, login, host_keys, options)?;
        let through = options.jump_connections.through(&route.hops, options).await?;
        let transport = Self::to(&route.target, through, options).await?;
        let accepted_host_key = transport.accepted.get().cloned();
        let username = route.target.login.username;
        Ok((transport, Connected { accepted_host_key, username }))
    }

    /// Connects to one host, directly or through one that is connected.
    async fn to(
        stop: &Stop,
        through: Option<Arc<Self>>,
        options: &SshOptions,
    ) -> Result<Self, TransportError> {
        let check = HostKeyCheck::new(stop)?;
        let keys = auth::own_keys(stop, options).await?;

        let stream: Box<dyn Stream> = match &through {
            None => Box::new(tcp::connect(&stop.endpoint, options.connect_timeout).await?),
            Some(hop) => hop.forward(&stop.endpoint, options.connect_timeout).await?,
        };
        let (line, hang_up) = Line::new(stream, options.patience());
        let link = Arc::new(Link::new(stop.endpoint.clone()));
        let accepted = Arc::new(OnceLock::new());
        let config = Arc::new(config(options, &check));
        let client = Client::new(Arc::clone(&link), check, Arc::clone(&accepted));
        let mut handle =
            timeout(options.handshake_timeout, client::connect_stream(config, line, client))
                .await
                .map_err(|_| link.timed_out("the SSH handshake", options.handshake_timeout))?
                .map_err(|failure| failure.during_handshake(&link))?;

        timeout(options.login_timeout, auth::login(&mut handle, &link, stop, keys, options))
            .await
            .map_err(|_| link.timed_out("the login", options.login_timeout))??;

        let channels = Channels::new(Arc::clone(&link), options.exec_timeout);
        let hang_up = Mutex::new(Some(hang_up));
        Ok(Self { handle, link, channels, hang_up, accepted, _through: through })
    }

    /// A stream to `endpoint` as this host reaches it.
    async fn forward(
        &self,
        endpoint: &Endpoint,
        limit: Duration,
    ) -> Result<Box<dyn Stream>, TransportError> {
        let port = u32::from(endpoint.port);
        let opened = timeout(
            limit,
            self.handle.channel_open_direct_tcpip(&endpoint.host, port, "127.0.0.1", 0),
        )
        .await
        .map_err(|_| TransportError::TimedOut {
            endpoint: endpoint.clone(),
            what: "the TCP connection through the jump host",
            after: limit,
        })?;
        match opened {
            Ok(channel) => Ok(Box::new(channel.into_stream())),
            Err(russh::Error::ChannelOpenFailure(reason)) => {
                let reason = match reason {
                    russh::ChannelOpenFailure::AdministrativelyProhibited => {
                        "does not forward connections".to_owned()
                    }
                    russh::ChannelOpenFailure::ConnectFailed => "finds nothing there".to_owned(),
                    other => format!("refused ({other:?})"),
                };
                Err(TransportError::Unreachable {
                    endpoint: endpoint.clone(),
                    reason: format!("the jump host {} {reason}", self.link.endpoint),
                })
            }
            Err(_) => Err(self.link.lost().await),
        }
    }

    fn is_open(&self) -> bool {
        !self.handle.is_closed()
    }
}

#[async_trait]
impl Transport for SshTransport {
    async fn exec(&self, command: &str) -> Result<Process, TransportError> {
        self.channels.exec(&self.handle, command).await
    }

    async fn close(&self) {
        self.link.end("it was closed on this side");
        let farewell = async {
            if self.handle.disconnect(Disconnect::ByApplication, "", "").await.is_ok() {
                self.link.session_ended().await;
            }
        };
        // A node that does not take the farewell is hung up on all the same.
        let _ = timeout(FAREWELL, farewell).await;
        self.hang_up.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

impl fmt::Debug for SshTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SshTransport")
            .field("endpoint", &self.link.endpoint)
            .finish_non_exhaustive()
    }
}

fn config(options: &SshOptions, check: &HostKeyCheck) -> client::Config {
    client::Config {
        preferred: Preferred {
            kex: Cow::Owned(key_exchanges()),
            key: Cow::Owned(check.algorithms()),
            host_key_certificates: Cow::Borrowed(check.certificates()),
            ..Preferred::DEFAULT
        },
        keepalive_interval: Some(options.keepalive_interval),
        // Zero would mean "for ever".
        keepalive_max: options.keepalive_missed.max(1),
        ..client::Config::default()
    }
}

/// The library's key exchanges with curve25519 first: it is the cheapest for both sides, and a node
/// without hardware acceleration feels the difference.
fn key_exchanges() -> Vec<kex::Name> {
    let (mut curve, others): (Vec<_>, Vec<_>) = Preferred::DEFAULT
        .kex
        .iter()
        .copied()
        .partition(|name| *name == kex::CURVE25519 || *name == kex::CURVE25519_PRE_RFC_8731);
    curve.extend(others);
    curve
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curve25519_leads_and_strict_key_exchange_stays_on() {
        let names = key_exchanges();
        assert_eq!(names.first(), Some(&kex::CURVE25519));
        assert!(names.contains(&kex::EXTENSION_OPENSSH_STRICT_KEX_AS_CLIENT));
        assert_eq!(names.len(), Preferred::DEFAULT.kex.len());
    }
}
