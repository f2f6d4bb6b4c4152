//! Locks on machines.

use vbox_soap::api::{IConsole, IMachine, LockType};

use crate::error::{Doing, Error};
use crate::fault;
use crate::manager::{LockingSession, Manager};
use crate::versions;
use crate::wait::{PATIENCE, poll};

/// A machine that this process has locked, and which can therefore be changed.
///
/// Changes that are not saved are dropped with the lock. [`MachineLock::release`] should always be
/// called; a lock that is forgotten is released by the client's clean-up, later.
pub(crate) struct MachineLock {
    session: LockingSession,
    /// The machine as the lock's owner sees it.
    pub(crate) machine: IMachine,
}

impl MachineLock {
    /// Locks a machine that does not run, to change its settings. Waits while another client is
    /// busy with it.
    pub(crate) async fn write(
        manager: &Manager,
        machine: &IMachine,
        name: &str,
    ) -> Result<Self, Error> {
        Self::acquire(manager, machine, name, LockType::Write).await
    }

    /// Joins a machine that runs.
    pub(crate) async fn shared(
        manager: &Manager,
        machine: &IMachine,
        name: &str,
    ) -> Result<Self, Error> {
        Self::acquire(manager, machine, name, LockType::Shared).await
    }

    async fn acquire(
        manager: &Manager,
        machine: &IMachine,
        name: &str,
        kind: LockType,
    ) -> Result<Self, Error> {
        let doing = || format!("lock the VM {name}");
        let session = manager.locking_session().await?;
        let locked = poll(PATIENCE, || async {
            match machine.lock_machine(&session, kind.clone()).await {
                Ok(()) => Ok(Some(())),
                Err(e) if fault::is_busy(&e) => {
                    // Perhaps the one who has it locked is dead.
                    Box::pin(manager.end_dead_clients()).await;
                    Ok(None)
                }
                Err(e) => Err(e).doing(doing),
            }
        });
        if locked.await?.is_none() {
            return Err(Error::TimedOut {
                doing: doing(),
                waited: PATIENCE,
                last_seen: locked_by(machine).await,
            });
        }
        match session.get_machine().await.doing(doing)? {
            Some(machine) => Ok(Self { session, machine }),
            None => Err(Error::Gone { name: name.to_owned() }),
        }
    }

    /// The console of a machine that runs; nothing if it has just ended.
    pub(crate) async fn console(&self) -> Result<Option<IConsole>, vbox_soap::Error> {
        self.session.get_console().await
    }

    /// Gives the lock back.
    pub(crate) async fn release(self) -> Result<(), vbox_soap::Error> {
        self.session.give_back().await
    }

    /// Gives the lock back after work that ended with `result`. The work's own error counts more.
    pub(crate) async fn release_after<T>(self, result: Result<T, Error>) -> Result<T, Error> {
        let released = self.release().await;
        let value = result?;
        released.doing(|| "unlock a VM".to_owned())?;
        Ok(value)
    }
}

/// Who has the machine locked, for people.
pub(crate) async fn locked_by(machine: &IMachine) -> String {
    match versions::locked_by(machine).await {
        Ok(owner) if !owner.is_empty() => format!("{owner} has it locked"),
        _ => "another client of the web service has it locked; if that one has died, starting \
              vboxwebsrv again gives the lock back"
            .to_owned(),
    }
}
