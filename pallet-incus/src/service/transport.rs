//! The API's `exec` as a way to nodes: for those without an sshd, or without an address that is
//! reached from here.

use async_trait::async_trait;
use pallet_core::transport::{Output, Process, Transport, TransportError};
use tokio::io::AsyncReadExt as _;
use tokio::sync::mpsc;

use crate::client::{Client, Error, ExecOutput, Execution};

/// How much standard input waits for the server before its writer waits.
const BUFFER: usize = 256 * 1024;

/// What programs find in their environment, as with a login over SSH.
const ENVIRONMENT: [(&str, &str); 6] = [
    ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
    ("HOME", "/root"),
    ("USER", "root"),
    ("LOGNAME", "root"),
    ("SHELL", "/bin/sh"),
    ("LANG", "C.UTF-8"),
];

/// Runs programs in an instance as root.
#[derive(Debug)]
pub(super) struct ExecTransport {
    client: Client,
    node: String,
}

impl ExecTransport {
    pub(super) fn new(client: Client, node: &str) -> Self {
        Self { client, node: node.to_owned() }
    }

    fn lost(&self, error: &Error) -> TransportError {
        TransportError::Lost { endpoint: self.node.clone(), reason: error.to_string() }
    }
}

#[async_trait]
impl Transport for ExecTransport {
    async fn exec(&self, command: &str) -> Result<Process, TransportError> {
        let environment = ENVIRONMENT.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let started =
            self.client.exec(&self.node, &["sh", "-c", command], &environment.into()).await;
        let Execution { input, output: mut written, mut exit } =
            started.map_err(|error| self.lost(&error))?;

        let (stdin, mut source) = tokio::io::duplex(BUFFER);
        tokio::spawn(async move {
            let mut buffer = vec![0; BUFFER];
            while let Ok(length) = source.read(&mut buffer).await {
                let Some(bytes) = buffer.get(..length).filter(|bytes| !bytes.is_empty()) else {
                    break;
                };
                if !input.send(bytes.to_vec()).await {
                    break;
                }
            }
        });

        let (sender, output) = mpsc::unbounded_channel();
        let node = self.node.clone();
        tokio::spawn(async move {
            let finish = async {
                while let Some(bytes) = written.recv().await {
                    let told = match bytes {
                        ExecOutput::Stdout(bytes) => Output::Stdout(bytes),
                        ExecOutput::Stderr(bytes) => Output::Stderr(bytes),
                    };
                    let _ = sender.send(told);
                }
                exit.wait().await
            };
            // Nobody listens any more: the program ends, with what holds it.
            let status = tokio::select! {
                status = finish => status,
                () = sender.closed() => return,
            };
            let _ = sender.send(match status {
                Ok(status) => Output::Exit(status),
                Err(error) => {
                    Output::Lost(TransportError::Lost { endpoint: node, reason: error.to_string() })
                }
            });
        });
        Ok(Process { stdin: Box::new(stdin), output })
    }

    async fn close(&self) {}
}
