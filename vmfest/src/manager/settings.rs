//! From a hardware model to the settings of a VM. Disks and network are elsewhere.

use std::path::Path;

use vbox_soap::Error as SoapError;
use vbox_soap::api::{self, GraphicsFeature, IMachine};

use super::words;
use crate::models::{Chipset, HardwareModel, SerialMode, SerialPort, StorageController};
use crate::versions;

/// VirtualBox's default of 8 MiB is too little for the console resolutions of today's guests.
const DEFAULT_VRAM: u32 = 16;

/// More network adapters than this need the larger chipset.
const ADAPTERS_OF_PIIX3: usize = 8;

/// Puts everything but disks and network into the settings of a machine that is not registered
/// yet. `folder` is the machine's folder.
pub(crate) async fn apply(
    machine: &IMachine,
    hardware: &HardwareModel,
    folder: &Path,
    console: &Path,
) -> Result<(), SoapError> {
    identity(machine, hardware).await?;
    memory_and_processors(machine, hardware).await?;
    graphics(machine, hardware).await?;
    platform(machine, hardware).await?;
    devices(machine, hardware).await?;
    teleporter(machine, hardware).await?;
    if let Some(folder) = &hardware.snapshot_folder {
        machine.set_snapshot_folder(&folder.to_string_lossy()).await?;
    }
    for shared in hardware.shared_folders.iter().flatten() {
        let path = shared.host_path.to_string_lossy();
        let (writable, auto_mount) = (shared.writable, shared.auto_mount);
        versions::share_folder(machine, &shared.name, &path, writable, auto_mount).await?;
    }
    serial_ports(machine, hardware, folder, console).await
}

async fn identity(machine: &IMachine, hardware: &HardwareModel) -> Result<(), SoapError> {
    if let Some(text) = &hardware.description {
        machine.set_description(text).await?;
    }
    if let Some(version) = &hardware.hardware_version {
        machine.set_hardware_version(version).await?;
    }
    if let Some(uuid) = &hardware.hardware_uuid {
        machine.set_hardware_uuid(uuid).await?;
    }
    Ok(())
}

async fn memory_and_processors(
    machine: &IMachine,
    hardware: &HardwareModel,
) -> Result<(), SoapError> {
    if let Some(megabytes) = hardware.memory_size {
        machine.set_memory_size(megabytes).await?;
    }
    if let Some(megabytes) = hardware.memory_balloon_size {
        machine.set_memory_balloon_size(megabytes).await?;
    }
    // Where VirtualBox is built without it, it refuses to be told that it shall be off.
    if let Some(enabled) = hardware.page_fusion_enabled
        && machine.get_page_fusion_enabled().await? != enabled
    {
        machine.set_page_fusion_enabled(enabled).await?;
    }
    let processors = hardware.cpu_count.unwrap_or(1);
    if processors > 1 {
        machine.set_cpu_count(processors).await?;
    }
    if let Some(enabled) = hardware.cpu_hot_plug_enabled {
        // After their number, so that they are all there at the start.
        machine.set_cpu_hot_plug_enabled(enabled).await?;
    }
    if let Some(enabled) = hardware.io_cache_enabled {
        machine.set_io_cache_enabled(enabled).await?;
    }
    if let Some(megabytes) = hardware.io_cache_size {
        machine.set_io_cache_size(megabytes).await?;
    }
    Ok(())
}

async fn graphics(machine: &IMachine, hardware: &HardwareModel) -> Result<(), SoapError> {
    let adapter = versions::graphics(machine).await?;
    if let Some(kind) = hardware.graphics_controller {
        adapter.set_graphics_controller_type(words::graphics_controller(kind)).await?;
    }
    adapter.set_vram_size(hardware.vram_size.unwrap_or(DEFAULT_VRAM)).await?;
    if let Some(count) = hardware.monitor_count {
        adapter.set_monitor_count(count).await?;
    }
    if let Some(enabled) = hardware.accelerate_3d_enabled {
        adapter.set_feature(GraphicsFeature::Acceleration3D, enabled).await?;
    }
    // Off is how VirtualBox has it, and newer versions do not know it any more.
    if hardware.accelerate_2d_video_enabled == Some(true) {
        adapter.set_feature(GraphicsFeature::Acceleration2DVideo, true).await?;
    }
    Ok(())
}

