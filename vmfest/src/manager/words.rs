//! The models' words in VirtualBox's.

use vbox_soap::api;

use crate::models::{
    AdapterType, AttachmentType, BootDevice, Bus, Chipset, ClipboardMode, ControllerType,
    DeviceType, DiskVariant, Firmware, GraphicsController, Keyboard, Pointing, PromiscuousMode,
    SerialMode, UartType,
};

/// Functions from a model's word to VirtualBox's.
macro_rules! words {
    ($($function:ident: $from:ident => $to:ty { $($a:ident => $b:ident),* $(,)? })*) => {$(
        pub(super) fn $function(value: $from) -> $to {
            match value { $($from::$a => <$to>::$b),* }
        }
    )*};
}

words! {
    bus: Bus => api::StorageBus {
        Ide => IDE, Sata => SATA, Scsi => SCSI, Sas => SAS, Floppy => Floppy, Usb => USB,
        Pcie => PCIe, VirtioScsi => VirtioSCSI,
    }
    controller_type: ControllerType => api::StorageControllerType {
        LsiLogic => LsiLogic, BusLogic => BusLogic, Piix3 => PIIX3, Piix4 => PIIX4, Ich6 => ICH6,
        IntelAhci => IntelAhci, LsiLogicSas => LsiLogicSas, I82078 => I82078, Usb => USB,
        Nvme => NVMe, VirtioScsi => VirtioSCSI,
    }
    attachment_type: AttachmentType => api::NetworkAttachmentType {
        Null => Null, Nat => NAT, NatNetwork => NATNetwork, Bridged => Bridged,
        Internal => Internal, HostOnly => HostOnly, HostOnlyNetwork => HostOnlyNetwork,
        Generic => Generic,
    }
    promiscuous_mode: PromiscuousMode => api::NetworkAdapterPromiscModePolicy {
        Deny => Deny, AllowNetwork => AllowNetwork, AllowAll => AllowAll,
    }
    adapter_type: AdapterType => api::NetworkAdapterType {
        Null => Null, Am79c970a => Am79C970A, Am79c973 => Am79C973, Am79c960 => Am79C960,
        I82540em => I82540EM, I82543gc => I82543GC, I82545em => I82545EM, I82583v => I82583V,
        Virtio => Virtio,
    }
    device_type: DeviceType => api::DeviceType { HardDisk => HardDisk, Dvd => DVD, Floppy => Floppy }
    variant: DiskVariant => api::MediumVariant {
        Standard => Standard, Fixed => Fixed, VmdkSplit2g => VmdkSplit2G, VmdkEsx => VmdkESX,
        NoCreateDir => NoCreateDir,
    }
    chipset: Chipset => api::ChipsetType { Piix3 => PIIX3, Ich9 => ICH9 }
    graphics_controller: GraphicsController => api::GraphicsControllerType {
        Null => Null, Vboxvga => VBoxVGA, Vmsvga => VMSVGA, Vboxsvga => VBoxSVGA,
    }
    serial_mode: SerialMode => api::PortMode {
        Disconnected => Disconnected, HostPipe => HostPipe, HostDevice => HostDevice,
        RawFile => RawFile, Tcp => TCP,
    }
    uart: UartType => api::UartType { U16450 => U16450, U16550a => U16550A, U16750 => U16750 }
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
