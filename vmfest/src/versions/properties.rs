//! What a VirtualBox bears.

use vbox_soap::Error;
use vbox_soap::api::{
    ChipsetType, IPlatformProperties, ISystemProperties, NetworkAttachmentType, StorageBus,
};

use super::since;

/// The properties of the platform, a part of their own since 7.1.
pub(crate) enum PlatformProperties {
    Platform(IPlatformProperties),
    System(ISystemProperties),
}

/// What the platform bears.
pub(crate) async fn platform_properties(
    properties: &ISystemProperties,
) -> Result<PlatformProperties, Error> {
    if since(properties, 7, 1) {
        properties.get_platform().await.map(PlatformProperties::Platform)
    } else {
        Ok(PlatformProperties::System(properties.clone()))
    }
}

impl PlatformProperties {
    /// How many serial ports a machine has.
    pub(crate) async fn get_serial_port_count(&self) -> Result<u32, Error> {
        match self {
            Self::Platform(properties) => properties.get_serial_port_count().await,
            Self::System(properties) => properties.get_serial_port_count().await,
        }
    }

    /// How many network adapters a machine with this chipset has.
    pub(crate) async fn get_max_network_adapters(
        &self,
        chipset: ChipsetType,
    ) -> Result<u32, Error> {
        match self {
            Self::Platform(properties) => properties.get_max_network_adapters(chipset).await,
            Self::System(properties) => properties.get_max_network_adapters(chipset).await,
        }
    }
}

impl PlatformProperties {
    /// How many places a boot order has.
    pub(crate) async fn get_max_boot_position(&self) -> Result<u32, Error> {
        match self {
            Self::Platform(properties) => properties.get_max_boot_position().await,
            Self::System(properties) => properties.get_max_boot_position().await,
        }
    }

    /// How many devices a controller on this bus carries; nothing if there is no such bus.
    pub(crate) async fn get_capacity(&self, bus: StorageBus) -> Result<Option<u32>, Error> {
        let exists = match bus {
            StorageBus::USB => self.since(5, 0),
            StorageBus::PCIe => self.since(5, 1),
            StorageBus::VirtioSCSI => self.since(6, 1),
            _ => true,
        };
        if !exists {
            return Ok(None);
        }
        let (ports, devices) = match self {
            Self::Platform(properties) => (
                properties.get_max_port_count_for_storage_bus(bus.clone()).await?,
                properties.get_max_devices_per_port_for_storage_bus(bus).await?,
            ),
            Self::System(properties) => (
                properties.get_max_port_count_for_storage_bus(bus.clone()).await?,
                properties.get_max_devices_per_port_for_storage_bus(bus).await?,
            ),
        };
        Ok(Some(ports.saturating_mul(devices)))
    }

    fn since(&self, major: u16, minor: u16) -> bool {
        match self {
            Self::Platform(properties) => since(properties, major, minor),
            Self::System(properties) => since(properties, major, minor),
        }
    }
}

/// What adapters can be attached to. Before 6.1 that followed from the version.
pub(crate) async fn attachment_types(
    properties: &ISystemProperties,
) -> Result<Vec<NetworkAttachmentType>, Error> {
    if since(properties, 6, 1) {
        return properties.get_supported_network_attachment_types().await;
    }
    let mut types = vec![
        NetworkAttachmentType::Null,
        NetworkAttachmentType::NAT,
        NetworkAttachmentType::Bridged,
        NetworkAttachmentType::Internal,
        NetworkAttachmentType::HostOnly,
        NetworkAttachmentType::Generic,
    ];
    if since(properties, 4, 3) {
        types.push(NetworkAttachmentType::NATNetwork);
    }
    Ok(types)
}
