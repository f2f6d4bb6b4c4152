//! Deciding: the pure half of a wave.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;

use super::deeds::{Deed, Verdict, verdict};
use super::values::Values;
use crate::action::{
    ActionBox, ActionError, Certainty, Change, Decision, Fragment, Key, Knowledge, Mode, ProbeSet,
    View, digest,
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
    outcomes: Vec<Option<Outcome>>,
    /// What each user's probes have seen: users may see different things.
    known: HashMap<Option<&'a str>, Knowledge>,
    /// What decided changes will do that are not applied yet.
    ahead: Ahead,
    /// What actions have read from the node for others.
    values: Values,
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

/// What changes that are decided, but not applied, will do.
#[derive(Default)]
struct Ahead {
    predicted: Knowledge,
    written: Vec<Key>,
    /// Which actions do it, each with where its keys begin in `written`.
    steps: Vec<(usize, usize)>,
    /// Who does it, where it is none of this phase's actions.
    before: Option<String>,
}

/// Check mode: what the changes of earlier phases will do.
#[derive(Default)]
pub(super) struct Foresight {
    predicted: Knowledge,
    written: Vec<Key>,
    phase: Option<String>,
}

impl Foresight {
    /// Whether the last phase that was looked at is this one.
    pub fn is_of(&self, phase: &str) -> bool {
        self.phase.as_deref() == Some(phase)
    }
}

impl Ahead {
    fn foresee(&mut self, position: usize, writes: Vec<Key>, predicted: Knowledge) {
        // A later write makes an earlier prediction worthless, unless it predicts anew.
        self.predicted.forget(&writes);
        self.predicted.merge(predicted);
        self.steps.push((position, self.written.len()));
        self.written.extend(writes);
    }

    /// Whether an action is one of those that are ahead.
    fn does(&self, position: usize) -> bool {
        self.steps.iter().any(|(step, _)| *step == position)
    }

    /// The last action that writes something of `keys`; the last of all if none does so.
    fn latest(&self, keys: &[Key]) -> Option<usize> {
        let ends = self.steps.iter().skip(1).map(|(_, begin)| *begin).chain([self.written.len()]);
        let steps: Vec<_> = self.steps.iter().zip(ends).collect();
        let writes = |((_, begin), end): &&(&(usize, usize), usize)| {
            let written = self.written.get(*begin..*end).unwrap_or_default();
            written.iter().any(|write| keys.iter().any(|key| write.overlaps(key)))
        };
        let found = steps.iter().rev().find(writes).or(steps.last());
        found.map(|((position, _), _)| *position)
    }
}

impl<'a> Waves<'a> {
    pub fn new(
        actions: &'a [PlannedAction],
        facts: &'a Facts,
        mode: Mode,
        foresight: Foresight,
    ) -> Self {
        let Foresight { predicted, written, phase } = foresight;
        let before = phase.map(|phase| format!("a step of phase `{phase}`"));
        Self {
            actions,
            facts,
            mode,
            outcomes: actions.iter().map(|_| None).collect(),
            known: HashMap::new(),
            ahead: Ahead { predicted, written, steps: Vec::new(), before },
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
        let Ahead { predicted, written, .. } = std::mem::take(&mut self.ahead);
        let phase = (!written.is_empty()).then(|| phase.to_owned());
        Foresight { predicted, written, phase }
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
                self.ahead.foresee(position, vec![Key::Everything], Knowledge::new());
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
        let is_clear = is_answered && !has_guessed;
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

    /// Check mode: settles an action as what would become of it.
    fn show(
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
                self.ahead.foresee(position, effects.writes, effects.predicted);
                Outcome { details, diff, ..Outcome::bare(status) }
            }
            Ok(Decision::Unchanged) if is_clear => Outcome::bare(Status::Unchanged),
            Err(error) if is_clear => return Err(error),
            // If it changes anything, it is what it looks at. An earlier change may also be what
            // makes it possible at all.
            unsure => {
                let mut reason = self.doubt(&asked.keys());
                if let Err(error) = unsure {
                    reason = format!("{reason}, and as it is now: {error}");
                    self.values.note_missing(action);
                }
                self.ahead.foresee(position, asked.keys(), Knowledge::new());
                may_change(reason)
            }
        };
        self.settle(position, Outcome { ground: Some(ground), ..outcome });
        Ok(())
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
    fn doubt(&self, keys: &[Key]) -> String {
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

/// What a decision that is only shown was made from.
struct Looked<'a> {
    action: &'a ActionBox,
    asked: &'a ProbeSet,
    known: &'a Knowledge,
    /// Whether all of it is sure.
    is_clear: bool,
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

fn not_planned(details: &[String]) -> ActionError {
    let what = if details.is_empty() { "something".to_owned() } else { details.join("; ") };
    ActionError::new(format!("the plan shows it as unchanged, but it would change {what}"))
        .help("the node has moved on since the plan was checked: make a new plan")
}