/// Chipset, firmware and clocks.
async fn platform(machine: &IMachine, hardware: &HardwareModel) -> Result<(), SoapError> {
    let many_adapters = hardware.network.as_ref().is_some_and(|n| n.len() > ADAPTERS_OF_PIIX3);
    let chipset = hardware.chipset_type.or(many_adapters.then_some(Chipset::Ich9));
    if chipset.is_some() || hardware.utc_time.is_some() || hardware.hpet_enabled.is_some() {
        let platform = versions::platform(machine).await?;
        if let Some(kind) = chipset {
            platform.set_chipset_type(words::chipset(kind)).await?;
        }
        if let Some(utc) = hardware.utc_time {
            platform.set_rtc_use_utc(utc).await?;
        }
        if let Some(enabled) = hardware.hpet_enabled {
            platform.set_hpet_enabled(enabled).await?;
        }
    }
    // More than one processor does not work without the I/O APIC, and neither does ICH9.
    let needs_io_apic = hardware.cpu_count > Some(1) || chipset == Some(Chipset::Ich9);
    let io_apic = hardware.io_apic_enabled.or(needs_io_apic.then_some(true));
    if io_apic.is_none() && hardware.firmware_type.is_none() && hardware.acpi_enabled.is_none() {
        return Ok(());
    }
    let firmware = versions::firmware(machine).await?;
    if let Some(enabled) = io_apic {
        firmware.set_ioapic_enabled(enabled).await?;
    }
    if let Some(enabled) = hardware.acpi_enabled {
        firmware.set_acpi_enabled(enabled).await?;
    }
    if let Some(kind) = hardware.firmware_type {
        firmware.set_firmware_type(words::firmware_type(kind)).await?;
    }
    Ok(())
}

async fn devices(machine: &IMachine, hardware: &HardwareModel) -> Result<(), SoapError> {
    if let Some(mode) = hardware.clipboard_mode {
        machine.set_clipboard_mode(words::clipboard(mode)).await?;
    }
    if let Some(kind) = hardware.pointing_hid_type {
        machine.set_pointing_hid_type(words::pointing(kind)).await?;
    }
    if let Some(kind) = hardware.keyboard_hid_type {
        machine.set_keyboard_hid_type(words::keyboard(kind)).await?;
    }
    if let Some(order) = &hardware.boot_order {
        for (position, device) in (1..).zip(order.devices()) {
            machine.set_boot_order(position, words::boot_device(*device)).await?;
        }
    }
    if let Some(patterns) = &hardware.guest_property_notification_patterns {
        machine.set_guest_property_notification_patterns(patterns).await?;
    }
    // Servers make no sound, and a host without a sound card must not keep a VM from starting.
    versions::audio(machine).await?.set_enabled(false).await
}

async fn teleporter(machine: &IMachine, hardware: &HardwareModel) -> Result<(), SoapError> {
    if let Some(port) = hardware.teleporter_port {
        machine.set_teleporter_port(port.into()).await?;
    }
    if let Some(address) = &hardware.teleporter_address {
        machine.set_teleporter_address(address).await?;
    }
    if let Some(password) = &hardware.teleporter_password {
        machine.set_teleporter_password(password.expose()).await?;
    }
    if let Some(enabled) = hardware.teleporter_enabled {
        machine.set_teleporter_enabled(enabled).await?;
    }
    Ok(())
}

async fn serial_ports(
    machine: &IMachine,
    hardware: &HardwareModel,
    folder: &Path,
    console: &Path,
) -> Result<(), SoapError> {
    let first = SerialPort {
        host_mode: SerialMode::RawFile,
        path: Some(console.to_string_lossy().into_owned()),
        server: true,
        uart_type: None,
        io_address: None,
        irq: None,
    };
    serial_port(&machine.get_serial_port(0).await?, &first, folder).await?;
    for (slot, port) in (1..).zip(hardware.serial_ports.iter().flatten().skip(1)) {
        if let Some(port) = port {
            serial_port(&machine.get_serial_port(slot).await?, port, folder).await?;
        }
    }
    Ok(())
}

async fn serial_port(
    target: &api::ISerialPort,
    port: &SerialPort,
    folder: &Path,
) -> Result<(), SoapError> {
    if let Some(path) = &port.path {
        let path = match port.host_mode {
            SerialMode::RawFile | SerialMode::HostPipe => folder.join(path),
            SerialMode::Disconnected | SerialMode::HostDevice | SerialMode::Tcp => path.into(),
        };
        // The path comes first: a mode that needs one is refused without it.
        target.set_path(&path.to_string_lossy()).await?;
    }
    if matches!(port.host_mode, SerialMode::HostPipe | SerialMode::Tcp) {
        target.set_server(port.server).await?;
    }
    if let Some(kind) = port.uart_type {
        target.set_uart_type(words::uart(kind)).await?;
    }
    if let Some(address) = port.io_address {
        versions::set_io_address(target, address).await?;
    }
    if let Some(irq) = port.irq {
        target.set_irq(irq).await?;
    }
    target.set_host_mode(words::serial_mode(port.host_mode)).await?;
    target.set_enabled(true).await
}

/// Makes the storage controllers, without devices.
pub(super) async fn controllers(
    machine: &IMachine,
    controllers: &[StorageController],
) -> Result<(), SoapError> {
    for controller in controllers {
        let name = &controller.name;
        let made = machine.add_storage_controller(name, words::bus(controller.bus)).await?;
        if let Some(kind) = controller.controller_type {
            made.set_controller_type(words::controller_type(kind)).await?;
        }
        if controller.bus.has_ports_to_choose() {
            let ports = controller.devices.len().max(1);
            made.set_port_count(u32::try_from(ports).unwrap_or(u32::MAX)).await?;
        }
        if let Some(bootable) = controller.bootable {
            machine.set_storage_controller_bootable(name, bootable).await?;
        }
    }
    Ok(())
}
