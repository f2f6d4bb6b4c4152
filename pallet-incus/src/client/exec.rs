//! Programs in instances, started by the API: for guests without an sshd.

use std::collections::BTreeMap;
use std::time::Duration;

use hyper::Method;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::operation::{Operation, log};
use super::websocket::{self, Message};
use super::{Call, Client, Error, Inner, escape};

/// How long a program may run.
const RUNNING: Duration = Duration::from_secs(7 * 24 * 3600);

/// How many messages wait for the server before the sender waits.
const BACKLOG: usize = 16;

/// A program that runs in an instance. It is killed when this value is dropped.
#[derive(Debug)]
pub struct Execution {
    /// Its standard input; dropping it is its end.
    pub input: ExecInput,
    /// What it writes.
    pub output: mpsc::UnboundedReceiver<ExecOutput>,
    /// How it ends, after its output has.
    pub exit: ExecExit,
}

/// The standard input of a program in an instance.
#[derive(Debug, Clone)]
pub struct ExecInput(mpsc::Sender<Vec<u8>>);

impl ExecInput {
    /// Sends bytes; waits while the program does not read. False: it does not read any more.
    pub async fn send(&self, bytes: Vec<u8>) -> bool {
        self.0.send(bytes).await.is_ok()
    }
}

/// What a program in an instance writes.
#[derive(Debug, PartialEq, Eq)]
pub enum ExecOutput {
    /// To standard output.
    Stdout(Vec<u8>),
    /// To standard error.
    Stderr(Vec<u8>),
}

/// How a program in an instance ends.
#[derive(Debug)]
pub struct ExecExit(JoinHandle<Result<u32, Error>>);

impl ExecExit {
    /// Waits for it: its status, 128 + signal number for a signal.
    ///
    /// # Errors
    /// [`Error`] when the server cannot say it.
    pub async fn wait(&mut self) -> Result<u32, Error> {
        match (&mut self.0).await {
            Ok(status) => status,
            Err(error) => Err(Error::Local {
                what: "the program was not waited for to its end".to_owned(),
                reason: error.to_string(),
            }),
        }
    }
}

impl Drop for ExecExit {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The secrets of a program's streams: `0`, `1`, `2` and `control`.
#[derive(Deserialize)]
struct Streams {
    fds: BTreeMap<String, String>,
}

impl Client {
    /// Starts a program in a running instance, as root, in root's home folder.
    ///
    /// # Errors
    /// [`Error`] when it cannot be started.
    pub async fn exec(
        &self,
        name: &str,
        command: &[&str],
        environment: &BTreeMap<String, String>,
    ) -> Result<Execution, Error> {
        let doing = format!("running a program in {name}");
        let path = format!("/1.0/instances/{}/exec", escape(name));
        let request = json!({
            "command": command, "environment": environment, "cwd": "/root",
            "wait-for-websocket": true, "interactive": false,
        });
        let call = Call::new(Method::POST, &path, &doing).json(&request);
        let operation = self.0.begin(call).await?;
        let operation = operation.ok_or_else(|| self.0.odd(&doing, &"it is no operation"))?;
        let streams: Streams = operation
            .metadata
            .as_ref()
            .and_then(|metadata| serde_json::to_value(metadata).ok())
            .and_then(|metadata| serde_json::from_value(metadata).ok())
            .ok_or_else(|| self.0.odd(&doing, &"it has no streams"))?;
        let socket = |which: &str| {
            let secret = streams.fds.get(which).cloned();
            let secret = secret.ok_or_else(|| self.0.odd(&doing, &format!("no stream {which}")));
            let id = &operation.id;
            secret.map(|secret| format!("/1.0/operations/{id}/websocket?secret={secret}"))
        };
        let paths = (socket("0")?, socket("1")?, socket("2")?, socket("control")?);
        // The program starts when the server has all of them.
        let (input, output, errors, control) = tokio::try_join!(
            websocket::open(&self.0, &paths.0, &doing),
            websocket::open(&self.0, &paths.1, &doing),
            websocket::open(&self.0, &paths.2, &doing),
            websocket::open(&self.0, &paths.3, &doing),
        )?;

        let (to_input, mut chunks) = mpsc::channel::<Vec<u8>>(BACKLOG);
        let (mut input_reader, mut input_writer) = input;
        // Whatever the server says on this one is only about the connection.
        let listening =
            tokio::spawn(async move { while let Ok(Some(_)) = input_reader.next().await {} });
        tokio::spawn(async move {
            while let Some(chunk) = chunks.recv().await {
                if input_writer.send(&chunk).await.is_err() {
                    return;
                }
            }
            let _ = input_writer.end().await;
            let _ = listening.await;
        });

        let (sender, received) = mpsc::unbounded_channel();
        let out = tokio::spawn(pump(output, sender.clone(), ExecOutput::Stdout));
        let err = tokio::spawn(pump(errors, sender, ExecOutput::Stderr));
        let client = self.clone();
        let exit = tokio::spawn(async move {
            // While it stands the program may run: the server kills it when this one breaks.
            let _control = control;
            let _ = tokio::join!(out, err);
            exit_status(&client.0, operation, &doing).await
        });
        Ok(Execution { input: ExecInput(to_input), output: received, exit: ExecExit(exit) })
    }
}

async fn pump(
    stream: websocket::Socket,
    to: mpsc::UnboundedSender<ExecOutput>,
    wrap: fn(Vec<u8>) -> ExecOutput,
) {
    let (mut reader, mut writer) = stream;
    loop {
        match reader.next().await {
            Ok(Some(Message::Data(bytes))) => {
                // Nobody reads any more; the stream goes on so that the program can end.
                let _ = to.send(wrap(bytes));
            }
            Ok(Some(Message::Ping(bytes))) => {
                let _ = writer.pong(&bytes).await;
            }
            Ok(Some(Message::End) | None) | Err(_) => return,
        }
    }
}

async fn exit_status(inner: &Inner, operation: Operation, doing: &str) -> Result<u32, Error> {
    let ended = inner.wait(operation, doing, RUNNING, &mut log).await?;
    let status = ended.value("return").and_then(serde_json::Value::as_i64);
    let status = status.and_then(|status| u32::try_from(status).ok());
    status.ok_or_else(|| inner.odd(doing, &"it does not say how the program ended"))
}
