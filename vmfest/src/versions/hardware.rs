//! Settings of machines that have moved from the machine to parts of it.

use vbox_soap::Error;
use vbox_soap::api::{
    ChipsetType, FirmwareType, GraphicsControllerType, GraphicsFeature, IAudioAdapter,
    IBIOSSettings, IFirmwareSettings, IGraphicsAdapter, IMachine, INATEngine, INetworkAdapter,
    IPlatform, ISerialPort,
};

use super::since;

/// The graphics adapter, a part of its own since 6.1.
pub(crate) enum Graphics {
    Adapter(IGraphicsAdapter),
    Machine(IMachine),
}

/// The machine's graphics adapter.
pub(crate) async fn graphics(machine: &IMachine) -> Result<Graphics, Error> {
    if since(machine, 6, 1) {
        machine.get_graphics_adapter().await.map(Graphics::Adapter)
    } else {
        Ok(Graphics::Machine(machine.clone()))
    }
}

impl Graphics {
    /// Video memory in MiB.
    pub(crate) async fn set_vram_size(&self, mebibytes: u32) -> Result<(), Error> {
        match self {
            Self::Adapter(adapter) => adapter.set_vram_size(mebibytes).await,
            Self::Machine(machine) => machine.set_vram_size(mebibytes).await,
        }
    }

    /// The emulated card. Before 4.3 there was one only.
    pub(crate) async fn set_graphics_controller_type(
        &self,
        kind: GraphicsControllerType,
    ) -> Result<(), Error> {
        match self {
            Self::Adapter(adapter) => adapter.set_graphics_controller_type(kind).await,
            Self::Machine(machine) => machine.set_graphics_controller_type(kind).await,
        }
    }

    /// Acceleration.
    pub(crate) async fn set_feature(
        &self,
        feature: GraphicsFeature,
        enabled: bool,
    ) -> Result<(), Error> {
        let is_3d = feature == GraphicsFeature::Acceleration3D;
        match self {
            Self::Adapter(adapter) if since(adapter, 7, 1) => {
                adapter.set_feature(feature, enabled).await
            }
            Self::Adapter(adapter) if is_3d => adapter.set_accelerate3d_enabled(enabled).await,
            Self::Adapter(adapter) => adapter.set_accelerate2d_video_enabled(enabled).await,
            Self::Machine(machine) if is_3d => machine.set_accelerate3d_enabled(enabled).await,
            Self::Machine(machine) => machine.set_accelerate2d_video_enabled(enabled).await,
        }
    }

    /// Video memory in MiB.
    pub(crate) async fn get_vram_size(&self) -> Result<u32, Error> {
        match self {
            Self::Adapter(adapter) => adapter.get_vram_size().await,
            Self::Machine(machine) => machine.get_vram_size().await,
        }
    }

    /// Number of screens.
    pub(crate) async fn set_monitor_count(&self, count: u32) -> Result<(), Error> {
        match self {
            Self::Adapter(adapter) => adapter.set_monitor_count(count).await,
            Self::Machine(machine) => machine.set_monitor_count(count).await,
        }
    }
}

/// Clocks and chipset, a part of its own since 7.1.
pub(crate) enum Platform {
    Platform(IPlatform),
    Machine(IMachine),
}

/// The machine's platform.
pub(crate) async fn platform(machine: &IMachine) -> Result<Platform, Error> {
    if since(machine, 7, 1) {
        machine.get_platform().await.map(Platform::Platform)
    } else {
        Ok(Platform::Machine(machine.clone()))
    }
}

impl Platform {
    /// The emulated chipset.
    pub(crate) async fn get_chipset_type(&self) -> Result<ChipsetType, Error> {
        match self {
            Self::Platform(platform) => platform.get_chipset_type().await,
            Self::Machine(machine) => machine.get_chipset_type().await,
        }
    }

    /// The emulated chipset.
    pub(crate) async fn set_chipset_type(&self, kind: ChipsetType) -> Result<(), Error> {
        match self {
            Self::Platform(platform) => platform.set_chipset_type(kind).await,
            Self::Machine(machine) => machine.set_chipset_type(kind).await,
        }
    }

