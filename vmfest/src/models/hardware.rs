//! Hardware models.

use std::path::PathBuf;

use serde::Deserialize;

use super::network::{Adapter, NatRule, NetworkType};
use super::settings::{BootOrder, ClipboardMode, Firmware, Keyboard, Pointing, SessionType};
use super::storage::{BootMountPoint, Bus, ControllerType, StorageController};

/// What a VM is made of. A key that is not given is left to the model below it, and at last to
/// VirtualBox (see [the module](super)).
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct HardwareModel {
    /// Text for people.
    pub description: Option<String>,
    /// Memory in MiB.
    pub memory_size: Option<u32>,
    /// Number of processors. More than one switches the I/O APIC on.
    pub cpu_count: Option<u32>,
    /// Video memory in MiB.
    pub vram_size: Option<u32>,
    /// Number of screens.
    pub monitor_count: Option<u32>,
    /// Firmware.
    pub firmware_type: Option<Firmware>,
    /// Pointing device.
    pub pointing_hid_type: Option<Pointing>,
    /// Keyboard.
    pub keyboard_hid_type: Option<Keyboard>,
    /// Direction of the shared clipboard.
    pub clipboard_mode: Option<ClipboardMode>,
    /// Order of boot devices.
    pub boot_order: Option<BootOrder>,
    /// Whether the clock of the VM runs in UTC, which Linux prefers; also `:rtc-use-utc?`.
    #[serde(alias = "rtc-use-utc")]
    pub utc_time: Option<bool>,
    /// I/O APIC.
    pub io_apic_enabled: Option<bool>,
    /// ACPI. Without it `stop` cannot ask the guest to shut down.
    pub acpi_enabled: Option<bool>,
    /// High-precision event timer.
    pub hpet_enabled: Option<bool>,
    /// Ready-made network layout.
    pub network_type: Option<NetworkType>,
    /// Further port forwards of the `:nat` and `:local` layouts.
    pub nat_rules: Option<Vec<NatRule>>,
    /// Host interface of the `:bridged` layout, by VirtualBox's full name for it.
    pub bridged_interface: Option<String>,
    /// Host-only interface of the `:local` layout.
    pub local_interface: Option<String>,
    /// Explicit adapters by slot, used verbatim; `nil` leaves a slot without one.
    pub network: Option<Vec<Option<Adapter>>>,
    /// Storage controllers.
    pub storage: Option<Vec<StorageController>>,
    /// Where the image is attached.
    pub boot_mount_point: Option<BootMountPoint>,
    /// Folders of the host that the guest may mount.
    pub shared_folders: Option<Vec<SharedFolder>>,
    /// How the VM is shown when it starts. Default: headless.
    pub session_type: Option<SessionType>,
}

/// A folder of the host that the guest may mount: `[name path auto-mount? writable?]`, the last
/// two optional, by default not mounted by itself and writable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedFolder {
    /// Name that the guest mounts it by.
    pub name: String,
    /// Path on the host.
    pub host_path: PathBuf,
    /// Whether the Guest Additions mount it by themselves.
    pub auto_mount: bool,
    /// Whether the guest may write.
    pub writable: bool,
}

impl<'de> Deserialize<'de> for SharedFolder {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        /// Reads two to four elements, which no derived type does.
        struct FolderVisitor;
        impl<'de> serde::de::Visitor<'de> for FolderVisitor {
            type Value = SharedFolder;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("[name host-path auto-mount? writable?], the last two optional")
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(
                self,
                mut seq: A,
            ) -> Result<SharedFolder, A::Error> {
                let missing = |n| serde::de::Error::invalid_length(n, &self);
                Ok(SharedFolder {
                    name: seq.next_element()?.ok_or_else(|| missing(0))?,
                    host_path: seq.next_element()?.ok_or_else(|| missing(1))?,
                    auto_mount: seq.next_element()?.unwrap_or(false),
                    writable: seq.next_element()?.unwrap_or(true),
                })
            }
        }
        deserializer.deserialize_seq(FolderVisitor)
    }
}

