//! What the session's task and its users share: whom it talks to, and why it ended.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use russh::client::{DisconnectReason, Handler};
use russh::keys::PublicKeyOrCertificate;
use tokio::sync::Notify;
use tokio::time::timeout;

use super::host_key::HostKeyCheck;
use super::{Endpoint, TransportError};

/// A connection, as far as errors have to tell about it.
pub(super) struct Link {
    pub(super) endpoint: Endpoint,
    /// The first reason is the real one; what follows are its consequences.
    ended: OnceLock<String>,
    reason_known: Notify,
    session_ended: Notify,
}

/// How long the reason may come after the first sign of the end.
const REASON_LIMIT: Duration = Duration::from_secs(1);

impl Link {
    pub(super) fn new(endpoint: Endpoint) -> Self {
        Self {
            endpoint,
            ended: OnceLock::new(),
            reason_known: Notify::new(),
            session_ended: Notify::new(),
        }
    }

    /// Notes why the connection ends.
    pub(super) fn end(&self, reason: impl Into<String>) {
        let _ = self.ended.set(reason.into());
        self.reason_known.notify_waiters();
    }

    /// Why the connection ended, if it did.
    pub(super) fn end_reason(&self) -> Option<&str> {
        self.ended.get().map(String::as_str)
    }

    /// Waits until the session's task has sent its last byte.
    pub(super) async fn session_ended(&self) {
        self.session_ended.notified().await;
    }

    /// The error for a connection that ended.
    pub(super) async fn lost(&self) -> TransportError {
        // The session takes no more requests a moment before it says why.
        let known = self.reason_known.notified();
        if self.ended.get().is_none() {
            let _ = timeout(REASON_LIMIT, known).await;
        }
        self.lost_because(self.end_reason().unwrap_or("the reason is unknown").to_owned())
    }

    pub(super) fn lost_because(&self, reason: String) -> TransportError {
        TransportError::Lost { endpoint: self.endpoint.to_string(), reason }
    }

    pub(super) fn timed_out(&self, what: &'static str, after: Duration) -> TransportError {
        TransportError::TimedOut { endpoint: self.endpoint.clone(), what, after }
    }
}

/// Our side of a session: judges the host key, hears how the session ends.
pub(super) struct Client {
    link: Arc<Link>,
    check: HostKeyCheck,
    accepted: Arc<OnceLock<String>>,
}

impl Client {
    pub(super) fn new(
        link: Arc<Link>,
        check: HostKeyCheck,
        accepted: Arc<OnceLock<String>>,
    ) -> Self {
        Self { link, check, accepted }
    }
}

impl Handler for Client {
    type Error = Failure;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, Failure> {
        let judged = match shown {
            PublicKeyOrCertificate::PublicKey { key, .. } => self.check.judge(key).await,
            PublicKeyOrCertificate::Certificate(shown) => self.check.judge_certificate(shown).await,
        };
        if let Some(fingerprint) = judged.map_err(Failure::Judged)? {
            let _ = self.accepted.set(fingerprint);
        }
        Ok(true)
    }

    async fn disconnected(&mut self, reason: DisconnectReason<Failure>) -> Result<(), Failure> {
        let (text, result) = match reason {
            DisconnectReason::ReceivedDisconnect(info) => {
                (format!("the node ended it: {}", info.message.trim()), Ok(()))
            }
            DisconnectReason::Error(failure) => (failure.reason(), Err(failure)),
        };
        self.link.end(text);
        self.link.session_ended.notify_one();
        result
    }
}

/// Why a session failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// The host key was judged and found wanting.
    Judged(TransportError),
    /// The protocol or the line broke.
    Ssh(russh::Error),
}

impl From<russh::Error> for Failure {
    fn from(error: russh::Error) -> Self {
        Self::Ssh(error)
    }
}

impl Failure {
    fn reason(&self) -> String {
        match self {
            Self::Judged(error) => error.to_string(),
            Self::Ssh(error) => reason(error),
        }
    }

    pub(super) fn during_handshake(self, link: &Link) -> TransportError {
        match self {
            Self::Judged(error) => error,
            Self::Ssh(error) => TransportError::HandshakeFailed {
                endpoint: link.endpoint.clone(),
                reason: handshake_reason(&error),
            },
        }
    }
}

/// An error of the library in words for the user.
pub(super) fn reason(error: &russh::Error) -> String {
    use std::io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    match error {
        russh::Error::Disconnect | russh::Error::HUP => CLOSED.to_owned(),
        // Which of them is heard of a server that is killed is the kernel's choice.
        russh::Error::IO(error)
            if matches!(error.kind(), UnexpectedEof | ConnectionReset | BrokenPipe) =>
        {
            CLOSED.to_owned()
        }
        russh::Error::KeepaliveTimeout => "the node stopped answering".to_owned(),
        other => other.to_string(),
    }
}

const CLOSED: &str = "the node closed the connection";

fn handshake_reason(error: &russh::Error) -> String {
    match error {
        russh::Error::Version => "what listens there does not speak SSH 2".to_owned(),
        russh::Error::NoCommonAlgo { kind, ours, theirs } => format!(
            "no algorithm in common for {kind:?}: the node has {}; this side has {}",
            theirs.join(", "),
            ours.join(", ")
        ),
        error => {
            let reason = reason(error);
            if reason == CLOSED {
                format!("{CLOSED} (an overloaded or just starting sshd does that)")
            } else {
                reason
            }
        }
    }
}
