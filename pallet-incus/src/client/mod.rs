//! A client of the REST API of Incus and LXD, as far as nodes need it.
//!
//! ```no_run
//! use pallet_incus::client::{Address, Client};
//! # async fn example() -> Result<(), pallet_incus::client::Error> {
//! let client = Client::connect(Address::of_this_machine()?, None, "default").await?;
//! for instance in client.instances().await? {
//!     println!("{} is {} on {}", instance.name, instance.status, instance.location);
//! }
//! # Ok(())
//! # }
//! ```

mod address;
mod body;
mod cluster;
mod dialect;
mod error;
mod exec;
mod http;
mod images;
mod instances;
mod model;
mod operation;
mod tls;
mod websocket;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HOST, HeaderMap, USER_AGENT};
use hyper::{Method, Request, Response};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::{Instant, sleep};

pub use address::Address;
pub use cluster::{Group, Member};
pub use dialect::Dialect;
pub use error::Error;
pub use exec::{ExecExit, ExecInput, ExecOutput, Execution};
pub use images::Upload;
pub use instances::{Creation, NewInstance, Source};
pub use model::{
    Alias, Device, Image, Instance, InstanceType, Network, NetworkAddress, NetworkState, Profile,
    Server, State,
};
pub use operation::{Operation, Progress};
pub(crate) use tls::hex;
pub use tls::{Credentials, fingerprint, parse_fingerprint};

use body::Body;
use http::{Ask, Http};

/// How long an answer may take that needs no long work.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long members may need to find each other after one was started: they look every 10 seconds.
const GATHERING: Duration = Duration::from_secs(12);
const PAUSE: Duration = Duration::from_millis(500);

/// A client of one server, and through it of its cluster. Clones are the same client.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    http: Http,
    project: String,
    server: Server,
    dialect: Dialect,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = self.0.http.address().to_string();
        f.debug_struct("Client")
            .field("address", &address)
            .field("project", &self.0.project)
            .finish()
    }
}

impl Client {
    /// Connects to a server, and sees what it is and whether it trusts us. Everything is in
    /// `project` then; every server has `default`.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn connect(
        address: Address,
        credentials: Option<&Credentials>,
        project: &str,
    ) -> Result<Self, Error> {
        let tls = credentials.map(Credentials::config).transpose().map_err(|reason| {
            Error::Local { what: "the client certificate cannot be used".to_owned(), reason }
        })?;
        let http = Http::new(address, tls.map(Arc::new));
        let probe = Inner {
            http,
            project: project.to_owned(),
            server: Server::default(),
            dialect: Dialect::Incus,
        };
        let server: Server = probe.get("/1.0", "asking what the server is").await?;
        if server.auth != "trusted" {
            return Err(Error::Refused {
                doing: format!("working with {}", probe.http.address()),
                status: 403,
                reason: "the server does not trust this client".to_owned(),
            });
        }
        let dialect = Dialect::of(&server);
        Ok(Self(Arc::new(Inner { server, dialect, ..probe })))
    }

    /// Where the server listens.
    pub fn address(&self) -> &Address {
        self.0.http.address()
    }

    /// What the server said of itself when the connection was made.
    pub fn server(&self) -> &Server {
        &self.0.server
    }

    /// Which of the two products it is.
    pub fn dialect(&self) -> Dialect {
        self.0.dialect
    }

    /// The project that everything is in.
    pub fn project(&self) -> &str {
        &self.0.project
    }

    /// Gives up the connections that are kept.
    pub fn close(&self) {
        self.0.http.close();
    }
}

/// An answer of the API, in its envelope.
#[derive(serde::Deserialize)]
struct Envelope<T> {
    metadata: Option<T>,
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    error: String,
}

/// The envelope of a refusal.
#[derive(serde::Deserialize)]
struct Refusal {
    #[serde(default)]
    error: String,
}

/// A request that is being put together.
struct Call<'a> {
    method: Method,
    path: &'a str,
    doing: &'a str,
    headers: HeaderMap,
    body: Body,
    patience: Duration,
}

impl<'a> Call<'a> {
    fn new(method: Method, path: &'a str, doing: &'a str) -> Self {
        let (headers, body) = (HeaderMap::new(), Body::Whole(Bytes::new()));
        Self { method, path, doing, headers, body, patience: PATIENCE }
    }

