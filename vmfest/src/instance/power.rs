//! Starting and stopping.

use std::time::Duration;

use vbox_soap::api::{IConsole, SessionState};

use super::operation::{self, Operation};
use super::{Instance, State};
use crate::console;
use crate::error::{Doing, Error};
use crate::fault;
use crate::host;
use crate::lock::MachineLock;
use crate::models::SessionType;
use crate::networks;
use crate::tag;
use crate::versions;
use crate::wait::{PATIENCE, poll};

/// How long a VM's process may take to come up.
const LAUNCH_PATIENCE: Duration = Duration::from_secs(180);

impl Instance {
    /// Starts the VM, shown as its models say: headless, if they say nothing. A saved VM continues
    /// where it was saved, a paused one is resumed; it is fine if it runs already. Returns when
    /// the VM runs, long before its guest is ready.
    ///
    /// # Errors
    /// [`Error::WrongState`] if it is stuck or inaccessible; [`Error::PortTaken`];
    /// [`Error::Network`] and [`Error::Host`] with what the host lacks; what VirtualBox refuses.
    pub async fn start(&self) -> Result<(), Error> {
        let kept = self.extra_data(tag::SESSION_TYPE).await?;
        let kind = kept.as_deref().and_then(SessionType::from_front_end);
        self.start_as(kind.unwrap_or_default()).await
    }

    /// Starts the VM, shown in this way.
    ///
    /// # Errors
    /// Those of [`Instance::start`].
    pub async fn start_as(&self, kind: SessionType) -> Result<(), Error> {
        let _turn = self.manager.turn().await;
        self.manager.tidy_once().await;
        self.perform(operation::START, |state| async move {
            if state == State::Paused {
                return self.with_console(operation::RESUME, async |c| c.resume().await).await;
            }
            self.secure_forwards().await?;
            if state != State::Saved {
                console::set_aside(self.folder())?;
            }
            self.launch(kind).await
        })
        .await?;
        self.mend_forwards().await
    }

    async fn launch(&self, kind: SessionType) -> Result<(), Error> {
        let doing = || operation::START.doing(self.name());
        let session = self.manager.locking_session().await?;
        let launched = async {
            let machine = &self.machine.handle;
            let front_end = kind.front_end();
            let progress = versions::launch(machine, &session, front_end).await?;
            progress.wait(LAUNCH_PATIENCE).await
        };
        let launched = launched.await;
        // The session has served its purpose whether or not the VM came up.
        let released = session.give_back().await;
        if let Err(error) = launched {
            let missing = networks::missing(self.name(), &error)
                .or_else(|| host::missing(self.name(), &error));
            return Err(
                missing.unwrap_or_else(|| Error::VirtualBox { doing: doing(), source: error })
            );
        }
        released.doing(doing)
    }

    /// Asks the guest to shut down, as the power button does. Returns at once; see
    /// [`Instance::wait_until_off`] and [`Instance::shut_down`]. It is fine if the VM is off
    /// already, or saved.
    ///
    /// # Errors
    /// [`Error::WrongState`] if it is paused or stuck: such a guest hears no button.
    pub async fn stop(&self) -> Result<(), Error> {
        let stop = operation::STOP;
        self.perform(stop, |_| self.with_console(stop, async |c| c.power_button().await))
            .await
            .map(drop)
    }

    /// Asks the guest to shut down, waits for that, and cuts the power of a guest that does not
    /// do it within `patience`. Says whether the guest shut down by itself. A paused VM is resumed
    /// first; it is fine if the VM is off already, or saved.
    ///
    /// # Errors
    /// [`Error::WrongState`] if it is stuck: see [`Instance::power_down`].
    pub async fn shut_down(&self, patience: Duration) -> Result<bool, Error> {
        self.perform(operation::SHUT_DOWN, |state| async move {
            if state == State::Paused {
                self.resume().await?;
            }
            self.stop().await
        })
        .await?;
        if self.wait_until_off(patience).await? {
            return Ok(true);
        }
        tracing::warn!(name = self.name(), "the guest does not shut down; its power is cut");
        self.power_down().await?;
        Ok(false)
    }

    /// Waits until the VM is off and can be worked with; says whether it is.
    ///
    /// # Errors
    /// When VirtualBox cannot be asked.
    pub async fn wait_until_off(&self, limit: Duration) -> Result<bool, Error> {
        let off = poll(limit, || async {
            let state = self.state().await?;
            Ok((state.is_startable() && self.is_unlocked().await?).then_some(()))
        });
        Ok(off.await?.is_some())
    }

    /// Switches the VM off, as if its plug were pulled. It is fine if the VM is off already, or
    /// saved. Returns when it can be started or destroyed again.
    ///
    /// # Errors
    /// [`Error::WrongState`] if it is inaccessible; when VirtualBox does not come to an end.
    pub async fn power_down(&self) -> Result<(), Error> {
        self.perform(operation::POWER_DOWN, |_| self.manager.switch_off(&self.machine)).await?;
        self.manager.switch_off(&self.machine).await
    }

