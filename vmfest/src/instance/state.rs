//! States of instances.

use std::fmt;

use vbox_soap::api::MachineState;

use super::Instance;
use crate::error::{Doing, Error};
use crate::fault;

/// What a VM is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum State {
    /// It is off, and can be started.
    PoweredOff,
    /// Its running state is saved; starting it continues from there.
    Saved,
    /// It ended unexpectedly; it can be started.
    Aborted,
    /// It runs.
    Running,
    /// It runs, but stands still until it is resumed.
    Paused,
    /// The guest has crashed in a way that VirtualBox noticed.
    Stuck,
    /// It is between two states, in VirtualBox's words.
    Changing(String),
    /// VirtualBox cannot read its settings. It can only be destroyed.
    Inaccessible,
}

impl State {
    /// Whether a process runs for the VM.
    #[must_use]
    pub fn is_online(&self) -> bool {
        matches!(self, Self::Running | Self::Paused | Self::Stuck)
    }

    /// Whether the VM can be started.
    #[must_use]
    pub fn is_startable(&self) -> bool {
        matches!(self, Self::PoweredOff | Self::Saved | Self::Aborted)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PoweredOff => "powered off",
            Self::Saved => "saved",
            Self::Aborted => "aborted",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Stuck => "stuck",
            Self::Changing(words) => words,
            Self::Inaccessible => "inaccessible",
        })
    }
}

impl From<MachineState> for State {
    fn from(state: MachineState) -> Self {
        match state {
            MachineState::PoweredOff | MachineState::Teleported => Self::PoweredOff,
            MachineState::Saved | MachineState::AbortedSaved => Self::Saved,
            MachineState::Aborted => Self::Aborted,
            MachineState::Running => Self::Running,
            MachineState::Paused => Self::Paused,
            MachineState::Stuck => Self::Stuck,
            other => Self::Changing(other.as_str().to_lowercase()),
        }
    }
}

impl Instance {
    /// What the VM is doing.
    ///
    /// # Errors
    /// [`Error::Gone`] if it does not exist any more.
    pub async fn state(&self) -> Result<State, Error> {
        if !self.machine.accessible {
            return Ok(State::Inaccessible);
        }
        // A handle to a machine that was unregistered goes on answering, so it is asked for anew.
        let state = async { self.manager.vbox().find_machine(self.id()).await?.get_state().await };
        match state.await {
            Ok(state) => Ok(state.into()),
            Err(e) if fault::is_gone(&e) => Err(Error::Gone { name: self.name().to_owned() }),
            Err(e) => Err(e).doing(|| format!("read the state of the VM {}", self.name())),
        }
    }
}
