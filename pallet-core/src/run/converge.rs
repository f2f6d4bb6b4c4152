//! `converge`: make nodes exist, and be as described.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use tracing::Instrument;

use super::crew::Crew;
use super::member::{Member, node_to_create};
use super::phases::{Course, finish};
use super::preview::{GroupChange, Preview};
use super::{Fleet, RunError};
use crate::action::Mode;
use crate::compute::ComputeError;
use crate::event::Event;
use crate::report::{Failure, Report};
use crate::spec::{GroupName, GroupSpec, PhaseCall};

impl Fleet {
    /// Destroys, starts and creates nodes until each group has its count, then configures all of
    /// them: `settings`, `bootstrap` on new nodes, `create-group` in groups that had no nodes, the
    /// default phases where they exist, then the `asked` ones. In check mode nothing is touched,
    /// and of nodes that do not run yet only what is to be done on them is told.
    ///
    /// # Errors
    /// [`RunError`] when the run cannot begin; nothing was changed then. What fails later is in
    /// the report.
    pub async fn converge(
        &self,
        groups: &[GroupSpec],
        asked: &[PhaseCall],
    ) -> Result<Report, RunError> {
        let preview = self.preview(groups, asked).await?;
        Ok(self.carry_out(preview).await)
    }

    /// Does what a preview says, and configures the nodes as [`converge`](Self::converge) does.
    /// What fails is in the report; once the run is stopped, what was done so far is.
    pub async fn carry_out(&self, preview: Preview) -> Report {
        let span = self.span("converge");
        self.do_all(preview).instrument(span).await
    }

    async fn do_all(&self, preview: Preview) -> Report {
        let mut report = Report::begin();
        let crew = match self.options.mode {
            Mode::Check => {
                self.take_leave(&preview, &mut report).await;
                self.expect(&preview, &mut report).await
            }
            Mode::Apply => {
                self.destroy_surplus(&preview, &mut report).await;
                self.provide(&preview, &mut report).await
            }
        };
        let is_new = |change: &&GroupChange| change.is_new;
        let name = |change: &GroupChange| change.group.name.clone();
        let new_groups: BTreeSet<GroupName> =
            preview.changes.iter().filter(is_new).map(name).collect();
        let course = Course {
            stages: &preview.stages,
            new_groups: &new_groups,
            shown: preview.shown.as_ref(),
        };
        finish(self.work(crew, &course).await, &mut report).await;
        self.end(&mut report);
        drop(preview.locks);
        report
    }

    /// Check mode: names what would be done to nodes, and gives all that will be there.
    async fn expect(&self, preview: &Preview, report: &mut Report) -> Crew {
        let mut members = Vec::new();
        let mut expected = Vec::new();
        for change in &preview.changes {
            let GroupChange { group, service, delta, .. } = change;
            report.created.extend(delta.create.iter().cloned());
            report.started.extend(delta.start.iter().map(|node| node.name.clone()));
            report.destroyed.extend(delta.destroy.iter().map(|node| node.name.clone()));
            for node in &delta.keep {
                let role = preview.memberships.of(node, change);
                members.push(Member::new(node.clone(), role, service.clone()));
            }
            if delta.start.is_empty() && delta.create.is_empty() {
                continue;
            }
            let facts = service.expected_facts(&group.node).await;
            let to_create = delta.create.iter().map(|name| node_to_create(name, group));
            for node in delta.start.iter().cloned().chain(to_create) {
                let role = preview.memberships.of(&node, change);
                expected.push(Member::expected(node, role, service.clone(), facts.clone()));
            }
        }
        let mut members = self.ready(members).await;
        members.extend(expected);
        Crew::new(members, preview.others.clone())
    }

    /// Waits for nodes until they answer; one that does not is reported and left alone.
    pub(super) async fn ready(&self, members: Vec<Member>) -> Vec<Member> {
        self.each(members, |mut member, fleet| async move {
            if fleet.control.stopped().is_some() {
                return member;
            }
            let started = Instant::now();
            let name = member.node.name.clone();
            fleet.events.send(Event::Waiting { node: name.clone() });
            let answered = tokio::select! {
                answered = member.service.ready(&member.node, fleet.options.ready) => answered,
                () = fleet.control.until_stopped() => {
                    Err(ComputeError::failed("the run was stopped before the node answered"))
                }
            };
            match answered {
                Ok(node) => {
                    let address = node.endpoint.as_ref().map(ToString::to_string);
                    fleet.events.send(Event::Answered { node: name, address });
                    member.update(node);
                }
                Err(error) => {
                    let failure = Failure::new("connect", error.message).help(error.help);
                    member.fail(failure, started.elapsed(), &fleet.events);
                }
            }
            member
        })
        .await
    }

    /// Notes how the run has ended.
    pub(super) fn end(&self, report: &mut Report) {
        report.stopped = self.control.stopped();
        report.ended = Some(crate::report::now());
        if let Some(journal) = &self.control.journal {
            journal.end(report);
        }
    }

    pub(super) fn fail(&self, report: &mut Report, phase: &str, node: &str, error: ComputeError) {
        let failure = Failure::new(phase, error.message).help(error.help).node(node);
        self.events.send(Event::Failed { failure: failure.clone() });
        report.failures.push(failure);
    }
}

/// A node of a change, ready to take part.
pub(super) fn member(
    preview: &Preview,
    change: &GroupChange,
    node: crate::compute::Node,
) -> Member {
    let role = preview.memberships.of(&node, change);
    Member::new(node, role, Arc::clone(&change.service))
}
