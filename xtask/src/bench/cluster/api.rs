//! The bare calls: what somebody writes who needs ten containers and knows the API.

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use serde_json::{Value, json};

/// How many containers are made at once: as many as a service does by default.
const AT_ONCE: usize = 8;
const PATIENCE: Duration = Duration::from_secs(120);

/// A container that is there: its name, address and host key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Made {
    pub(super) name: String,
    pub(super) address: String,
    pub(super) host_key: String,
}

/// The API at a unix socket.
#[derive(Debug, Clone)]
pub(super) struct Api {
    socket: PathBuf,
}

impl Api {
    pub(super) fn new(socket: &Path) -> Self {
        Self { socket: socket.to_owned() }
    }

    /// Makes containers, and waits until they could be logged in to. They are spread over the
    /// members, as a cluster's nodes are: those that are asked for in one moment would all go to one.
    pub(super) fn create(
        &self,
        names: &[String],
        image: &str,
        members: &[&str],
    ) -> anyhow::Result<Vec<Made>> {
        let names_here = names.iter().map(String::as_str);
        let places: HashMap<&str, &&str> = names_here.zip(members.iter().cycle()).collect();
        let mut made = each(names, |name| {
            let place = places.get(name).context("the cluster has no members")?;
            self.create_one(name, image, place)
        })?;
        made.sort();
        Ok(made)
    }

    pub(super) fn destroy(&self, names: &[String]) -> anyhow::Result<()> {
        each(names, |name| {
            let path = format!("/1.0/instances/{name}");
            let stop = json!({"action": "stop", "force": true, "timeout": -1});
            self.settle("PUT", &format!("{path}/state"), &stop)?;
            self.settle("DELETE", &path, &Value::Null)
        })
        .map(drop)
    }

    fn create_one(&self, name: &str, image: &str, member: &str) -> anyhow::Result<Made> {
        let source = json!({"type": "image", "alias": image});
        let new = json!({"name": name, "type": "container", "source": source});
        self.settle("POST", &format!("/1.0/instances?target={member}"), &new)?;
        let path = format!("/1.0/instances/{name}");
        let start = json!({"action": "start", "timeout": -1});
        self.settle("PUT", &format!("{path}/state"), &start)?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            ensure!(Instant::now() < deadline, "{name} is not ready");
            let state = self.ask("GET", &format!("{path}/state"), &Value::Null)?;
            let addresses = state["metadata"]["network"]["eth0"]["addresses"].as_array();
            let mut addresses = addresses.into_iter().flatten();
            let address = addresses.find(|it| it["family"] == "inet" && it["scope"] == "global");
            if let Some(address) = address.and_then(|it| it["address"].as_str()) {
                let file = "/etc/ssh/ssh_host_ed25519_key.pub";
                let (status, key) =
                    self.send("GET", &format!("{path}/files?path={file}"), &Value::Null)?;
                let key = String::from_utf8_lossy(&key).into_owned();
                let words: Vec<&str> = key.split_whitespace().take(2).collect();
                if status == 200 && words.len() == 2 && greets(address) {
                    let (name, address) = (name.to_owned(), address.to_owned());
                    return Ok(Made { name, address, host_key: words.join(" ") });
                }
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Sends a request and waits for what it begins.
    fn settle(&self, method: &str, path: &str, body: &Value) -> anyhow::Result<()> {
        let answer = self.ask(method, path, body)?;
        let Some(id) = answer["metadata"]["id"].as_str() else { return Ok(()) };
        let path = format!("/1.0/operations/{id}/wait?timeout={}", PATIENCE.as_secs());
        let ended = self.ask("GET", &path, &Value::Null)?;
        ensure!(ended["metadata"]["status_code"] == 200, "{method} {path}: {ended}");
        Ok(())
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> anyhow::Result<Value> {
        let (status, answer) = self.send(method, path, body)?;
        let answer: Value = serde_json::from_slice(&answer)?;
        ensure!(status < 300, "{method} {path}: {answer}");
        Ok(answer)
    }

    fn send(&self, method: &str, path: &str, body: &Value) -> anyhow::Result<(u16, Vec<u8>)> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let mut stream = UnixStream::connect(&self.socket)
            .with_context(|| format!("could not connect to {}", self.socket.display()))?;
        let length = body.len();
        // HTTP/1.0: the answer ends with the connection, and is in one piece.
        write!(stream, "{method} {path} HTTP/1.0\r\nContent-Length: {length}\r\n\r\n{body}")?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
        let end = end.context("the answer has no head")?;
        let content = answer.split_off(end + 4);
        let head = String::from_utf8_lossy(&answer);
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        Ok((status.context("the answer has no status")?, content))
    }
}

fn greets(address: &str) -> bool {
    let mut greeting = [0; 4];
    std::net::TcpStream::connect((address, 22))
        .and_then(|mut stream| stream.read_exact(&mut greeting))
        .is_ok_and(|()| &greeting == b"SSH-")
}

/// Works on all names, a few at once.
fn each<T: Send>(
    names: &[String],
    work: impl Fn(&str) -> anyhow::Result<T> + Sync,
) -> anyhow::Result<Vec<T>> {
    let (waiting, done) = (Mutex::new(names.iter()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let next = waiting.lock().ok().and_then(|mut names| names.next());
                    let Some(name) = next else { return };
                    let result = work(name);
                    if let Ok(mut done) = done.lock() {
                        done.push(result);
                    }
                }
            });
        }
    });
    let Ok(done) = done.into_inner() else { bail!("a thread has panicked") };
    done.into_iter().collect()
}
