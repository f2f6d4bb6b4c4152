//! A logged-on session and what its handles share.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::sync::Notify;
use tokio::task::AbortHandle;

use crate::ApiVersion;
use crate::api::{ISession, IVirtualBox};
use crate::engine;
use crate::error::Error;
use crate::generated::API_VERSIONS;
use crate::generated::websession_manager::{GET_SESSION_OBJECT, LOGOFF, LOGON};
use crate::http::Pool;
use crate::object::{ManagedObject, ObjectRef};
use crate::operation::Operation;
use crate::partings::Partings;
use crate::refs::RefTable;
use crate::value::ToValue;
use crate::version::Spoken;

/// A session with a server: from logon to logoff.
///
/// Clones are the same session. When the last clone and the last handle are gone without [`Session::logoff`],
/// the session is logged off in the background, if the tokio run time still runs.
#[derive(Clone)]
pub struct Session {
    alive: Arc<Alive>,
    virtual_box: IVirtualBox,
    api_version: ApiVersion,
}

/// What all handles of a session hold on to.
#[derive(Debug)]
pub(crate) struct Alive {
    shared: Arc<Shared>,
}

impl Alive {
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

#[cfg(test)]
impl Alive {
    /// A session that was never logged on, for handles in tests.
    pub(crate) fn of_no_server() -> Arc<Self> {
        let client = crate::Client::new("http://localhost/").unwrap();
        Arc::new(Self { shared: Arc::new(Shared::new(Arc::new(client.pool()))) })
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.shared.abandoned.store(true, Ordering::Release);
        self.shared.wake_reaper.notify_one();
    }
}

/// What a session's handles and its reaper share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) pool: Arc<Pool>,
    references: Mutex<RefTable>,
    /// Calls that wait for releases, and those who wait for all releases.
    pub(crate) released: Notify,
    /// There may be something to release.
    pub(crate) wake_reaper: Notify,
    /// The root object's reference. It is never released: logging off needs it.
    root: OnceLock<Box<str>>,
    /// The server's place in [`API_VERSIONS`].
    api_position: OnceLock<(ApiVersion, usize)>,
    /// The task that releases; see [`crate::reaper::ensure`].
    reaper: Mutex<Option<AbortHandle>>,
    abandoned: AtomicBool,
    closed: AtomicBool,
    lost: AtomicBool,
    pub(crate) partings: Partings,
}

impl Shared {
    fn new(pool: Arc<Pool>) -> Self {
        Self {
            pool,
            references: Mutex::default(),
            released: Notify::new(),
            wake_reaper: Notify::new(),
            root: OnceLock::new(),
            api_position: OnceLock::new(),
            reaper: Mutex::new(None),
            abandoned: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            lost: AtomicBool::new(false),
            partings: Partings::default(),
        }
    }

    pub(crate) fn references(&self) -> MutexGuard<'_, RefTable> {
        self.references.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn reaper(&self) -> MutexGuard<'_, Option<AbortHandle>> {
        self.reaper.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A handle is gone.
    pub(crate) fn forget(&self, id: &str) {
        if self.references().forget(id) {
            self.wake_reaper.notify_one();
        }
    }

    /// A logon has succeeded. Its reference is held for good: logging off needs it.
    pub(crate) fn keep_root(&self, id: &str) {
        if self.root.set(id.into()).is_ok() {
            self.references().adopt(id, "IVirtualBox");
        }
    }

    /// Whether no handle is left, nor the session itself.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.abandoned.load(Ordering::Acquire)
    }

    /// Whether the session has been logged off, or the server has ended it.
    pub(crate) fn is_over(&self) -> bool {
        self.closed.load(Ordering::Acquire) || self.is_lost()
    }

    /// Whether the server has ended the session.
    pub(crate) fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Acquire)
    }

    /// The root object's reference, once there is one.
    pub(crate) fn root(&self) -> Option<&str> {
        self.root.get().map(AsRef::as_ref)
    }

    /// The server is known to have ended the session: nothing is sent any more, nobody waits any longer.
    pub(crate) fn set_lost(&self) {
        self.lost.store(true, Ordering::Release);
        self.pool.close_idle();
        self.wake_reaper.notify_one();
        self.released.notify_waiters();
    }

    /// The error of a call in a session that the server has ended.
    pub(crate) fn lost(&self, operation: &Operation) -> Error {
        Error::SessionLost { operation: operation.name, url: self.pool.address.url() }
    }

    /// Fails if the session is over.
    pub(crate) fn check_open(&self, operation: &Operation) -> Result<(), Error> {
        if self.is_lost() {
            return Err(self.lost(operation));
        }
        if self.is_over() {
            return Err(Error::LoggedOff { operation: operation.name });
        }
        Ok(())
    }

    /// Whether the server holds no more than there are handles.
    fn is_settled(&self) -> bool {
        self.partings.is_empty() && self.references().is_settled()
    }

    /// The server's version, once it is known.
    pub(crate) fn api_version(&self) -> Option<ApiVersion> {
        self.api_position.get().map(|(version, _)| *version)
    }

    /// The server's place in the known versions, once it is known.
    pub(crate) fn api_position(&self) -> Option<usize> {
        self.api_position.get().map(|(_, position)| *position)
    }

    /// Fails if the server is known not to have the operation.
    pub(crate) fn check_version(&self, operation: &Operation) -> Result<(), Error> {
        match self.api_position.get() {
            Some((server, position)) if !operation.exists_in(*position) => {
                Err(Error::UnsupportedOperation {
                    operation: operation.name,
                    server: *server,
                    exists_in: operation.versions(),
                })
            }
            _ => Ok(()),
        }
    }

    /// Logs off, once; the server forgets all references.
    pub(crate) async fn log_off(&self) -> Result<(), Error> {
        if self.closed.swap(true, Ordering::AcqRel) || self.is_lost() {
            return Ok(());
        }
        self.partings.carry_out(self).await;
        self.wake_reaper.notify_one();
        self.released.notify_waiters();
        let Some(root) = self.root.get() else { return Ok(()) };
        let result =
            engine::send_plain(&self.pool, &LOGOFF, None, &[root.as_ref().to_value()]).await;
        self.pool.close_idle();
        match result {
            // It had ended by itself.
            Err(Error::InvalidObject { .. }) => Ok(()),
            other => other.map(|_| ()),
        }
    }
}

