//! Deciding: the pure half of a wave.

use std::collections::HashMap;

use crate::action::{
    ActionError, Certainty, Change, Decision, Fragment, Key, Knowledge, Mode, ProbeSet, View,
};
use crate::facts::Facts;
use crate::plan::PlannedAction;
use crate::report::Status;

/// How far a phase has come on one node.
pub(super) struct Waves<'a> {
    actions: &'a [PlannedAction],
    facts: &'a Facts,
    mode: Mode,
    /// What became of each action; `None` while that is open.
    outcomes: Vec<Option<Outcome>>,
    /// What each user's probes have seen: users may see different things.
    known: HashMap<Option<&'a str>, Knowledge>,
    /// What decided changes will do that are not applied yet.
    ahead: Ahead,
}

/// What became of an action.
#[derive(Debug, Clone)]
pub(super) struct Outcome {
    pub status: Status,
    pub details: Vec<String>,
    pub diff: Option<String>,
}

/// A change that is about to be applied.
#[derive(Debug)]
pub(super) struct Pending {
    pub position: usize,
    pub fragment: Fragment,
    pub outcome: Outcome,
}

/// What changes that are decided, but not applied, will do.
#[derive(Default)]
struct Ahead {
    predicted: Knowledge,
    written: Vec<Key>,
    positions: Vec<usize>,
}

impl Ahead {
    fn foresee(&mut self, position: usize, writes: Vec<Key>, predicted: Knowledge) {
        // A later write makes an earlier prediction worthless, unless it predicts anew.
        self.predicted.forget(&writes);
        self.predicted.merge(predicted);
        self.written.extend(writes);
        self.positions.push(position);
    }
}

impl<'a> Waves<'a> {
    pub fn new(actions: &'a [PlannedAction], facts: &'a Facts, mode: Mode) -> Self {
        let outcomes = actions.iter().map(|_| None).collect();
        Self { actions, facts, mode, outcomes, known: HashMap::new(), ahead: Ahead::default() }
    }

    /// What became of each action so far.
    pub fn outcomes(&self) -> &[Option<Outcome>] {
        &self.outcomes
    }

    /// Whether every action is settled.
    pub fn is_done(&self) -> bool {
        self.open() == 0
    }

    /// How many actions are not settled.
    pub fn open(&self) -> usize {
        self.outcomes.iter().filter(|outcome| outcome.is_none()).count()
    }

