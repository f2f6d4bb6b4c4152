//! The local machine as a node.

use async_trait::async_trait;
use tokio::process::Command;

use super::{Process, Transport, TransportError, child};

/// Runs programs on this machine, through `sh`, as the user who runs us.
#[derive(Debug, Default)]
pub struct LocalTransport;

#[async_trait]
impl Transport for LocalTransport {
    async fn exec(&self, command: &str) -> Result<Process, TransportError> {
        let mut sh = Command::new("sh");
        sh.args(["-c", command]);
        child::start(sh, "the local machine")
    }

    async fn close(&self) {}
}
