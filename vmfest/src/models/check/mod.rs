//! Values that no VirtualBox accepts, found before anything is created.

mod limits;
mod network;
mod storage;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;

pub(crate) use limits::Limits;

use super::hardware::HardwareModel;
use super::image::ImageModel;
use super::serial::SerialMode;
use super::settings::Chipset;
use network::{check_adapters, check_nat_rules};
use storage::check_storage;

/// A value of a model that cannot be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    /// Keys and indexes that lead to it.
    pub path: Vec<String>,
    /// What is wrong, and what would be right.
    pub problem: String,
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for segment in &self.path {
            if segment.parse::<usize>().is_ok() {
                write!(f, "[{segment}] ")?;
            } else {
                write!(f, ":{segment} ")?;
            }
        }
        f.write_str(&self.problem)
    }
}

impl Invalid {
    fn new(key: &str, problem: impl Into<String>) -> Self {
        Self { path: vec![key.to_owned()], problem: problem.into() }
    }

    fn inside(mut self, outer: impl fmt::Display) -> Self {
        self.path.insert(0, outer.to_string());
        self
    }
}

/// Extra data with these beginnings is how we know our VMs again.
const RESERVED: [&str; 2] = ["vmfest/", "pallet/"];

fn in_range(
    key: &str,
    value: Option<u32>,
    least: u32,
    most: u32,
    what: &str,
) -> Result<(), Invalid> {
    match value {
        Some(v) if !(least..=most).contains(&v) => {
            Err(Invalid::new(key, format!("{v} is out of range: {least} to {most} {what}")))
        }
        _ => Ok(()),
    }
}

impl ImageModel {
    /// Checks every value that is given.
    ///
    /// # Errors
    /// The first value that cannot be right.
    pub fn check(&self) -> Result<(), Invalid> {
        if self.path.as_os_str().is_empty() {
            return Err(Invalid::new("uuid", "names no file"));
        }
        if self.os_type_id.is_empty() {
            return Err(Invalid::new(
                "os-type-id",
                "is empty; a value is, for example, \"Debian_64\"",
            ));
        }
        if self.username.as_deref() == Some("") {
            return Err(Invalid::new("username", "is empty; leave the key out instead"));
        }
        check_nat_rules(self.nat_rules.as_deref().unwrap_or_default())?;
        check_storage(self.storage.as_deref().unwrap_or_default())?;
        match &self.hardware {
            Some(hardware) => hardware.check().map_err(|e| e.inside("hardware")),
            None => Ok(()),
        }
    }
}

impl HardwareModel {
    /// Checks every value that is given.
    ///
    /// # Errors
    /// The first value that cannot be right.
    pub fn check(&self) -> Result<(), Invalid> {
        if let Some(id) = &self.hardware_uuid
            && !crate::paths::is_uuid(std::path::Path::new(id))
        {
            return Err(Invalid::new("hardware-uuid", format!("{id:?} is not a UUID")));
        }
        in_range("memory-size", self.memory_size, 4, 2_097_152, "MiB")?;
        in_range("cpu-count", self.cpu_count, 1, 256, "processors")?;
        in_range("vram-size", self.vram_size, 0, 256, "MiB")?;
        in_range("monitor-count", self.monitor_count, 1, 64, "screens")?;
        if self.cpu_count > Some(1) && self.io_apic_enabled == Some(false) {
            return Err(Invalid::new(
                "io-apic-enabled",
                "must not be false with more than one processor",
            ));
        }
        if self.network.is_some() && self.network_type.is_some() {
            return Err(Invalid::new("network", "and `network-type` exclude each other; give one"));
        }
        if self.network.is_some() && self.nat_rules.is_some() {
            let problem =
                "belong into the NAT adapter of `network`; here they are for `network-type`";
            return Err(Invalid::new("nat-rules", problem));
        }
        check_nat_rules(self.nat_rules.as_deref().unwrap_or_default())?;
        if let Some(adapters) = &self.network {
            check_adapters(adapters, self.chipset_type.unwrap_or(Chipset::Ich9))?;
        }
        check_storage(self.storage.as_deref().unwrap_or_default())?;
        self.check_serial_ports()?;
        if self.teleporter_enabled == Some(true) && self.teleporter_port.is_none() {
            return Err(Invalid::new("teleporter-port", "is missing, with `teleporter-enabled`"));
        }
        let reserved = |key: &&String| RESERVED.iter().any(|start| key.starts_with(start));
        if let Some(key) = self.extra_data.iter().flat_map(|entries| entries.keys()).find(reserved)
        {
            let problem = "is reserved; choose a name that begins otherwise";
            return Err(Invalid::new(key, problem).inside("extra-data"));
        }
        let mut names = BTreeSet::new();
        for folder in self.shared_folders.iter().flatten() {
            if !names.insert(&folder.name) {
                let problem = format!("has two folders with the name {:?}", folder.name);
                return Err(Invalid::new("shared-folders", problem));
            }
        }
        Ok(())
    }

    fn check_serial_ports(&self) -> Result<(), Invalid> {
        for (slot, port) in self.serial_ports.iter().flatten().enumerate() {
            let Some(port) = port else { continue };
            let wrong = |key: &str, problem: &str| {
                Err(Invalid::new(key, problem).inside(slot).inside("serial-ports"))
            };
            if slot == 0 {
                let problem =
                    "must be empty: this port is the console that host keys are read from";
                return Err(Invalid::new("0", problem).inside("serial-ports"));
            }
            if port.host_mode != SerialMode::Disconnected && port.path.is_none() {
                return wrong("path", "is missing for this `host-mode`");
            }
        }
        Ok(())
    }

    /// Checks a model that an instance is about to be made from: nothing may be missing, and the
    /// keys must fit each other.
    ///
    /// # Errors
    /// The first value that cannot be right.
    pub fn check_complete(&self) -> Result<(), Invalid> {
        self.check()?;
        let missing = |key| Err(Invalid::new(key, "is missing"));
        if self.memory_size.is_none() {
            return missing("memory-size");
        }
        if self.cpu_count.is_none() {
            return missing("cpu-count");
        }
        let Some(mount) = &self.boot_mount_point else { return missing("boot-mount-point") };
        let controllers = self.storage.as_deref().unwrap_or_default();
        let Some(controller) = controllers.iter().find(|c| c.name == mount.controller) else {
            let known: Vec<_> = controllers.iter().map(|c| format!("{:?}", c.name)).collect();
            return Err(Invalid::new(
                "boot-mount-point",
                format!(
                    "names the controller {:?}, but `storage` has {}",
                    mount.controller,
                    if known.is_empty() { "none".to_owned() } else { known.join(", ") },
                ),
            ));
        };
        let position = mount.position as usize;
        if position >= controller.bus.capacity() {
            return Err(Invalid::new(
                "boot-mount-point",
                format!(
                    "position {position} does not exist; {} has positions 0 to {}",
                    controller.bus,
                    controller.bus.capacity() - 1
                ),
            ));
        }
        if let Some(Some(_)) = controller.devices.get(position) {
            return Err(Invalid::new(
                "boot-mount-point",
                format!("position {position} of {:?} has a device already", controller.name),
            ));
        }
        Ok(())
    }
}
