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
        let (started, created) = tokio::join!(self.start(preview), self.create(preview));
        let mut members = Vec::new();
        for (name, started) in started {
            match started {
                Ok(member) => {
                    report.started.push(name);
                    members.push(member);
                }
                Err(error) => self.fail(report, "start", &name, error),
            }
        }
        for (name, created) in created {
            match created {
                Ok(member) => {
                    report.created.push(name);
                    members.push(member);
                }
                Err(error) => self.fail(report, "create", &name, error),
            }
        }
        for change in &preview.changes {
            let keep = change.delta.keep.iter();
            members.extend(keep.map(|node| member(preview, change, node.clone())));
        }
        let members = self.ready(members).await;
        // After an interruption the next run goes on with nodes that were not waited for.
        if !self.options.keep_failed && self.control.stopped().is_none() {
            let created: BTreeSet<String> = report.created.iter().cloned().collect();
            self.undo_unanswered(&members, &created, report).await;
        }
        Crew::new(members, preview.others.clone())
    }

    async fn start(&self, preview: &Preview) -> Vec<(String, Result<Member, ComputeError>)> {
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
                let name = member.node.name.clone();
                fleet.events.send(Event::Starting { node: name.clone() });
                let started = member.service.start(&member.node).await;
                Some((name, started.map(|()| member)))
            })
            .await;
        results.into_iter().flatten().collect()
    }

    async fn create(&self, preview: &Preview) -> Vec<(String, Result<Member, ComputeError>)> {
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
                    return Vec::new();
                }
                for (name, _) in &batch.nodes {
                    fleet.events.send(Event::Creating { node: name.clone() });
                }
                let wanted = batch.nodes.iter().map(|(name, group)| CreateNode {
                    name: name.clone(),
                    group: group.name.to_string(),
                    spec: group.node.clone(),
                });
                let mut results = batch.service.create(wanted.collect()).await.into_iter();
                let mut members = Vec::new();
                for (name, group) in batch.nodes {
                    let created = results.next().unwrap_or_else(|| {
                        Err(ComputeError::failed("the service has not said what became of it"))
                    });
                    let role = Arc::new(Membership::of(&group));
                    let service = batch.service.clone();
                    members.push((name, created.map(|node| Member::new(node, role, service))));
                }
                members
            })
            .await;
        created.into_iter().flatten().collect()
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
