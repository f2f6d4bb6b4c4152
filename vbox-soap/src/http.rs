//! HTTP: a few kept-alive connections to one server.
//!
//! The server closes a connection after 100 requests, so each is given up before. A request goes out a second time
//! only if nothing of it has been written: the server may have acted on anything else.
//!
//! vboxwebsrv gives a connection a worker of its own for as long as it stands, and starts a worker only if it sees none
//! idle when a connection comes in; one that has just been given a connection still looks idle for a moment. So of several
//! connections opened at once, some wait for a worker until another connection ends, up to a minute. Hence they
//! are opened one after the other, none is kept for long without use, and for each that gets no answer at first
//! another one is given up: the other connection may be a different session's, or another program's.

use std::collections::HashSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::AbortHandle;

use crate::client::{Address, Settings};
use crate::error::Error;

/// How many requests a connection is used for: less than the server's own limit of 100.
const REQUESTS_PER_CONNECTION: usize = 90;

/// How long an unused connection is kept: less than the server's own patience, which is a minute.
pub(crate) const MAX_IDLE: Duration = Duration::from_secs(10);

/// How long a new connection keeps others from being opened, if its first answer takes longer: enough for the server
/// to give it a worker.
const SETTLING: Duration = Duration::from_millis(100);

/// After how long without a first answer a new connection may be waiting for a worker.
const STARVING: Duration = Duration::from_millis(300);

/// Connections to one server.
#[derive(Debug)]
pub(crate) struct Pool {
    pub(crate) address: Address,
    pub(crate) settings: Settings,
    permits: Semaphore,
    idle: Mutex<Idle>,
    /// Held by whoever opens a connection, until it is being served.
    opening: tokio::sync::Mutex<()>,
    #[cfg(feature = "tls")]
    tls: Option<crate::tls::Tls>,
    began: Instant,
    /// When the latest request was sent, in milliseconds since `began`.
    latest: AtomicU64,
}

/// Connections that are not in use.
#[derive(Debug, Default)]
struct Idle {
    connections: Vec<Connection>,
    /// So many connections are to end at their next answer, for others to get their workers.
    owed: usize,
}

#[derive(Debug)]
struct Connection {
    sender: SendRequest<Full<Bytes>>,
    driver: AbortHandle,
    requests: usize,
    last_used: Instant,
}

impl Connection {
    fn is_fresh(&self) -> bool {
        self.last_used.elapsed() < MAX_IDLE
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// The right to open a connection.
type Opening<'a> = tokio::sync::MutexGuard<'a, ()>;

/// The right to use one connection.
pub(crate) struct Slot<'a> {
    pool: &'a Pool,
    _permit: SemaphorePermit<'a>,
}

impl Pool {
    pub(crate) fn new(
        address: Address,
        settings: Settings,
        #[cfg(feature = "tls")] tls: Option<crate::tls::Tls>,
    ) -> Self {
        let permits = Semaphore::new(settings.connections.max(1));
        Self {
            address,
            settings,
            permits,
            idle: Mutex::default(),
            opening: tokio::sync::Mutex::new(()),
            #[cfg(feature = "tls")]
            tls,
            began: Instant::now(),
            latest: AtomicU64::new(0),
        }
    }

    /// How long ago the latest request was sent.
    pub(crate) fn quiet_for(&self) -> Duration {
        let latest = Duration::from_millis(self.latest.load(Ordering::Relaxed));
        self.began.elapsed().saturating_sub(latest)
    }

