//! What a phase tells while it runs, and when it is over.

use std::time::Duration;

use super::deeds::DeedState;
use super::phase::{Runner, Stop, Work};
use super::wave::Outcome;
use crate::event::Event;
use crate::plan::PlannedAction;
use crate::report::{self, ActionReport, Failure, PhaseReport, Status};
use crate::secret::redact;

/// What may be told of a text: no secrets.
fn shown(text: String) -> String {
    redact(&text).into_owned()
}

impl Runner<'_> {
    pub(super) fn tell_started(&self, position: Option<usize>) {
        let Some(position) = position else { return };
        let Some(planned) = self.run.actions.get(position) else { return };
        let action = planned.action.name();
        let subject = shown(planned.action.subject());
        if let Some(journal) = &self.run.control.journal {
            let (node, phase) = (self.run.node, self.run.phase);
            journal.begun(node, phase, self.id(position), (action, &subject), &planned.origin);
        }
        self.run.events.send(Event::ActionStarted {
            node: self.run.node.to_owned(),
            phase: self.run.phase.to_owned(),
            action: action.to_owned(),
            subject,
        });
    }

    /// Tells of every action that has been settled since the last time.
    pub(super) fn tell_settled(&mut self) {
        for (position, planned) in self.run.actions.iter().enumerate() {
            let Some(Some(outcome)) = self.waves.outcomes().get(position) else { continue };
            let Some(work) = self.work.get_mut(position) else { continue };
            if std::mem::replace(&mut work.is_told, true) {
                continue;
            }
            let (outcome, work) = (outcome.clone(), work.clone());
            let report = self.action_report(position, planned, outcome, work);
            if let Some(journal) = &self.run.control.journal
                && report.status == Status::Changed
                && !report.earlier
            {
                journal.done(self.run.node, self.run.phase, self.id(position), &report);
            }
            self.run.events.send(Event::ActionFinished {
                node: self.run.node.to_owned(),
                phase: self.run.phase.to_owned(),
                report,
            });
        }
    }

    /// The phase's report. What stopped it, and the actions that were not begun, are in it.
    pub(super) fn report(self, stop: Option<Stop>, duration: Duration) -> PhaseReport {
        let stopped = self.run.control.stopped();
        let (failure, reason) = match stop {
            Some(Stop::Asked) => {
                (None, format!("the run was stopped: {}", stopped.unwrap_or_default()))
            }
            Some(Stop::Failed { position, message, help, output }) => {
                let planned = position.and_then(|at| self.run.actions.get(at));
                let failure = Failure {
                    node: Some(self.run.node.to_owned()),
                    phase: self.run.phase.to_owned(),
                    action: planned
                        .map(|p| shown(format!("{} {}", p.action.name(), p.action.subject()))),
                    origin: planned.map(|p| p.origin.clone()),
                    message: shown(message),
                    help,
                    output: shown(output),
                };
                (Some(failure), "the node failed before".to_owned())
            }
            None => (None, String::new()),
        };
        // The first open action is the one that failed; with a failure outside of any action it
        // was not tried either.
        let mut is_failed_here = failure.as_ref().is_some_and(|failure| failure.action.is_some());
        let mut actions = Vec::new();
        for (position, (planned, work)) in self.run.actions.iter().zip(&self.work).enumerate() {
            let outcome = self.waves.outcomes().get(position).cloned().flatten();
            let outcome = outcome.unwrap_or_else(|| {
                Outcome::bare(match std::mem::take(&mut is_failed_here) {
                    true => Status::Failed,
                    false => Status::Skipped { reason: reason.clone() },
                })
            });
            actions.push(self.action_report(position, planned, outcome, work.clone()));
        }
        let values = self.waves.values().clone();
        let begun = Some(report::begun(duration));
        PhaseReport { phase: self.run.phase.to_owned(), actions, begun, duration, failure, values }
    }

    fn action_report(
        &self,
        position: usize,
        planned: &PlannedAction,
        outcome: Outcome,
        work: Work,
    ) -> ActionReport {
        let report = ActionReport {
            action: planned.action.name().to_owned(),
            subject: shown(planned.action.subject()),
            origin: planned.origin.clone(),
            status: outcome.status,
            details: outcome.details.into_iter().map(shown).collect(),
            diff: outcome.diff.map(shown),
            ground: outcome.ground,
            output: work.output,
            begun: work.begun,
            duration: work.duration,
            earlier: false,
        };
        // What the broken part of the run has changed is unchanged now, and was a change of the
        // run; even if it was cut off there, or is said to have failed.
        let deed = self.deeds.get(position).copied().flatten();
        let was_changed = match (&report.status, deed.map(|deed| deed.state)) {
            (Status::Unchanged, Some(_)) => true,
            (Status::Skipped { .. }, Some(state)) => state == DeedState::Done,
            _ => false,
        };
        if !was_changed {
            return report;
        }
        let journal = self.run.control.journal.as_deref();
        let known = journal.and_then(|journal| journal.report(self.run.node, self.id(position)));
        let known = known.unwrap_or(ActionReport { status: Status::Changed, ..report.clone() });
        ActionReport { earlier: true, origin: report.origin, ..known }
    }
}