/// Logs on and finds out which version the server has.
pub(crate) async fn logon(
    pool: Arc<Pool>,
    identity: &str,
    credential: &str,
) -> Result<Session, Error> {
    let url = pool.address.url();
    let shared = Arc::new(Shared::new(pool));
    let alive = Arc::new(Alive { shared: shared.clone() });
    let arguments = vec![identity.to_value(), credential.to_value()];
    let root: ObjectRef =
        engine::perform_global(alive.clone(), &LOGON, arguments).await.map_err(|error| {
            let message = match error {
                Error::Fault(fault) => fault.to_string(),
                Error::Refused { message, .. } => message,
                Error::InvalidObject { .. } | Error::NullReference { .. } => String::new(),
                other => return other,
            };
            // vboxwebsrv itself never gives one.
            let message = if message.is_empty() { "no reason given".to_owned() } else { message };
            Error::LogonRefused { url: url.clone(), identity: identity.to_owned(), message }
        })?;
    let virtual_box = IVirtualBox::from_object(root);
    let said = version_of(&virtual_box).await?;
    let Some(spoken) = Spoken::read(&said) else {
        shared.log_off().await?;
        let supported: Vec<String> = API_VERSIONS.iter().map(ApiVersion::to_string).collect();
        return Err(Error::UnsupportedServer { url, found: said, supported: supported.join(", ") });
    };
    spoken.warn();
    let api_version = spoken.version;
    let _ = shared.api_position.set((api_version, spoken.position));
    Ok(Session { alive, virtual_box, api_version })
}

/// The version the server says it has, in whatever form it says it.
async fn version_of(virtual_box: &IVirtualBox) -> Result<String, Error> {
    match virtual_box.get_api_version().await {
        Ok(said) if Spoken::is_version(&said) => Ok(said),
        // Servers before 4.1 do not know the question, but the other one.
        Ok(_) | Err(Error::Refused { .. } | Error::Http { .. }) => virtual_box.get_version().await,
        Err(error) => Err(error),
    }
}

impl Session {
    /// VirtualBox itself, the root of all objects.
    pub fn virtual_box(&self) -> &IVirtualBox {
        &self.virtual_box
    }

    /// The server's API version.
    pub fn api_version(&self) -> ApiVersion {
        self.api_version
    }

    /// A new session object, to lock a machine with. Each can lock one machine at a time.
    ///
    /// When its last handle is dropped, the lock is given back. A machine that was started with it goes on running.
    pub async fn session_object(&self) -> Result<ISession, Error> {
        let arguments = vec![self.virtual_box.to_value()];
        engine::perform_global(self.alive.clone(), &GET_SESSION_OBJECT, arguments).await
    }

    /// How many references the server holds for this session, those included that are about to be released.
    pub fn references(&self) -> usize {
        self.alive.shared.references().len()
    }

    /// Waits until everything that nobody holds any more has been released.
    pub async fn settle(&self) {
        let shared = &self.alive.shared;
        loop {
            let mut released = std::pin::pin!(shared.released.notified());
            released.as_mut().enable();
            if shared.is_over() || shared.is_settled() {
                return;
            }
            released.await;
        }
    }

    /// Whether the server is known to have ended the session, so that calls fail with [`Error::SessionLost`].
    /// [`crate::Client::logon`] gives a new one.
    pub fn is_lost(&self) -> bool {
        self.alive.shared.is_lost()
    }

    /// How many calls may be under way at the same time.
    pub(crate) fn connections(&self) -> usize {
        self.alive.shared.pool.settings.connections.max(1)
    }

    /// Ends the session. The server forgets all its references, and every later call fails with
    /// [`Error::LoggedOff`]. Logging off twice is no error.
    pub async fn logoff(&self) -> Result<(), Error> {
        self.alive.shared.log_off().await
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("url", &self.alive.shared.pool.address.url())
            .field("api_version", &self.api_version)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_that_the_server_does_not_have_is_refused_with_both_versions() {
        let client = crate::Client::new("http://localhost/").unwrap();
        let shared = Shared::new(Arc::new(client.pool()));
        let operation = Operation {
            name: "IMachine_fly",
            parameters: &[],
            output: "returnval",
            references: &[],
            spellings: &[],
            versions: 0b1,
        };
        shared.check_version(&operation).unwrap();
        shared.api_position.set((ApiVersion::new(4, 2), 1)).unwrap();
        let error = shared.check_version(&operation).unwrap_err().to_string();
        assert_eq!(
            error,
            "IMachine_fly: the server has API version 4.2, the operation exists in 4.1"
        );
    }
}
