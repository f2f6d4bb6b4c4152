//! `lift`: configure nodes that are there.

use std::collections::BTreeSet;

use tracing::Instrument;

use super::crew::Crew;
use super::member::Member;
use super::phases::{Course, finish};
use super::stages::stages;
use super::{Fleet, RunError};
use crate::compute::NodeState;
use crate::report::{Failure, Report};
use crate::spec::{GroupSpec, PhaseCall};

impl Fleet {
    /// Configures the running nodes of `groups`: `settings`, the default phases where they exist,
    /// then the `asked` ones. Counts do not matter. Nodes that do not run are reported as failed.
    ///
    /// # Errors
    /// [`RunError`] when the run cannot begin. What fails on nodes is in the report.
    pub async fn lift(
        &self,
        groups: &[GroupSpec],
        asked: &[PhaseCall],
    ) -> Result<Report, RunError> {
        let span = self.span("lift");
        self.lift_all(groups, asked).instrument(span).await
    }

    async fn lift_all(
        &self,
        groups: &[GroupSpec],
        asked: &[PhaseCall],
    ) -> Result<Report, RunError> {
        let stages = stages(groups, asked)?;
        let as_many_as_there_are = |group: &GroupSpec| GroupSpec { count: None, ..group.clone() };
        let groups: Vec<GroupSpec> = groups.iter().map(as_many_as_there_are).collect();
        let (changes, memberships) = self.changes(&groups).await?;
        let mut members = Vec::new();
        let mut report = Report::begin();
        for change in &changes {
            for node in &change.delta.start {
                report.failures.push(not_running(&node.name, &node.state));
            }
            for node in &change.delta.keep {
                if node.state != NodeState::Running {
                    report.failures.push(not_running(&node.name, &node.state));
                    continue;
                }
                let role = memberships.of(node, change);
                members.push(Member::new(node.clone(), role, change.service.clone()));
            }
        }
        let crew = Crew::new(self.ready(members).await, self.others().await);
        let course = Course { stages: &stages, new_groups: &BTreeSet::new(), shown: None };
        finish(self.work(crew, &course).await, &mut report).await;
        self.end(&mut report);
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
