//! The nodes of a run: those that take part, and those that are only seen.

use super::Fleet;
use super::member::{Member, Membership, target};
use crate::plan::Target;

/// The nodes of a run.
#[derive(Default)]
pub(super) struct Crew {
    pub members: Vec<Member>,
    /// Nodes that plan functions and templates see, and that nothing is done to.
    pub others: Vec<Target>,
}

impl Crew {
    pub fn new(members: Vec<Member>, others: Vec<Target>) -> Self {
        let mut crew = Self { members, others };
        crew.sort();
        crew
    }

    /// All nodes as plan functions and templates see them, in the order of their names.
    pub fn targets(&self) -> Vec<Target> {
        let members = self.members.iter().map(|member| &member.target);
        let mut targets: Vec<Target> = members.chain(&self.others).cloned().collect();
        targets.sort_by(|one, two| one.name.cmp(&two.name));
        targets
    }

    /// Members in the order of their names: what is told of them is then always in that order.
    pub fn sort(&mut self) {
        self.members.sort_by(|one, two| one.node.name.cmp(&two.node.name));
    }
}

impl Fleet {
    /// The nodes of groups that the run does not work on. What cannot be found out about them is
    /// no reason not to work on the others.
    pub(super) async fn others(&self) -> Vec<Target> {
        let mut others = Vec::new();
        for group in &self.considered {
            let Ok(service) = self.service_of(group) else { continue };
            let nodes = match service.nodes().await {
                Ok(nodes) => nodes,
                Err(error) => {
                    tracing::warn!(%error, group = %group.name, "its nodes are not known");
                    continue;
                }
            };
            let facts = service.expected_facts(&group.node).await;
            let role = Membership::of(group);
            for node in nodes.iter().filter(|node| group.has(node)) {
                others.push(target(node, &role).facts(facts.clone()));
            }
        }
        others
    }
}
