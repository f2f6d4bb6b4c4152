//! Taking leave of nodes.

use std::sync::Arc;

use super::Fleet;
use super::converge::member;
use super::crew::Crew;
use super::member::{Member, target};
use super::phases::finish;
use super::preview::{GroupChange, Preview};
use super::stages::Stage;
use crate::compute::{ComputeService, Node, NodeState};
use crate::event::Event;
use crate::report::Report;

impl Fleet {
    /// Runs the last phases of the nodes that are too many: `destroy-server`, and `destroy-group`
    /// where the last node goes. In check mode it is only said what they would do.
    pub(super) async fn take_leave(&self, preview: &Preview, report: &mut Report) {
        let mut leaving = Vec::new();
        let mut others = preview.others.clone();
        for change in &preview.changes {
            let has = |phase: &str| change.group.server.phases.contains_key(phase);
            let says_goodbye = has("destroy-server") || (has("destroy-group") && change.is_going);
            let running =
                change.delta.destroy.iter().filter(|node| node.state == NodeState::Running);
            let takes_leave = running.filter(|_| says_goodbye);
            leaving.extend(takes_leave.map(|node| member(preview, change, node.clone())));
            for node in &change.delta.keep {
                others.push(target(node, &preview.memberships.of(node, change)));
            }
        }
        if leaving.is_empty() {
            return;
        }
        let shown = preview.shown.as_ref();
        let crew = Crew::new(self.ready(leaving).await, others);
        let mut crew = self.connect_first(crew).await;
        self.settle_settings(&mut crew);
        let all = |_: &Member| true;
        let crew = self.phase(crew, &Stage::everywhere("destroy-server"), all, shown).await;
        let is_going = |change: &&GroupChange| change.is_going;
        let going: Vec<_> =
            preview.changes.iter().filter(is_going).map(|it| &it.group.name).collect();
        let is_last = |member: &Member| going.contains(&&member.role.group.name);
        let crew = self.phase(crew, &Stage::everywhere("destroy-group"), is_last, shown).await;
        finish(crew, report).await;
    }

    /// Destroys the nodes that are too many, after their last phases. A node that those fail on is
    /// destroyed all the same, since a broken node must not be there for ever.
    pub(super) async fn destroy_surplus(&self, preview: &Preview, report: &mut Report) {
        self.take_leave(preview, report).await;
        let nodes = |change: &GroupChange| {
            let service = change.service.clone();
            let nodes = change.delta.destroy.clone();
            nodes.into_iter().map(move |node| (service.clone(), node)).collect::<Vec<_>>()
        };
        if self.control.stopped().is_none() {
            self.destroy_nodes(preview.changes.iter().flat_map(nodes).collect(), report).await;
        }
    }

    pub(super) async fn destroy_nodes(
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
}
