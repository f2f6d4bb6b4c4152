//! From a hardware model to the settings of a VM.
//!
//! All calls that differ between versions of VirtualBox are in this file and in `create.rs`.

use std::path::Path;

use vbox_soap::Error as SoapError;
use vbox_soap::api;
use vbox_soap::api::{
    IMachine, INATEngine, INetworkAdapter, NATProtocol, NetworkAdapterType, NetworkAttachmentType,
};

use crate::models::{
    Adapter, AdapterType, AttachmentType, BootDevice, Bus, ClipboardMode, ControllerType, Firmware,
    HardwareModel, Keyboard, NatProtocol, NatRule, NetworkType, Pointing, PromiscuousMode,
    StorageController,
};
use crate::ports::SSH_RULE;

/// Port that the guest's sshd listens on.
pub(crate) const SSH_PORT: u16 = 22;

/// Puts everything but disks and network into the settings of a machine.
pub(super) async fn apply(
    machine: &IMachine,
    hardware: &HardwareModel,
    console: &Path,
) -> Result<(), SoapError> {
    if let Some(text) = &hardware.description {
        machine.set_description(text).await?;
    }
    if let Some(megabytes) = hardware.memory_size {
        machine.set_memory_size(megabytes).await?;
    }
    let cpus = hardware.cpu_count.unwrap_or(1);
    if cpus > 1 {
        machine.set_cpu_count(cpus).await?;
    }
    let graphics = machine.get_graphics_adapter().await?;
    graphics.set_vram_size(hardware.vram_size.unwrap_or(DEFAULT_VRAM)).await?;
    if let Some(count) = hardware.monitor_count {
        graphics.set_monitor_count(count).await?;
    }
    firmware(machine, hardware, cpus).await?;
    if let Some(utc) = hardware.utc_time {
        machine.get_platform().await?.set_rtc_use_utc(utc).await?;
    }
    if let Some(enabled) = hardware.hpet_enabled {
        machine.get_platform().await?.get_x86().await?.set_hpet_enabled(enabled).await?;
    }
    if let Some(mode) = hardware.clipboard_mode {
        machine.set_clipboard_mode(clipboard(mode)).await?;
    }
    if let Some(kind) = hardware.pointing_hid_type {
        machine.set_pointing_hid_type(pointing(kind)).await?;
    }
    if let Some(kind) = hardware.keyboard_hid_type {
        machine.set_keyboard_hid_type(keyboard(kind)).await?;
    }
    if let Some(order) = &hardware.boot_order {
        for (position, device) in (1..).zip(order.devices()) {
            machine.set_boot_order(position, boot_device(*device)).await?;
        }
    }
    for folder in hardware.shared_folders.iter().flatten() {
        let path = folder.host_path.to_string_lossy();
        machine
            .create_shared_folder(&folder.name, &path, folder.writable, folder.auto_mount, "")
            .await?;
    }
    // Servers make no sound, and a host without a sound card must not keep a VM from starting.
    let audio = machine.get_audio_settings().await?.get_adapter().await?;
    audio.set_enabled(false).await?;
    let serial = machine.get_serial_port(0).await?;
    // The path comes first: a mode that needs one is refused without it.
    serial.set_path(&console.to_string_lossy()).await?;
    serial.set_host_mode(api::PortMode::RawFile).await?;
    serial.set_enabled(true).await
}

/// VirtualBox's default of 8 MiB is too little for the console resolutions of today's guests.
const DEFAULT_VRAM: u32 = 16;

async fn firmware(
    machine: &IMachine,
    hardware: &HardwareModel,
    cpus: u32,
) -> Result<(), SoapError> {
    let io_apic = hardware.io_apic_enabled.or((cpus > 1).then_some(true));
    if io_apic.is_none() && hardware.firmware_type.is_none() && hardware.acpi_enabled.is_none() {
        return Ok(());
    }
    let settings = machine.get_firmware_settings().await?;
    if let Some(enabled) = io_apic {
        settings.set_ioapic_enabled(enabled).await?;
    }
    if let Some(enabled) = hardware.acpi_enabled {
        settings.set_acpi_enabled(enabled).await?;
    }
    if let Some(kind) = hardware.firmware_type {
        settings.set_firmware_type(firmware_type(kind)).await?;
    }
    Ok(())
}

/// Makes the storage controllers, without devices.
pub(super) async fn controllers(
    machine: &IMachine,
    controllers: &[StorageController],
) -> Result<(), SoapError> {
    for controller in controllers {
        let made = machine.add_storage_controller(&controller.name, bus(controller.bus)).await?;
        if let Some(kind) = controller.controller_type {
            made.set_controller_type(controller_type(kind)).await?;
        }
        let ports = match controller.bus {
            Bus::Sata | Bus::Sas => controller.devices.len().max(1),
            // These have a fixed number of ports.
            Bus::Ide | Bus::Scsi => continue,
        };
        made.set_port_count(u32::try_from(ports).unwrap_or(u32::MAX)).await?;
    }
    Ok(())
}