    /// The user of the next wave: a wave is carried out in one session.
    pub fn user(&self) -> Option<&'a str> {
        self.first_open().and_then(|position| self.planned(position)?.as_user.as_deref())
    }

    /// What the next wave has to look at.
    pub fn wanted(&self) -> ProbeSet {
        let nothing = Knowledge::new();
        let known = self.known.get(&self.user()).unwrap_or(&nothing);
        let mut wanted = ProbeSet::new();
        for position in self.segment() {
            if let Some(planned) = self.planned(position) {
                let asked = planned.action.probe(&self.view(known, &nothing, &[]));
                wanted.add_unknown(&asked, known);
            }
        }
        wanted
    }

    /// Takes in what probes have found.
    pub fn learn(&mut self, seen: Knowledge) {
        let user = self.user();
        self.known.entry(user).or_default().merge(seen);
    }

    /// Decides as far as that is possible before something is applied. What needs no change is
    /// settled; what does is returned, in order. In check mode changes are settled, too.
    ///
    /// # Errors
    /// The first action that cannot be carried out, when nothing has to be applied before it.
    pub fn decide(&mut self) -> Result<Vec<Pending>, (usize, ActionError)> {
        let user = self.user();
        let known = self.known.remove(&user).unwrap_or_default();
        let decided = match self.mode {
            Mode::Apply => self.decide_to_apply(&known),
            Mode::Check => self.decide_to_show(&known).map(|()| Vec::new()),
        };
        self.known.insert(user, known);
        decided
    }

    /// Takes in that a change was applied.
    pub fn applied(&mut self, pending: &Pending) {
        self.settle(pending.position, pending.outcome.clone());
    }

    /// Takes in that a wave is over: what its changes have written must be looked at again.
    pub fn wave_over(&mut self) {
        let ahead = std::mem::take(&mut self.ahead);
        self.known.values_mut().for_each(|known| known.forget(&ahead.written));
    }

    fn decide_to_apply(&mut self, known: &Knowledge) -> Result<Vec<Pending>, (usize, ActionError)> {
        let mut pending = Vec::new();
        for position in self.segment() {
            let Some(planned) = self.planned(position) else { break };
            if let Some(skipped) = self.condition(planned) {
                self.settle(position, skipped);
                continue;
            }
            let view = self.view(known, &self.ahead.predicted, &self.ahead.written);
            let asked = planned.action.probe(&view);
            if !asked.is_answered(known, &self.ahead.predicted, &self.ahead.written) {
                break;
            }
            match planned.action.decide(&view) {
                Ok(Decision::Unchanged) => self.settle(position, Outcome::bare(Status::Unchanged)),
                Ok(Decision::Change(change)) => {
                    let Change { details, diff, fragment, effects, .. } = change;
                    let outcome = Outcome { status: Status::Changed, details, diff };
                    pending.push(Pending { position, fragment, outcome });
                    self.ahead.foresee(position, effects.writes, effects.predicted);
                }
                // What comes before it is carried out first; then it is decided again.
                Err(_) if !pending.is_empty() => break,
                Err(error) => return Err((position, error)),
            }
        }
        Ok(pending)
    }

    /// Without applying anything, what an earlier change will have done to a later action's part
    /// of the node is sometimes unknown. Then the action is decided as if that change did nothing
    /// to it, and reported as one that may change.
    fn decide_to_show(&mut self, known: &Knowledge) -> Result<(), (usize, ActionError)> {
        for position in self.segment() {
            let Some(planned) = self.planned(position) else { break };
            if let Some(skipped) = self.condition(planned) {
                self.settle(position, skipped);
                continue;
            }
            let view = self.view(known, &self.ahead.predicted, &self.ahead.written);
            let asked = planned.action.probe(&view);
            let is_clear = asked.is_answered(known, &self.ahead.predicted, &self.ahead.written);
            let view = if is_clear { view } else { self.view(known, &self.ahead.predicted, &[]) };
            let doubt =
                if is_clear { self.doubtful_condition(planned) } else { Some(self.doubt()) };
            match planned.action.decide(&view) {
                Ok(Decision::Unchanged) => {
                    let status = doubt
                        .filter(|_| !is_clear)
                        .map_or(Status::Unchanged, |reason| Status::MayChange { reason });
                    self.settle(position, Outcome::bare(status));
                }
                Ok(Decision::Change(change)) => {
                    let Change { certainty, details, diff, effects, .. } = change;
                    let status = match (doubt, certainty) {
                        (Some(reason), _) | (None, Certainty::May(reason)) => {
                            Status::MayChange { reason }
                        }
                        (None, Certainty::Will) => Status::WillChange,
                    };
                    self.settle(position, Outcome { status, details, diff });
                    self.ahead.foresee(position, effects.writes, effects.predicted);
                }
                // An earlier change may well be what makes this possible.
                Err(error) if !is_clear => {
                    let reason = format!("{}, and as it is now: {error}", self.doubt());
                    self.settle(position, Outcome::bare(Status::MayChange { reason }));
                }
                Err(error) => return Err((position, error)),
            }
        }
        Ok(())
    }

    /// `Some` if the action is not to run, since nothing that it waits for has changed.
    fn condition(&self, planned: &PlannedAction) -> Option<Outcome> {
        let positions = planned.when_changed.as_ref()?;
        let has_changed = |position: &usize| {
            self.ahead.positions.contains(position)
                || matches!(
                    self.outcomes.get(*position),
                    Some(Some(Outcome {
                        status: Status::Changed | Status::WillChange | Status::MayChange { .. },
                        ..
                    }))
                )
        };
        if positions.iter().any(has_changed) {
            return None;
        }
        let reason = "nothing that it waits for has changed".to_owned();
        Some(Outcome::bare(Status::Skipped { reason }))
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

    /// Check mode: which earlier changes make the present state unsure.
    fn doubt(&self) -> String {
        let last = self.ahead.positions.last().and_then(|position| self.planned(*position));
        match last {
            Some(planned) => format!(
                "an earlier step ({} {}) may change what it looks at",
                planned.action.name(),
                planned.action.subject()
            ),
            None => "an earlier step may change what it looks at".to_owned(),
        }
    }

    fn view<'v>(
        &self,
        known: &'v Knowledge,
        predicted: &'v Knowledge,
        written: &'v [Key],
    ) -> View<'v>
    where
        'a: 'v,
    {
        View { facts: self.facts, mode: self.mode, known, predicted, written }
    }

    fn settle(&mut self, position: usize, outcome: Outcome) {
        if let Some(slot) = self.outcomes.get_mut(position) {
            *slot = Some(outcome);
        }
    }

    fn first_open(&self) -> Option<usize> {
        self.outcomes.iter().position(Option::is_none)
    }

    fn planned(&self, position: usize) -> Option<&'a PlannedAction> {
        self.actions.get(position)
    }

    /// The open actions that one session can carry out: up to the first of another user.
    fn segment(&self) -> Vec<usize> {
        let user = self.user();
        let start = self.first_open().unwrap_or(self.actions.len());
        (start..self.actions.len())
            .take_while(|at| self.planned(*at).is_some_and(|p| p.as_user.as_deref() == user))
            .filter(|at| matches!(self.outcomes.get(*at), Some(None)))
            .collect()
    }
}

impl Outcome {
    fn bare(status: Status) -> Self {
        Self { status, details: Vec::new(), diff: None }
    }
}
