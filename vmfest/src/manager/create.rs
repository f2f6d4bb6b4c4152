//! Creating instances.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{MutexGuard, PoisonError};

use tokio::sync::oneshot;
use vbox_soap::api::{IMachine, IMedium};

use super::destroy::Disks;
use super::holder::{holder_name, shared_type};
use super::unfinished::NameClaim;
use super::{Machine, Manager, network, settings};
use crate::console;
use crate::error::{Doing, Error};
use crate::instance::Instance;
use crate::location::check_name;
use crate::lock::MachineLock;
use crate::models::{AttachMode, HardwareModel, ImageModel, NatRule};
use crate::networks;
use crate::ports::{self, PortClaim};
use crate::tag::{self, MachineId, Role};
use crate::versions::{self, NewMachine};

impl Manager {
    /// Creates an instance: a VM with a differencing disk of its own over the image. It is not
    /// started.
    ///
    /// An existing VM is never overwritten. If the creation fails, or if the returned future is
    /// dropped, nothing is left of it.
    ///
    /// # Errors
    /// What is wrong with the name or the models, found before anything is created; what
    /// VirtualBox refuses.
    pub async fn instance(
        &self,
        name: &str,
        image: &ImageModel,
        hardware: &HardwareModel,
    ) -> Result<Instance, Error> {
        self.instance_with(name, image, hardware, &[]).await
    }

    /// [`Manager::instance`], and keeps these keys and values with the VM from the start: see
    /// [`Instance::extra_data`].
    ///
    /// # Errors
    /// Those of [`Manager::instance`].
    pub async fn instance_with(
        &self,
        name: &str,
        image: &ImageModel,
        hardware: &HardwareModel,
        extra_data: &[(&str, &str)],
    ) -> Result<Instance, Error> {
        check_name(name)?;
        let (image, hardware) = self.checked(&format!("the VM {name}"), image, hardware).await?;
        let given = extra_data.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        let extra_data = hardware.extra_data.clone().unwrap_or_default().into_iter().chain(given);
        let extra_data = extra_data.collect();
        let plan = Plan { name: name.to_owned(), image, hardware, extra_data };

        let manager = self.clone();
        let machine = self.carry_out(name, async move { manager.create(&plan).await }).await?;
        Ok(Instance::new(self.clone(), machine))
    }

    /// Makes a machine in a task of its own, so that the work is never torn in the middle of a
    /// call: if nobody waits for the result any more, what was made is destroyed again.
    pub(crate) async fn carry_out(
        &self,
        name: &str,
        work: impl Future<Output = Result<Machine, Error>> + Send + 'static,
    ) -> Result<Machine, Error> {
        let (sender, receiver) = oneshot::channel();
        let manager = self.clone();
        let unfinished = self.unfinished().await;
        tokio::spawn(async move {
            let _unfinished = unfinished;
            let result = work.await;
            if let Err(Ok(machine)) = sender.send(result) {
                tracing::info!(name = %machine.name, "creation was abandoned; removing the VM");
                if let Err(error) = manager.destroy_machine(&machine, Disks::Delete).await {
                    tracing::error!(%error, name = %machine.name, "cannot remove the VM");
                }
            }
        });
        receiver
            .await
            .unwrap_or_else(|_| Err(Error::Interrupted { doing: format!("create the VM {name}") }))
    }

    async fn create(&self, plan: &Plan) -> Result<Machine, Error> {
        let _turn = self.turn().await;
        let mut claim = self.claim_new_name(&plan.name).await?;
        let created = self.create_claimed(plan, &mut claim).await;
        claim.end();
        created
    }

    async fn create_claimed(&self, plan: &Plan, claim: &mut NameClaim) -> Result<Machine, Error> {
        let name = &plan.name;
        let mode = plan.image.attach.unwrap_or_default();
        let image = self.held(&plan.image.path, mode).await?;
        let traces = Traces::begin(self, name, claim)?;
        let made = self.make(plan, &image, &traces).await;
        match made {
            Ok(machine) => Ok(machine),
            Err(error) => {
                traces.erase(self, claim).await;
                Err(error)
            }
        }
    }