/// The adapters that a model asks for, and the slot that gets the SSH forward.
pub(super) fn adapters(hardware: &HardwareModel, ssh_host_port: u16) -> Vec<Option<Adapter>> {
    if let Some(explicit) = &hardware.network {
        return explicit.clone();
    }
    let nat = || {
        let ssh = NatRule {
            name: SSH_RULE.to_owned(),
            protocol: NatProtocol::Tcp,
            host_ip: "127.0.0.1".to_owned(),
            host_port: ssh_host_port,
            guest_ip: String::new(),
            guest_port: SSH_PORT,
        };
        let further = hardware.nat_rules.clone().unwrap_or_default();
        Adapter {
            attachment_type: Some(AttachmentType::Nat),
            nat_rules: std::iter::once(ssh).chain(further).collect(),
            ..Adapter::default()
        }
    };
    match hardware.network_type.unwrap_or(NetworkType::Nat) {
        NetworkType::Nat => vec![Some(nat())],
        NetworkType::Local => {
            let interface = hardware.local_interface.as_deref().unwrap_or("vboxnet0");
            let host_only = Adapter {
                attachment_type: Some(AttachmentType::HostOnly),
                host_only_interface: Some(interface.to_owned()),
                ..Adapter::default()
            };
            vec![Some(host_only), Some(nat())]
        }
        NetworkType::Bridged => vec![Some(Adapter {
            attachment_type: Some(AttachmentType::Bridged),
            host_interface: hardware.bridged_interface.clone(),
            ..Adapter::default()
        })],
    }
}

/// The slot whose adapter forwards a host port to the guest's SSH port.
pub(super) fn ssh_slot(adapters: &[Option<Adapter>]) -> Option<usize> {
    adapters.iter().position(|adapter| {
        adapter.as_ref().is_some_and(|a| a.nat_rules.iter().any(|r| r.guest_port == SSH_PORT))
    })
}

/// Whether the model's network needs a host port chosen for it.
pub(super) fn needs_ssh_port(hardware: &HardwareModel) -> bool {
    hardware.network.is_none() && hardware.network_type != Some(NetworkType::Bridged)
}

/// Sets the network adapters up.
pub(super) async fn network(
    machine: &IMachine,
    adapters: &[Option<Adapter>],
) -> Result<(), SoapError> {
    if !matches!(adapters.first(), Some(Some(_))) {
        // VirtualBox gives every new machine a NAT adapter in the first slot.
        machine.get_network_adapter(0).await?.set_enabled(false).await?;
    }
    for (slot, adapter) in (0..).zip(adapters) {
        if let Some(adapter) = adapter {
            one_adapter(&machine.get_network_adapter(slot).await?, adapter).await?;
        }
    }
    Ok(())
}

async fn one_adapter(target: &INetworkAdapter, adapter: &Adapter) -> Result<(), SoapError> {
    if let Some(kind) = adapter.adapter_type.filter(|kind| *kind != AdapterType::Null) {
        target.set_adapter_type(adapter_type(kind)).await?;
    }
    if let Some(name) = &adapter.host_interface {
        target.set_bridged_interface(name).await?;
    }
    if let Some(name) = &adapter.host_only_interface {
        target.set_host_only_interface(name).await?;
    }
    if let Some(name) = &adapter.host_only_network {
        target.set_host_only_network(name).await?;
    }
    if let Some(name) = &adapter.internal_network {
        target.set_internal_network(name).await?;
    }
    if let Some(name) = &adapter.nat_network {
        target.set_nat_network(name).await?;
    }
    if let Some(name) = &adapter.generic_driver {
        target.set_generic_driver(name).await?;
    }
    for (name, value) in &adapter.generic_properties {
        target.set_property(name, value).await?;
    }
    if let Some(mac) = &adapter.mac_address {
        target.set_mac_address(mac).await?;
    }
    if let Some(connected) = adapter.cable_connected {
        target.set_cable_connected(connected).await?;
    }
    if let Some(speed) = adapter.line_speed {
        target.set_line_speed(speed).await?;
    }
    if let Some(mode) = adapter.promiscuous_mode {
        target.set_promisc_mode_policy(promiscuous_mode(mode)).await?;
    }
    let attachment = adapter.attachment_type.unwrap_or(AttachmentType::Nat);
    target.set_attachment_type(attachment_type(attachment)).await?;
    if !adapter.nat_rules.is_empty() {
        let engine = target.get_nat_engine().await?;
        for rule in &adapter.nat_rules {
            add_rule(&engine, rule).await?;
        }
    }
    target.set_enabled(adapter.enabled.unwrap_or(true)).await
}

