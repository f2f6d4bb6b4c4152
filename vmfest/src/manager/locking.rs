//! Servers that have one session object for each logon, so that it can lock one machine at a time.

use std::sync::Arc;

use tokio::sync::{Mutex, OwnedMutexGuard};
use vbox_soap::api::{ISession, SessionState};

use super::Manager;
use crate::versions;

/// The one session object, once it was asked for.
pub(super) type OnlySession = Arc<Mutex<Option<ISession>>>;

/// The right to use the one session object; nothing where each lock has its own.
pub(super) type OnlyTurn = Option<OwnedMutexGuard<Option<ISession>>>;

impl Manager {
    /// A session object of its own for each lock, or the only one as soon as it is free.
    pub(super) async fn session_object(&self) -> Result<(ISession, OnlyTurn), vbox_soap::Error> {
        if !versions::has_one_lock(self.vbox()) {
            return Ok((self.inner.session.session_object().await?, None));
        }
        let mut only = Arc::clone(&self.inner.only_session).lock_owned().await;
        let session = match &*only {
            Some(session) => session.clone(),
            None => self.inner.session.session_object().await?,
        };
        // It is kept until the logoff: these servers do not make another one once it is released.
        *only = Some(session.clone());
        if session.get_state().await? == SessionState::Locked {
            // Work that was given up has left its lock.
            session.unlock_machine().await?;
        }
        Ok((session, Some(only)))
    }
}
