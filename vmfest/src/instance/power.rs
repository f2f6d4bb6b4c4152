//! Starting and stopping.

use std::time::Duration;

use vbox_soap::api::{ISession, SessionState};

use super::{Instance, State};
use crate::console;
use crate::error::{Doing, Error};
use crate::fault;
use crate::lock::MachineLock;
use crate::models::SessionType;
use crate::tag;
use crate::wait::{PATIENCE, poll};

/// How long a VM's process may take to come up.
const LAUNCH_PATIENCE: Duration = Duration::from_secs(180);

impl Instance {
    /// Starts the VM, shown as its models say: headless, if they say nothing. It is fine if it
    /// runs already. Returns when the VM runs, long before its guest is ready.
    ///
    /// # Errors
    /// [`Error::WrongState`] if it is paused or stuck; [`Error::PortTaken`]; what VirtualBox
    /// refuses.
    pub async fn start(&self) -> Result<(), Error> {
        let kept = self.extra_data(tag::SESSION_TYPE).await?;
        let kind = match kept.as_deref() {
            Some("gui") => SessionType::Gui,
            Some("sdl") => SessionType::Sdl,
            _ => SessionType::Headless,
        };
        self.start_as(kind).await
    }

    /// Starts the VM, shown in this way.
    ///
    /// # Errors
    /// Those of [`Instance::start`].
    pub async fn start_as(&self, kind: SessionType) -> Result<(), Error> {
        let _turn = self.manager.turn().await;
        let state = self.settled_state().await?;
        if state == State::Running {
            return Ok(());
        }
        if !state.is_startable() {
            let doing = format!("start the VM {}", self.name());
            return Err(Error::WrongState { doing, state: state.to_string() });
        }
        self.secure_forwards().await?;
        if state != State::Saved {
            console::set_aside(self.folder())?;
        }
        let doing = || format!("start the VM {}", self.name());
        let session = self.manager.new_session().await.doing(doing)?;
        let launched = self.launch(&session, kind).await;
        // The session has served its purpose whether or not the VM came up.
        let released = session.unlock_machine().await;
        launched.doing(doing)?;
        released.doing(doing)
    }

    async fn launch(&self, session: &ISession, kind: SessionType) -> Result<(), vbox_soap::Error> {
        let front_end = kind.front_end();
        let progress = self.machine.handle.launch_vm_process(session, front_end, &[]).await?;
        progress.wait(LAUNCH_PATIENCE).await
    }

    /// Asks the guest to shut down, as the power button does. Returns at once; see
    /// [`Instance::wait_until_off`]. It is fine if the VM is off already.
    ///
    /// # Errors
    /// [`Error::WrongState`] if it is paused or stuck.
    pub async fn stop(&self) -> Result<(), Error> {
        let doing = || format!("stop the VM {}", self.name());
        match self.settled_state().await? {
            State::Running => {}
            state if state.is_startable() => return Ok(()),
            state => {
                return Err(Error::WrongState { doing: doing(), state: state.to_string() });
            }
        }
        let lock = MachineLock::shared(&self.manager, &self.machine.handle, self.name()).await?;
        let pressed = async {
            match lock.console().await? {
                Some(console) => console.power_button().await,
                None => Ok(()),
            }
        };
        let pressed = pressed.await.doing(doing);
        lock.release_after(pressed).await
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

    /// Switches the VM off, as if its plug were pulled. It is fine if the VM is off already.
    /// Returns when it can be started or destroyed again.
    ///
    /// # Errors
    /// When VirtualBox does not come to an end.
    pub async fn power_down(&self) -> Result<(), Error> {
        self.manager.switch_off(&self.machine).await
    }

    async fn is_unlocked(&self) -> Result<bool, Error> {
        match self.machine.handle.get_session_state().await {
            Ok(state) => Ok(state == SessionState::Unlocked),
            Err(e) if fault::is_gone(&e) => Err(Error::Gone { name: self.name().to_owned() }),
            Err(e) => Err(e).doing(|| format!("read the state of the VM {}", self.name())),
        }
    }

    /// The state, after waiting for a change that is under way.
    async fn settled_state(&self) -> Result<State, Error> {
        let settled = poll(PATIENCE, || async {
            let state = self.state().await?;
            Ok((!matches!(state, State::Changing(_))).then_some(state))
        });
        match settled.await? {
            Some(state) => Ok(state),
            None => self.state().await,
        }
    }
}