    /// Claims a name that no machine has, not even one that VirtualBox cannot read.
    pub(crate) async fn claim_new_name(&self, name: &str) -> Result<NameClaim, Error> {
        self.tidy_once().await;
        let claim = self.claim_name(name).await?;
        match self.check_name_free(name).await {
            Ok(()) => Ok(claim),
            Err(error) => {
                claim.end();
                Err(error)
            }
        }
    }

    /// An error if VirtualBox has a machine of this name.
    pub(crate) async fn check_name_free(&self, name: &str) -> Result<(), Error> {
        if self.name_is_taken(name).await? || self.find_inaccessible(name).await? {
            return Err(Error::NameTaken { name: name.to_owned() });
        }
        Ok(())
    }

    /// The image as a medium that instances can share. Of an image that was used before, two calls
    /// confirm that it still is one.
    async fn held(&self, image: &Path, mode: AttachMode) -> Result<IMedium, Error> {
        let known = self.held_media().get(image).cloned();
        if let Some(held) = known
            && image.is_file()
            && self.is_still_held(&held, mode).await
        {
            return Ok(held.medium);
        }
        let medium = self.hold(image, mode).await?;
        let id = medium.get_id().await.doing(|| "read an image's id".to_owned())?;
        let held = HeldImage { medium: medium.clone(), holder: holder_name(&id) };
        self.held_media().insert(image.to_owned(), held);
        Ok(medium)
    }

    /// Whatever the answer is if not this one: it is looked at thoroughly then.
    async fn is_still_held(&self, held: &HeldImage, mode: AttachMode) -> bool {
        let kind = held.medium.get_type().unexplained().await;
        kind.is_ok_and(|kind| kind == shared_type(mode))
            && self.vbox().find_machine(&held.holder).unexplained().await.is_ok()
    }

    fn held_media(&self) -> MutexGuard<'_, BTreeMap<PathBuf, HeldImage>> {
        self.inner.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a machine that VirtualBox cannot read has the name.
    async fn find_inaccessible(&self, name: &str) -> Result<bool, Error> {
        // Its folder is there or VirtualBox at least has its path; asking costs a call per
        // machine, so it is done only if there is a reason.
        if !self.location().instance_folder(name).exists() {
            return Ok(false);
        }
        Ok(self.own_machine(name, Role::Instance).await?.is_some())
    }

    async fn make(&self, plan: &Plan, image: &IMedium, traces: &Traces) -> Result<Machine, Error> {
        let name = &plan.name;
        let doing = || format!("create the VM {name}");
        let hardware = &plan.hardware;
        let ssh_port = if network::needs_ssh_port(hardware) {
            PortClaim::new(&self.location().ports(), traces.id.as_str())?.port
        } else {
            0
        };
        let adapters = network::adapters(hardware, ssh_port);
        let adapters = if hardware.network.is_some() {
            networks::prepare_verbatim(self, name, adapters).await?
        } else {
            networks::prepare(self, name, adapters).await?
        };
        check_ports_free(name, adapters.iter().flatten().flat_map(|a| &a.nat_rules))?;

        let os_type_id = hardware.os_type_id.as_deref().unwrap_or(&plan.image.os_type_id);
        let handle = self
            .new_machine(name, &traces.id, &traces.folder, Role::Instance, os_type_id)
            .await
            .doing(doing)?;
        let console = console::console_file(&traces.folder);
        settings::apply(&handle, hardware, &traces.folder, &console).await.doing(doing)?;
        let controllers = hardware.storage.as_deref().unwrap_or_default();
        settings::controllers(&handle, controllers).await.doing(doing)?;
        network::apply(&handle, &adapters).await.doing(doing)?;
        // VirtualBox saves all settings with each entry of extra data. So these come last, and
        // what is saved here need not be saved again when the machine is registered.
        for (key, value) in marks(plan, network::ssh_slot(&adapters)) {
            handle.set_extra_data(key, &value).await.doing(doing)?;
        }
        self.vbox().register_machine(&handle).await.doing(doing)?;

        let lock = MachineLock::write(self, &handle, name).await?;
        let attached = self.attach_all(&lock.machine, plan, image, &traces.folder).await;
        lock.release_after(attached).await?;
        Ok(Machine {
            handle,
            id: traces.id.to_string(),
            name: name.clone(),
            folder: traces.folder.clone(),
            accessible: true,
        })
    }

