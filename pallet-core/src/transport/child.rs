//! Processes that are children of this one.

use std::process::Stdio;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;
use tokio::sync::mpsc;

use super::{Output, Process, TransportError};

/// Starts a command as a node's process; it ends when the returned value is dropped. `node` is
/// what it is called in errors.
pub(super) fn start(mut command: Command, node: &str) -> Result<Process, TransportError> {
    let lost = |error: &std::io::Error| TransportError::Lost {
        endpoint: node.to_owned(),
        reason: error.to_string(),
    };
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        // Ctrl-C on a terminal is for this program, which finishes what runs.
        .process_group(0)
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
    let node = node.to_owned();
    tokio::spawn(async move {
        // The streams first: `Exit` is the last thing a reader hears.
        let _ = tokio::join!(out, err);
        let last = match child.wait().await {
            Ok(status) => Output::Exit(exit_code(status)),
            Err(error) => {
                Output::Lost(TransportError::Lost { endpoint: node, reason: error.to_string() })
            }
        };
        let _ = sender.send(last);
    });
    Ok(Process { stdin: Box::new(stdin), output })
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
