//! Storage controllers, their devices, and where the image goes.

use std::fmt;
use std::path::PathBuf;

use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};

use super::slots::slots;

/// A storage controller of a VM.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct StorageController {
    /// Name, unique in the VM.
    pub name: String,
    /// Kind of bus.
    pub bus: Bus,
    /// The emulated controller. Default: VirtualBox's choice for the bus.
    #[serde(default, rename = "type")]
    pub controller_type: Option<ControllerType>,
    /// Whether the guest can boot from it. Default: VirtualBox's choice, which is that it can.
    #[serde(default, alias = "bootable?")]
    pub bootable: Option<bool>,
    /// What is attached, by position; `nil` (in TOML `"none"`) leaves a position empty. IDE
    /// counts port 0 slot 0, port 0 slot 1, port 1 slot 0, port 1 slot 1; floppy controllers count
    /// slots, all others ports.
    #[serde(default, deserialize_with = "slots")]
    pub devices: Vec<Option<Device>>,
}

impl StorageController {
    /// A controller without devices.
    #[must_use]
    pub fn new(name: impl Into<String>, bus: Bus) -> Self {
        Self { name: name.into(), bus, controller_type: None, bootable: None, devices: Vec::new() }
    }
}

/// Kinds of storage buses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bus {
    /// IDE, four devices.
    Ide,
    /// SATA, up to 30 devices.
    Sata,
    /// SCSI, up to 16 devices.
    Scsi,
    /// SAS, up to 254 devices.
    Sas,
    /// Floppy, two drives.
    Floppy,
    /// USB, up to 8 devices.
    Usb,
    /// PCI Express (NVMe), up to 254 devices.
    Pcie,
    /// Paravirtualised SCSI, up to 256 devices.
    VirtioScsi,
}

impl Bus {
    /// All there are.
    pub(crate) const ALL: [Self; 8] = [
        Self::Ide,
        Self::Sata,
        Self::Scsi,
        Self::Sas,
        Self::Floppy,
        Self::Usb,
        Self::Pcie,
        Self::VirtioScsi,
    ];

    /// How many devices it carries.
    #[must_use]
    pub fn capacity(self) -> usize {
        match self {
            Self::Floppy => 2,
            Self::Ide => 4,
            Self::Usb => 8,
            Self::Scsi => 16,
            Self::Sata => 30,
            Self::Sas | Self::Pcie => 254,
            Self::VirtioScsi => 256,
        }
    }

    /// Port and slot of a device by its position.
    #[must_use]
    pub fn address(self, position: u32) -> (i32, i32) {
        let position = i32::try_from(position).unwrap_or(i32::MAX);
        match self {
            Self::Ide => (position / 2, position % 2),
            Self::Floppy => (0, position),
            _ => (position, 0),
        }
    }

    /// Whether the controller is made with as many ports as are wanted. The others have a fixed
    /// number.
    pub(crate) fn has_ports_to_choose(self) -> bool {
        matches!(self, Self::Sata | Self::Sas | Self::Pcie | Self::VirtioScsi)
    }
}

impl fmt::Display for Bus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ide => "ide",
            Self::Sata => "sata",
            Self::Scsi => "scsi",
            Self::Sas => "sas",
            Self::Floppy => "floppy",
            Self::Usb => "usb",
            Self::Pcie => "pcie",
            Self::VirtioScsi => "virtio-scsi",
        })
    }
}

/// Emulated storage controllers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ControllerType {
    /// SCSI
    LsiLogic,
    /// SCSI
    BusLogic,
    /// IDE
    Piix3,
    /// IDE
    Piix4,
    /// IDE
    Ich6,
    /// SATA
    IntelAhci,
    /// SAS
    LsiLogicSas,
    /// Floppy; also under the original's spelling `:i82087`.
    #[serde(alias = "i82087")]
    I82078,
    /// USB
    Usb,
    /// PCI Express
    Nvme,
    /// Paravirtualised SCSI
    VirtioScsi,
}

impl ControllerType {
    /// The bus that this controller drives.
    #[must_use]
    pub fn bus(self) -> Bus {
        match self {
            Self::LsiLogic | Self::BusLogic => Bus::Scsi,
            Self::Piix3 | Self::Piix4 | Self::Ich6 => Bus::Ide,
            Self::IntelAhci => Bus::Sata,
            Self::LsiLogicSas => Bus::Sas,
            Self::I82078 => Bus::Floppy,
            Self::Usb => Bus::Usb,
            Self::Nvme => Bus::Pcie,
            Self::VirtioScsi => Bus::VirtioScsi,
        }
    }
}

