//! Models of the disks of VMs.

use std::path::Path;
use std::sync::Arc;

use vbox_soap::api::{DeviceType, FirmwareType, IMachine, IMedium, MachineState, StorageBus};

use super::description::Description;
use super::error::ImageError;
use super::events::{Event, Listener, Watch};
use super::folder::{self, ModelFiles, Workshop};
use super::import::Imported;
use super::place::Made;
use super::space;
use super::task;
use crate::error::{Doing, Error};
use crate::fault;
use crate::manager::Manager;
use crate::models::{Bus, ImageModel, NetworkType};
use crate::tag;
use crate::versions;

/// Which VM's disk is to become a model, and how.
#[derive(Clone)]
pub struct CloneModel {
    vm: String,
    name: String,
    snapshot: Option<String>,
    description: Description,
    listener: Option<Listener>,
}

impl CloneModel {
    /// The VM of this name or id, whoever made it, becomes the model `name`.
    #[must_use]
    pub fn new(vm: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            vm: vm.into(),
            name: name.into(),
            snapshot: None,
            description: Description::default(),
            listener: None,
        }
    }

    /// Clones the disk as it was when this snapshot was taken. That can be done while the VM runs.
    #[must_use]
    pub fn snapshot(mut self, name: impl Into<String>) -> Self {
        self.snapshot = Some(name.into());
        self
    }

    /// Says something about the image that counts more than what is known of the VM.
    #[must_use]
    pub fn describe(mut self, description: Description) -> Self {
        self.description = self.description.overlaid_with(description);
        self
    }

    /// Tells this function what happens. It is called often, from any thread, and must be quick.
    #[must_use]
    pub fn on_event(mut self, listener: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        self.listener = Some(Arc::new(listener));
        self
    }
}

impl std::fmt::Debug for CloneModel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CloneModel")
            .field("vm", &self.vm)
            .field("name", &self.name)
            .field("snapshot", &self.snapshot)
            .finish_non_exhaustive()
    }
}

impl Manager {
    /// Makes an image model of the first hard disk of a VM as it is now, with all snapshots and
    /// differencing disks that it consists of. The VM stays as it is.
    ///
    /// The model knows what the VM knows: its guest type, its firmware and the controller that
    /// the disk is on; and, of an instance, how to log in to its image.
    ///
    /// # Errors
    /// [`ImageError::Clone`] if the VM runs, or its memory is saved: then its disk alone is not
    /// its state. Those of [`Manager::import_model`].
    pub async fn clone_model(&self, clone: CloneModel) -> Result<Imported, Error> {
        folder::check_name(&clone.name)?;
        let doing = format!("clone the VM {}", clone.vm);
        let listener = clone.listener.clone();
        task::run(self, doing, listener, |manager, watch| async move {
            let model_path = &manager.location().model_path;
            std::fs::create_dir_all(model_path)
                .map_err(|e| Error::io("create the folder", model_path, e))?;
            let workshop = Workshop::open(model_path, &clone.name)?;
            let result = manager.clone_in(&workshop, &clone, &watch).await;
            let closed = workshop.close(result.is_err());
            let imported = result?;
            closed?;
            Ok(imported)
        })
        .await
    }

    async fn clone_in(
        &self,
        workshop: &Workshop,
        clone: &CloneModel,
        watch: &Watch,
    ) -> Result<Imported, Error> {
        let CloneModel { vm, name, .. } = clone;
        let files = ModelFiles::new(&self.location().model_path, name);
        let origin = format!("the VM {vm}");
        let finished = self.finish_interrupted(workshop, &files, name, &origin, watch).await?;
        if let Some(imported) = finished {
            return Ok(imported);
        }
        self.check_model_name_free(name, &files)?;
        self.clear_workshop(workshop).await?;
        workshop.write(&workshop.origin(), &origin)?;

        let machine = self.machine_to_clone(clone, watch).await?;
        let (disk, bus) = self.boot_disk(vm, &machine, watch).await?;
        let known = self.known_of(vm, &machine).await?.with_bus(bus);
        let description = known.overlaid_with(clone.description.clone());
        description.check_early(name, false)?;
        let size = disk.get_size().await.doing(|| format!("look at the disk of {vm}"))?;
        space::check(&workshop.path, u64::try_from(size).unwrap_or(0))?;

        let target = workshop.fresh("clone")?;
        self.clone_medium(&disk, &target, watch).await?;
        let made = Made { disk: target, description, key: None, origin, verified: None };
        self.put_in_place(workshop, &files, name, made, watch).await
    }

