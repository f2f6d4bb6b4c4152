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

    fn terminal(&self, command: Option<&str>) -> Option<std::process::Command> {
        let shell = std::env::var_os("SHELL").filter(|shell| !shell.is_empty());
        let mut program = match command {
            Some(_) => std::process::Command::new("sh"),
            None => std::process::Command::new(shell.unwrap_or_else(|| "/bin/sh".into())),
        };
        program.args(command.into_iter().flat_map(|command| ["-c", command]));
        Some(program)
    }

    async fn close(&self) {}
}
