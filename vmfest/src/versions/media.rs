//! Making disks.

use vbox_soap::Error;
use vbox_soap::api::{AccessMode, DeviceType, IMedium, IProgress, IVirtualBox, MediumVariant};

use super::since;
use crate::wait::PATIENCE;

/// A disk that has no storage yet.
pub(crate) async fn new_disk(
    vbox: &IVirtualBox,
    format: &str,
    location: &str,
) -> Result<IMedium, Error> {
    if since(vbox, 5, 0) {
        let mode = AccessMode::ReadWrite;
        vbox.create_medium(format, location, mode, DeviceType::HardDisk).await
    } else {
        vbox.create_hard_disk(format, location).await
    }
}

/// Makes the storage of a disk, of so many bytes.
pub(crate) async fn make_storage(
    disk: &IMedium,
    bytes: i64,
    variants: &[MediumVariant],
) -> Result<IProgress, Error> {
    if since(disk, 4, 3) {
        disk.create_base_storage(bytes, variants).await
    } else {
        disk.create_base_storage_v4_1(bytes, variant_bits(variants)).await
    }
}

/// Makes the storage of a disk from all that another one shows, what is below it included.
pub(crate) async fn copy_to_base(source: &IMedium, target: &IMedium) -> Result<IProgress, Error> {
    if since(source, 4, 3) {
        source.clone_to_base(target, &[MediumVariant::Standard]).await
    } else if since(source, 4, 2) {
        source.clone_to_base_v4_2(target, variant_bits(&[])).await
    } else {
        source.clone_to_v4_1(target, variant_bits(&[]), None).await
    }
}

/// Tells VirtualBox where the file of a medium is now.
pub(crate) async fn set_location(medium: &IMedium, location: &str) -> Result<(), Error> {
    if since(medium, 4, 3) && !since(medium, 6, 0) {
        medium.set_location_v4_3(location).await?.wait(PATIENCE).await
    } else {
        medium.set_location(location).await
    }
}

/// Variants as they were written before 4.3.
fn variant_bits(variants: &[MediumVariant]) -> u32 {
    let bit = |variant: &MediumVariant| match variant {
        MediumVariant::VmdkSplit2G => 1,
        MediumVariant::VmdkRawDisk => 2,
        MediumVariant::VmdkStreamOptimized => 4,
        MediumVariant::VmdkESX => 8,
        MediumVariant::Fixed => 0x1_0000,
        MediumVariant::Diff => 0x2_0000,
        MediumVariant::NoCreateDir => 0x4000_0000,
        _ => 0,
    };
    variants.iter().map(bit).fold(0, |bits, bit| bits | bit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variants_were_bits_once() {
        assert_eq!(variant_bits(&[MediumVariant::Standard]), 0);
        assert_eq!(variant_bits(&[MediumVariant::Fixed, MediumVariant::VmdkSplit2G]), 0x1_0001);
    }
}