/// Takes each named key from the upper model where it has one.
macro_rules! overlay {
    ($lower:ident, $upper:ident, $($key:ident)*) => {
        $(if $upper.$key.is_some() { $lower.$key.clone_from(&$upper.$key); })*
    };
}

impl HardwareModel {
    /// What every instance starts from.
    #[must_use]
    pub fn base() -> Self {
        let controller = "SATA Controller".to_owned();
        Self {
            memory_size: Some(512),
            cpu_count: Some(1),
            storage: Some(vec![StorageController {
                name: controller.clone(),
                bus: Bus::Sata,
                controller_type: Some(ControllerType::IntelAhci),
                devices: Vec::new(),
            }]),
            boot_mount_point: Some(BootMountPoint { controller, position: 0 }),
            network_type: Some(NetworkType::Nat),
            ..Self::default()
        }
    }

    /// This model with the keys of `upper` laid over it.
    #[must_use]
    pub fn overlaid_with(mut self, upper: &Self) -> Self {
        if upper.network.is_some() {
            self.network_type = None;
        } else if upper.network_type.is_some() {
            self.network = None;
        }
        overlay!(self, upper,
            description memory_size cpu_count vram_size monitor_count firmware_type
            pointing_hid_type keyboard_hid_type clipboard_mode boot_order utc_time
            io_apic_enabled acpi_enabled hpet_enabled network_type nat_rules bridged_interface
            local_interface network storage boot_mount_point shared_folders session_type);
        self
    }
}

/// The built-in hardware models: `micro` (512 MiB, 1 processor), `small` (1024, 1), `medium`
/// (2048, 2) and `large` (4096, 4).
#[must_use]
pub fn built_in() -> [(&'static str, HardwareModel); 4] {
    [("micro", 512, 1), ("small", 1024, 1), ("medium", 2048, 2), ("large", 4096, 4)].map(
        |(name, memory, cpus)| {
            let model = HardwareModel {
                memory_size: Some(memory),
                cpu_count: Some(cpus),
                ..HardwareModel::default()
            };
            (name, model)
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hardware(text: &str) -> HardwareModel {
        crate::edn::from_node(&crate::edn::read(text).expect("reads")).expect("is a model")
    }

    #[test]
    fn the_upper_model_wins_key_by_key() {
        let lower = HardwareModel::base();
        let upper = hardware("{:memory-size 1024 :rtc-use-utc? true}");
        let both = lower.clone().overlaid_with(&upper);
        assert_eq!(both.memory_size, Some(1024));
        assert_eq!(both.utc_time, Some(true));
        assert_eq!(both.cpu_count, lower.cpu_count);
        assert_eq!(both.storage, lower.storage);
    }

    #[test]
    fn explicit_adapters_and_a_layout_exclude_each_other() {
        let explicit = hardware("{:network [{:attachment-type :nat} nil]}");
        let layout = hardware("{:network-type :local}");
        let a = HardwareModel::base().overlaid_with(&explicit);
        assert_eq!((a.network_type, a.network.as_ref().map(Vec::len)), (None, Some(2)));
        let b = a.overlaid_with(&layout);
        assert_eq!((b.network_type, b.network), (Some(NetworkType::Local), None));
    }

    #[test]
    fn shared_folders_can_be_read_only() {
        let model = hardware(r#"{:shared-folders [["src" "/src" true false] ["b" "/b"]]}"#);
        let folders = model.shared_folders.expect("given");
        assert_eq!(
            folders.iter().map(|f| (f.auto_mount, f.writable)).collect::<Vec<_>>(),
            [(true, false), (false, true)]
        );
    }

    #[test]
    fn built_in_sizes() {
        let sizes = built_in().map(|(name, m)| (name, m.memory_size, m.cpu_count));
        assert_eq!(
            sizes,
            [
                ("micro", Some(512), Some(1)),
                ("small", Some(1024), Some(1)),
                ("medium", Some(2048), Some(2)),
                ("large", Some(4096), Some(4)),
            ]
        );
    }
}
