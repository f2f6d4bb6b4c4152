//! Making nodes be there: starting what is stopped, creating what is missing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Fleet;
use super::converge::member;
use super::crew::Crew;
use super::member::{Member, Membership};
use super::preview::Preview;
use crate::compute::{ComputeError, ComputeService, CreateNode, Node};
use crate::event::Event;
use crate::report::Report;
use crate::spec::GroupSpec;

impl Fleet {
    /// Starts and creates what is missing; returns every node that can be worked on. Once the run
    /// is stopped nothing more is started or created.
    pub(super) async fn provide(&self, preview: &Preview, report: &mut Report) -> Crew {
        let mut members = self.start(preview, report).await;
        let before = members.len();
        members.extend(self.create(preview, report).await);
        let created: BTreeSet<String> =
            members.iter().skip(before).map(|member| member.node.name.clone()).collect();
        for change in &preview.changes {
            let keep = change.delta.keep.iter();
            members.extend(keep.map(|node| member(preview, change, node.clone())));
        }
        let members = self.ready(members).await;
        if !self.options.keep_failed {
            self.undo_unanswered(&members, &created, report).await;
        }
        Crew::new(members, preview.others.clone())
    }

    async fn start(&self, preview: &Preview, report: &mut Report) -> Vec<Member> {
        let mut to_start = Vec::new();
        for change in &preview.changes {
            let start = change.delta.start.iter();
            to_start.extend(start.map(|node| member(preview, change, node.clone())));
        }
        let results = self
            .each(to_start, |member, fleet| async move {
                if fleet.control.stopped().is_some() {
                    return None;
                }
                fleet.events.send(Event::Starting { node: member.node.name.clone() });
                let started = member.service.start(&member.node).await;
                Some((member, started))
            })
            .await;
        let mut members = Vec::new();
        for (member, started) in results.into_iter().flatten() {
            match started {
                Ok(()) => {
                    report.started.push(member.node.name.clone());
                    members.push(member);
                }
                Err(error) => self.fail(report, "start", &member.node.name, error),
            }
        }
        members
    }

    async fn create(&self, preview: &Preview, report: &mut Report) -> Vec<Member> {
        let mut batches: BTreeMap<String, Batch> = BTreeMap::new();
        for change in &preview.changes {
            let names = change.delta.create.iter();
            let wanted: Vec<_> = names.map(|name| (name.clone(), change.group.clone())).collect();
            if !wanted.is_empty() {
                let service = change.service.clone();
                let batch = batches
                    .entry(service.name().to_owned())
                    .or_insert_with(|| Batch { service, nodes: Vec::new() });
                batch.nodes.extend(wanted);
            }
        }
        let created = self
            .each(batches.into_values().collect(), |batch: Batch, fleet| async move {
                if fleet.control.stopped().is_some() {
                    return None;
                }
                for (name, _) in &batch.nodes {
                    fleet.events.send(Event::Creating { node: name.clone() });
                }
                let wanted = batch.nodes.iter().map(|(name, group)| CreateNode {
                    name: name.clone(),
                    group: group.name.to_string(),
                    spec: group.node.clone(),
                });
                let results = batch.service.create(wanted.collect()).await;
                Some((batch, results))
            })
            .await;
        let mut members = Vec::new();
        for (batch, results) in created.into_iter().flatten() {
            let mut results = results.into_iter();
            for (name, group) in batch.nodes {
                let result = results.next().unwrap_or_else(|| {
                    Err(ComputeError::failed("the service has not said what became of it"))
                });
                match result {
                    Ok(node) => {
                        report.created.push(name);
                        let role = Arc::new(Membership::of(&group));
                        members.push(Member::new(node, role, batch.service.clone()));
                    }
                    Err(error) => self.fail(report, "create", &name, error),
                }
            }
        }
        members
    }

    /// Destroys nodes of this run that never answered: a create that fails leaves nothing behind.
    async fn undo_unanswered(
        &self,
        members: &[Member],
        created: &BTreeSet<String>,
        report: &mut Report,
    ) {
        let is_useless =
            |member: &&Member| member.is_failed() && created.contains(&member.node.name);
        let useless: Vec<(Arc<dyn ComputeService>, Node)> = members
            .iter()
            .filter(is_useless)
            .map(|member| (member.service.clone(), member.node.clone()))
            .collect();
        self.destroy_nodes(useless, report).await;
    }
}

/// Nodes to create at one service.
struct Batch {
    service: Arc<dyn ComputeService>,
    nodes: Vec<(String, Arc<GroupSpec>)>,
}
