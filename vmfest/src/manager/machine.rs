//! Our machines among all machines.

use std::path::{Path, PathBuf};

use tokio::task::JoinSet;
use vbox_soap::api::IMachine;

use super::Manager;
use crate::error::{Doing, Error};
use crate::fault;
use crate::tag::{self, Role};
use crate::versions;

/// A machine that is known to be ours.
#[derive(Clone)]
pub(crate) struct Machine {
    pub(crate) handle: IMachine,
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) folder: PathBuf,
    /// Whether VirtualBox can read the machine's settings. Nothing but its id and its settings
    /// file's path is known of it otherwise, and it can only be unregistered.
    pub(crate) accessible: bool,
}

impl Machine {
    /// Its settings file.
    pub(crate) fn settings(&self) -> PathBuf {
        self.folder.join(format!("{}.vbox", self.name))
    }
}

impl Manager {
    /// All machines of ours that have the role. Inaccessible ones count as instances.
    pub(crate) async fn own_machines(&self, role: Role) -> Result<Vec<Machine>, Error> {
        let doing = || "list the VMs".to_owned();
        let mut looks = JoinSet::new();
        for handle in self.vbox().get_machines().await.doing(doing)? {
            let manager = self.clone();
            looks.spawn(async move { manager.as_own(handle, role).await });
        }
        let mut own = Vec::new();
        while let Some(look) = looks.join_next().await {
            match look {
                Ok(Ok(machine)) => own.extend(machine),
                // Somebody removed it while the list was read.
                Ok(Err(e)) if fault::is_gone(&e) => {}
                Ok(Err(e)) => return Err(e).doing(doing),
                Err(_) => return Err(Error::Interrupted { doing: doing() }),
            }
        }
        Ok(own)
    }

    /// Our machine with this name or id.
    pub(crate) async fn own_machine(
        &self,
        name_or_id: &str,
        role: Role,
    ) -> Result<Option<Machine>, Error> {
        let doing = || format!("look for the VM {name_or_id}");
        let found = match self.vbox().find_machine(name_or_id).await {
            Ok(handle) => match self.as_own(handle, role).await {
                Err(e) if fault::is_gone(&e) => None,
                other => other.doing(doing)?,
            },
            Err(e) if fault::is_not_found(&e) => None,
            Err(e) => return Err(e).doing(doing),
        };
        if found.is_some() {
            return Ok(found);
        }
        // An inaccessible machine cannot be found by its name. Asking whether it is still so makes
        // VirtualBox read it again, so it may be accessible by now.
        let all = self.own_machines(role).await?;
        Ok(all.into_iter().find(|m| m.name == name_or_id || m.id == name_or_id))
    }

    /// Whether VirtualBox has any machine of this name, ours or not.
    pub(crate) async fn name_is_taken(&self, name: &str) -> Result<bool, Error> {
        // Usually there is none: then the fault is the answer, and nothing more is to be asked of it.
        match self.vbox().find_machine(name).unexplained().await {
            Ok(_) => Ok(true),
            Err(e) if fault::is_not_found(&e) => Ok(false),
            Err(e) => Err(e).doing(|| format!("look for the VM {name}")),
        }
    }

    /// The machine, if all marks of ours are on it.
    pub(crate) async fn as_own(
        &self,
        handle: IMachine,
        role: Role,
    ) -> Result<Option<Machine>, vbox_soap::Error> {
        let id = handle.get_id().await?;
        if !tag::is_marked(&id) {
            return Ok(None);
        }
        let settings = PathBuf::from(handle.get_settings_file_path().await?);
        let folder = settings.parent().unwrap_or(Path::new("/")).to_owned();
        let in_holders = folder.starts_with(self.location().holders());
        if !handle.get_accessible().await? {
            let holder = role == Role::Holder;
            if holder != in_holders || !folder.starts_with(&self.location().node_path) {
                return Ok(None);
            }
            let name = settings.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            return Ok(Some(Machine { handle, id, name, folder, accessible: false }));
        }
        let is_ours = handle.get_extra_data(tag::ROLE).await? == role.value()
            && versions::groups(&handle)
                .await?
                .is_none_or(|groups| groups.iter().any(|group| group == role.group()));
        if !is_ours {
            return Ok(None);
        }
        let name = handle.get_name().await?;
        Ok(Some(Machine { handle, id, name, folder, accessible: true }))
    }
}