    /// Lets the VM stand still, until it is resumed. It is fine if it stands still already.
    ///
    /// # Errors
    /// [`Error::WrongState`] if it does not run.
    pub async fn pause(&self) -> Result<(), Error> {
        let pause = operation::PAUSE;
        self.perform(pause, |_| self.with_console(pause, async |c| c.pause().await)).await.map(drop)
    }

    /// Lets a paused VM go on. It is fine if it runs.
    ///
    /// # Errors
    /// [`Error::WrongState`] if it is off or saved: see [`Instance::start`].
    pub async fn resume(&self) -> Result<(), Error> {
        let resume = operation::RESUME;
        self.perform(resume, |_| self.with_console(resume, async |c| c.resume().await))
            .await
            .map(drop)
    }

    /// Presses the VM's reset button: the guest begins anew, without being asked.
    ///
    /// # Errors
    /// [`Error::WrongState`] if it does not run.
    pub async fn reset(&self) -> Result<(), Error> {
        let reset = operation::RESET;
        self.perform(reset, |_| self.with_console(reset, async |c| c.reset().await)).await.map(drop)
    }

    /// Shuts the guest down as [`Instance::shut_down`] does and starts the VM again; starts it if
    /// it is off.
    ///
    /// # Errors
    /// [`Error::WrongState`] if it is saved or stuck; those of [`Instance::start`].
    pub async fn reboot(&self, patience: Duration) -> Result<(), Error> {
        self.perform(operation::REBOOT, |_| async move {
            self.shut_down(patience).await?;
            self.start().await
        })
        .await
        .map(drop)
    }

    /// Saves the running state and ends the VM; [`Instance::start`] continues from there. It is
    /// fine if it is saved already.
    ///
    /// # Errors
    /// [`Error::WrongState`] if it neither runs nor is paused.
    pub async fn save_state(&self) -> Result<(), Error> {
        let save = operation::SAVE_STATE;
        let saved = self.perform(save, |_| async move {
            let lock = self.lock_as_it_is(true).await?;
            let saving = async {
                let progress = versions::save_state(&lock).await?;
                progress.wait(LAUNCH_PATIENCE).await
            };
            let saved = saving.await.doing(|| save.doing(self.name()));
            // The lock ends with the VM's process.
            if let Err(error) = lock.release().await {
                tracing::debug!(%error, name = self.name(), "the session ended with the VM");
            }
            saved
        });
        if saved.await? && !self.wait_until_off(PATIENCE).await? {
            return Err(Error::TimedOut {
                doing: save.doing(self.name()),
                waited: PATIENCE,
                last_seen: format!("it is {}", self.state().await?),
            });
        }
        Ok(())
    }

    /// Throws a saved state away: the VM is powered off then. It is fine if there is none.
    ///
    /// # Errors
    /// [`Error::WrongState`] if the VM is inaccessible.
    pub async fn discard_saved_state(&self) -> Result<(), Error> {
        let discard = operation::DISCARD_STATE;
        self.perform(discard, |_| async move {
            let lock = self.lock_as_it_is(false).await?;
            let discarded = versions::discard_saved_state(&lock).await;
            lock.release_after(discarded.doing(|| discard.doing(self.name()))).await
        })
        .await
        .map(drop)
    }

    /// Does something with the console of the VM's process. It is an error if there is none.
    pub(super) async fn with_console<T>(
        &self,
        operation: Operation,
        act: impl AsyncFnOnce(&IConsole) -> Result<T, vbox_soap::Error>,
    ) -> Result<T, Error> {
        let doing = || operation.doing(self.name());
        let lock = self.lock_as_it_is(true).await?;
        let acted = async {
            match lock.console().await.doing(doing)? {
                Some(console) => act(&console).await.doing(doing),
                None => Err(Error::WrongState {
                    doing: doing(),
                    state: self.state().await?,
                    allowed: State::Running.to_string(),
                    advice: "it has ended just now; start it again",
                }),
            }
        };
        let acted = acted.await;
        lock.release_after(acted).await
    }

    /// Joins the VM's process if it is online, and locks the VM otherwise.
    pub(super) async fn lock_as_it_is(&self, online: bool) -> Result<MachineLock, Error> {
        let (manager, machine) = (&self.manager, &self.machine.handle);
        if online {
            MachineLock::shared(manager, machine, self.name()).await
        } else {
            MachineLock::write(manager, machine, self.name()).await
        }
    }

    async fn is_unlocked(&self) -> Result<bool, Error> {
        match self.machine.handle.get_session_state().await {
            Ok(state) => Ok(state == SessionState::Unlocked),
            Err(e) if fault::is_gone(&e) => Err(Error::Gone { name: self.name().to_owned() }),
            Err(e) => Err(e).doing(|| format!("read the state of the VM {}", self.name())),
        }
    }
}

impl SessionType {
    /// The kind that VirtualBox's front end of this name is.
    fn from_front_end(name: &str) -> Option<Self> {
        let all = [Self::Headless, Self::Gui, Self::Sdl, Self::Separate];
        all.into_iter().find(|kind| kind.front_end() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn front_ends() {
        for name in ["headless", "gui", "sdl", "separate"] {
            assert_eq!(SessionType::from_front_end(name).map(SessionType::front_end), Some(name));
        }
        assert_eq!(SessionType::from_front_end("window"), None);
    }
}