    /// Waits until fewer than the allowed number of requests are under way.
    pub(crate) async fn slot(&self, operation: &'static str) -> Result<Slot<'_>, Error> {
        let permit = self.permits.acquire().await.map_err(|_| Error::LoggedOff { operation })?;
        Ok(Slot { pool: self, _permit: permit })
    }

    /// Gives up all connections that are not in use.
    pub(crate) fn close_idle(&self) {
        self.idle().connections.clear();
    }

    /// Gives up the connections that have not been used for long.
    pub(crate) fn close_stale(&self) {
        self.idle().connections.retain(Connection::is_fresh);
    }

    /// Ends a connection for another to get its worker: now, or when one is not in use any more.
    fn give_up_one(&self) {
        let mut idle = self.idle();
        if idle.connections.pop().is_none() {
            idle.owed += 1;
        }
    }

    /// Keeps a connection for later.
    fn put_back(&self, connection: Connection) {
        let mut idle = self.idle();
        if idle.owed > 0 {
            idle.owed -= 1;
        } else {
            idle.connections.push(connection);
        }
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection that was used before and still stands.
    async fn reuse(&self) -> Option<Connection> {
        loop {
            let mut connection = self.idle().connections.pop()?;
            if connection.is_fresh()
                && !connection.sender.is_closed()
                && connection.sender.ready().await.is_ok()
            {
                return Some(connection);
            }
        }
    }

    /// A connection; a new one with the right to open it.
    async fn connection(&self) -> Result<(Connection, Option<Opening<'_>>), Error> {
        if let Some(connection) = self.reuse().await {
            return Ok((connection, None));
        }
        let opening = self.opening.lock().await;
        // Somebody may have finished meanwhile.
        match self.reuse().await {
            Some(connection) => Ok((connection, None)),
            None => Ok((self.connect().await?, Some(opening))),
        }
    }

    /// Waits for an answer. If it is the first one of a connection, others may be opened as soon as it is there, or
    /// the server has had the time to give the connection a worker.
    async fn first_answer<T>(
        &self,
        answer: impl Future<Output = T>,
        opening: Option<Opening<'_>>,
    ) -> T {
        let Some(opening) = opening else { return answer.await };
        let mut answer = pin!(answer);
        if let Ok(answer) = tokio::time::timeout(SETTLING, answer.as_mut()).await {
            return answer;
        }
        drop(opening);
        if let Ok(answer) = tokio::time::timeout(STARVING, answer.as_mut()).await {
            return answer;
        }
        self.give_up_one();
        answer.await
    }

    async fn connect(&self) -> Result<Connection, Error> {
        let stream = self.open().await?;
        stream.set_nodelay(true).map_err(|error| Error::Unreachable {
            url: self.address.url(),
            reason: error.to_string(),
        })?;
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            let stream = tls.connect(stream, self.settings.connect_timeout).await?;
            return self.speak_http(stream).await;
        }
        self.speak_http(stream).await
    }

    async fn speak_http<S>(&self, stream: S) -> Result<Connection, Error>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let unreachable = |reason: String| Error::Unreachable { url: self.address.url(), reason };
        let (sender, connection) =
            handshake(TokioIo::new(stream)).await.map_err(|error| unreachable(chain(&error)))?;
        let driver = tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(error = chain(&error), "connection to vboxwebsrv ended");
            }
        });
        Ok(Connection {
            sender,
            driver: driver.abort_handle(),
            requests: 0,
            last_used: Instant::now(),
        })
    }

    /// Tries all of the host's addresses.
    async fn open(&self) -> Result<TcpStream, Error> {
        let url = self.address.url();
        let (host, port) = (self.address.host.clone(), self.address.port);
        let mut addresses: Vec<SocketAddr> = vec![];
        let mut failure = None;
        match tokio::net::lookup_host((host.as_str(), port)).await {
            Ok(found) => addresses.extend(found),
            Err(error) => failure = Some(error),
        }
        if host.eq_ignore_ascii_case("localhost") {
            // The name may stand for ::1 alone, where vboxwebsrv does not listen by itself.
            addresses.push(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port));
        }
        let mut tried = HashSet::new();
        for address in addresses.into_iter().filter(|address| tried.insert(*address)) {
            let attempt = TcpStream::connect(address);
            match tokio::time::timeout(self.settings.connect_timeout, attempt).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => failure = Some(error),
                Err(_) => failure = Some(io::ErrorKind::TimedOut.into()),
            }
        }
        Err(match failure {
            Some(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                Error::NotRunning { url, host, port }
            }
            Some(error) => Error::Unreachable { url, reason: error.to_string() },
            None => Error::Unreachable { url, reason: "the host has no address".to_owned() },
        })
    }
}

impl Slot<'_> {
    /// Sends a request and waits for the answer.
    pub(crate) async fn exchange(
        &self,
        operation: &'static str,
        body: String,
    ) -> Result<(StatusCode, String), Error> {
        let now = self.pool.began.elapsed().as_millis();
        self.pool.latest.fetch_max(u64::try_from(now).unwrap_or(u64::MAX), Ordering::Relaxed);
        let after = self.pool.settings.request_timeout;
        match tokio::time::timeout(after, self.send(operation, Bytes::from(body))).await {
            Ok(result) => result,
            Err(_) => Err(Error::TimedOut { operation, url: self.pool.address.url(), after }),
        }
    }

    async fn send(
        &self,
        operation: &'static str,
        body: Bytes,
    ) -> Result<(StatusCode, String), Error> {
        let address = &self.pool.address;
        let broken = |reason: String| Error::Transport { operation, url: address.url(), reason };
        let (mut connection, mut opening) = self.pool.connection().await?;
        let mut request = Request::post(address.path.as_str())
            .header("host", address.authority())
            .header("content-type", "text/xml; charset=utf-8")
            .header("soapaction", "\"\"")
            .body(Full::new(body))
            .map_err(|error| broken(error.to_string()))?;
        let response = loop {
            let answer = connection.sender.try_send_request(request);
            match self.pool.first_answer(answer, opening.take()).await {
                Ok(response) => break response,
                Err(mut failure) => match failure.take_message() {
                    // The connection had ended before a byte was written, so nothing has been asked yet.
                    // A new connection has never been idle and cannot have ended that way by itself.
                    Some(unsent) if connection.requests > 0 => {
                        request = unsent;
                        opening = Some(self.pool.opening.lock().await);
                        connection = self.pool.connect().await?;
                    }
                    _ => return Err(broken(chain(failure.error()))),
                },
            }
        };
        let status = response.status();
        // The server closes after every fault, and says so.
        let closes = response
            .headers()
            .get("connection")
            .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"close"));
        let limit = self.pool.settings.max_response_bytes;
        let body = Limited::new(response.into_body(), limit).collect().await.map_err(|error| {
            if error.is::<LengthLimitError>() {
                let reason =
                    format!("it is larger than {limit} bytes (`Settings::max_response_bytes`)");
                Error::Malformed { operation, reason }
            } else {
                broken(chain(&*error))
            }
        })?;
        let text = String::from_utf8(body.to_bytes().into()).map_err(|_| Error::Malformed {
            operation,
            reason: "the answer is not UTF-8".to_owned(),
        })?;
        connection.requests += 1;
        connection.last_used = Instant::now();
        if !closes && connection.requests < REQUESTS_PER_CONNECTION {
            self.pool.put_back(connection);
        }
        Ok((status, text))
    }
}

/// An error and its sources in one line.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
