//! Ctrl-C, and a request to terminate: the first one stops cleanly, the second one at once.

use std::future::Future;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::commands::Ended;
use crate::error::{CliError, Kind};

/// Listens to signals. From its creation on they no longer end the process by themselves.
#[derive(Debug)]
pub struct Interrupts {
    interrupt: Signal,
    terminate: Signal,
}

impl Interrupts {
    /// Begins to listen.
    pub fn new() -> Result<Self, CliError> {
        let listen = |kind| {
            signal(kind)
                .map_err(|error| CliError::new(Kind::Failed, format!("no signals: {error}")))
        };
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
        })
    }

    /// Does `work` until it is done or a signal comes; then `work` is dropped, and the next signal
    /// ends the process.
    pub async fn race<T>(mut self, work: impl Future<Output = T>) -> Option<T> {
        let done = tokio::select! {
            done = work => Some(done),
            () = self.next() => None,
        };
        tokio::spawn(async move {
            self.next().await;
            std::process::exit(i32::from(Ended::Stopped.code()));
        });
        done
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
