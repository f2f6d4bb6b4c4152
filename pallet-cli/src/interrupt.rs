//! Ctrl-C, and a request to terminate: the first one stops cleanly, the second one at once.

use std::future::Future;

use pallet_core::engine::Control;
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
        self.end_at_the_next();
        done
    }

    /// Stops the run at the first signal; the next one ends the process, whatever it does.
    pub fn stop(mut self, control: Control) {
        tokio::spawn(async move {
            self.next().await;
            control.stop(INTERRUPTED);
            self.end_at_the_next();
        });
    }

    fn end_at_the_next(mut self) {
        tokio::spawn(async move {
            self.next().await;
            crate::screen::clear();
            std::process::exit(i32::from(Ended::Stopped.code()));
        });
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Why an interrupted run was stopped.
pub const INTERRUPTED: &str = "it was interrupted";

/// Does `work`, which touches no node, unless the run is interrupted first.
pub async fn unless_stopped<T, E: Into<CliError>>(
    control: &Control,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, CliError> {
    tokio::select! {
        done = work => done.map_err(Into::into),
        () = control.until_stopped() => Err(CliError::interrupted()),
    }
}
