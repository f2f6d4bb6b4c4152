//! The task that releases what no handle needs any more.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::task::{AbortHandle, JoinSet};

use crate::engine::send_plain;
use crate::error::Error;
use crate::generated::managed_object_ref::RELEASE;
use crate::liveness;
use crate::partings;
use crate::refs::Release;
use crate::session::Shared;

/// How many references are released before calls that wait for it may go on.
const BATCH: usize = 32;

/// How many releases are under way at the same time, so that calls find free connections.
const AT_ONCE: usize = 4;

/// How long references are collected: an object that is fetched again within that time stays.
const LINGER: Duration = Duration::from_millis(5);

/// How long releases wait for a pause in the calls, so that a burst of calls is not slowed down by them.
const PATIENCE: Duration = Duration::from_secs(1);

/// Makes sure that the task runs. It ends with the run time it was started in, and a session can outlive that.
pub(crate) fn ensure(shared: &Arc<Shared>, runtime: &Handle) {
    let mut reaper = shared.reaper();
    if reaper.as_ref().is_none_or(AbortHandle::is_finished) && !shared.is_over() {
        *reaper = Some(runtime.spawn(run(shared.clone())).abort_handle());
    }
}

/// Runs until the session is over; logs it off itself when nobody holds it any more.
async fn run(shared: Arc<Shared>) {
    loop {
        liveness::keep_until(&shared, shared.wake_reaper.notified()).await;
        if shared.is_over() {
            return;
        }
        shared.partings.carry_out(&shared).await;
        if shared.is_abandoned() {
            if let Err(error) = shared.log_off().await {
                tracing::warn!(%error, "a web session that nobody holds any more could not be logged off");
            }
            return;
        }
        lull(&shared).await;
        while !shared.is_over() && release_some(&shared).await {}
    }
}

/// Waits for a pause in the calls, unless it is long in coming or something is pressing.
async fn lull(shared: &Shared) {
    let begin = Instant::now();
    loop {
        tokio::time::sleep(LINGER).await;
        let now = shared.pool.quiet_for() >= LINGER
            || begin.elapsed() >= PATIENCE
            || shared.is_over()
            || shared.is_abandoned()
            || !shared.partings.is_empty()
            || shared.references().is_pressing();
        if now {
            return;
        }
    }
}

/// Releases a batch; false if there is none.
async fn release_some(shared: &Arc<Shared>) -> bool {
    let batch = shared.references().take_releasable(BATCH);
    if batch.is_empty() {
        // What looked idle may have been in use again: nobody needs to wait for that any longer.
        shared.released.notify_waiters();
        return false;
    }
    let mut waiting = batch.iter().cloned();
    let mut tasks = JoinSet::new();
    loop {
        while tasks.len() < AT_ONCE {
            let Some(next) = waiting.next() else { break };
            let shared = shared.clone();
            tasks.spawn(async move { release(&shared, &next).await });
        }
        if tasks.join_next().await.is_none() {
            break;
        }
    }
    shared.references().released(&batch);
    shared.released.notify_waiters();
    true
}

async fn release(shared: &Shared, release: &Release) {
    if release.family == "ISession" {
        partings::unlock(shared, &release.id).await;
    }
    match send_plain(&shared.pool, &RELEASE, Some(&release.id), &[]).await {
        // The server has forgotten it by itself.
        Ok(_) | Err(Error::InvalidObject { .. }) => {}
        Err(error) => tracing::warn!(%error, "a reference could not be released"),
    }
}
