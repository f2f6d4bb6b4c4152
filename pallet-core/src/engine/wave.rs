//! Deciding: the pure half of a wave.

use std::collections::{BTreeMap, HashMap};

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
    positions: Vec<usize>,
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
            ahead: Ahead { predicted, written, positions: Vec::new(), before },
            values: Values::new(actions.len()),
            has_open: actions.iter().any(|planned| planned.open.is_some()),
        }
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
        self.complete();
        decided
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

    fn decide_to_apply(&mut self, known: &Knowledge) -> Result<Vec<Pending>, (usize, ActionError)> {
        let mut pending = Vec::new();
        for position in self.segment() {
            let Some(planned) = self.planned(position) else { break };
            if let Some(skipped) = self.condition(planned) {
                self.settle(position, skipped);
                continue;
            }
            let action = match self.action(position) {
                Some(Ok(action)) => action.clone(),
                Some(Err(_)) if !pending.is_empty() => break,
                Some(Err(error)) => return Err((position, error.clone())),
                None => break,
            };
            let ahead = std::mem::take(&mut self.ahead);
            let view = self.view(known, &ahead.predicted, &ahead.written);
            let is_answered =
                action.probe(&view).is_answered(known, &ahead.predicted, &ahead.written);
            let decided = is_answered.then(|| {
                let decision = action.decide(&view)?;
                if matches!(decision, Decision::Unchanged) {
                    self.note_value(&action, &view, false)?;
                }
                Ok::<_, ActionError>(decision)
            });
            self.ahead = ahead;
            match decided {
                None => break,
                Some(Ok(Decision::Unchanged)) => {
                    self.settle(position, Outcome::bare(Status::Unchanged));
                }
                Some(Ok(Decision::Change(change))) => {
                    let Change { details, diff, fragment, effects, .. } = change;
                    if !planned.may_change {
                        if !pending.is_empty() {
                            break;
                        }
                        return Err((position, not_planned(&details)));
                    }
                    let outcome = Outcome { details, diff, ..Outcome::bare(Status::Changed) };
                    pending.push(Pending { position, fragment, outcome });
                    self.ahead.foresee(position, effects.writes, effects.predicted);
                }
                // What comes before it is carried out first; then it is decided again.
                Some(Err(_)) if !pending.is_empty() => break,
                Some(Err(error)) => return Err((position, error)),
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
            let is_doubtful = planned.open.is_some() && self.values.are_doubtful();
            let action = match self.action(position) {
                Some(Ok(action)) => action.clone(),
                Some(Err(error)) if is_doubtful => {
                    let reason = format!("{}, and as it is now: {error}", self.doubt());
                    self.settle(position, Outcome::bare(Status::MayChange { reason }));
                    self.ahead.foresee(position, vec![Key::Everything], Knowledge::new());
                    continue;
                }
                Some(Err(error)) => return Err((position, error.clone())),
                None => break,
            };
            let ahead = std::mem::take(&mut self.ahead);
            let view = self.view(known, &ahead.predicted, &ahead.written);
            let asked = action.probe(&view);
            let is_clear =
                !is_doubtful && asked.is_answered(known, &ahead.predicted, &ahead.written);
            let view = if is_clear { view } else { self.view(known, &ahead.predicted, &[]) };
            let decided = action.decide(&view).and_then(|decision| {
                if matches!(decision, Decision::Unchanged) {
                    self.note_value(&action, &view, !is_clear)?;
                }
                Ok(decision)
            });
            self.ahead = ahead;
            let doubt =
                if is_clear { self.doubtful_condition(planned) } else { Some(self.doubt()) };
            let mut ground = ground(&action, &asked, known);
            match decided {
                Ok(Decision::Unchanged) => {
                    let status = doubt
                        .filter(|_| !is_clear)
                        .map_or(Status::Unchanged, |reason| Status::MayChange { reason });
                    let is_unsure = status != Status::Unchanged;
                    self.settle(
                        position,
                        Outcome { ground: Some(ground), ..Outcome::bare(status) },
                    );
                    if is_unsure {
                        // If it changes anything, it is what it looks at.
                        self.ahead.foresee(position, asked.keys(), Knowledge::new());
                    }
                }
                Ok(Decision::Change(change)) => {
                    let Change { certainty, details, diff, effects, fragment } = change;
                    ground.change = Some(fragment.digest());
                    let status = match (doubt, certainty) {
                        (Some(reason), _) | (None, Certainty::May(reason)) => {
                            Status::MayChange { reason }
                        }
                        (None, Certainty::Will) => Status::WillChange,
                    };
                    self.settle(position, Outcome { status, details, diff, ground: Some(ground) });
                    self.ahead.foresee(position, effects.writes, effects.predicted);
                }
                // An earlier change may well be what makes this possible.
                Err(error) if !is_clear => {
                    let reason = format!("{}, and as it is now: {error}", self.doubt());
                    self.values.note_missing(&action);
                    self.settle(
                        position,
                        Outcome {
                            ground: Some(ground),
                            ..Outcome::bare(Status::MayChange { reason })
                        },
                    );
                    self.ahead.foresee(position, asked.keys(), Knowledge::new());
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

/// What is known before a decision.
fn ground(action: &ActionBox, asked: &ProbeSet, known: &Knowledge) -> Ground {
    let parameters = action.parameters().unwrap_or_default().to_string();
    let description = digest([action.name().as_bytes(), parameters.as_bytes()]);
    Ground { description, change: None, seen: asked.seen(known) }
}

fn not_planned(details: &[String]) -> ActionError {
    let what = if details.is_empty() { "something".to_owned() } else { details.join("; ") };
    ActionError::new(format!("the plan shows it as unchanged, but it would change {what}"))
        .help("the node has moved on since the plan was checked: make a new plan")
}
