//! What is looked at before anything is created.

use std::sync::PoisonError;

use vbox_soap::Error as SoapError;
use vbox_soap::api::{ChipsetType, IMachine};

use super::{Manager, words};
use crate::error::{Doing, Error};
use crate::fault;
use crate::models::{AttachmentType, Bus, HardwareModel, ImageModel, Invalid, Limits};
use crate::versions;

/// Disks are given in this unit.
const MEBIBYTE: u64 = 1024 * 1024;

/// Keys for settings that newer versions of VirtualBox have no more, whether they are asked for,
/// and the last version that had them.
fn gone(hardware: &HardwareModel) -> [(&'static str, bool, (u16, u16)); 2] {
    [
        (
            "guest-property-notification-patterns",
            hardware.guest_property_notification_patterns.is_some(),
            (4, 3),
        ),
        ("accelerate-2d-video-enabled", hardware.accelerate_2d_video_enabled == Some(true), (7, 1)),
    ]
}

impl Manager {
    /// Checks whether an instance could be made of these models: the values for themselves and
    /// together, against what this VirtualBox bears, and whether it knows the guest type. Nothing
    /// is created.
    ///
    /// # Errors
    /// The first value that is wrong; a missing image file.
    pub async fn check(&self, image: &ImageModel, hardware: &HardwareModel) -> Result<(), Error> {
        self.checked("an instance", image, hardware).await.map(drop)
    }

    /// [`Manager::check`] with models given by name: an error about a value says in which file,
    /// line and column it stands.
    ///
    /// # Errors
    /// Those of [`Manager::check`]; a mistake in a file of models; unknown names.
    pub async fn check_of(&self, image: &str, hardware: &str) -> Result<(), Error> {
        let models = self.models()?;
        self.check(models.image(image)?, models.hardware_model(hardware)?)
            .await
            .map_err(|error| models.locate(Some(image), Some(hardware), error))
    }

    /// Checks the keys that a change of an instance's hardware has.
    pub(crate) async fn check_change(
        &self,
        what: &str,
        hardware: &HardwareModel,
    ) -> Result<(), Error> {
        let invalid = |invalid| Error::InvalidModel { what: what.to_owned(), invalid };
        hardware.check().map_err(invalid)?;
        self.check_limits(what, hardware).await
    }

    async fn check_limits(&self, what: &str, hardware: &HardwareModel) -> Result<(), Error> {
        let checked = hardware.check_limits(self.limits().await?);
        checked.map_err(|invalid| Error::InvalidModel { what: what.to_owned(), invalid })
    }

    async fn limits(&self) -> Result<&Limits, Error> {
        let limits = self.inner.limits.get_or_try_init(|| self.read_limits());
        limits.await.doing(|| "ask VirtualBox for its limits".to_owned())
    }

    /// How many network adapters the machine can have.
    pub(crate) async fn adapter_slots(&self, machine: &IMachine) -> Result<u32, Error> {
        let doing = || "look at the chipset of a VM".to_owned();
        let platform = versions::platform(machine).await.doing(doing)?;
        let limits = self.limits().await?;
        Ok(match platform.get_chipset_type().await.doing(doing)? {
            ChipsetType::PIIX3 => limits.adapters_piix3,
            _ => limits.adapters_ich9,
        })
    }

    /// The models of an instance, checked, and laid together.
    pub(super) async fn checked(
        &self,
        what: &str,
        image: &ImageModel,
        hardware: &HardwareModel,
    ) -> Result<(ImageModel, HardwareModel), Error> {
        let invalid = |invalid| Error::InvalidModel { what: what.to_owned(), invalid };
        let hardware = image.effective_hardware(hardware);
        image.check().map_err(invalid)?;
        hardware.check_complete().map_err(invalid)?;
        let mut image = image.clone();
        image.path = self.medium_file(&image.path).await?;
        if !image.path.is_file() {
            return Err(Error::ModelFileMissing { path: image.path });
        }
        let version = self.inner.session.api_version();
        for (key, is_wanted, (major, minor)) in gone(&hardware) {
            if is_wanted && (version.major(), version.minor()) > (major, minor) {
                let problem = format!(
                    "is no setting of VirtualBox {version}: {major}.{minor} was the last to have \
                     it; leave it out"
                );
                return Err(invalid(Invalid { path: vec![key.to_owned()], problem }));
            }
        }
        self.check_limits(what, &hardware).await?;
        if let Some(id) = &hardware.os_type_id {
            self.check_os_type(id).await?.map_err(invalid)?;
        }
        Ok((image, hardware))
    }

    async fn read_limits(&self) -> Result<Limits, SoapError> {
        let properties = self.vbox().get_system_properties().await?;
        let platform = versions::platform_properties(&properties).await?;
        let attachments = versions::attachment_types(&properties).await?;
        let mut buses = Vec::new();
        for bus in Bus::ALL {
            if let Some(capacity) = platform.get_capacity(words::bus(bus)).await? {
                buses.push((bus, capacity));
            }
        }
        let disk_size = u64::try_from(properties.get_info_vd_size().await?).unwrap_or(0);
        Ok(Limits {
            memory: (properties.get_min_guest_ram().await?, properties.get_max_guest_ram().await?),
            video_memory: (
                properties.get_min_guest_vram().await?,
                properties.get_max_guest_vram().await?,
            ),
            processors: (
                properties.get_min_guest_cpu_count().await?,
                properties.get_max_guest_cpu_count().await?,
            ),
            screens: properties.get_max_guest_monitors().await?,
            serial_ports: platform.get_serial_port_count().await?,
            adapters_piix3: platform.get_max_network_adapters(ChipsetType::PIIX3).await?,
            adapters_ich9: platform.get_max_network_adapters(ChipsetType::ICH9).await?,
            attachments: AttachmentType::ALL
                .into_iter()
                .filter(|kind| attachments.contains(&words::attachment_type(*kind)))
                .collect(),
            boot_positions: platform.get_max_boot_position().await?,
            disk_size: disk_size / MEBIBYTE,
            buses,
        })
    }

    /// VirtualBox itself makes a VM of any type, even one that does not exist.
    async fn check_os_type(&self, id: &str) -> Result<Result<(), Invalid>, Error> {
        let known = || self.inner.os_types.lock().unwrap_or_else(PoisonError::into_inner);
        // Each question takes VirtualBox some ten milliseconds, so it is asked once for each type.
        if known().contains(id) {
            return Ok(Ok(()));
        }
        let doing = || format!("look for the guest type {id}");
        match self.vbox().get_guest_os_type(id).await {
            Ok(_) => {
                known().insert(id.to_owned());
                return Ok(Ok(()));
            }
            Err(e) if fault::is_not_found(&e) => {}
            Err(e) => return Err(e).doing(doing),
        }
        let all = self.vbox().get_guest_os_types().await.doing(doing)?;
        let nearest = crate::suggest::closest(id, all.iter().map(|kind| kind.id.as_str()));
        let problem = format!(
            "{id:?} is no guest type that VirtualBox knows; did you mean {:?}? \
             `VBoxManage list ostypes` shows them all",
            nearest.unwrap_or("Linux_64")
        );
        Ok(Err(Invalid { path: vec!["os-type-id".to_owned()], problem }))
    }
}