    /// Makes a machine in our group, with our mark in its id. It has no extra data yet and is not
    /// registered.
    pub(super) async fn new_machine(
        &self,
        name: &str,
        id: &MachineId,
        folder: &Path,
        role: Role,
        os_type_id: &str,
    ) -> Result<IMachine, vbox_soap::Error> {
        let file = folder.join(format!("{name}.vbox"));
        let new = NewMachine {
            settings_file: &file.to_string_lossy(),
            name,
            group: role.group(),
            os_type_id,
            id: id.as_str(),
        };
        versions::create(self.vbox(), &new).await
    }
}

/// An image that was seen to be shareable.
#[derive(Clone)]
pub(super) struct HeldImage {
    medium: IMedium,
    /// The name of the machine that holds it.
    holder: String,
}

/// An instance that shall be.
pub(super) struct Plan {
    pub(super) name: String,
    pub(super) image: ImageModel,
    pub(super) hardware: HardwareModel,
    extra_data: Vec<(String, String)>,
}

impl Plan {
    pub(super) fn mount_point(&self) -> Option<(&str, i32, i32)> {
        let mount = self.hardware.boot_mount_point.as_ref()?;
        let controllers = self.hardware.storage.as_deref()?;
        let controller = controllers.iter().find(|c| c.name == mount.controller)?;
        let (port, slot) = controller.bus.address(mount.position);
        Some((&mount.controller, port, slot))
    }
}

/// The extra data that an instance begins with.
fn marks(plan: &Plan, ssh_slot: Option<usize>) -> Vec<(&str, String)> {
    let mut marks = vec![(tag::ROLE, Role::Instance.value().to_owned())];
    marks.push((tag::IMAGE, plan.image.path.to_string_lossy().into_owned()));
    if let Some(kind) = plan.hardware.session_type {
        marks.push((tag::SESSION_TYPE, kind.front_end().to_owned()));
    }
    if let Some(slot) = ssh_slot {
        marks.push((tag::SSH_SLOT, slot.to_string()));
    }
    marks.extend(plan.extra_data.iter().map(|(key, value)| (key.as_str(), value.clone())));
    marks
}

/// What a creation leaves on the way, to be erased if it fails.
pub(super) struct Traces {
    pub(super) id: MachineId,
    name: String,
    pub(super) folder: PathBuf,
}

impl Traces {
    /// Makes the instance's folder. The claim says so, for the case that this process is killed.
    pub(super) fn begin(
        manager: &Manager,
        name: &str,
        claim: &mut NameClaim,
    ) -> Result<Self, Error> {
        let parent = &manager.location().node_path;
        std::fs::create_dir_all(parent).map_err(|e| Error::io("create the folder", parent, e))?;
        let id = MachineId::random()?;
        let folder = manager.location().instance_folder(name);
        claim.note_machine(id.as_str())?;
        match std::fs::create_dir(&folder) {
            Ok(()) => {
                claim.note_folder()?;
                Ok(Self { id, name: name.to_owned(), folder })
            }
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {
                Err(Error::FolderExists { path: folder })
            }
            Err(e) => Err(Error::io("create the folder", folder, e)),
        }
    }

    pub(super) async fn erase(&self, manager: &Manager, claim: &mut NameClaim) {
        let name = &self.name;
        let removed = match manager.own_machine(self.id.as_str(), Role::Instance).await {
            Ok(Some(machine)) => manager.remove_machine(&machine).await,
            Ok(None) => manager.remove_unregistered(self.id.as_str(), name, &self.folder).await,
            Err(error) => Err(error),
        };
        if let Err(error) = removed {
            tracing::error!(%error, %name, folder = %self.folder.display(), "cannot clean up after a failed creation");
            claim.leave_over();
        }
    }
}

fn check_ports_free<'a>(name: &str, rules: impl Iterator<Item = &'a NatRule>) -> Result<(), Error> {
    for rule in rules {
        if !ports::is_free(rule.protocol, &rule.host_ip, rule.host_port) {
            return Err(Error::PortTaken {
                name: name.to_owned(),
                rule: rule.name.clone(),
                address: rule.host_ip.clone(),
                port: rule.host_port,
            });
        }
    }
    Ok(())
}
