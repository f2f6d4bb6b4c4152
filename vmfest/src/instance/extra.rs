//! Values kept with the VM: VirtualBox's extra data, and guest properties.

use super::operation::Verdict;
use super::{Instance, operation};
use crate::error::{Doing, Error};
use crate::lock::MachineLock;
use crate::versions;

/// A value that guest and host share while the VM runs, and that VirtualBox keeps.
///
/// Those whose names begin with `/VirtualBox/GuestInfo/` are told by the Guest Additions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuestProperty {
    /// Its name, a path.
    pub name: String,
    /// Its value.
    pub value: String,
    /// When it was set, in nanoseconds since 1970; 0 if that is not known.
    pub timestamp: i64,
    /// `TRANSIENT`, `RDONLYGUEST` and the like, separated by commas.
    pub flags: String,
}

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

    /// The keys of all values that are kept with the VM; those of this crate begin with `vmfest/`.
    ///
    /// # Errors
    /// When VirtualBox cannot be asked.
    pub async fn extra_data_keys(&self) -> Result<Vec<String>, Error> {
        if !self.machine.accessible {
            return Ok(Vec::new());
        }
        let keys = self.machine.handle.get_extra_data_keys().await;
        keys.doing(|| format!("list the extra data of the VM {}", self.name()))
    }

    /// Keeps a value with the VM. An empty value removes the key.
    ///
    /// # Errors
    /// [`Error::WrongState`] if the VM is inaccessible; when VirtualBox refuses.
    pub async fn set_extra_data(&self, key: &str, value: &str) -> Result<(), Error> {
        let doing = || format!("keep {key} with the VM {}", self.name());
        let lock = self.lock_for_values().await?;
        let set = lock.machine.set_extra_data(key, value).await.doing(doing);
        lock.release_after(set).await
    }

    /// The value of a guest property; nothing if there is none.
    ///
    /// # Errors
    /// When VirtualBox cannot be asked.
    pub async fn guest_property(&self, name: &str) -> Result<Option<String>, Error> {
        let doing = || format!("read the guest property {name} of the VM {}", self.name());
        if !self.machine.accessible {
            return Ok(None);
        }
        let value = self.machine.handle.get_guest_property_value(name).await.doing(doing)?;
        Ok(Some(value).filter(|value| !value.is_empty()))
    }

    /// The guest properties whose names match one of the patterns: separated by `|`, with `*` for
    /// anything. An empty text matches all.
    ///
    /// # Errors
    /// When VirtualBox cannot be asked.
    pub async fn guest_properties(&self, patterns: &str) -> Result<Vec<GuestProperty>, Error> {
        let doing = || format!("list the guest properties of the VM {}", self.name());
        if !self.machine.accessible {
            return Ok(Vec::new());
        }
        let found =
            versions::guest_properties(&self.machine.handle, patterns).await.doing(doing)?;
        Ok(found
            .into_iter()
            .map(|(name, value, timestamp, flags)| GuestProperty { name, value, timestamp, flags })
            .collect())
    }

    /// Sets a guest property, which a guest with the Guest Additions can read and wait for. An
    /// empty value removes it.
    ///
    /// # Errors
    /// [`Error::WrongState`] if the VM is inaccessible; when VirtualBox refuses.
    pub async fn set_guest_property(&self, name: &str, value: &str) -> Result<(), Error> {
        let doing = || format!("set the guest property {name} of the VM {}", self.name());
        let lock = self.lock_for_values().await?;
        let set = async {
            if value.is_empty() {
                versions::remove_guest_property(&lock.machine, name).await?;
            } else {
                lock.machine.set_guest_property_value(name, value).await?;
            }
            lock.machine.save_settings().await
        };
        let set = set.await.doing(doing);
        lock.release_after(set).await
    }

    /// The settings of a VM that runs belong to its process.
    async fn lock_for_values(&self) -> Result<MachineLock, Error> {
        let state = self.settled_state().await?;
        match operation::SET_VALUE.verdict(self.name(), &state) {
            Verdict::Refuse(error) => Err(error),
            Verdict::Do | Verdict::Done => self.lock_as_it_is(state.is_online()).await,
        }
    }
}
