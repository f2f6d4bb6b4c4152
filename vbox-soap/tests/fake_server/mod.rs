//! A server that misbehaves on demand, for what the real one does only when something is broken.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    dead_code,
    reason = "test support: a failure here is a failed test, and not every user needs everything"
)]

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use vbox_soap::{Client, Session, Settings};

/// What the server does with a request.
#[derive(Clone)]
pub enum Does {
    /// Answers with this inside of the response's element.
    Answers(String),
    /// The same, after a while.
    AnswersAfter(Duration, String),
    /// Answers, and then closes the connection without having said so.
    AnswersAndCloses(String),
    /// Answers with a fault with this inside.
    Faults(String),
    /// Answers with this status and text.
    Says(u16, String),
    /// Closes the connection without an answer.
    Closes,
    /// Never answers.
    Hangs,
}

/// A request as the server got it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub connection: usize,
    pub operation: String,
    pub this: String,
}

/// A running server; it ends with the run time.
#[derive(Clone)]
pub struct FakeServer {
    pub url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    /// How many requests are being worked on, and the most there ever were.
    under_way: Arc<(AtomicUsize, AtomicUsize)>,
}

/// What a server does with which operation; by itself it lets everybody log on and has API 7.2.
pub type Script = HashMap<&'static str, Does>;

pub fn returns(value: &str) -> Does {
    Does::Answers(format!("<returnval>{value}</returnval>"))
}

impl FakeServer {
    pub async fn start(script: &[(&'static str, Does)]) -> Self {
        let mut all: Script = HashMap::from([
            ("IWebsessionManager_logon", returns("root")),
            ("IVirtualBox_getAPIVersion", returns("7_2")),
            ("IWebsessionManager_logoff", Does::Answers(String::new())),
            ("IManagedObjectRef_release", Does::Answers(String::new())),
        ]);
        all.extend(script.iter().cloned());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let server = Self { url, seen: Arc::default(), under_way: Arc::default() };
        let (running, script) = (server.clone(), Arc::new(all));
        tokio::spawn(async move {
            for connection in 0.. {
                let Ok((stream, _)) = listener.accept().await else { return };
                let (running, script) = (running.clone(), script.clone());
                tokio::spawn(async move { running.serve(connection, stream, &script).await });
            }
        });
        server
    }

    /// A session with settings that do not make a test wait.
    pub async fn log_on(&self) -> Session {
        self.log_on_with(|_| {}).await
    }

    pub async fn log_on_with(&self, change: impl FnOnce(&mut Settings)) -> Session {
        let mut settings = Settings::default();
        settings.request_timeout = Duration::from_secs(10);
        change(&mut settings);
        Client::with_settings(&self.url, settings).unwrap().logon("", "").await.unwrap()
    }

    /// All requests so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// How often an operation was asked for.
    pub fn count(&self, operation: &str) -> usize {
        self.seen().iter().filter(|seen| seen.operation == operation).count()
    }

    /// The references that were released, in order.
    pub fn released(&self) -> Vec<String> {
        let seen = self.seen().into_iter();
        seen.filter(|seen| seen.operation == "IManagedObjectRef_release")
            .map(|seen| seen.this)
            .collect()
    }

    pub fn most_at_once(&self) -> usize {
        self.under_way.1.load(Ordering::SeqCst)
    }

    async fn serve(&self, connection: usize, mut stream: TcpStream, script: &Script) {
        let mut buffer = vec![];
        while let Some(body) = read_request(&mut stream, &mut buffer).await {
            let operation = between(&body, "<v:", ">");
            let this = between(&body, "<_this>", "</_this>");
            self.seen.lock().unwrap().push(Seen { connection, operation: operation.clone(), this });
            let now = self.under_way.0.fetch_add(1, Ordering::SeqCst) + 1;
            self.under_way.1.fetch_max(now, Ordering::SeqCst);
            let does = script.get(operation.as_str()).cloned();
            let does = does.unwrap_or(Does::Says(404, format!("no script for {operation}")));
            let keep = act(&mut stream, &operation, does).await;
            self.under_way.0.fetch_sub(1, Ordering::SeqCst);
            if !keep {
                return;
            }
        }
    }
}

/// False if the connection is to be closed.
async fn act(stream: &mut TcpStream, operation: &str, does: Does) -> bool {
    let response = |content: &str| {
        format!(
            "<v:{operation}Response xmlns:v=\"http://www.virtualbox.org/\">{content}</v:{operation}Response>"
        )
    };
    match does {
        Does::Answers(content) => send(stream, 200, &envelope(&response(&content))).await,
        Does::AnswersAfter(delay, content) => {
            tokio::time::sleep(delay).await;
            send(stream, 200, &envelope(&response(&content))).await;
        }
        Does::AnswersAndCloses(content) => {
            send(stream, 200, &envelope(&response(&content))).await;
            return false;
        }
        Does::Faults(content) => send(stream, 500, &envelope(&content)).await,
        Does::Says(status, text) => send(stream, status, &text).await,
        Does::Closes => return false,
        Does::Hangs => std::future::pending().await,
    }
    true
}

fn envelope(content: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?><E:Envelope xmlns:E=\"http://schemas.xmlsoap.org/soap/envelope/\">\
         <E:Body>{content}</E:Body></E:Envelope>"
    )
}

async fn send(stream: &mut TcpStream, status: u16, text: &str) {
    let head = format!("HTTP/1.1 {status} x\r\nContent-Length: {}\r\n\r\n", text.len());
    // The client may have gone away.
    let _ = stream.write_all(format!("{head}{text}").as_bytes()).await;
}

/// The body of the next request; nothing when the client closes.
async fn read_request(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<String> {
    loop {
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&buffer[..end]).to_lowercase();
            let length: usize = between(&head, "content-length: ", "\r").parse().unwrap();
            if buffer.len() >= end + 4 + length {
                let rest = buffer.split_off(end + 4 + length);
                let request = std::mem::replace(buffer, rest);
                return Some(String::from_utf8(request[end + 4..].to_vec()).unwrap());
            }
        }
        let mut chunk = [0; 4096];
        match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => return None,
            Ok(count) => buffer.extend_from_slice(&chunk[..count]),
        }
    }
}

fn between(text: &str, begin: &str, end: &str) -> String {
    let rest = text.split_once(begin).map_or("", |(_, rest)| rest);
    rest.split_once(end).map_or(rest, |(found, _)| found).to_owned()
}