    fn json(mut self, value: &Value) -> Self {
        self.body = Body::Whole(value.to_string().into());
        self.headers
            .insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static("application/json"));
        self
    }
}

impl Inner {
    /// The path with the project, which every path may have.
    fn path(&self, path: &str) -> String {
        let sign = if path.contains('?') { '&' } else { '?' };
        format!("{path}{sign}project={}", escape(&self.project))
    }

    fn request(&self, call: &mut Call<'_>) -> Result<Request<Body>, Error> {
        let host = match self.http.address() {
            Address::Unix(_) => "local".to_owned(),
            Address::Tls { host, .. } => host.clone(),
        };
        let path = self.path(call.path);
        let mut request = Request::builder().method(call.method.clone()).uri(path);
        if let Some(headers) = request.headers_mut() {
            headers.clone_from(&call.headers);
        }
        let request = request.header(HOST, host).header(USER_AGENT, "pallet");
        let body = call.body.take();
        request.body(body).map_err(|error| self.odd(call.doing, &error))
    }

    /// Sends a request; an answer that is a refusal is an error. One that says that the members
    /// have not found each other yet is asked for again: nothing has been done then.
    async fn send(&self, mut call: Call<'_>) -> Result<Response<Bytes>, Error> {
        let (begun, can_repeat) = (Instant::now(), call.body.is_whole());
        loop {
            let answer = self.send_once(&mut call).await;
            let will_pass = match &answer {
                Err(Error::Refused { reason, .. }) => self.dialect.will_pass(reason),
                _ => false,
            };
            let again = will_pass && can_repeat && begun.elapsed() < GATHERING;
            if !again || !self.all_are_online().await {
                return answer;
            }
            tracing::debug!(doing = call.doing, "once more in a moment");
            sleep(PAUSE).await;
        }
    }

    /// Whether no member is known to be away: then those that have not found each other will.
    async fn all_are_online(&self) -> bool {
        let path = "/1.0/cluster/members?recursion=1";
        let mut call = Call::new(Method::GET, path, "listing the cluster's members");
        let Ok(answer) = self.send_once(&mut call).await else { return false };
        let members = self.read::<Vec<Member>>(answer.body(), call.doing);
        members.is_ok_and(|members| members.iter().all(Member::is_online))
    }

    async fn send_once(&self, call: &mut Call<'_>) -> Result<Response<Bytes>, Error> {
        let request = self.request(call)?;
        let (doing, patience) = (call.doing.to_owned(), call.patience);
        let begun = Instant::now();
        let response = self.http.ask(Ask { request, doing, patience }).await?;
        let (method, status) = (&call.method, response.status().as_u16());
        tracing::debug!(%method, path = call.path, status, time = ?begun.elapsed(), "asked");
        if response.status().is_success() {
            return Ok(response);
        }
        let refusal = serde_json::from_slice::<Refusal>(response.body());
        let reason = refusal.map(|refusal| refusal.error).unwrap_or_default();
        let status = response.status();
        Err(Error::Refused {
            doing: call.doing.to_owned(),
            status: status.as_u16(),
            reason: if reason.is_empty() { status.to_string() } else { reason },
        })
    }

    async fn get<T: DeserializeOwned>(&self, path: &str, doing: &str) -> Result<T, Error> {
        let response = self.send(Call::new(Method::GET, path, doing)).await?;
        self.read(response.body(), doing)
    }

    /// What stands in an answer's envelope.
    fn read<T: DeserializeOwned>(&self, body: &[u8], doing: &str) -> Result<T, Error> {
        let envelope: Envelope<T> =
            serde_json::from_slice(body).map_err(|error| self.odd(doing, &error))?;
        // Incus tells whoever waits for an operation in this way that it has failed.
        if envelope.kind == "error" {
            return Err(Error::Failed { doing: doing.to_owned(), reason: envelope.error });
        }
        envelope.metadata.ok_or_else(|| self.odd(doing, &"it has no `metadata`"))
    }

    fn odd(&self, doing: &str, reason: &dyn ToString) -> Error {
        Error::Odd {
            server: self.http.address().to_string(),
            doing: doing.to_owned(),
            reason: reason.to_string(),
        }
    }
}

/// A text as part of a path or of a query.
fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn what_has_a_meaning_in_addresses_is_escaped() {
        assert_eq!(escape("web-1"), "web-1");
        assert_eq!(escape("a/b?c&d ä"), "a%2Fb%3Fc%26d%20%C3%A4");
    }
}
