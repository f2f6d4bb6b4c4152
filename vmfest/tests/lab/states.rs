//! Bringing instances into states, as tests need them.

use std::time::Duration;

use vmfest::models::ImageModel;
use vmfest::{Error, Instance, State};

use crate::support::Stage;

/// The states that every operation is tried in.
pub const STATES: [State; 5] =
    [State::PoweredOff, State::Running, State::Paused, State::Saved, State::Aborted];

const SOON: Duration = Duration::from_secs(30);

impl Stage {
    /// Brings an instance into a state, from whichever it is in.
    pub async fn bring_to(&self, instance: &Instance, wanted: &State) -> Result<(), Error> {
        if instance.state().await? == *wanted {
            return Ok(());
        }
        match wanted {
            State::PoweredOff => {
                instance.discard_saved_state().await?;
                // Only a VM that was switched off is not "aborted" any more.
                instance.start().await?;
                instance.power_down().await?;
            }
            State::Running => instance.start().await?,
            State::Paused => {
                instance.start().await?;
                instance.pause().await?;
            }
            State::Saved => {
                instance.start().await?;
                instance.save_state().await?;
            }
            State::Aborted => {
                instance.discard_saved_state().await?;
                instance.start().await?;
                self.kill(instance).await;
            }
            other => panic!("nobody can bring a VM into the state {other}"),
        }
        assert_eq!(instance.state().await?, *wanted);
        Ok(())
    }

    /// A new instance in a state.
    ///
    /// VirtualBox itself sometimes fails to save a state while disks of other machines come and
    /// go, with an assertion of its own; then the instance is made anew.
    pub async fn instance_in(&self, suffix: &str, image: &ImageModel, wanted: &State) -> Instance {
        for _ in 0..5 {
            let instance = self.instance(suffix, image).await;
            match self.bring_to(&instance, wanted).await {
                Ok(()) => return instance,
                Err(error) => {
                    let text = error.to_string();
                    assert!(text.contains("i_saveStorageControllers"), "{wanted}: {text}");
                    instance.destroy().await.expect("destroyed, half saved");
                }
            }
        }
        panic!("VirtualBox fails to save again and again");
    }

    /// Kills the VM's process, and waits until VirtualBox has noticed.
    pub async fn kill(&self, instance: &Instance) {
        let machine = self.vb().find_machine(instance.id()).await.expect("known");
        let pid = machine.get_session_pid().await.expect("a process");
        self.vbox().run(&["kill", "-9", &pid.to_string()]).expect("killed");
        assert!(instance.wait_until_off(SOON).await.expect("waits"), "noticed");
        assert_eq!(instance.state().await.expect("a state"), State::Aborted);
    }
}
