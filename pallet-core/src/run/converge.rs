//! `converge`: make nodes exist, and be as described.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use super::member::Member;
use super::phases::finish;
use super::preview::{GroupChange, Preview};
use super::{Fleet, RunError};
use crate::action::Mode;
use crate::compute::{ComputeError, ComputeService, CreateNode, Node, NodeState};
use crate::event::Event;
use crate::report::{Failure, Report};
use crate::spec::GroupSpec;

impl Fleet {
    /// Destroys, starts and creates nodes until each group has its count, then configures all of
    /// them: `settings`, `bootstrap` on new nodes, the default phases where they exist, then the
    /// `asked` ones. In check mode nothing is touched, and nodes that do not run are only named.
    ///
    /// # Errors
    /// [`RunError`] when the run cannot begin; nothing was changed then. What fails later is in
    /// the report.
    pub async fn converge(
        &self,
        groups: &[GroupSpec],
        asked: &[String],
    ) -> Result<Report, RunError> {
        let preview = self.preview(groups, asked).await?;
        Ok(self.carry_out(preview).await)
    }

    /// Does what a preview says, and configures the nodes as [`converge`](Self::converge) does.
    /// What fails is in the report.
    pub async fn carry_out(&self, preview: Preview) -> Report {
        let Preview { changes, phases } = preview;
        if self.options.mode == Mode::Check {
            return self.show(changes, &phases).await;
        }
        let mut report = Report::default();
        self.destroy_surplus(&changes, &mut report).await;
        let members = self.provide(changes, &mut report).await;
        finish(self.work(members, &phases).await, &mut report).await;
        report.nodes.sort_by(|one, two| one.node.cmp(&two.node));
        report
    }

    /// Check mode: names what would be done to nodes, and looks at those that run.
    async fn show(&self, changes: Vec<GroupChange>, phases: &[String]) -> Report {
        let mut report = Report::default();
        let mut members = Vec::new();
        for GroupChange { group, service, delta, .. } in changes {
            report.created.extend(delta.create);
            report.started.extend(delta.start.into_iter().map(|node| node.name));
            report.destroyed.extend(delta.destroy.into_iter().map(|node| node.name));
            let keep = delta.keep.into_iter();
            members.extend(keep.map(|node| Member::new(node, group.clone(), service.clone())));
        }
        let members = self.ready(members).await;
        finish(self.work(members, phases).await, &mut report).await;
        report.nodes.sort_by(|one, two| one.node.cmp(&two.node));
        report
    }

    /// Destroys the nodes that are too many. Their `destroy-server` phase, and the
    /// `destroy-group` phase where the last node goes, run before; a node that they fail on is
    /// destroyed all the same, since a broken node must not be there for ever.
    async fn destroy_surplus(&self, changes: &[GroupChange], report: &mut Report) {
        let mut members = Vec::new();
        for change in changes {
            let has = |phase: &str| change.group.server.phases.contains_key(phase);
            let says_goodbye = has("destroy-server") || (has("destroy-group") && change.is_going);
            if says_goodbye {
                let running = change.delta.destroy.iter().filter(|n| n.state == NodeState::Running);
                members.extend(running.map(|node| {
                    Member::new(node.clone(), change.group.clone(), change.service.clone())
                }));
            }
        }
        if !members.is_empty() {
            let members = self.connect_first(self.ready(members).await).await;
            let members = self.phase(members, "destroy-server").await;
            let (last, others): (Vec<_>, Vec<_>) = members.into_iter().partition(|member| {
                changes
                    .iter()
                    .any(|change| change.is_going && change.group.name == member.group.name)
            });
            let last = self.phase(last, "destroy-group").await;
            finish(others, report).await;
            finish(last, report).await;
        }

        let going = changes.iter().flat_map(|change| {
            change.delta.destroy.iter().map(|node| (change.service.clone(), node.clone()))
        });
        self.destroy_nodes(going.collect(), report).await;
    }

    async fn destroy_nodes(
        &self,
        nodes: Vec<(Arc<dyn ComputeService>, Node)>,
        report: &mut Report,
    ) {
        let results = self
            .each(nodes, |(service, node), fleet| async move {
                fleet.events.send(Event::Destroying { node: node.name.clone() });
                let result = service.destroy(&node).await;
                if result.is_ok() {
                    fleet.events.send(Event::Destroyed { node: node.name.clone() });
                }
                (node.name, result)
            })
            .await;
        for (node, result) in results {
            match result {
                Ok(()) => report.destroyed.push(node),
                Err(error) => self.fail(report, "destroy", &node, error),
            }
        }
    }

