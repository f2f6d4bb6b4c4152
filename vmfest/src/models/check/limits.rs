//! What one VirtualBox bears, as it tells itself.

use super::{Invalid, in_range};
use crate::models::hardware::HardwareModel;
use crate::models::network::AttachmentType;
use crate::models::settings::{BootDevice, Chipset};
use crate::models::storage::Bus;

/// The ranges of `ISystemProperties`. Those of memory and disks are in MiB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) memory: (u32, u32),
    pub(crate) video_memory: (u32, u32),
    pub(crate) processors: (u32, u32),
    pub(crate) screens: u32,
    pub(crate) serial_ports: u32,
    pub(crate) adapters_piix3: u32,
    pub(crate) adapters_ich9: u32,
    pub(crate) attachments: Vec<AttachmentType>,
    pub(crate) boot_positions: u32,
    pub(crate) disk_size: u64,
    /// The buses that there are, and how many devices a controller carries.
    pub(crate) buses: Vec<(Bus, u32)>,
}

impl HardwareModel {
    /// Checks every value that is given against what the VirtualBox at hand bears.
    ///
    /// # Errors
    /// The first value that is out of range.
    pub(crate) fn check_limits(&self, limits: &Limits) -> Result<(), Invalid> {
        let between =
            |key, value, (least, most): (u32, u32), what| in_range(key, value, least, most, what);
        between("memory-size", self.memory_size, limits.memory, "MiB in this VirtualBox")?;
        let processors = "processors in this VirtualBox";
        between("cpu-count", self.cpu_count, limits.processors, processors)?;
        between("vram-size", self.vram_size, limits.video_memory, "MiB in this VirtualBox")?;
        in_range("monitor-count", self.monitor_count, 1, limits.screens, "in this VirtualBox")?;
        let adapters = match self.chipset_type {
            Some(Chipset::Piix3) => limits.adapters_piix3,
            Some(Chipset::Ich9) | None => limits.adapters_ich9,
        };
        for (key, count, most) in [
            ("network", self.network.as_ref().map(Vec::len), adapters),
            ("serial-ports", self.serial_ports.as_ref().map(Vec::len), limits.serial_ports),
        ] {
            if count.is_some_and(|count| count > most as usize) {
                let problem = format!("is too long; this VirtualBox has {most} of them");
                return Err(Invalid::new(key, problem));
            }
        }
        for (slot, adapter) in self.network.iter().flatten().enumerate() {
            let Some(kind) = adapter.as_ref().and_then(|adapter| adapter.attachment_type) else {
                continue;
            };
            if !limits.attachments.contains(&kind) {
                let problem = "does not exist in this VirtualBox, on this operating system";
                let invalid = Invalid::new("attachment-type", problem);
                return Err(invalid.inside(slot).inside("network"));
            }
        }
        self.check_boot_order(limits.boot_positions)?;
        self.check_storage_limits(limits)
    }

    fn check_boot_order(&self, positions: u32) -> Result<(), Invalid> {
        let Some(order) = &self.boot_order else { return Ok(()) };
        let beyond = order.devices().iter().skip(positions as usize);
        if beyond.clone().any(|device| *device != BootDevice::Null) {
            let problem = format!("is too long; this VirtualBox has {positions} positions");
            return Err(Invalid::new("boot-order", problem));
        }
        Ok(())
    }

    fn check_storage_limits(&self, limits: &Limits) -> Result<(), Invalid> {
        for (index, controller) in self.storage.iter().flatten().enumerate() {
            let wrong = |key: &str, problem: String| {
                Err(Invalid::new(key, problem).inside(index).inside("storage"))
            };
            let bus = controller.bus;
            let Some((_, most)) = limits.buses.iter().find(|(known, _)| *known == bus) else {
                return wrong("bus", format!("{bus} does not exist in this VirtualBox"));
            };
            if controller.devices.len() > *most as usize {
                let problem = format!("are too many: {bus} carries {most} in this VirtualBox");
                return wrong("devices", problem);
            }
            let mount = self.boot_mount_point.as_ref();
            if mount.is_some_and(|m| m.controller == controller.name && m.position >= *most) {
                let problem =
                    format!("position is too high: {bus} carries {most} in this VirtualBox");
                return Err(Invalid::new("boot-mount-point", problem));
            }
            for (position, device) in controller.devices.iter().enumerate() {
                let size = device.as_ref().and_then(|device| device.size);
                if let Some(size) = size.filter(|size| *size > limits.disk_size) {
                    let most = limits.disk_size;
                    let problem =
                        format!("{size} is out of range: 1 to {most} MiB in this VirtualBox");
                    let invalid = Invalid::new("size", problem);
                    return Err(invalid
                        .inside(position)
                        .inside("devices")
                        .inside(index)
                        .inside("storage"));
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_beyond_what_this_virtualbox_bears() {
        let limits = Limits {
            memory: (4, 1024),
            video_memory: (0, 128),
            processors: (1, 4),
            screens: 2,
            serial_ports: 4,
            adapters_piix3: 8,
            adapters_ich9: 36,
            attachments: vec![AttachmentType::Nat],
            boot_positions: 2,
            disk_size: 1000,
            buses: vec![(Bus::Sata, 3), (Bus::Ide, 4)],
        };
        for (text, expected) in [
            ("{}", None),
            ("{:memory-size 1024 :cpu-count 4 :vram-size 0 :monitor-count 2}", None),
            (
                "{:memory-size 1025}",
                Some(":memory-size 1025 is out of range: 4 to 1024 MiB in this VirtualBox"),
            ),
            (
                "{:cpu-count 5}",
                Some(":cpu-count 5 is out of range: 1 to 4 processors in this VirtualBox"),
            ),
            (
                "{:serial-ports [nil nil nil nil nil]}",
                Some(":serial-ports is too long; this VirtualBox has 4 of them"),
            ),
            ("{:network [{:attachment-type :nat} nil {}]}", None),
            ("{:boot-order [:hard-disk :dvd]}", None),
            (
                "{:boot-order [[3 :dvd]]}",
                Some(":boot-order is too long; this VirtualBox has 2 positions"),
            ),
            (
                "{:storage [{:name \"n\" :bus :ide} {:name \"v\" :bus :pcie}]}",
                Some(":storage [1] :bus pcie does not exist in this VirtualBox"),
            ),
            (
                "{:storage [{:name \"s\" :bus :sata :devices [nil nil nil nil]}]}",
                Some(":storage [0] :devices are too many: sata carries 3 in this VirtualBox"),
            ),
            (
                "{:storage [{:name \"s\" :bus :sata}] :boot-mount-point [\"s\" 3]}",
                Some(":boot-mount-point position is too high: sata carries 3 in this VirtualBox"),
            ),
            (
                "{:storage [{:name \"s\" :bus :sata
                   :devices [nil {:device-type :hard-disk :create? true :size 1001}]}]}",
                Some(
                    ":storage [0] :devices [1] :size 1001 is out of range: 1 to 1000 MiB in this \
                     VirtualBox",
                ),
            ),
            (
                "{:network [nil {:attachment-type :internal :internal-network \"x\"}]}",
                Some(
                    ":network [1] :attachment-type does not exist in this VirtualBox, on this \
                     operating system",
                ),
            ),
        ] {
            let hardware: HardwareModel = crate::edn::from_str(text).expect("reads");
            let problem = hardware.check_limits(&limits).err().map(|e| e.to_string());
            assert_eq!(problem.as_deref(), expected, "{text}");
        }
    }
}