/// A device on a controller.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Device {
    /// What it is.
    pub device_type: DeviceType,
    /// The medium's file, or VirtualBox's id of it; for a disk with `create`, the file to make
    /// (default: one in the instance's folder). A DVD or floppy drive without it is empty.
    #[serde(default)]
    pub location: Option<PathBuf>,
    /// How a disk that exists is attached. Default: as it is, so that the VM writes to it.
    #[serde(default)]
    pub attachment_type: Option<Attachment>,
    /// Make a new disk of `size`. It belongs to the VM and is deleted with it.
    #[serde(default, alias = "create?")]
    pub create: bool,
    /// Size of a new disk in MiB.
    #[serde(default)]
    pub size: Option<u64>,
    /// Format of a new disk. Default: VDI.
    #[serde(default)]
    pub format: Option<DiskFormat>,
    /// How a new disk is laid out. Default: it grows as it is written to.
    #[serde(default)]
    pub variants: Vec<DiskVariant>,
}

impl Device {
    /// An empty drive, or with `location` a medium.
    #[must_use]
    pub fn new(device_type: DeviceType, location: Option<PathBuf>) -> Self {
        Self {
            device_type,
            location,
            attachment_type: None,
            create: false,
            size: None,
            format: None,
            variants: Vec::new(),
        }
    }

    /// A disk to be made, of `size` MiB.
    #[must_use]
    pub fn new_disk(size: u64) -> Self {
        Self { create: true, size: Some(size), ..Self::new(DeviceType::HardDisk, None) }
    }
}

/// Kinds of devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeviceType {
    /// A hard disk.
    HardDisk,
    /// A DVD drive.
    Dvd,
    /// A floppy drive.
    Floppy,
}

/// How a disk that exists is attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Attachment {
    /// As it is: the VM writes to it.
    Normal,
    /// As images are: each VM writes to a differencing disk of its own, and the disk itself stays
    /// as it is.
    MultiAttach,
}

/// Formats of new disks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DiskFormat {
    /// VirtualBox's own.
    Vdi,
    /// VMware's.
    Vmdk,
    /// Virtual PC's.
    Vhd,
}

impl DiskFormat {
    /// VirtualBox's name of the format.
    pub(crate) fn id(self) -> &'static str {
        match self {
            Self::Vdi => "VDI",
            Self::Vmdk => "VMDK",
            Self::Vhd => "VHD",
        }
    }

    /// What files of the format end in.
    pub(crate) fn extension(self) -> &'static str {
        match self {
            Self::Vdi => "vdi",
            Self::Vmdk => "vmdk",
            Self::Vhd => "vhd",
        }
    }
}

/// How a new disk is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum DiskVariant {
    /// It grows as it is written to.
    #[serde(rename = "standard")]
    Standard,
    /// It has its full size from the start.
    #[serde(rename = "fixed")]
    Fixed,
    /// VMDK in files of at most 2 GB.
    #[serde(rename = "vmdk-split-2g")]
    VmdkSplit2g,
    /// VMDK as ESX writes it; always of full size.
    #[serde(rename = "vmdk-esx")]
    VmdkEsx,
    /// Do not make the folder of the file.
    #[serde(rename = "no-create-dir")]
    NoCreateDir,
}

/// Where the image is attached: a controller's name and a position on it, as in
/// `["SATA Controller" 0]` or `{:controller "SATA Controller" :position 0}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootMountPoint {
    /// The controller's name.
    pub controller: String,
    /// Position on it, counted from 0.
    pub position: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct MountKeys {
    controller: String,
    #[serde(default)]
    position: u32,
}

impl<'de> Deserialize<'de> for BootMountPoint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(MountVisitor)
    }
}

struct MountVisitor;

impl<'de> Visitor<'de> for MountVisitor {
    type Value = BootMountPoint;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a controller's name and a position, such as [\"SATA\" 0]")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<BootMountPoint, A::Error> {
        let missing = |n| de::Error::invalid_length(n, &self);
        let controller = seq.next_element()?.ok_or_else(|| missing(0))?;
        let position = seq.next_element()?.ok_or_else(|| missing(1))?;
        Ok(BootMountPoint { controller, position })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<BootMountPoint, A::Error> {
        let MountKeys { controller, position } =
            MountKeys::deserialize(de::value::MapAccessDeserializer::new(map))?;
        Ok(BootMountPoint { controller, position })
    }
}
