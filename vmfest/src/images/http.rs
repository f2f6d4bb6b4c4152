//! Asking web servers for files.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::header::{HOST, HeaderMap, LOCATION, USER_AGENT};
use hyper::{Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio_rustls::TlsConnector;

/// How long a server may take to accept a connection, to shake hands, to begin its answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long nothing may come in the middle of an answer.
pub(super) const STALL: Duration = Duration::from_secs(60);
const MAX_REDIRECTS: usize = 10;

/// What went wrong, and whether trying again may help.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) problem: String,
    pub(super) may_pass: bool,
}

impl Failure {
    pub(super) fn lasting(problem: impl Into<String>) -> Self {
        Self { problem: problem.into(), may_pass: false }
    }

    pub(super) fn passing(problem: impl Into<String>) -> Self {
        Self { problem: problem.into(), may_pass: true }
    }
}

/// Asks servers.
#[derive(Clone)]
pub(super) struct Client {
    /// Built when the first `https` address is asked for.
    tls: Option<Arc<ClientConfig>>,
    authorities: Option<String>,
}

/// A server's answer, its head read.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    body: Incoming,
    driver: AbortHandle,
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Answer {
    /// The next bytes; none at the end.
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>, Failure> {
        loop {
            match tokio::time::timeout(STALL, self.body.frame()).await {
                Err(_) => {
                    let seconds = STALL.as_secs();
                    return Err(Failure::passing(format!("nothing came for {seconds} s")));
                }
                Ok(None) => return Ok(None),
                Ok(Some(Err(error))) => {
                    return Err(Failure::passing(format!("the connection broke: {error}")));
                }
                Ok(Some(Ok(frame))) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
            }
        }
    }

    /// The whole answer as text, if it is not longer than `limit`.
    pub(super) async fn text(mut self, limit: usize) -> Result<String, Failure> {
        let mut bytes = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > limit {
                return Err(Failure::lasting(format!("it is longer than {limit} bytes")));
            }
        }
        String::from_utf8(bytes).map_err(|_| Failure::lasting("it is no text"))
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

impl Client {
    /// Trusts the system's authorities, or those in `authorities` (PEM) in their place.
    pub(super) fn new(authorities: Option<String>) -> Self {
        Self { tls: None, authorities }
    }

    /// Asks for a file, and goes where the server sends.
    pub(super) async fn get(
        &mut self,
        url: &str,
        headers: &[(&str, String)],
    ) -> Result<Answer, Failure> {
        let mut url = url.to_owned();
        for _ in 0..=MAX_REDIRECTS {
            let uri: Uri =
                url.parse().map_err(|e| Failure::lasting(format!("{url} is no address: {e}")))?;
            let answer = self.ask(&uri, headers).await?;
            if !answer.status.is_redirection() || answer.status == StatusCode::NOT_MODIFIED {
                return Ok(answer);
            }
            let Some(target) = answer.header(LOCATION.as_str()) else {
                return Err(Failure::lasting("the server sends elsewhere but does not say where"));
            };
            let next = resolve(&uri, target);
            if uri.scheme_str() == Some("https") && !next.starts_with("https:") {
                return Err(Failure::lasting(format!(
                    "it is sent on to {next}, which is not safe"
                )));
            }
            url = next;
        }
        Err(Failure::lasting(format!("it was sent on more than {MAX_REDIRECTS} times")))
    }

    async fn ask(&mut self, uri: &Uri, headers: &[(&str, String)]) -> Result<Answer, Failure> {
        let is_tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            other => {
                let scheme = other.unwrap_or("no scheme");
                return Err(Failure::lasting(format!("{scheme} is not http or https")));
            }
        };
        let authority = uri.authority().map(hyper::http::uri::Authority::as_str);
        if authority.is_none_or(|authority| authority.contains('@')) {
            return Err(Failure::lasting("the address needs a host, and cannot hold a password"));
        }
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        let connecting = TcpStream::connect((host.as_str(), port));
        let stream = in_time(connecting, &format!("connect to {host}:{port}")).await?;
        if stream.set_nodelay(true).is_err() {
            tracing::debug!(host, "cannot switch Nagle's algorithm off");
        }
        let request = request(uri, headers)?;
        if is_tls {
            let config = self.tls().map_err(Failure::lasting)?;
            let name = ServerName::try_from(host.clone())
                .map_err(|_| Failure::lasting(format!("{host} is no name of a server")))?;
            let shaking = TlsConnector::from(config).connect(name, stream);
            // A certificate that is refused will be refused again.
            let stream = in_time(shaking, "speak TLS").await.map_err(|failure| Failure {
                may_pass: !failure.problem.contains("certificate"),
                ..failure
            })?;
            send(stream, request).await
        } else {
            send(stream, request).await
        }
    }

    fn tls(&mut self) -> Result<Arc<ClientConfig>, String> {
        if let Some(config) = &self.tls {
            return Ok(Arc::clone(config));
        }
        let mut roots = RootCertStore::empty();
        match &self.authorities {
            Some(pem) => {
                for certificate in rustls::pki_types::CertificateDer::pem_slice_iter(pem.as_bytes())
                {
                    let certificate = certificate.map_err(|e| format!("the given PEM: {e}"))?;
                    roots.add(certificate).map_err(|e| format!("a given authority: {e}"))?;
                }
            }
            None => {
                let found = rustls_native_certs::load_native_certs();
                roots.add_parsable_certificates(found.certs);
            }
        }
        if roots.is_empty() {
            return Err("there is no list of trusted authorities on this machine; install \
                        ca-certificates"
                .to_owned());
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|e| e.to_string())?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Arc::clone(self.tls.insert(Arc::new(config))))
    }
}

