//! Storage controllers, their devices, and where the image goes.

use std::fmt;
use std::path::PathBuf;

use serde::Deserialize;

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
    /// What is attached, by position; `nil` leaves a position empty. IDE counts port 0 slot 0,
    /// port 0 slot 1, port 1 slot 0, port 1 slot 1; all others count ports.
    #[serde(default)]
    pub devices: Vec<Option<Device>>,
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
}

impl Bus {
    /// How many devices it carries.
    #[must_use]
    pub fn capacity(self) -> usize {
        match self {
            Self::Ide => 4,
            Self::Sata => 30,
            Self::Scsi => 16,
            Self::Sas => 254,
        }
    }

    /// Port and slot of a device by its position.
    #[must_use]
    pub fn address(self, position: u32) -> (i32, i32) {
        let position = i32::try_from(position).unwrap_or(i32::MAX);
        match self {
            Self::Ide => (position / 2, position % 2),
            Self::Sata | Self::Scsi | Self::Sas => (position, 0),
        }
    }
}

impl fmt::Display for Bus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ide => ":ide",
            Self::Sata => ":sata",
            Self::Scsi => ":scsi",
            Self::Sas => ":sas",
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
        }
    }
}

/// A device on a controller.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Device {
    /// What it is.
    pub device_type: DeviceType,
    /// The medium's file; for a disk with `create`, the file to make (default: one in the VM's
    /// folder). A DVD drive without it is empty.
    #[serde(default)]
    pub location: Option<PathBuf>,
    /// Make a new disk of `size`. It belongs to the VM and is deleted with it.
    #[serde(default)]
    pub create: bool,
    /// Size of a new disk in MiB.
    #[serde(default)]
    pub size: Option<u64>,
}

/// Kinds of devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeviceType {
    /// A hard disk.
    HardDisk,
    /// A DVD drive.
    Dvd,
}

/// Where the image is attached: a controller's name and a position on it, as in
/// `["SATA Controller" 0]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootMountPoint {
    /// The controller's name.
    pub controller: String,
    /// Position on it, counted from 0.
    pub position: u32,
}

impl<'de> Deserialize<'de> for BootMountPoint {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (controller, position) = Deserialize::deserialize(deserializer)?;
        Ok(Self { controller, position })
    }
}