    /// Starts and creates what is missing; returns every node that can be worked on.
    async fn provide(&self, changes: Vec<GroupChange>, report: &mut Report) -> Vec<Member> {
        let mut waiting = Vec::new();
        let mut requests: BTreeMap<String, Requests> = BTreeMap::new();
        let new_groups: BTreeSet<_> = changes
            .iter()
            .filter(|change| change.is_new)
            .map(|change| change.group.name.clone())
            .collect();
        for GroupChange { group, service, delta, .. } in changes {
            for node in delta.start {
                self.events.send(Event::Starting { node: node.name.clone() });
                match service.start(&node).await {
                    Ok(()) => {
                        report.started.push(node.name.clone());
                        waiting.push(Member::new(node, group.clone(), service.clone()));
                    }
                    Err(error) => self.fail(report, "start", &node.name, error),
                }
            }
            let keep = delta.keep.into_iter();
            waiting.extend(keep.map(|node| Member::new(node, group.clone(), service.clone())));
            if !delta.create.is_empty() {
                let batch = requests
                    .entry(service.name().to_owned())
                    .or_insert_with(|| Requests { service, nodes: Vec::new() });
                batch.nodes.extend(delta.create.into_iter().map(|name| (name, group.clone())));
            }
        }

        let created = self
            .each(requests.into_values().collect(), |batch: Requests, fleet| async move {
                for (name, _) in &batch.nodes {
                    fleet.events.send(Event::Creating { node: name.clone() });
                }
                let wanted = batch.nodes.iter().map(|(name, group)| CreateNode {
                    name: name.clone(),
                    group: group.name.to_string(),
                    spec: group.node.clone(),
                });
                let results = batch.service.create(wanted.collect()).await;
                (batch, results)
            })
            .await;
        for (batch, results) in created {
            for ((name, group), result) in batch.nodes.into_iter().zip(results) {
                match result {
                    Ok(node) => {
                        report.created.push(name);
                        waiting.push(Member::new(node, group, batch.service.clone()));
                    }
                    Err(error) => self.fail(report, "create", &name, error),
                }
            }
        }
        let ready = self.ready(waiting).await;
        if !self.options.keep_failed {
            self.undo_unanswered(&ready, report).await;
        }
        self.create_groups(ready, &new_groups).await
    }

    /// Destroys nodes of this run that never answered: a create that fails leaves nothing behind.
    async fn undo_unanswered(&self, members: &[Member], report: &mut Report) {
        let is_new = |member: &&Member| report.created.contains(&member.node.name);
        let useless = members.iter().filter(|member| member.is_failed()).filter(is_new);
        let useless = useless.map(|member| (member.service.clone(), member.node.clone()));
        self.destroy_nodes(useless.collect(), report).await;
    }

    /// The `create-group` phase of groups that had no nodes.
    async fn create_groups(
        &self,
        members: Vec<Member>,
        new_groups: &BTreeSet<crate::spec::GroupName>,
    ) -> Vec<Member> {
        let (new, mut others): (Vec<_>, Vec<_>) = members.into_iter().partition(|member| {
            new_groups.contains(&member.group.name)
                && member.group.server.phases.contains_key("create-group")
        });
        let new = self.connect_first(new).await;
        others.extend(self.phase(new, "create-group").await);
        others
    }

    /// Waits for nodes until they answer; one that does not is reported and left alone.
    pub(super) async fn ready(&self, members: Vec<Member>) -> Vec<Member> {
        self.each(members, |mut member, fleet| async move {
            let started = Instant::now();
            fleet.events.send(Event::Waiting { node: member.node.name.clone() });
            match member.service.ready(&member.node, fleet.options.ready).await {
                Ok(node) => Member::new(node, member.group, member.service),
                Err(error) => {
                    let failure = Failure::new("connect", error.message).help(error.help);
                    member.fail(failure, started.elapsed(), &fleet.events);
                    member
                }
            }
        })
        .await
    }

    fn fail(&self, report: &mut Report, phase: &str, node: &str, error: ComputeError) {
        let failure = Failure::new(phase, error.message).help(error.help).node(node);
        self.events.send(Event::Failed { failure: failure.clone() });
        report.failures.push(failure);
    }
}

/// Nodes to create at one service.
struct Requests {
    service: Arc<dyn ComputeService>,
    nodes: Vec<(String, Arc<GroupSpec>)>,
}
