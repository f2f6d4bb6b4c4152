//! Cloning.

use super::{Instance, State, operation};
use crate::error::Error;
use crate::location::check_name;
use crate::manager::{CloneKind, Machine};

impl Instance {
    /// Makes another VM like this one, with the content that its disks have now. It gets MAC
    /// addresses, a port for SSH and a console of its own, and is not started.
    ///
    /// Of a VM that runs it is a copy as if the power had been cut at that moment. For a linked
    /// clone, a snapshot of this VM is taken and stays for as long as it is needed. Extra data that
    /// says what this VM is for, such as a group of Pallet's, is not copied.
    ///
    /// # Errors
    /// [`Error::NameTaken`] and the like for the new name; [`Error::WrongState`] if this VM is
    /// stuck or inaccessible.
    pub async fn clone_as(&self, name: &str, kind: CloneKind) -> Result<Self, Error> {
        check_name(name)?;
        let state = self.settled_state().await?;
        if let operation::Verdict::Refuse(error) = operation::CLONE.verdict(self.name(), &state) {
            return Err(error);
        }
        let (source, new) = (self.clone(), name.to_owned());
        let work = async move { source.clone_to_its_end(&new, kind, &state).await };
        let machine = self.manager.carry_out(name, work).await?;
        Ok(Self::new(self.manager.clone(), machine))
    }

    async fn clone_to_its_end(
        &self,
        name: &str,
        kind: CloneKind,
        state: &State,
    ) -> Result<Machine, Error> {
        let _turn = self.manager.turn().await;
        let mut claim = self.manager.claim_new_name(name).await?;
        let cloned = async {
            // VirtualBox clones what stands still, and links only to a snapshot.
            let needs_snapshot = kind == CloneKind::Linked || state.is_online();
            if !needs_snapshot {
                return self
                    .manager
                    .clone_machine(&self.machine, None, name, kind, &mut claim)
                    .await;
            }
            let description = format!("What the clone {name} begins with.");
            let snapshot = self.take_snapshot(&format!("clone {name}"), &description).await?.id;
            let origin = Some(snapshot.as_str());
            let cloned =
                self.manager.clone_machine(&self.machine, origin, name, kind, &mut claim).await;
            if (cloned.is_err() || kind == CloneKind::Full)
                && let Err(error) = self.delete_snapshot(&snapshot).await
            {
                tracing::warn!(%error, name = self.name(), "cannot delete the snapshot of a clone");
            }
            cloned
        };
        let cloned = cloned.await;
        claim.end();
        cloned
    }
}
