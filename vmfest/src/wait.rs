//! Waiting for states.

use std::future::Future;
use std::time::{Duration, Instant};

use crate::error::Error;

/// How long VirtualBox may take for anything that touches no large file.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Asks again and again, at growing intervals, until there is an answer; nothing after `limit`.
pub(crate) async fn poll<T, F>(
    limit: Duration,
    mut ask: impl FnMut() -> F,
) -> Result<Option<T>, Error>
where
    F: Future<Output = Result<Option<T>, Error>>,
{
    let started = Instant::now();
    let mut pause = Duration::from_millis(5);
    loop {
        if let Some(answer) = ask().await? {
            return Ok(Some(answer));
        }
        let left = limit.saturating_sub(started.elapsed());
        if left.is_zero() {
            return Ok(None);
        }
        tokio::time::sleep(pause.min(left)).await;
        pause = (pause * 2).min(Duration::from_millis(250));
    }
}