fn request(uri: &Uri, headers: &[(&str, String)]) -> Result<Request<Empty<Bytes>>, Failure> {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let host = uri.authority().map_or("", |authority| authority.as_str());
    let mut request = Request::get(path)
        .header(HOST, host)
        .header(USER_AGENT, concat!("vmfest/", env!("CARGO_PKG_VERSION")));
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    request.body(Empty::new()).map_err(|e| Failure::lasting(e.to_string()))
}

async fn send<S>(stream: S, request: Request<Empty<Bytes>>) -> Result<Answer, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let shaken = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = shaken.map_err(|e| Failure::passing(e.to_string()))?;
    let driver = tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a download's connection ended");
        }
    })
    .abort_handle();
    let answer = in_time(sender.send_request(request), "get an answer").await;
    let (head, body) = match answer {
        Ok(answer) => answer.into_parts(),
        Err(failure) => {
            driver.abort();
            return Err(failure);
        }
    };
    Ok(Answer { status: head.status, headers: head.headers, body, driver })
}

async fn in_time<T, E: std::fmt::Display>(
    work: impl Future<Output = Result<T, E>>,
    doing: &str,
) -> Result<T, Failure> {
    match tokio::time::timeout(PATIENCE, work).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(Failure::passing(format!("cannot {doing}: {error}"))),
        Err(_) => {
            Err(Failure::passing(format!("cannot {doing}: no answer in {} s", PATIENCE.as_secs())))
        }
    }
}

/// Where a redirection leads.
fn resolve(from: &Uri, target: &str) -> String {
    let target = target.split('#').next().unwrap_or_default();
    let scheme = from.scheme_str().unwrap_or("http");
    let authority = from.authority().map_or("", |authority| authority.as_str());
    if target.contains("://") {
        target.to_owned()
    } else if let Some(rest) = target.strip_prefix("//") {
        format!("{scheme}://{rest}")
    } else if target.starts_with('/') {
        format!("{scheme}://{authority}{target}")
    } else {
        let folder = from.path().rsplit_once('/').map_or("", |(folder, _)| folder);
        format!("{scheme}://{authority}{folder}/{target}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirections_of_all_kinds() {
        let from: Uri = "https://a.example:8443/x/y.vdi?z".parse().expect("an address");
        for (target, expected) in [
            ("http://b.example/q#part", "http://b.example/q"),
            ("//b.example/q", "https://b.example/q"),
            ("/q?r", "https://a.example:8443/q?r"),
            ("q", "https://a.example:8443/x/q"),
        ] {
            assert_eq!(resolve(&from, target), expected);
        }
    }

    #[tokio::test]
    async fn addresses_that_cannot_be_asked() {
        for (url, part) in [
            ("ftp://a/x", "not http"),
            ("http://u:p@a/x", "cannot hold a password"),
            ("http://", "no address"),
        ] {
            let failure = Client::new(None).get(url, &[]).await.err().expect(url);
            assert!(failure.problem.contains(part), "{url}: {}", failure.problem);
            assert!(!failure.may_pass);
        }
    }
}
