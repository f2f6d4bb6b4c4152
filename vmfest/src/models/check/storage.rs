//! What is checked of storage.

use std::collections::BTreeSet;

use super::Invalid;
use crate::models::storage::{
    Attachment, Bus, Device, DeviceType, DiskFormat, DiskVariant, StorageController,
};

pub(super) fn check_storage(controllers: &[StorageController]) -> Result<(), Invalid> {
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
                check_device(controller.bus, device)
                    .map_err(|e| within(e.inside(position).inside("devices")))?;
            }
        }
    }
    Ok(())
}

fn check_device(bus: Bus, device: &Device) -> Result<(), Invalid> {
    let wrong = |key: &str, problem: &str| Err(Invalid::new(key, problem));
    let fits = match device.device_type {
        DeviceType::Floppy => bus == Bus::Floppy,
        DeviceType::HardDisk => bus != Bus::Floppy,
        DeviceType::Dvd => !matches!(bus, Bus::Floppy | Bus::Pcie),
    };
    if !fits {
        let problem = format!("does not fit the bus {bus}");
        return Err(Invalid::new("device-type", problem));
    }
    if device.attachment_type == Some(Attachment::MultiAttach)
        && (device.device_type != DeviceType::HardDisk || device.create)
    {
        return wrong("attachment-type", "multi-attach is for disks that exist");
    }
    if !device.create {
        for (key, is_given) in [
            ("size", device.size.is_some()),
            ("format", device.format.is_some()),
            ("variants", !device.variants.is_empty()),
        ] {
            if is_given {
                return wrong(key, "is of use only for a disk that is made, with `create`");
            }
        }
        if device.device_type == DeviceType::HardDisk && device.location.is_none() {
            return wrong("location", "is missing; or say `create` true with a `size`");
        }
        return Ok(());
    }
    if device.device_type != DeviceType::HardDisk {
        return wrong("create", "works for a hard-disk only");
    }
    match device.size {
        None | Some(0) => return wrong("size", "in MiB is needed to create a disk"),
        // 2 TiB, the limit of the VDI format.
        Some(size) if size > 2_097_152 => return wrong("size", "must not be above 2097152 MiB"),
        Some(_) => {}
    }
    let vmdk = |v: &DiskVariant| matches!(v, DiskVariant::VmdkSplit2g | DiskVariant::VmdkEsx);
    if device.format != Some(DiskFormat::Vmdk) && device.variants.iter().any(vmdk) {
        return wrong("variants", "of VMDK need the `format` vmdk");
    }
    if device.variants.contains(&DiskVariant::Standard)
        && device.variants.contains(&DiskVariant::Fixed)
    {
        return wrong("variants", "standard and fixed exclude each other");
    }
    Ok(())
}
