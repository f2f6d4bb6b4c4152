//! Deciding: the pure half of a wave.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;

use super::deeds::{Deed, Verdict, verdict};
use super::foresight::{Ahead, Foresight};
use super::show::Looked;
use super::values::Values;
use crate::action::{
    ActionBox, ActionError, Change, Decision, Fragment, Key, Knowledge, Mode, ProbeSet, View,
};
use crate::facts::Facts;
use crate::plan::PlannedAction;
use crate::report::{Ground, Status};

/// How far a phase has come on one node.
pub(super) struct Waves<'a> {
    actions: &'a [PlannedAction],
    facts: &'a Facts,
    mode: Mode,
    /// What became of each action; `None` while that is open.
    pub(super) outcomes: Vec<Option<Outcome>>,
    /// What each user's probes have seen: users may see different things.
    known: HashMap<Option<&'a str>, Knowledge>,
    /// What decided changes will do that are not applied yet.
    pub(super) ahead: Ahead,
    /// What actions have read from the node for others.
    pub(super) values: Values,
    /// Whether any action may wait for such values.
    has_open: bool,
    /// What the broken part of a resumed run has done of each action; empty for other runs.
    deeds: Vec<Option<Deed>>,
    /// Whether actions may be repeated of which nobody knows whether they were finished.
    again: bool,
}

/// What became of an action.
#[derive(Debug, Clone)]
pub(super) struct Outcome {
    pub status: Status,
    pub details: Vec<String>,
    pub diff: Option<String>,
    /// Check mode: what the prediction is grounded on.
    pub ground: Option<Ground>,
}

/// A change that is about to be applied.
#[derive(Debug)]
pub(super) struct Pending {
    pub position: usize,
    pub fragment: Fragment,
    pub outcome: Outcome,
}

impl<'a> Waves<'a> {
    pub fn new(
        actions: &'a [PlannedAction],
        facts: &'a Facts,
        mode: Mode,
        foresight: Foresight,
    ) -> Self {
        Self {
            actions,
            facts,
            mode,
            outcomes: actions.iter().map(|_| None).collect(),
            known: HashMap::new(),
            ahead: foresight.into(),
            values: Values::new(actions.len()),
            has_open: actions.iter().any(|planned| planned.open.is_some()),
            deeds: Vec::new(),
            again: false,
        }
    }

    /// Takes in what the broken part of a resumed run has done of each action.
    pub fn remember(&mut self, deeds: Vec<Option<Deed>>, again: bool) {
        (self.deeds, self.again) = (deeds, again);
    }

    /// What later phases have to reckon with, once this one, called `phase`, has been looked at.
    pub fn foresight(&mut self, phase: &str) -> Foresight {
        if self.mode == Mode::Apply {
            return Foresight::default();
        }
        std::mem::take(&mut self.ahead).into_foresight(phase)
    }

