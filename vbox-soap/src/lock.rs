//! Locks on machines that are always given back.

use crate::api::{IConsole, IMachine, ISession, LockType};
use crate::error::Error;
use crate::object::ManagedObject;
use crate::partings::{self, Parting};
use crate::session::Session;

/// A locked machine, inside of [`Session::with_lock`].
#[derive(Debug, Clone)]
pub struct Locked {
    session: ISession,
    machine: IMachine,
}

impl Locked {
    /// The machine to be changed: the one that was locked cannot be.
    pub fn machine(&self) -> &IMachine {
        &self.machine
    }

    /// The session object that holds the lock.
    pub fn session_object(&self) -> &ISession {
        &self.session
    }

    /// The machine's console, if it runs.
    pub async fn console(&self) -> Result<Option<IConsole>, Error> {
        self.session.get_console().await
    }
}

impl Session {
    /// Locks a machine, works on it, and unlocks it, whether the work succeeds, fails or panics. If the future is dropped,
    /// the machine is unlocked in the background. Changes are saved only by `save_settings`.
    ///
    /// ```no_run
    /// # async fn example(session: vbox_soap::Session, machine: vbox_soap::api::IMachine) -> Result<(), vbox_soap::Error> {
    /// use vbox_soap::api::LockType;
    ///
    /// session
    ///     .with_lock(&machine, LockType::Write, async |locked| {
    ///         locked.machine().set_memory_size(2048).await?;
    ///         locked.machine().save_settings().await
    ///     })
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn with_lock<T, E, F>(
        &self,
        machine: &IMachine,
        kind: LockType,
        work: impl FnOnce(Locked) -> F,
    ) -> Result<T, E>
    where
        E: From<Error>,
        F: Future<Output = Result<T, E>>,
    {
        let session = self.session_object().await?;
        // If this is given up, the session object goes with the call, and the lock with it.
        machine.lock_machine(&session, kind).await?;
        let held = Held(Some(session.clone()));
        let result = match session.get_machine().await {
            Ok(Some(machine)) => work(Locked { session, machine }).await,
            Ok(None) => Err(Error::NullReference { operation: "ISession_getMachine" }.into()),
            Err(error) => Err(error.into()),
        };
        let unlocked = held.give_back().await;
        let value = result?;
        unlocked?;
        Ok(value)
    }
}

/// A lock that is held.
struct Held(Option<ISession>);

impl Held {
    async fn give_back(mut self) -> Result<(), Error> {
        let Some(session) = &self.0 else { return Ok(()) };
        if let Err(error) = session.unlock_machine().await {
            // The machine may have ended, and its lock with it.
            let state = session.get_state().await?;
            if state != crate::api::SessionState::Unlocked {
                return Err(error);
            }
        }
        self.0 = None;
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(session) = &self.0 {
            let object = session.object();
            partings::queue(object, Parting::Unlock { session: object.id().into() });
        }
    }
}
