//! Snapshots and saved states: operations of the console up to 4.3, of the machine since.

use vbox_soap::Error;
use vbox_soap::api::{IConsole, IProgress, ISnapshot};

use super::since;
use crate::lock::MachineLock;

async fn console(lock: &MachineLock) -> Result<IConsole, Error> {
    let missing = Error::NullReference { operation: "ISession_getConsole" };
    lock.console().await?.ok_or(missing)
}

fn is_of_machine(lock: &MachineLock) -> bool {
    since(&lock.machine, 5, 0)
}

/// Takes a snapshot of a machine that is locked.
pub(crate) async fn take_snapshot(
    lock: &MachineLock,
    name: &str,
    description: &str,
) -> Result<IProgress, Error> {
    if is_of_machine(lock) {
        Ok(lock.machine.take_snapshot(name, description, true).await?.result)
    } else {
        console(lock).await?.take_snapshot(name, description).await
    }
}

/// Returns a machine that is locked to a snapshot.
pub(crate) async fn restore_snapshot(
    lock: &MachineLock,
    snapshot: &ISnapshot,
) -> Result<IProgress, Error> {
    if is_of_machine(lock) {
        lock.machine.restore_snapshot(snapshot).await
    } else {
        console(lock).await?.restore_snapshot(snapshot).await
    }
}

/// Deletes a snapshot of a machine that is locked.
pub(crate) async fn delete_snapshot(lock: &MachineLock, id: &str) -> Result<IProgress, Error> {
    if is_of_machine(lock) {
        lock.machine.delete_snapshot(id).await
    } else {
        console(lock).await?.delete_snapshot(id).await
    }
}

/// Saves the running state of a machine that is locked.
pub(crate) async fn save_state(lock: &MachineLock) -> Result<IProgress, Error> {
    if is_of_machine(lock) {
        lock.machine.save_state().await
    } else {
        console(lock).await?.save_state().await
    }
}

/// Throws away the saved state of a machine that is locked, its file included.
pub(crate) async fn discard_saved_state(lock: &MachineLock) -> Result<(), Error> {
    if is_of_machine(lock) {
        lock.machine.discard_saved_state(true).await
    } else {
        console(lock).await?.discard_saved_state(true).await
    }
}
