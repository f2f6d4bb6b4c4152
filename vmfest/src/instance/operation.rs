//! What can be asked of an instance, and in which states: one table for all of it.

use std::time::Duration;

use super::{Instance, State};
use crate::error::Error;
use crate::fault;
use crate::wait::{PATIENCE, poll};

/// Something that can be asked of an instance.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Operation {
    /// As in "pause the VM web-1".
    verb: &'static str,
    /// The states in which it is carried out.
    works: &'static [State],
    /// The states in which there is nothing left to do.
    done: &'static [State],
}

/// How often an operation is tried again because somebody else was faster.
const ATTEMPTS: u32 = 5;
const SHORT_PAUSE: Duration = Duration::from_millis(50);

const OFF: &[State] = &[State::PoweredOff, State::Aborted];
const OFF_OR_SAVED: &[State] = &[State::PoweredOff, State::Aborted, State::Saved];
const ONLINE: &[State] = &[State::Running, State::Paused];
const SETTLED: &[State] =
    &[State::PoweredOff, State::Aborted, State::Saved, State::Running, State::Paused];
const ACCESSIBLE: &[State] =
    &[State::PoweredOff, State::Aborted, State::Saved, State::Running, State::Paused, State::Stuck];
const NONE: &[State] = &[];

/// Defines the operations.
macro_rules! operations {
    ($($name:ident: $verb:literal, $works:expr, $done:expr;)*) => {$(
        pub(crate) const $name: Operation = Operation { verb: $verb, works: $works, done: $done };
    )*};
}

operations! {
    //                what it is called             carried out in        nothing to do in
    START:            "start",                      &[State::PoweredOff, State::Aborted, State::Saved, State::Paused], &[State::Running];
    STOP:             "stop",                       &[State::Running],    OFF_OR_SAVED;
    SHUT_DOWN:        "shut down",                  ONLINE,               OFF_OR_SAVED;
    POWER_DOWN:       "power off",                  &[State::Running, State::Paused, State::Stuck], OFF_OR_SAVED;
    PAUSE:            "pause",                      &[State::Running],    &[State::Paused];
    RESUME:           "resume",                     &[State::Paused],     &[State::Running];
    SAVE_STATE:       "save the state of",          ONLINE,               &[State::Saved];
    DISCARD_STATE:    "discard the saved state of", &[State::Saved],      &[State::PoweredOff, State::Aborted, State::Running, State::Paused, State::Stuck];
    RESET:            "reset",                      &[State::Running],    NONE;
    REBOOT:           "reboot",                     &[State::Running, State::Paused, State::PoweredOff, State::Aborted], NONE;
    TAKE_SNAPSHOT:    "take a snapshot of",         SETTLED,              NONE;
    RESTORE_SNAPSHOT: "restore a snapshot of",      OFF_OR_SAVED,         NONE;
    DELETE_SNAPSHOT:  "delete a snapshot of",       SETTLED,              NONE;
    CLONE:            "clone",                      SETTLED,              NONE;
    RENAME:           "rename",                     OFF,                  NONE;
    RECONFIGURE:      "change the hardware of",     OFF,                  NONE;
    SET_VALUE:        "keep a value with",          ACCESSIBLE,           NONE;
    SEND_KEYBOARD:    "type on",                    &[State::Running],    NONE;
    SCREENSHOT:       "take a picture of",          &[State::Running, State::Paused, State::Saved], NONE;
}

/// What a look at the table says.
#[derive(Debug)]
pub(crate) enum Verdict {
    Do,
    Done,
    Refuse(Error),
}

impl Operation {
    pub(crate) fn doing(self, name: &str) -> String {
        format!("{} the VM {name}", self.verb)
    }

    pub(crate) fn verdict(self, name: &str, state: &State) -> Verdict {
        if self.works.contains(state) {
            return Verdict::Do;
        }
        if self.done.contains(state) {
            return Verdict::Done;
        }
        let allowed: Vec<_> = self.works.iter().map(State::to_string).collect();
        Verdict::Refuse(Error::WrongState {
            doing: self.doing(name),
            state: state.clone(),
            allowed: allowed.join(", "),
            advice: self.advice(state),
        })
    }

    /// The way from this state to one in which it works.
    fn advice(self, state: &State) -> &'static str {
        let leads_to = |wanted: &State| self.works.contains(wanted);
        match state {
            State::PoweredOff | State::Aborted => "start it first",
            State::Saved if leads_to(&State::Running) => "start it first; it continues then",
            State::Saved => "discard the saved state first, or start it and shut it down",
            State::Paused if leads_to(&State::Running) => "resume it first",
            State::Running | State::Paused => "shut it down or power it off first",
            State::Stuck => "power it off first",
            State::Changing(_) => "wait until that has come to its end",
            State::Inaccessible => {
                "VirtualBox cannot read its settings; repair them, or destroy the VM"
            }
        }
    }
}

impl Instance {
    /// Carries out `act` if the state asks for it; says whether there was anything to do.
    ///
    /// Somebody else may change the state between the look and the act; then it is looked again.
    pub(super) async fn perform<F>(
        &self,
        operation: Operation,
        act: impl Fn(State) -> F,
    ) -> Result<bool, Error>
    where
        F: Future<Output = Result<(), Error>>,
    {
        let mut attempts = 0;
        loop {
            let state = self.settled_state().await?;
            match operation.verdict(self.name(), &state) {
                Verdict::Do => {}
                Verdict::Done => return Ok(false),
                Verdict::Refuse(error) => return Err(error),
            }
            attempts += 1;
            // Boxed: futures within futures within futures are slow to compile.
            match Box::pin(act(state)).await {
                Err(Error::VirtualBox { source, .. })
                    if fault::is_busy(&source) && attempts < ATTEMPTS =>
                {
                    tracing::debug!(error = %source, name = self.name(), "looking at the state again");
                    tokio::time::sleep(SHORT_PAUSE * attempts).await;
                }
                other => return other.map(|()| true),
            }
        }
    }

    /// The state, after waiting for a change that is under way.
    pub(super) async fn settled_state(&self) -> Result<State, Error> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_the_state_what_is_allowed_and_what_to_do() {
        let refusal = |operation: Operation, state: &State| match operation.verdict("a", state) {
            Verdict::Refuse(error) => error.to_string(),
            other => format!("{other:?}"),
        };
        assert_eq!(
            refusal(PAUSE, &State::PoweredOff),
            "cannot pause the VM a while it is powered off: that can be done while it is running; \
             start it first"
        );
        assert_eq!(
            refusal(RENAME, &State::Saved),
            "cannot rename the VM a while it is saved: that can be done while it is powered off, \
             aborted; discard the saved state first, or start it and shut it down"
        );
        assert!(refusal(STOP, &State::Paused).ends_with("resume it first"));
        assert!(refusal(RESTORE_SNAPSHOT, &State::Running).contains("power it off first"));
        assert!(refusal(START, &State::Inaccessible).contains("destroy"));
        assert!(refusal(SET_VALUE, &State::Changing("saving".to_owned())).contains("wait"));
    }
}
