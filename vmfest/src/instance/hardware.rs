//! Changing the hardware of a VM that is off.

use super::{Instance, operation};
use crate::console;
use crate::error::{Doing, Error};
use crate::manager::settings;
use crate::models::HardwareModel;
use crate::tag;
use crate::versions;

impl Instance {
    /// Changes the VM's hardware: the keys that the model has are set, everything else stays as it
    /// is.
    ///
    /// # Errors
    /// [`Error::InvalidModel`] for values that make no VM; [`Error::FixedHardware`] for keys about
    /// disks, network and serial ports; [`Error::WrongState`] if the VM is not off.
    pub async fn reconfigure(&self, hardware: &HardwareModel) -> Result<(), Error> {
        self.manager.check_change(&format!("the VM {}", self.name()), hardware).await?;
        if let Some(key) = fixed_key(hardware) {
            return Err(Error::FixedHardware { name: self.name().to_owned(), key });
        }
        let reconfigure = operation::RECONFIGURE;
        let doing = || reconfigure.doing(self.name());
        self.perform(reconfigure, |_| async move {
            let lock = self.lock_as_it_is(false).await?;
            let changed = async {
                let machine = &lock.machine;
                let mut wanted = hardware.clone();
                if wanted.vram_size.is_none() {
                    let graphics = versions::graphics(machine).await?;
                    wanted.vram_size = Some(graphics.get_vram_size().await?);
                }
                let new = wanted.shared_folders.as_deref().unwrap_or_default();
                for name in versions::shared_folders(machine).await? {
                    if new.iter().any(|new| new.name == name) {
                        machine.remove_shared_folder(&name).await?;
                    }
                }
                let console = console::console_file(self.folder());
                settings::apply(machine, &wanted, self.folder(), &console).await?;
                if let Some(processors) = wanted.cpu_count {
                    machine.set_cpu_count(processors).await?;
                }
                for (key, value) in hardware.extra_data.iter().flatten() {
                    machine.set_extra_data(key, value).await?;
                }
                if let Some(kind) = hardware.session_type {
                    machine.set_extra_data(tag::SESSION_TYPE, kind.front_end()).await?;
                }
                machine.save_settings().await
            };
            // What is not saved is dropped with the lock.
            let changed = changed.await.doing(doing);
            lock.release_after(changed).await
        })
        .await
        .map(drop)
    }
}

/// The first key that says what a VM is made of rather than how it is set.
fn fixed_key(hardware: &HardwareModel) -> Option<&'static str> {
    [
        (":storage", hardware.storage.is_some()),
        (":boot-mount-point", hardware.boot_mount_point.is_some()),
        (":network", hardware.network.is_some()),
        (":network-type", hardware.network_type.is_some()),
        (":nat-rules", hardware.nat_rules.is_some()),
        (":local-interface", hardware.local_interface.is_some()),
        (":bridged-interface", hardware.bridged_interface.is_some()),
        (":serial-ports", hardware.serial_ports.is_some()),
        (":snapshot-folder", hardware.snapshot_folder.is_some()),
    ]
    .into_iter()
    .find_map(|(key, given)| given.then_some(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disks_and_network_are_fixed() {
        assert_eq!(fixed_key(&HardwareModel::default()), None);
        let storage = HardwareModel { storage: Some(Vec::new()), ..HardwareModel::default() };
        assert_eq!(fixed_key(&storage), Some(":storage"));
    }
}
