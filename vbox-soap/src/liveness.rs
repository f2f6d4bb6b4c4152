//! Whether the server still has the session, and keeping it there.

use std::pin::pin;
use std::time::Duration;

use crate::engine::send_plain;
use crate::error::Error;
use crate::generated::managed_object_ref::GET_INTERFACE_NAME;
use crate::http::MAX_IDLE;
use crate::session::Shared;

/// Waits for `event`. Whenever the session has been without a call for as long as the settings allow, the server is
/// asked for something small meanwhile. Connections that are not used are given up.
pub(crate) async fn keep_until(shared: &Shared, event: impl Future<Output = ()>) {
    let mut event = pin!(event);
    let patience = shared.pool.settings.keep_alive.unwrap_or(Duration::MAX);
    loop {
        let left = patience.saturating_sub(shared.pool.quiet_for());
        // Not shorter, so that a patience of nothing keeps no processor busy.
        let pause = left.clamp(Duration::from_millis(10), MAX_IDLE);
        if tokio::time::timeout(pause, event.as_mut()).await.is_ok() || shared.is_over() {
            return;
        }
        shared.pool.close_stale();
        if shared.pool.quiet_for() >= patience && !check(shared).await {
            tracing::warn!(url = shared.pool.address.url(), "the server has ended the web session");
            return;
        }
    }
}

/// Asks whether the server still has the session, and marks it as lost if not. A server that cannot be asked
/// may have it.
pub(crate) async fn check(shared: &Shared) -> bool {
    let Some(root) = shared.root() else { return true };
    let known = match send_plain(&shared.pool, &GET_INTERFACE_NAME, Some(root), &[]).await {
        // For a reference that it does not know, the server answers with no name.
        Ok(answer) => {
            answer.child(GET_INTERFACE_NAME.output).is_some_and(|name| !name.text.is_empty())
        }
        Err(Error::InvalidObject { .. }) => false,
        Err(error) => {
            tracing::debug!(%error, "the server cannot be asked whether it still has the web session");
            true
        }
    };
    if !known {
        shared.set_lost();
    }
    known
}