    /// What actions have read from the node, by name.
    pub fn values(&self) -> &BTreeMap<String, String> {
        self.values.known()
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
            if let Some(Ok(action)) = self.action(position) {
                let asked = action.probe(&self.view(known, &nothing, &[]));
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
    /// Without applying anything, what an earlier change will have done to a later action's part
    /// of the node is sometimes unknown. Then the action is decided as if that change did nothing
    /// to it, and reported as one that may change. With applying, it waits for the next wave.
    ///
    /// # Errors
    /// The first action that cannot be carried out, when nothing has to be applied before it.
    pub fn decide(&mut self) -> Result<Vec<Pending>, (usize, ActionError)> {
        let user = self.user();
        let known = self.known.remove(&user).unwrap_or_default();
        let mut pending = Vec::new();
        let mut decided = Ok(());
        for position in self.segment() {
            match self.decide_one(position, &known, &mut pending) {
                Ok(ControlFlow::Continue(())) => {}
                Ok(ControlFlow::Break(())) => break,
                // What comes before it is carried out first; then it is decided again.
                Err(_) if !pending.is_empty() => break,
                Err(error) => {
                    decided = Err((position, error));
                    break;
                }
            }
        }
        self.known.insert(user, known);
        self.complete();
        decided.map(|()| pending)
    }

    /// Settles one action, or adds it to those that are to be applied. Breaks where the following
    /// actions have to wait.
    fn decide_one(
        &mut self,
        position: usize,
        known: &Knowledge,
        pending: &mut Vec<Pending>,
    ) -> Result<ControlFlow<()>, ActionError> {
        let Some(planned) = self.planned(position) else { return Ok(ControlFlow::Break(())) };
        if let Some(skipped) = self.condition(position, planned)? {
            self.settle(position, skipped);
            return Ok(ControlFlow::Continue(()));
        }
        let shows = self.mode == Mode::Check;
        let has_guessed = shows && planned.open.is_some() && self.values.are_doubtful();
        let action = match self.action(position) {
            Some(Ok(action)) => action.clone(),
            Some(Err(error)) if has_guessed => {
                let reason = format!("{}, and as it is now: {error}", self.doubt(&[]));
                self.settle(position, Outcome::bare(Status::MayChange { reason }));
                self.ahead.doubt(position, vec![Key::Everything], Knowledge::new());
                return Ok(ControlFlow::Continue(()));
            }
            Some(Err(error)) => return Err(error.clone()),
            None => return Ok(ControlFlow::Break(())),
        };

        if shows && self.has_further_questions(&action, known) {
            return Ok(ControlFlow::Break(()));
        }
        let ahead = std::mem::take(&mut self.ahead);
        let view = self.view(known, &ahead.predicted, &ahead.written);
        let asked = action.probe(&view);
        let is_answered = asked.is_answered(known, &ahead.predicted, &ahead.written);
        let is_clear = is_answered && !has_guessed && !ahead.is_doubtful(|| asked.keys());
        let decided = if is_clear || shows {
            let written = if is_clear { ahead.written.as_slice() } else { &[] };
            let view = self.view(known, &ahead.predicted, written);
            Some(action.decide(&view).and_then(|decision| {
                if matches!(decision, Decision::Unchanged) {
                    self.note_value(&action, &view, !is_clear)?;
                }
                Ok(decision)
            }))
        } else {
            None
        };
        self.ahead = ahead;
        let Some(decision) = decided else { return Ok(ControlFlow::Break(())) };
        if shows {
            let looked = Looked { action: &action, asked: &asked, known, is_clear };
            self.show(position, planned, looked, decision)?;
            return Ok(ControlFlow::Continue(()));
        }
        match decision? {
            Decision::Unchanged => self.settle(position, Outcome::bare(Status::Unchanged)),
            Decision::Change(change) => {
                let Change { details, diff, fragment, effects, .. } = change;
                if !planned.may_change {
                    return Err(not_planned(&details));
                }
                let restarts = fragment.restart().is_some();
                let outcome = Outcome { details, diff, ..Outcome::bare(Status::Changed) };
                pending.push(Pending { position, fragment, outcome });
                self.ahead.foresee(position, effects.writes, effects.predicted);
                if restarts {
                    return Ok(ControlFlow::Break(()));
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Whether what was seen leads an action to questions that it has not asked yet: they are put to
    /// the node before anything is shown that would only be guessed.
    fn has_further_questions(&self, action: &ActionBox, known: &Knowledge) -> bool {
        let nothing = Knowledge::new();
        let mut wanted = ProbeSet::new();
        wanted.add_unknown(&action.probe(&self.view(known, &nothing, &[])), known);
        !wanted.is_empty()
    }

    /// `Some` if the action is not to run: nothing that it waits for has changed, or it was done
    /// before the run broke off and was resumed.
    fn condition(
        &self,
        position: usize,
        planned: &PlannedAction,
    ) -> Result<Option<Outcome>, ActionError> {
        let has_changed = |position: &usize| {
            self.ahead.does(*position)
                || matches!(
                    self.outcomes.get(*position),
                    Some(Some(Outcome {
                        status: Status::Changed | Status::WillChange | Status::MayChange { .. },
                        ..
                    }))
                )
        };
        let is_triggered = planned.when_changed.iter().flatten().any(has_changed);
        let skipped = |reason: &str| Outcome::bare(Status::Skipped { reason: reason.to_owned() });
        Ok(match verdict(&self.deeds, position, planned, is_triggered, self.again)? {
            Verdict::Done => Some(skipped("it was done before the run was resumed")),
            Verdict::Anew if planned.when_changed.is_some() && !is_triggered => {
                Some(skipped("nothing that it waits for has changed"))
            }
            Verdict::Anew | Verdict::Owed => None,
        })
    }

    /// Completes actions that have waited for values which are settled by now.
    fn complete(&mut self) {
        if !self.has_open {
            return;
        }
        for (position, planned) in self.actions.iter().enumerate() {
            if planned.open.is_none() || self.values.is_complete(position) {
                continue;
            }
            if !self.waits_for_values(position) {
                self.values.complete(position, planned, self.facts);
            }
        }
    }

    /// Whether an earlier action that reads a value is not settled.
    fn waits_for_values(&self, position: usize) -> bool {
        let earlier = self.actions.iter().zip(&self.outcomes).take(position);
        let mut open = earlier.filter(|(_, outcome)| outcome.is_none());
        open.any(|(planned, _)| planned.action.value_name().is_some())
    }

    /// Notes what an action that was found unchanged has read, if it reads something.
    fn note_value(
        &mut self,
        action: &ActionBox,
        view: &View<'_>,
        is_doubtful: bool,
    ) -> Result<(), ActionError> {
        let Some(name) = action.value_name() else { return Ok(()) };
        let value = action.value(view)?;
        self.values.note(name, value, is_doubtful);
        Ok(())
    }

    /// Takes in that a change was applied.
    pub fn applied(&mut self, pending: &Pending) {
        self.settle(pending.position, pending.outcome.clone());
        self.complete();
    }

    /// Takes in that a wave is over: what its changes have written must be looked at again.
    pub fn wave_over(&mut self) {
        let ahead = std::mem::take(&mut self.ahead);
        self.known.values_mut().for_each(|known| known.forget(&ahead.written));
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

    pub(super) fn settle(&mut self, position: usize, outcome: Outcome) {
        if let Some(slot) = self.outcomes.get_mut(position) {
            *slot = Some(outcome);
        }
    }

    fn first_open(&self) -> Option<usize> {
        self.outcomes.iter().position(Option::is_none)
    }

    pub(super) fn planned(&self, position: usize) -> Option<&'a PlannedAction> {
        self.actions.get(position)
    }

    /// An action with what was read for it.
    fn action(&self, position: usize) -> Option<Result<&ActionBox, &ActionError>> {
        let planned = self.planned(position)?;
        if planned.open.is_some() {
            return self.values.completed(position);
        }
        Some(Ok(&planned.action))
    }

    /// The open actions that one session can carry out: up to the first of another user, and to
    /// the first that waits for something to be read.
    fn segment(&self) -> Vec<usize> {
        let user = self.user();
        let start = self.first_open().unwrap_or(self.actions.len());
        (start..self.actions.len())
            .take_while(|at| self.planned(*at).is_some_and(|p| p.as_user.as_deref() == user))
            .take_while(|at| {
                let is_open = self.planned(*at).is_some_and(|planned| planned.open.is_some());
                !is_open || self.values.is_complete(*at)
            })
            .filter(|at| matches!(self.outcomes.get(*at), Some(None)))
            .collect()
    }
}

impl Outcome {
    /// Nothing but how it ended.
    pub fn bare(status: Status) -> Self {
        Self { status, details: Vec::new(), diff: None, ground: None }
    }
}

fn not_planned(details: &[String]) -> ActionError {
    let what = if details.is_empty() { "something".to_owned() } else { details.join("; ") };
    ActionError::new(format!("the plan does not show that it would change {what}"))
        .help("the node has moved on since the plan was checked: make a new plan")
}