    /// Whether the real-time clock runs in UTC.
    pub(crate) async fn set_rtc_use_utc(&self, utc: bool) -> Result<(), Error> {
        match self {
            Self::Platform(platform) => platform.set_rtc_use_utc(utc).await,
            Self::Machine(machine) => machine.set_rtc_use_utc(utc).await,
        }
    }

    /// The high-precision event timer.
    pub(crate) async fn set_hpet_enabled(&self, enabled: bool) -> Result<(), Error> {
        match self {
            Self::Platform(platform) => platform.get_x86().await?.set_hpet_enabled(enabled).await,
            Self::Machine(machine) => machine.set_hpet_enabled(enabled).await,
        }
    }
}

/// The firmware: up to 7.0 the BIOS settings, and its type a property of the machine.
pub(crate) enum Firmware {
    Settings(IFirmwareSettings),
    Bios(IBIOSSettings, IMachine),
}

/// The machine's firmware.
pub(crate) async fn firmware(machine: &IMachine) -> Result<Firmware, Error> {
    if since(machine, 7, 1) {
        machine.get_firmware_settings().await.map(Firmware::Settings)
    } else {
        let bios = machine.get_bios_settings().await?;
        Ok(Firmware::Bios(bios, machine.clone()))
    }
}

impl Firmware {
    /// The I/O APIC.
    pub(crate) async fn set_ioapic_enabled(&self, enabled: bool) -> Result<(), Error> {
        match self {
            Self::Settings(settings) => settings.set_ioapic_enabled(enabled).await,
            Self::Bios(bios, _) => bios.set_ioapic_enabled(enabled).await,
        }
    }

    /// ACPI.
    pub(crate) async fn set_acpi_enabled(&self, enabled: bool) -> Result<(), Error> {
        match self {
            Self::Settings(settings) => settings.set_acpi_enabled(enabled).await,
            Self::Bios(bios, _) => bios.set_acpi_enabled(enabled).await,
        }
    }

    /// BIOS or a kind of EFI.
    pub(crate) async fn get_firmware_type(&self) -> Result<FirmwareType, Error> {
        match self {
            Self::Settings(settings) => settings.get_firmware_type().await,
            Self::Bios(_, machine) => machine.get_firmware_type().await,
        }
    }

    /// BIOS or a kind of EFI.
    pub(crate) async fn set_firmware_type(&self, kind: FirmwareType) -> Result<(), Error> {
        match self {
            Self::Settings(settings) => settings.set_firmware_type(kind).await,
            Self::Bios(_, machine) => machine.set_firmware_type(kind).await,
        }
    }
}

/// The machine's sound card.
pub(crate) async fn audio(machine: &IMachine) -> Result<IAudioAdapter, Error> {
    if since(machine, 7, 0) {
        machine.get_audio_settings().await?.get_adapter().await
    } else {
        machine.get_audio_adapter().await
    }
}

/// Where the guest finds a serial port.
pub(crate) async fn set_io_address(port: &ISerialPort, address: u32) -> Result<(), Error> {
    if since(port, 7, 1) {
        port.set_io_address(address).await
    } else {
        port.set_io_base(address).await
    }
}

/// The adapter's NAT.
pub(crate) async fn nat_engine(adapter: &INetworkAdapter) -> Result<INATEngine, Error> {
    if since(adapter, 4, 2) {
        adapter.get_nat_engine().await
    } else {
        adapter.get_nat_driver().await
    }
}

/// The names of the host's folders that the guest may mount.
pub(crate) async fn shared_folders(machine: &IMachine) -> Result<Vec<String>, Error> {
    if !since(machine, 6, 0) {
        let folders = machine.get_shared_folders_v4_1().await?;
        return Ok(folders.into_iter().map(|folder| folder.name).collect());
    }
    let mut names = Vec::new();
    for folder in machine.get_shared_folders().await? {
        names.push(folder.get_name().await?);
    }
    Ok(names)
}

/// Lets the guest mount a folder of the host, where the guest chooses.
pub(crate) async fn share_folder(
    machine: &IMachine,
    name: &str,
    host_path: &str,
    writable: bool,
    automount: bool,
) -> Result<(), Error> {
    if since(machine, 6, 0) {
        machine.create_shared_folder(name, host_path, writable, automount, "").await
    } else {
        machine.create_shared_folder_v4_1(name, host_path, writable, automount).await
    }
}