/// Adds a port forward.
pub(crate) async fn add_rule(engine: &INATEngine, rule: &NatRule) -> Result<(), SoapError> {
    let protocol = match rule.protocol {
        NatProtocol::Tcp => NATProtocol::TCP,
        NatProtocol::Udp => NATProtocol::UDP,
    };
    engine
        .add_redirect(
            &rule.name,
            protocol,
            &rule.host_ip,
            rule.host_port,
            &rule.guest_ip,
            rule.guest_port,
        )
        .await
}

/// Functions from a model's word to VirtualBox's.
macro_rules! words {
    ($($function:ident: $from:ident => $to:ty { $($a:ident => $b:ident),* $(,)? })*) => {$(
        fn $function(value: $from) -> $to {
            match value { $($from::$a => <$to>::$b),* }
        }
    )*};
}

words! {
    bus: Bus => api::StorageBus { Ide => IDE, Sata => SATA, Scsi => SCSI, Sas => SAS }
    controller_type: ControllerType => api::StorageControllerType {
        LsiLogic => LsiLogic, BusLogic => BusLogic, Piix3 => PIIX3, Piix4 => PIIX4, Ich6 => ICH6,
        IntelAhci => IntelAhci, LsiLogicSas => LsiLogicSas,
    }
    attachment_type: AttachmentType => NetworkAttachmentType {
        Null => Null, Nat => NAT, NatNetwork => NATNetwork, Bridged => Bridged,
        Internal => Internal, HostOnly => HostOnly, HostOnlyNetwork => HostOnlyNetwork,
        Generic => Generic,
    }
    promiscuous_mode: PromiscuousMode => api::NetworkAdapterPromiscModePolicy {
        Deny => Deny, AllowNetwork => AllowNetwork, AllowAll => AllowAll,
    }
    adapter_type: AdapterType => NetworkAdapterType {
        Null => Null, Am79c970a => Am79C970A, Am79c973 => Am79C973, Am79c960 => Am79C960,
        I82540em => I82540EM, I82543gc => I82543GC, I82545em => I82545EM, I82583v => I82583V,
        Virtio => Virtio,
    }
    boot_device: BootDevice => api::DeviceType {
        Null => Null, Floppy => Floppy, Dvd => DVD, HardDisk => HardDisk, Network => Network,
    }
    clipboard: ClipboardMode => api::ClipboardMode {
        Disabled => Disabled, HostToGuest => HostToGuest, GuestToHost => GuestToHost,
        Bidirectional => Bidirectional,
    }
    firmware_type: Firmware => api::FirmwareType {
        Bios => BIOS, Efi => EFI, Efi32 => EFI32, Efi64 => EFI64, EfiDual => EFIDUAL,
    }
    pointing: Pointing => api::PointingHIDType {
        None => None, Ps2Mouse => PS2Mouse, UsbMouse => USBMouse, UsbTablet => USBTablet,
        ComboMouse => ComboMouse,
    }
    keyboard: Keyboard => api::KeyboardHIDType {
        None => None, Ps2Keyboard => PS2Keyboard, UsbKeyboard => USBKeyboard,
        ComboKeyboard => ComboKeyboard,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hardware(text: &str) -> HardwareModel {
        let node = crate::edn::read(text).expect("reads");
        HardwareModel::base().overlaid_with(&crate::edn::from_node(&node).expect("is a model"))
    }

    #[test]
    fn layouts() {
        for (text, kinds, ssh) in [
            ("{}", vec![Some(AttachmentType::Nat)], Some(0)),
            (
                "{:network-type :local}",
                vec![Some(AttachmentType::HostOnly), Some(AttachmentType::Nat)],
                Some(1),
            ),
            (
                "{:network-type :bridged :bridged-interface \"eth0\"}",
                vec![Some(AttachmentType::Bridged)],
                None,
            ),
            (
                "{:network [nil {:attachment-type :nat :nat-rules [{:name \"s\" :host-port 2022 :guest-port 22}]}]}",
                vec![None, Some(AttachmentType::Nat)],
                Some(1),
            ),
        ] {
            let adapters = adapters(&hardware(text), 20_022);
            let found: Vec<_> =
                adapters.iter().map(|a| a.as_ref().and_then(|a| a.attachment_type)).collect();
            assert_eq!(found, kinds, "{text}");
            assert_eq!(ssh_slot(&adapters), ssh, "{text}");
        }
    }

    #[test]
    fn further_rules_join_the_ssh_forward() {
        let rules = hardware("{:nat-rules [{:name \"web\" :host-port 8080 :guest-port 80}]}");
        let adapters = adapters(&rules, 20_022);
        let rules = &adapters[0].as_ref().expect("an adapter").nat_rules;
        let shown: Vec<_> =
            rules.iter().map(|r| (r.name.as_str(), r.host_port, r.guest_port)).collect();
        assert_eq!(shown, [("ssh", 20_022, 22), ("web", 8080, 80)]);
    }
}
