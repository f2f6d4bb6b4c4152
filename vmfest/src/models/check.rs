//! Values that no VirtualBox accepts, found before anything is created.

use std::collections::BTreeSet;
use std::fmt;

use super::hardware::HardwareModel;
use super::image::ImageModel;
use super::network::{Adapter, AttachmentType, NatRule, NetworkType};
use super::storage::{Device, DeviceType, StorageController};

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

/// VirtualBox has 8 adapters on the PIIX3 chipset, which is the default.
const MAX_ADAPTERS: usize = 8;

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
            return Err(Invalid::new("network", "and :network-type exclude each other; give one"));
        }
        check_nat_rules(self.nat_rules.as_deref().unwrap_or_default())?;
        let adapters = self.network.as_deref().unwrap_or_default();
        if adapters.len() > MAX_ADAPTERS {
            let count = adapters.len();
            return Err(Invalid::new(
                "network",
                format!("has {count} adapters; a VM has at most {MAX_ADAPTERS}"),
            ));
        }
        for (slot, adapter) in adapters.iter().enumerate() {
            if let Some(adapter) = adapter {
                check_adapter(adapter).map_err(|e| e.inside(slot).inside("network"))?;
            }
        }
        check_storage(self.storage.as_deref().unwrap_or_default())?;
        let mut names = BTreeSet::new();
        for folder in self.shared_folders.iter().flatten() {
            if !names.insert(&folder.name) {
                let problem = format!("has two folders with the name {:?}", folder.name);
                return Err(Invalid::new("shared-folders", problem));
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
        if self.network_type == Some(NetworkType::Bridged) && self.bridged_interface.is_none() {
            return Err(Invalid::new(
                "bridged-interface",
                "is missing: the :bridged network needs the name of a host interface",
            ));
        }
        let Some(mount) = &self.boot_mount_point else { return missing("boot-mount-point") };
        let controllers = self.storage.as_deref().unwrap_or_default();
        let Some(controller) = controllers.iter().find(|c| c.name == mount.controller) else {
            let known: Vec<_> = controllers.iter().map(|c| format!("{:?}", c.name)).collect();
            return Err(Invalid::new(
                "boot-mount-point",
                format!(
                    "names the controller {:?}, but :storage has {}",
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

fn check_nat_rules(rules: &[NatRule]) -> Result<(), Invalid> {
    let mut names = BTreeSet::new();
    for (index, rule) in rules.iter().enumerate() {
        let wrong = |key: &str, problem: String| {
            Err(Invalid::new(key, problem).inside(index).inside("nat-rules"))
        };
        if rule.name.is_empty() || rule.name.contains(',') {
            return wrong("name", format!("{:?} must not be empty or hold a comma", rule.name));
        }
        if rule.name == crate::ports::SSH_RULE {
            return wrong("name", format!("{:?} is reserved for the SSH forward", rule.name));
        }
        if !names.insert(&rule.name) {
            return wrong("name", format!("{:?} is given twice", rule.name));
        }
        for (key, port) in [("host-port", rule.host_port), ("guest-port", rule.guest_port)] {
            if port == 0 {
                return wrong(key, "0 is not a port".to_owned());
            }
        }
        for (key, ip) in [("host-ip", &rule.host_ip), ("guest-ip", &rule.guest_ip)] {
            if !ip.is_empty() && ip.parse::<std::net::IpAddr>().is_err() {
                return wrong(key, format!("{ip:?} is not an IP address"));
            }
        }
    }
    Ok(())
}

fn check_adapter(adapter: &Adapter) -> Result<(), Invalid> {
    check_nat_rules(&adapter.nat_rules)?;
    let attachment = adapter.attachment_type.unwrap_or(AttachmentType::Nat);
    if attachment != AttachmentType::Nat && !adapter.nat_rules.is_empty() {
        return Err(Invalid::new("nat-rules", "work with :attachment-type :nat only"));
    }
    let needs = match attachment {
        AttachmentType::Bridged => Some(("host-interface", &adapter.host_interface)),
        AttachmentType::HostOnly => Some(("host-only-interface", &adapter.host_only_interface)),
        AttachmentType::HostOnlyNetwork => Some(("host-only-network", &adapter.host_only_network)),
        AttachmentType::Internal => Some(("internal-network", &adapter.internal_network)),
        AttachmentType::NatNetwork => Some(("nat-network", &adapter.nat_network)),
        AttachmentType::Generic => Some(("generic-driver", &adapter.generic_driver)),
        AttachmentType::Nat | AttachmentType::Null => None,
    };
    if let Some((key, None)) = needs {
        return Err(Invalid::new(key, "is missing for this :attachment-type"));
    }
    if let Some(mac) = &adapter.mac_address {
        let unicast = mac.chars().nth(1).and_then(|c| c.to_digit(16)).is_some_and(|d| d % 2 == 0);
        if mac.len() != 12 || !mac.chars().all(|c| c.is_ascii_hexdigit()) || !unicast {
            return Err(Invalid::new(
                "mac-address",
                format!("{mac:?} is not a unicast address of 12 hexadecimal digits"),
            ));
        }
    }
    Ok(())
}

fn check_storage(controllers: &[StorageController]) -> Result<(), Invalid> {
    let mut names = BTreeSet::new();
    for (index, controller) in controllers.iter().enumerate() {
        let within = |e: Invalid| e.inside(index).inside("storage");
        if controller.name.is_empty() || !names.insert(&controller.name) {
            let problem = format!("{:?} must be a name that no other has", controller.name);
            return Err(within(Invalid::new("name", problem)));
        }
        if let Some(kind) = controller.controller_type
            && kind.bus() != controller.bus
        {
            let problem = format!("belongs on the bus {}, not {}", kind.bus(), controller.bus);
            return Err(within(Invalid::new("type", problem)));
        }
        if controller.devices.len() > controller.bus.capacity() {
            let (bus, most) = (controller.bus, controller.bus.capacity());
            let problem = format!("are too many: {bus} carries {most}");
            return Err(within(Invalid::new("devices", problem)));
        }
        for (position, device) in controller.devices.iter().enumerate() {
            if let Some(device) = device {
                check_device(device).map_err(|e| within(e.inside(position).inside("devices")))?;
            }
        }
    }
    Ok(())
}

fn check_device(device: &Device) -> Result<(), Invalid> {
    match (device.device_type, device.create) {
        (DeviceType::Dvd, true) => Err(Invalid::new("create", "works for :hard-disk only")),
        (DeviceType::HardDisk, true) => match device.size {
            None | Some(0) => Err(Invalid::new("size", "in MiB is needed to create a disk")),
            // 2 TiB, the limit of the VDI format.
            Some(size) if size > 2_097_152 => {
                Err(Invalid::new("size", "must not be above 2097152 MiB"))
            }
            Some(_) => Ok(()),
        },
        (_, false) if device.size.is_some() => {
            Err(Invalid::new("size", "is of use only with :create? true"))
        }
        (DeviceType::HardDisk, false) if device.location.is_none() => {
            Err(Invalid::new("location", "is missing; or say :create? true with a :size"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> String {
        let node = crate::edn::read(text).expect("reads");
        let hardware: HardwareModel = crate::edn::from_node(&node).expect("is a model");
        let complete = HardwareModel::base().overlaid_with(&hardware).check_complete();
        hardware.check().and(complete).map_or_else(|e| e.to_string(), |()| "fine".to_owned())
    }

    #[test]
    fn hardware() {
        for (text, expected) in [
            ("{}", "fine"),
            ("{:memory-size 256 :cpu-count 2 :vram-size 16}", "fine"),
            ("{:memory-size 2}", ":memory-size 2 is out of range: 4 to 2097152 MiB"),
            ("{:cpu-count 0}", ":cpu-count 0 is out of range: 1 to 256 processors"),
            (
                "{:cpu-count 2 :io-apic-enabled? false}",
                ":io-apic-enabled must not be false with more than one processor",
            ),
            (
                "{:storage []}",
                ":boot-mount-point names the controller \"SATA Controller\", but :storage has none",
            ),
            (
                "{:boot-mount-point [\"SATA\" 0]}",
                ":boot-mount-point names the controller \"SATA\", but :storage has \"SATA Controller\"",
            ),
            (
                "{:boot-mount-point [\"SATA Controller\" 30]}",
                ":boot-mount-point position 30 does not exist; :sata has positions 0 to 29",
            ),
            (
                "{:storage [{:name \"SATA Controller\" :bus :sata :devices [{:device-type :dvd}]}]}",
                ":boot-mount-point position 0 of \"SATA Controller\" has a device already",
            ),
            (
                "{:storage [{:name \"a\" :bus :sata :type :piix4}]}",
                ":storage [0] :type belongs on the bus :ide, not :sata",
            ),
            (
                "{:storage [{:name \"a\" :bus :ide} {:name \"a\" :bus :ide}]}",
                ":storage [1] :name \"a\" must be a name that no other has",
            ),
            (
                "{:storage [{:name \"a\" :bus :ide :devices [nil nil nil nil nil]}]}",
                ":storage [0] :devices are too many: :ide carries 4",
            ),
            (
                "{:storage [{:name \"a\" :bus :ide :devices [nil {:device-type :hard-disk}]}]}",
                ":storage [0] :devices [1] :location is missing; or say :create? true with a :size",
            ),
            (
                "{:storage [{:name \"a\" :bus :ide :devices [{:device-type :hard-disk :create? true}]}]}",
                ":storage [0] :devices [0] :size in MiB is needed to create a disk",
            ),
            (
                "{:network [{:attachment-type :bridged}]}",
                ":network [0] :host-interface is missing for this :attachment-type",
            ),
            (
                "{:network [nil {:mac-address \"0100\"}]}",
                ":network [1] :mac-address \"0100\" is not a unicast address of 12 hexadecimal digits",
            ),
            (
                "{:network [nil nil nil nil nil nil nil nil nil]}",
                ":network has 9 adapters; a VM has at most 8",
            ),
            (
                "{:network [] :network-type :nat}",
                ":network and :network-type exclude each other; give one",
            ),
            (
                "{:network-type :bridged}",
                ":bridged-interface is missing: the :bridged network needs the name of a host interface",
            ),
            (
                "{:nat-rules [{:name \"a\" :host-port 0 :guest-port 1}]}",
                ":nat-rules [0] :host-port 0 is not a port",
            ),
            (
                "{:nat-rules [{:name \"ssh\" :host-port 1 :guest-port 1}]}",
                ":nat-rules [0] :name \"ssh\" is reserved for the SSH forward",
            ),
            (
                "{:nat-rules [{:name \"a\" :host-ip \"here\" :host-port 1 :guest-port 1}]}",
                ":nat-rules [0] :host-ip \"here\" is not an IP address",
            ),
        ] {
            assert_eq!(problem(text), expected, "{text}");
        }
    }
}
