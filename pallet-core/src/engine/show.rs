//! Check mode: saying what would become of an action.

use super::wave::{Outcome, Waves};
use crate::action::{
    ActionBox, ActionError, Certainty, Change, Decision, Key, Knowledge, ProbeSet, digest,
};
use crate::plan::PlannedAction;
use crate::report::{Ground, Status};

/// What a decision that is only shown was made from.
pub(super) struct Looked<'a> {
    pub action: &'a ActionBox,
    pub asked: &'a ProbeSet,
    pub known: &'a Knowledge,
    /// Whether all of it is sure.
    pub is_clear: bool,
}

impl Waves<'_> {
    /// Check mode: settles an action as what would become of it.
    pub(super) fn show(
        &mut self,
        position: usize,
        planned: &PlannedAction,
        looked: Looked<'_>,
        decision: Result<Decision, ActionError>,
    ) -> Result<(), ActionError> {
        let Looked { action, asked, known, is_clear } = looked;
        let mut ground = ground(planned, action, asked, known);
        let may_change = |reason| Outcome::bare(Status::MayChange { reason });
        let outcome = match decision {
            Ok(Decision::Change(change)) => {
                let Change { certainty, details, diff, effects, fragment } = change;
                ground.change = Some(fragment.digest());
                let doubt = match is_clear {
                    true => self.doubtful_condition(planned),
                    false => Some(self.doubt(&asked.keys())),
                };
                let status = match (doubt, certainty) {
                    (Some(reason), _) | (None, Certainty::May(reason)) => {
                        Status::MayChange { reason }
                    }
                    (None, Certainty::Will) => Status::WillChange,
                };
                let mut writes = effects.writes;
                if !is_clear {
                    writes.extend(action.may_write());
                }
                match status {
                    Status::WillChange => self.ahead.foresee(position, writes, effects.predicted),
                    _ => self.ahead.doubt(position, writes, effects.predicted),
                }
                Outcome { details, diff, ..Outcome::bare(status) }
            }
            Ok(Decision::Unchanged) if is_clear => Outcome::bare(Status::Unchanged),
            Err(error) if is_clear => return Err(error),
            // An earlier change may also be what makes it possible at all.
            unsure => {
                let mut reason = self.doubt(&asked.keys());
                if let Err(error) = unsure {
                    reason = format!("{reason}, and as it is now: {error}");
                    self.values.note_missing(action);
                }
                let writes = asked.keys().into_iter().chain(action.may_write()).collect();
                self.ahead.doubt(position, writes, Knowledge::new());
                may_change(reason)
            }
        };
        self.settle(position, Outcome { ground: Some(ground), ..outcome });
        Ok(())
    }

    /// Check mode: a condition on something that itself only may change.
    fn doubtful_condition(&self, planned: &PlannedAction) -> Option<String> {
        let positions = planned.when_changed.as_ref()?;
        let will_change = |position: &usize| {
            matches!(
                self.outcomes.get(*position),
                Some(Some(Outcome { status: Status::WillChange, .. }))
            )
        };
        (!positions.iter().any(will_change)).then(|| "what it waits for may change".to_owned())
    }

    /// Check mode: which earlier change makes the present state of `keys` unsure.
    pub(super) fn doubt(&self, keys: &[Key]) -> String {
        match self.ahead.latest(keys).and_then(|position| self.planned(position)) {
            Some(planned) => format!(
                "an earlier step ({} {}) may change what it looks at",
                planned.action.name(),
                planned.action.subject()
            ),
            None => {
                let who = self.ahead.before.as_deref().unwrap_or("an earlier step");
                format!("{who} may change what it looks at")
            }
        }
    }
}

/// What is known before a decision.
fn ground(
    planned: &PlannedAction,
    action: &ActionBox,
    asked: &ProbeSet,
    known: &Knowledge,
) -> Ground {
    let parameters = action.parameters().unwrap_or_default().to_string();
    let step = format!("{:?} {:?}", planned.as_user, planned.when_changed);
    let description = digest([action.name(), &parameters, &step].map(str::as_bytes));
    Ground { description, change: None, seen: asked.seen(known) }
}
