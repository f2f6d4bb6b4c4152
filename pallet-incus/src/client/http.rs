//! HTTP/1 over a unix socket or TLS: a few connections that are kept.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::address::Address;
use super::body::Body;
use super::error::Error;

/// How long a connection may take to stand.
const CONNECTING: Duration = Duration::from_secs(20);
/// How many requests are under way at once.
const AT_ONCE: usize = 32;
/// How many connections are kept that nobody uses.
const KEPT: usize = 8;

/// A byte stream to the server.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Connections to one server.
pub(super) struct Http {
    address: Address,
    tls: Option<Arc<rustls::ClientConfig>>,
    idle: Mutex<Vec<SendRequest<Body>>>,
    permits: Semaphore,
}

/// A request that may have to be sent once more.
pub(super) struct Ask {
    pub(super) request: Request<Body>,
    /// What is asked for, in errors.
    pub(super) doing: String,
    /// How long until the answer begins, and how long until it ends.
    pub(super) patience: Duration,
}

impl Http {
    pub(super) fn new(address: Address, tls: Option<Arc<rustls::ClientConfig>>) -> Self {
        Self { address, tls, idle: Mutex::default(), permits: Semaphore::new(AT_ONCE) }
    }

    pub(super) fn address(&self) -> &Address {
        &self.address
    }

    /// Sends a request and reads the whole answer.
    pub(super) async fn ask(&self, ask: Ask) -> Result<Response<Bytes>, Error> {
        let _permit = self.permits.acquire().await;
        let (doing, patience) = (ask.doing.clone(), ask.patience);
        let late = || Error::TimedOut {
            server: self.address.to_string(),
            doing: doing.clone(),
            after: patience,
        };
        let (response, sender) = timeout(patience, self.begin(ask)).await.map_err(|_| late())??;
        let (head, body) = response.into_parts();
        let whole = timeout(patience, body.collect()).await.map_err(|_| late())?;
        let body = whole.map_err(|error| self.lost(&doing, &error))?.to_bytes();
        self.keep(sender);
        Ok(Response::from_parts(head, body))
    }

    /// Sends a request over a connection that was kept, or a new one. One that was closed meanwhile
    /// is given up: nothing of the request has been sent on it then.
    async fn begin(&self, ask: Ask) -> Result<(Response<Incoming>, SendRequest<Body>), Error> {
        let Ask { mut request, doing, .. } = ask;
        // What flows is sent on a connection that surely stands.
        while request.body().is_whole() {
            let Some(mut sender) = self.kept() else { break };
            if sender.ready().await.is_err() {
                continue;
            }
            match sender.try_send_request(request).await {
                Ok(response) => return Ok((response, sender)),
                Err(mut error) => match error.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(self.lost(&doing, &error.into_error())),
                },
            }
        }
        let mut sender = self.connect().await?;
        match sender.send_request(request).await {
            Ok(response) => Ok((response, sender)),
            Err(error) => Err(self.lost(&doing, &error)),
        }
    }

    /// A new connection for one request, which may turn it into something else.
    pub(super) async fn connect(&self) -> Result<SendRequest<Body>, Error> {
        let stream = self.stream().await?;
        let made = handshake(TokioIo::new(stream)).await;
        let (sender, connection) = made.map_err(|error| self.unreachable(&error))?;
        tokio::spawn(async move {
            if let Err(error) = connection.with_upgrades().await {
                tracing::debug!(%error, "a connection ended");
            }
        });
        Ok(sender)
    }

    async fn stream(&self) -> Result<Box<dyn Stream>, Error> {
        let made = timeout(CONNECTING, async {
            match &self.address {
                Address::Unix(path) => {
                    let stream = UnixStream::connect(path).await;
                    Ok(Box::new(stream.map_err(|e| self.unreachable(&e))?) as Box<dyn Stream>)
                }
                Address::Tls { host, port } => {
                    let stream = TcpStream::connect((host.as_str(), *port)).await;
                    let stream = stream.map_err(|e| self.unreachable(&e))?;
                    stream.set_nodelay(true).map_err(|e| self.unreachable(&e))?;
                    let config = self.tls.clone().ok_or_else(|| {
                        self.unreachable(&"it asks for a certificate, and none was given")
                    })?;
                    let name = ServerName::try_from(host.clone());
                    let name = name.map_err(|e| self.unreachable(&e))?;
                    let stream = TlsConnector::from(config).connect(name, stream).await;
                    Ok(Box::new(stream.map_err(|e| self.unreachable(&e))?) as Box<dyn Stream>)
                }
            }
        });
        made.await.unwrap_or_else(|_| {
            Err(self.unreachable(&format!("nobody answered within {} s", CONNECTING.as_secs())))
        })
    }

    /// Gives up all connections that nobody uses.
    pub(super) fn close(&self) {
        self.idle().clear();
    }

    pub(super) fn unreachable(&self, reason: &dyn ToString) -> Error {
        Error::Unreachable { server: self.address.to_string(), reason: reason.to_string() }
    }

    pub(super) fn lost(&self, doing: &str, reason: &dyn ToString) -> Error {
        Error::Lost {
            server: self.address.to_string(),
            doing: doing.to_owned(),
            reason: reason.to_string(),
        }
    }

    fn kept(&self) -> Option<SendRequest<Body>> {
        let mut idle = self.idle();
        while let Some(sender) = idle.pop() {
            if !sender.is_closed() {
                return Some(sender);
            }
        }
        None
    }

    fn keep(&self, sender: SendRequest<Body>) {
        let mut idle = self.idle();
        if idle.len() < KEPT && !sender.is_closed() {
            idle.push(sender);
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<SendRequest<Body>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
