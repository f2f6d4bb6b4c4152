//! A server that says what it is told to say.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::HeaderMap;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use pallet_incus::client::Address;
use serde_json::{Value, json};
use tokio::net::UnixListener;

/// A request that came.
#[derive(Debug, Clone)]
pub struct Asked {
    pub method: String,
    /// The path with its query, without the project.
    pub path: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Asked {
    /// `GET /1.0/instances?recursion=2`.
    pub fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// What is answered.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Bytes,
}

impl Answer {
    pub fn bytes(body: impl Into<Bytes>) -> Self {
        Self { status: 200, headers: Vec::new(), body: body.into() }
    }

    /// A document in its envelope.
    pub fn sync(metadata: Value) -> Self {
        let body = json!({"type": "sync", "status_code": 200, "metadata": metadata});
        Self::bytes(body.to_string())
    }

    /// The begin, or the end, of an operation.
    pub fn operation(accepted: bool, metadata: Value) -> Self {
        let status = if accepted { 202 } else { 200 };
        Self { status, ..Self::sync(metadata) }
    }

    pub fn error(status: u16, reason: &str) -> Self {
        let body = json!({"type": "error", "error": reason, "error_code": status});
        Self { status, ..Self::bytes(body.to_string()) }
    }

    /// As Incus tells whoever waits that an operation has failed, or not ended yet.
    pub fn late_error(reason: &str) -> Self {
        Self { status: 200, ..Self::error(500, reason) }
    }

    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }
}

/// The server. It ends with the test.
pub struct Server {
    folder: tempfile::TempDir,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    pub fn start(answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("unix.socket")).unwrap();
        let asked = Arc::<Mutex<Vec<Asked>>>::default();
        let (answer, log) = (Arc::new(answer), asked.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (answer, log) = (answer.clone(), log.clone());
                tokio::spawn(async move {
                    let serve = service_fn(move |request: Request<Incoming>| {
                        let (answer, log) = (answer.clone(), log.clone());
                        async move {
                            let asked = asked_of(request).await;
                            log.lock().unwrap().push(asked.clone());
                            Ok::<_, Infallible>(response(answer(&asked)))
                        }
                    });
                    let served =
                        http1::Builder::new().serve_connection(TokioIo::new(stream), serve);
                    // A client that goes away is no failure.
                    let _ = served.await;
                });
            }
        });
        Self { folder, asked }
    }

    pub fn address(&self) -> Address {
        Address::Unix(self.folder.path().join("unix.socket"))
    }

    /// All that was asked, after what every connection begins with.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().iter().filter(|it| it.path != "/1.0").cloned().collect()
    }
}

async fn asked_of(request: Request<Incoming>) -> Asked {
    let (head, body) = request.into_parts();
    let path = head.uri.to_string();
    let path = path.replace("&project=default", "").replace("?project=default", "");
    let body = body.collect().await.unwrap().to_bytes();
    Asked { method: head.method.to_string(), path, headers: head.headers, body }
}

fn response(answer: Answer) -> Response<Full<Bytes>> {
    let mut response = Response::builder().status(answer.status);
    for (name, value) in &answer.headers {
        response = response.header(*name, value);
    }
    response.body(Full::new(answer.body)).unwrap()
}

/// What a server says of itself.
pub fn greeting(product: &str, version: &str, extensions: &[&str]) -> Answer {
    Answer::sync(json!({
        "auth": "trusted",
        "api_extensions": extensions,
        "environment": {
            "server": product, "server_version": version, "server_name": "n1",
            "server_clustered": true, "driver": "lxc | qemu",
            "certificate_fingerprint": "ab".repeat(32),
        },
    }))
}
