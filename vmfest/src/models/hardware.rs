//! Hardware models.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use super::network::{Adapter, NatRule, NetworkType};
use super::secret::Secret;
use super::serial::SerialPort;
use super::settings::{
    BootOrder, Chipset, ClipboardMode, Firmware, GraphicsController, Keyboard, Pointing,
    SessionType,
};
use super::shared_folder::SharedFolder;
use super::slots::optional_slots;
use super::storage::{BootMountPoint, Bus, ControllerType, StorageController};

/// What a VM is made of. A key that is not given is left to the model below it, and at last to
/// VirtualBox (see [the module](super)).
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct HardwareModel {
    /// The model's name for people. Instances are named when they are made.
    pub name: Option<String>,
    /// Text for people; VirtualBox shows it with the VM.
    pub description: Option<String>,
    /// VirtualBox's name of the guest's operating system. Normally the image says it, and the
    /// image's word counts more.
    pub os_type_id: Option<String>,
    /// Version of the virtual hardware, as the guest sees it in its SMBIOS.
    pub hardware_version: Option<String>,
    /// UUID that the guest sees in its SMBIOS. Default: the VM's own.
    pub hardware_uuid: Option<String>,
    /// Memory in MiB.
    #[serde(alias = "memory")]
    pub memory_size: Option<u32>,
    /// Memory in MiB that a guest with the Guest Additions gives back to the host.
    #[serde(alias = "memory-ballon-size")]
    pub memory_balloon_size: Option<u32>,
    /// Whether equal pages of VMs are shared; needs the Guest Additions.
    #[serde(alias = "page-fusion-enabled?")]
    pub page_fusion_enabled: Option<bool>,
    /// Number of processors. More than one switches the I/O APIC on.
    pub cpu_count: Option<u32>,
    /// Whether processors can be added and taken away while the VM runs. All `cpu-count` of them
    /// are there at the start.
    #[serde(alias = "cpu-hot-plug-enabled?")]
    pub cpu_hot_plug_enabled: Option<bool>,
    /// Video memory in MiB. Default: 16.
    pub vram_size: Option<u32>,
    /// Number of screens.
    pub monitor_count: Option<u32>,
    /// The emulated graphics card. Default: VirtualBox's choice.
    pub graphics_controller: Option<GraphicsController>,
    /// 3D graphics.
    #[serde(alias = "accelerate-3d-enabled?")]
    pub accelerate_3d_enabled: Option<bool>,
    /// Accelerated video playback of Windows guests. VirtualBox 7.1 was the last to have it.
    #[serde(alias = "accelerate-2d-video-enabled?")]
    pub accelerate_2d_video_enabled: Option<bool>,
    /// The emulated chipset. Default: PIIX3, with more than eight network adapters ICH9.
    pub chipset_type: Option<Chipset>,
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
    #[serde(alias = "utc-time?", alias = "rtc-use-utc", alias = "rtc-use-utc?")]
    pub utc_time: Option<bool>,
    /// I/O APIC.
    #[serde(alias = "io-apic-enabled?")]
    pub io_apic_enabled: Option<bool>,
    /// ACPI. Without it `stop` cannot ask the guest to shut down.
    #[serde(alias = "acpi-enabled?")]
    pub acpi_enabled: Option<bool>,
    /// High-precision event timer.
    #[serde(alias = "hpet-enabled?")]
    pub hpet_enabled: Option<bool>,
    /// Whether VirtualBox caches what goes to disks and does not leave that to the host.
    #[serde(alias = "io-cache-enabled?")]
    pub io_cache_enabled: Option<bool>,
    /// Size of that cache in MiB.
    pub io_cache_size: Option<u32>,
    /// Folder for differencing disks and saved states. Relative paths start at the instance's
    /// folder. Default: `Snapshots` there.
    pub snapshot_folder: Option<PathBuf>,
    /// Whether the VM, when it is started, waits for another one to move into it.
    #[serde(alias = "teleporter-enabled?")]
    pub teleporter_enabled: Option<bool>,
    /// Port that it waits on.
    pub teleporter_port: Option<u16>,
    /// Address that it waits on. Default: all.
    pub teleporter_address: Option<String>,
    /// What the other side must know.
    pub teleporter_password: Option<Secret>,
    /// Which guest properties are told of when they change; also under the original's spelling
    /// `:guest-property-notification-patters`. VirtualBox 4.3 was the last to have it.
    #[serde(alias = "guest-property-notification-patters")]
    pub guest_property_notification_patterns: Option<String>,
    /// Ready-made network layout.
    pub network_type: Option<NetworkType>,
    /// Further port forwards of the `:nat` and `:local` layouts.
    pub nat_rules: Option<Vec<NatRule>>,
    /// Host interface of the `:bridged` layout, by its name in the system or VirtualBox's for it.
    /// Default: the one that the host itself reaches the world by.
    pub bridged_interface: Option<String>,
    /// Host-only interface of the `:local` layout. Default: `vboxnet0`. It is made if it is
    /// missing, with its DHCP server.
    pub local_interface: Option<String>,
    /// Explicit adapters by slot, used verbatim; `nil` (in TOML `"none"`) leaves a slot without
    /// one.
    #[serde(deserialize_with = "optional_slots")]
    pub network: Option<Vec<Option<Adapter>>>,
    /// Storage controllers.
    pub storage: Option<Vec<StorageController>>,
    /// Where the image is attached.
    pub boot_mount_point: Option<BootMountPoint>,
    /// Folders of the host that the guest may mount.
    pub shared_folders: Option<Vec<SharedFolder>>,
    /// Serial ports by slot; `nil` (in TOML `"none"`) leaves a slot without one. The first one is
    /// the console that host keys are read from, so it must be left out.
    #[serde(deserialize_with = "optional_slots")]
    pub serial_ports: Option<Vec<Option<SerialPort>>>,
    /// Further settings by VirtualBox's names, kept in the VM's extra data; also
    /// `:extra-settings`. In EDN the names are strings: `{"GUI/ScaleFactor" "2"}`.
    #[serde(alias = "extra-settings")]
    pub extra_data: Option<BTreeMap<String, String>>,
    /// How the VM is shown when it starts. Default: headless.
    pub session_type: Option<SessionType>,
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
                controller_type: Some(ControllerType::IntelAhci),
                ..StorageController::new(&controller, Bus::Sata)
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
            // The adapters are used verbatim: what belongs to the ready-made layouts goes.
            self.network_type = None;
            self.nat_rules = None;
        } else if upper.network_type.is_some() {
            self.network = None;
        }
        overlay!(self, upper,
            name description os_type_id hardware_version hardware_uuid memory_size
            memory_balloon_size page_fusion_enabled cpu_count cpu_hot_plug_enabled vram_size
            monitor_count graphics_controller accelerate_3d_enabled accelerate_2d_video_enabled
            chipset_type firmware_type pointing_hid_type keyboard_hid_type clipboard_mode
            boot_order utc_time io_apic_enabled acpi_enabled hpet_enabled io_cache_enabled
            io_cache_size snapshot_folder teleporter_enabled teleporter_port teleporter_address
            teleporter_password guest_property_notification_patterns network_type nat_rules
            bridged_interface local_interface network storage boot_mount_point shared_folders
            serial_ports session_type);
        if let Some(entries) = &upper.extra_data {
            // Names of settings are independent of each other.
            self.extra_data.get_or_insert_default().extend(entries.clone());
        }
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
        crate::edn::from_str(text).expect("is a model")
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
    fn no_key_is_forgotten_when_models_are_laid_over_each_other() {
        // Every key has a value here: what `Debug` shows of the result has no `None` left.
        let text = r#"{:name "n" :description "d" :os-type-id "Linux" :hardware-version "1"
            :hardware-uuid "u" :memory-size 4 :memory-balloon-size 4 :page-fusion-enabled? true
            :cpu-count 1 :cpu-hot-plug-enabled? true :vram-size 1 :monitor-count 1
            :graphics-controller :vmsvga :accelerate-3d-enabled? true
            :accelerate-2d-video-enabled? true :chipset-type :ich9 :firmware-type :efi
            :pointing-hid-type :none :keyboard-hid-type :none :clipboard-mode :disabled
            :boot-order [] :utc-time true :io-apic-enabled? true :acpi-enabled? true
            :hpet-enabled? true :io-cache-enabled? true :io-cache-size 1 :snapshot-folder "s"
            :teleporter-enabled? true :teleporter-port 1 :teleporter-address "a"
            :teleporter-password "p" :guest-property-notification-patterns "x"
            :nat-rules [] :bridged-interface "b" :local-interface "l" :network []
            :storage [] :boot-mount-point ["s" 0] :shared-folders [] :serial-ports []
            :extra-data {"a" "b"} :session-type :gui}"#;
        let upper = hardware(text);
        let mut both = HardwareModel::default().overlaid_with(&upper);
        // The one key that excludes another one of these.
        both.network_type = Some(NetworkType::Nat);
        let shown = format!("{both:?}");
        assert!(!shown.contains("None,") && !shown.contains("None }"), "{shown}");
    }

    #[test]
    fn extra_settings_join_each_other() {
        let lower = hardware(r#"{:extra-data {"a" "1" "b" "1"}}"#);
        let both = lower.overlaid_with(&hardware(r#"{:extra-settings {"b" "2" "c" "2"}}"#));
        let values: Vec<_> = both.extra_data.into_iter().flatten().map(|(k, v)| k + &v).collect();
        assert_eq!(values, ["a1", "b2", "c2"]);
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
