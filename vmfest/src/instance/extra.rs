//! Values kept with the VM.

use super::{Instance, State};
use crate::error::{Doing, Error};
use crate::lock::MachineLock;

impl Instance {
    /// A value that is kept with the VM, in VirtualBox's extra data. An inaccessible VM has none.
    ///
    /// # Errors
    /// When VirtualBox cannot be asked.
    pub async fn extra_data(&self, key: &str) -> Result<Option<String>, Error> {
        let doing = || format!("read {key} of the VM {}", self.name());
        if !self.machine.accessible {
            return Ok(None);
        }
        let value = self.machine.handle.get_extra_data(key).await.doing(doing)?;
        Ok(Some(value).filter(|value| !value.is_empty()))
    }

    /// Keeps a value with the VM. An empty value removes the key.
    ///
    /// # Errors
    /// When VirtualBox refuses.
    pub async fn set_extra_data(&self, key: &str, value: &str) -> Result<(), Error> {
        let doing = || format!("keep {key} with the VM {}", self.name());
        let (manager, machine) = (&self.manager, &self.machine.handle);
        let state = self.state().await?;
        if state == State::Inaccessible {
            return Err(Error::WrongState { doing: doing(), state: state.to_string() });
        }
        // The settings of a VM that runs belong to its process.
        let lock = if state.is_online() {
            MachineLock::shared(manager, machine, self.name()).await?
        } else {
            MachineLock::write(manager, machine, self.name()).await?
        };
        let set = lock.machine.set_extra_data(key, value).await.doing(doing);
        lock.release_after(set).await
    }
}
