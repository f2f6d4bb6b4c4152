//! Clones of machines.

use std::path::Path;
use std::time::Duration;

use vbox_soap::api::{self, CloneMode, CloneOptions, DeviceType, IMachine, NetworkAttachmentType};

use super::create::Traces;
use super::unfinished::NameClaim;
use super::{Machine, Manager, add_rule};
use crate::console;
use crate::error::{Doing, Error};
use crate::lock::MachineLock;
use crate::models::NatRule;
use crate::ports::{self, PortClaim, SSH_RULE};
use crate::tag::{self, Role};
use crate::versions;

/// Copying disks takes its time.
const PATIENCE: Duration = Duration::from_secs(3600);
/// Extra data that belongs to the machine rather than to what it is used for.
const COPIED: [&str; 4] = ["vmfest/", "VBoxInternal/", "VBoxInternal2/", "GUI/"];

/// How the disks of a clone come about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloneKind {
    /// They build upon a snapshot of the original: made in no time, and small, but the original
    /// cannot be destroyed while the clone is there.
    Linked,
    /// They are copies, independent of the original and of its image.
    Full,
}

impl Manager {
    /// Makes a machine like another one, or like one of its snapshots.
    pub(crate) async fn clone_machine(
        &self,
        source: &Machine,
        snapshot: Option<&str>,
        name: &str,
        kind: CloneKind,
        claim: &mut NameClaim,
    ) -> Result<Machine, Error> {
        let traces = Traces::begin(self, name, claim)?;
        let cloned = self.clone_traced(source, snapshot, name, kind, &traces).await;
        if cloned.is_err() {
            traces.erase(self, claim).await;
        }
        cloned
    }

    async fn clone_traced(
        &self,
        source: &Machine,
        snapshot: Option<&str>,
        name: &str,
        kind: CloneKind,
        traces: &Traces,
    ) -> Result<Machine, Error> {
        let doing = || format!("clone the VM {} as {name}", source.name);
        let os_type = source.handle.get_os_type_id().await.doing(doing)?;
        let made = self.new_machine(name, &traces.id, &traces.folder, Role::Instance, &os_type);
        let handle = made.await.doing(doing)?;
        let copied = async {
            let origin = match snapshot {
                Some(id) => source.handle.find_snapshot(id).await?.get_machine().await?,
                None => source.handle.clone(),
            };
            let options: &[_] = if kind == CloneKind::Linked { &[CloneOptions::Link] } else { &[] };
            origin.clone_to(&handle, CloneMode::MachineState, options).await?.wait(PATIENCE).await
        };
        let set_up = match copied.await.doing(doing) {
            Ok(()) => self.set_up_clone(&handle, traces, kind).await,
            Err(error) => Err(error),
        };
        // Registered even if something failed: then it can be removed, with its disks.
        let registered = self.vbox().register_machine(&handle).await;
        set_up?;
        registered.doing(doing)?;
        let machine = Machine {
            handle,
            id: traces.id.to_string(),
            name: name.to_owned(),
            folder: traces.folder.clone(),
            accessible: true,
        };
        self.forget_saved_state(&machine).await?;
        Ok(machine)
    }

    /// Gives the clone what it must not share with its original. It is not registered yet.
    async fn set_up_clone(
        &self,
        clone: &IMachine,
        traces: &Traces,
        kind: CloneKind,
    ) -> Result<(), Error> {
        let doing = || "set a clone up".to_owned();
        clone.set_extra_data(tag::ROLE, Role::Instance.value()).await.doing(doing)?;
        let keys = clone.get_extra_data_keys().await.doing(doing)?;
        for key in keys.iter().filter(|key| !COPIED.iter().any(|prefix| key.starts_with(prefix))) {
            clone.set_extra_data(key, "").await.doing(doing)?;
        }
        let disks = match kind {
            CloneKind::Linked => Vec::new(),
            CloneKind::Full => disks_in(clone, &traces.folder).await.doing(doing)?,
        };
        clone.set_extra_data(tag::OWN_DISKS, &disks.join("\n")).await.doing(doing)?;
        let console = console::console_file(&traces.folder);
        let serial = clone.get_serial_port(0).await.doing(doing)?;
        serial.set_path(&console.to_string_lossy()).await.doing(doing)?;
        let slot = clone.get_extra_data(tag::SSH_SLOT).await.doing(doing)?;
        match slot.parse() {
            Ok(slot) => self.give_own_port(clone, slot, traces.id.as_str()).await,
            Err(_) => Ok(()),
        }
    }

    /// A port that was chosen for the original is replaced; one that a model names stays.
    async fn give_own_port(&self, clone: &IMachine, slot: u32, id: &str) -> Result<(), Error> {
        let doing = || "give a clone a port for SSH".to_owned();
        let adapter = clone.get_network_adapter(slot).await.doing(doing)?;
        if adapter.get_attachment_type().await.doing(doing)? != NetworkAttachmentType::NAT {
            return Ok(());
        }
        let engine = versions::nat_engine(&adapter).await.doing(doing)?;
        let folder = self.location().ports();
        let redirects = engine.get_redirects().await.doing(doing)?;
        for rule in redirects.iter().filter_map(|text| ports::parse_redirect(text)) {
            if rule.name == SSH_RULE && folder.join(rule.host_port.to_string()).exists() {
                let port = PortClaim::new(&folder, id)?.port;
                engine.remove_redirect(&rule.name).await.doing(doing)?;
                let own = NatRule { host_port: port, ..rule };
                add_rule(&engine, &own).await.doing(doing)?;
            }
        }
        Ok(())
    }

    /// A saved state fits only the machine that it was saved of.
    async fn forget_saved_state(&self, machine: &Machine) -> Result<(), Error> {
        let doing = || format!("discard the saved state of the clone {}", machine.name);
        if machine.handle.get_state().await.doing(doing)? != api::MachineState::Saved {
            return Ok(());
        }
        let lock = MachineLock::write(self, &machine.handle, &machine.name).await?;
        let discarded = versions::discard_saved_state(&lock).await.doing(doing);
        lock.release_after(discarded).await
    }
}

/// The hard disks in a machine's own folder.
async fn disks_in(machine: &IMachine, folder: &Path) -> Result<Vec<String>, vbox_soap::Error> {
    let mut disks = Vec::new();
    for attachment in machine.get_medium_attachments().await? {
        if let (DeviceType::HardDisk, Some(medium)) = (attachment.r#type, attachment.medium) {
            let location = medium.get_location().await?;
            if Path::new(&location).starts_with(folder) {
                disks.push(location);
            }
        }
    }
    Ok(disks)
}
