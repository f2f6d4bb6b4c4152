//! `lift`: configure nodes that are there.

use std::sync::Arc;

use super::member::Member;
use super::phases::finish;
use super::{Fleet, RunError, list};
use crate::compute::NodeState;
use crate::report::{Failure, Report};
use crate::spec::GroupSpec;

impl Fleet {
    /// Configures the running nodes of `groups`: `settings`, the default phases where they exist,
    /// then the `asked` ones. Counts do not matter. Nodes that do not run are reported as failed.
    ///
    /// # Errors
    /// [`RunError`] when the run cannot begin. What fails on nodes is in the report.
    pub async fn lift(&self, groups: &[GroupSpec], asked: &[String]) -> Result<Report, RunError> {
        let phases = self.phases(groups, asked)?;
        let mut members = Vec::new();
        let mut report = Report::default();
        for group in groups {
            let service = self.service_of(group)?;
            let shared = Arc::new(group.clone());
            for node in list(service.as_ref()).await? {
                if node.group != group.name.as_str() {
                    continue;
                }
                match &node.state {
                    NodeState::Running => {
                        members.push(Member::new(node, shared.clone(), service.clone()));
                    }
                    state => report.failures.push(not_running(&node.name, state)),
                }
            }
        }
        let members = self.ready(members).await;
        finish(self.work(members, &phases).await, &mut report).await;
        report.nodes.sort_by(|one, two| one.node.cmp(&two.node));
        Ok(report)
    }
}

fn not_running(node: &str, state: &NodeState) -> Failure {
    let what = match state {
        NodeState::Stopped => "is stopped".to_owned(),
        NodeState::Running => "runs".to_owned(),
        NodeState::Other(word) => format!("is {word}"),
    };
    Failure::new("connect", format!("the node {what}"))
        .node(node)
        .help(Some("`converge` starts stopped nodes".to_owned()))
}
