//! The local machine as a node.

use std::process::Stdio;

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::mpsc;

use super::{Output, Process, Transport, TransportError};

/// Runs programs on this machine, through `sh`, as the user who runs us.
#[derive(Debug, Default)]
pub struct LocalTransport;

#[async_trait]
impl Transport for LocalTransport {
    async fn exec(&self, command: &str) -> Result<Process, TransportError> {
        let mut child = tokio::process::Command::new("sh")
            .args(["-c", command])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| lost(&error))?;
        let (Some(stdin), Some(stdout), Some(stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(lost(&std::io::Error::other("a pipe is missing")));
        };
        let (sender, output) = mpsc::unbounded_channel();
        let out = tokio::spawn(pump(stdout, sender.clone(), Output::Stdout));
        let err = tokio::spawn(pump(stderr, sender.clone(), Output::Stderr));
        tokio::spawn(async move {
            // The streams first: `Exit` is the last thing a reader hears.
            let _ = tokio::join!(out, err);
            let last = match child.wait().await {
                Ok(status) => Output::Exit(exit_code(status)),
                Err(error) => Output::Lost(lost(&error)),
            };
            let _ = sender.send(last);
        });
        Ok(Process { stdin: Box::new(stdin), output })
    }

    async fn close(&self) {}
}

async fn pump<R: AsyncRead + Unpin>(
    mut from: R,
    to: mpsc::UnboundedSender<Output>,
    wrap: fn(Vec<u8>) -> Output,
) {
    let mut buffer = vec![0; 32 * 1024];
    while let Ok(length) = from.read(&mut buffer).await {
        let Some(bytes) = buffer.get(..length).filter(|bytes| !bytes.is_empty()) else { break };
        if to.send(wrap(bytes.to_vec())).is_err() {
            break;
        }
    }
}

fn exit_code(status: std::process::ExitStatus) -> u32 {
    use std::os::unix::process::ExitStatusExt;
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u32::try_from(code).ok()).unwrap_or(255)
}

fn lost(error: &std::io::Error) -> TransportError {
    TransportError::Lost { endpoint: "the local machine".to_owned(), reason: error.to_string() }
}