    /// The VM, or the VM as its snapshot knows it; in a state in which its disk can be cloned.
    async fn machine_to_clone(&self, clone: &CloneModel, watch: &Watch) -> Result<IMachine, Error> {
        let CloneModel { vm, snapshot, .. } = clone;
        let refuse =
            |problem: String| Err(Error::from(ImageError::Clone { vm: vm.clone(), problem }));
        let doing = || format!("look at the VM {vm}");
        let machine = match self.vbox().find_machine(vm).await {
            Ok(machine) => machine,
            Err(e) if fault::is_not_found(&e) => {
                return refuse("VirtualBox has no VM of that name".to_owned());
            }
            Err(e) => return Err(e).doing(doing),
        };
        if !machine.get_accessible().await.doing(doing)? {
            return refuse("VirtualBox cannot read its settings".to_owned());
        }
        if let Some(snapshot) = snapshot {
            return match machine.find_snapshot(snapshot).await {
                Ok(snapshot) => snapshot.get_machine().await.doing(doing),
                Err(e) if fault::is_not_found(&e) => {
                    refuse(format!("it has no snapshot {snapshot}"))
                }
                Err(e) => Err(e).doing(doing),
            };
        }
        match machine.get_state().await.doing(doing)? {
            MachineState::PoweredOff | MachineState::Teleported => Ok(machine),
            MachineState::Aborted => {
                watch.note(format!("{vm} did not shut down properly; its disk is taken as it is"));
                Ok(machine)
            }
            MachineState::Saved | MachineState::AbortedSaved => refuse(
                "its state is saved, and what is in its memory is missing on its disk; start it \
                 and shut it down, or clone a snapshot"
                    .to_owned(),
            ),
            state => refuse(format!(
                "it is {state}, and its disk changes all the time; shut it down, or take a \
                 snapshot and clone that"
            )),
        }
    }

    /// The first hard disk, and what it is attached to.
    async fn boot_disk(
        &self,
        vm: &str,
        machine: &IMachine,
        watch: &Watch,
    ) -> Result<(IMedium, Option<Bus>), Error> {
        let doing = || format!("look at the disks of the VM {vm}");
        let attachments = machine.get_medium_attachments().await.doing(doing)?;
        let mut disks = attachments
            .into_iter()
            .filter(|attachment| attachment.r#type == DeviceType::HardDisk)
            .filter_map(|attachment| Some((attachment.medium?, attachment.controller)));
        let Some((disk, controller)) = disks.next() else {
            let problem = "it has no hard disk".to_owned();
            return Err(ImageError::Clone { vm: vm.to_owned(), problem }.into());
        };
        for (other, controller) in disks {
            let location = other.get_location().await.doing(doing)?;
            watch
                .note(format!("{vm} has another disk on {controller}, {location}; it is left out"));
        }
        let controllers = machine.get_storage_controllers().await.doing(doing)?;
        for candidate in controllers {
            if candidate.get_name().await.doing(doing)? == controller {
                let bus = match candidate.get_bus().await.doing(doing)? {
                    StorageBus::IDE => Some(Bus::Ide),
                    StorageBus::SCSI => Some(Bus::Scsi),
                    StorageBus::SAS => Some(Bus::Sas),
                    StorageBus::SATA => Some(Bus::Sata),
                    StorageBus::USB => Some(Bus::Usb),
                    StorageBus::PCIe => Some(Bus::Pcie),
                    StorageBus::VirtioSCSI => Some(Bus::VirtioScsi),
                    _ => None,
                };
                return Ok((disk, bus));
            }
        }
        Ok((disk, None))
    }

    async fn known_of(&self, vm: &str, machine: &IMachine) -> Result<Description, Error> {
        let doing = || format!("look at the VM {vm}");
        let os_type = machine.get_os_type_id().await.doing(doing)?;
        let mut known = Description::default().text("os-type-id", &os_type);
        let firmware = versions::firmware(machine).await.doing(doing)?;
        if firmware.get_firmware_type().await.doing(doing)? != FirmwareType::BIOS {
            known = known.edn("hardware", "{:firmware-type :efi}");
        }
        let image = machine.get_extra_data(tag::IMAGE).await.doing(doing)?;
        let models = self.models()?;
        let model = models.images().values().find(|model| model.path == Path::new(&image));
        Ok(match model {
            Some(model) => inherit(known, model),
            None => known,
        })
    }
}

/// How to log in, and what the system is, stays as it was in the image.
fn inherit(mut known: Description, model: &ImageModel) -> Description {
    let texts = [
        ("os-family", model.os_family.as_deref()),
        ("os-version", model.os_version.as_deref()),
        ("packager", model.packager.as_deref()),
        ("username", model.username.as_deref()),
        ("password", model.password.as_ref().map(|secret| secret.expose())),
        ("sudo-password", model.sudo_password.as_ref().map(|secret| secret.expose())),
        ("private-key-path", model.private_key_path.as_deref().and_then(Path::to_str)),
    ];
    for (key, value) in texts {
        if let Some(value) = value {
            known = known.text(key, value);
        }
    }
    if let Some(network) = model.network_type {
        known = known.edn(
            "network-type",
            match network {
                NetworkType::Nat => ":nat",
                NetworkType::Local => ":local",
                NetworkType::Bridged => ":bridged",
            },
        );
    }
    if model.no_sudo { known.flag("no-sudo", true) } else { known }
}
