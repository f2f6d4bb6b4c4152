//! What has to be said to the server when something is given up, beyond releasing references.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::runtime::Handle;

use crate::engine::send_plain;
use crate::error::Error;
use crate::generated::event_source::{EVENT_PROCESSED, UNREGISTER_LISTENER};
use crate::generated::session::{GET_STATE, UNLOCK_MACHINE};
use crate::object::ObjectRef;
use crate::reaper;
use crate::session::Shared;
use crate::value::{ToValue, Value};

/// One thing to be said. It holds references, not handles, so that it does not keep the session alive.
#[derive(Debug, Clone)]
pub(crate) enum Parting {
    /// A lock is given back.
    Unlock { session: Box<str> },
    /// A listener is taken off its source of events, after the event that it had last.
    Unregister { source: Box<str>, listener: Box<str>, event: Option<Box<str>> },
}

impl Parting {
    fn references(&self) -> impl Iterator<Item = &str> {
        let (first, others) = match self {
            Self::Unlock { session } => (session, [None, None]),
            Self::Unregister { source, listener, event } => {
                (source, [Some(listener), event.as_ref()])
            }
        };
        std::iter::once(first).chain(others.into_iter().flatten()).map(AsRef::as_ref)
    }
}

/// What is still to be said, the oldest first. The reaper says it.
#[derive(Debug, Default)]
pub(crate) struct Partings(Mutex<VecDeque<Parting>>);

impl Partings {
    pub(crate) fn is_empty(&self) -> bool {
        self.queue().is_empty()
    }

    fn queue(&self) -> MutexGuard<'_, VecDeque<Parting>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn first(&self) -> Option<Parting> {
        self.queue().front().cloned()
    }

    /// Says it all. What is said stays in the queue until the server has answered: a run time may end meanwhile,
    /// and saying it twice does no harm.
    pub(crate) async fn carry_out(&self, shared: &Shared) {
        while let Some(parting) = self.first() {
            match &parting {
                Parting::Unlock { session } => unlock(shared, session).await,
                Parting::Unregister { source, listener, event } => {
                    unregister(shared, source, listener, event.as_deref()).await;
                }
            }
            for reference in parting.references() {
                shared.forget(reference);
            }
            self.queue().pop_front();
            shared.released.notify_waiters();
        }
    }
}

/// Has something said in the background. The objects in it stay until then.
pub(crate) fn queue(object: &ObjectRef, parting: Parting) {
    let shared = object.session().shared();
    if shared.is_over() {
        return;
    }
    for reference in parting.references() {
        shared.references().hold(reference);
    }
    shared.partings.queue().push_back(parting);
    if let Ok(runtime) = Handle::try_current() {
        reaper::ensure(shared, &runtime);
    }
    shared.wake_reaper.notify_one();
}

/// Gives back the lock that a session object may still hold.
pub(crate) async fn unlock(shared: &Shared, session: &str) {
    let attempt = async {
        let state = send_plain(&shared.pool, &GET_STATE, Some(session), &[]).await?;
        if state.child(GET_STATE.output).is_some_and(|state| state.text == "Locked") {
            send_plain(&shared.pool, &UNLOCK_MACHINE, Some(session), &[]).await?;
        }
        Ok(())
    };
    if let Err(error) = attempt.await {
        let error: Error = error;
        tracing::warn!(%error, "a machine's lock that nobody holds any more could not be given back");
    }
}

/// Takes a listener off its source.
async fn unregister(shared: &Shared, source: &str, listener: &str, event: Option<&str>) {
    let text = |reference: &str| -> Value { reference.to_value() };
    let attempt = async {
        if let Some(event) = event {
            let arguments = [text(listener), text(event)];
            send_plain(&shared.pool, &EVENT_PROCESSED, Some(source), &arguments).await?;
        }
        send_plain(&shared.pool, &UNREGISTER_LISTENER, Some(source), &[text(listener)]).await
    };
    match attempt.await {
        // The source is gone, and the listener with it, or VirtualBox has taken it off by itself.
        Ok(_) | Err(Error::InvalidObject { .. } | Error::Fault(_)) => {}
        Err(error) => tracing::warn!(%error, "a listener of events could not be taken off"),
    }
}
