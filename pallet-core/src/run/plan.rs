//! Plans: what a converge would do, looked at now and carried out later.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use super::preview::{GroupChange, Preview};
use super::shown::Shown;
use super::{Fleet, RunError};
use crate::action::Mode;
use crate::compute::Node;
use crate::event::Events;
use crate::report::{ActionReport, NodeReport, PhaseReport, Report, Status};
use crate::spec::{GroupName, GroupSpec, PhaseCall};

/// The version of the form in which plans are kept.
pub const PLAN_FORMAT: u32 = 1;

/// What a converge would do: a value that can be kept, shown, and carried out later exactly as it
/// was shown. It holds decisions, and digests of what they are grounded on; no contents but the
/// differences that it shows, and no secrets.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct RunPlan {
    /// [`PLAN_FORMAT`].
    pub format: u32,
    /// The groups with their counts in this run, and what would become of their nodes.
    pub groups: Vec<PlannedGroup>,
    /// The phases that were asked for.
    pub asked: Vec<PhaseCall>,
    /// What would be done on the nodes.
    pub report: Report,
}

/// What would become of a group's nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct PlannedGroup {
    /// The group.
    pub group: GroupName,
    /// The service.
    pub service: String,
    /// Its count in this run.
    pub count: Option<u32>,
    /// Names of nodes that would be created.
    pub create: Vec<String>,
    /// Nodes that would be started.
    pub start: Vec<PlannedNode>,
    /// Nodes that would be destroyed.
    pub destroy: Vec<PlannedNode>,
    /// Nodes that stay.
    pub keep: Vec<PlannedNode>,
}

/// A node as a plan knows it.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub struct PlannedNode {
    /// Its name.
    pub name: String,
    /// Its service's own identifier: a node made anew under the same name is another one.
    pub id: String,
}

/// Something that is not as a plan shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct PlanDifference {
    /// The node or the group.
    pub at: String,
    /// What is different.
    pub what: String,
}

impl fmt::Display for PlanDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.what)
    }
}

impl RunPlan {
    /// Whether carrying it out would or may change anything.
    pub fn has_changes(&self) -> bool {
        let groups = self.groups.iter();
        let nodes = groups.map(|it| it.create.len() + it.start.len() + it.destroy.len());
        nodes.sum::<usize>() > 0 || self.report.totals().changed > 0
    }
}

impl Fleet {
    /// Looks at everything, and says what a converge would do. Changes nothing.
    ///
    /// # Errors
    /// [`RunError`] when the run could not begin. What cannot be looked at is a failure in the
    /// plan's report.
    pub async fn plan(
        &self,
        groups: &[GroupSpec],
        asked: &[PhaseCall],
    ) -> Result<RunPlan, RunError> {
        let looking = self.looking();
        let preview = looking.preview(groups, asked).await?;
        Ok(looking.planned(preview, asked).await)
    }

    /// Prepares to carry out a plan: looks at everything again, and compares. The preview that it
    /// gives is for [`carry_out`](Fleet::carry_out), which changes nothing that the plan does not
    /// show as what will or may be changed.
    ///
    /// `groups` are those of the plan, with its counts.
    ///
    /// # Errors
    /// [`RunError::Moved`] when something is not as the plan shows it, nodes or descriptions;
    /// others when the run cannot begin. Nothing was changed.
    pub async fn recheck(&self, plan: &RunPlan, groups: &[GroupSpec]) -> Result<Preview, RunError> {
        // Counted under the locks, so that the counts stay what they are.
        let mut preview = self.preview(groups, &plan.asked).await?;
        let mut looking = self.looking();
        // What would be changed was shown with the plan.
        looking.events = Events::none();
        let looked_at = looking.preview(groups, &plan.asked).await?;
        let now = looking.planned(looked_at, &plan.asked).await;
        let differences = compare(plan, &now);
        if !differences.is_empty() {
            return Err(RunError::Moved { differences });
        }
        preview.shown = Some(Shown::of(&plan.report));
        Ok(preview)
    }

    /// The same fleet, only looking.
    fn looking(&self) -> Fleet {
        let mut looking = self.clone();
        looking.options.mode = Mode::Check;
        // What is looked at is no part of what a run does.
        looking.control.journal = None;
        looking
    }

    async fn planned(&self, preview: Preview, asked: &[PhaseCall]) -> RunPlan {
        let groups = preview.changes.iter().map(planned_group).collect();
        let report = self.carry_out(preview).await;
        RunPlan { format: PLAN_FORMAT, groups, asked: asked.to_vec(), report }
    }
}

fn planned_group(change: &GroupChange) -> PlannedGroup {
    let nodes = |nodes: &[Node]| {
        let node = |node: &Node| PlannedNode { name: node.name.clone(), id: node.id.clone() };
        nodes.iter().map(node).collect()
    };
    PlannedGroup {
        group: change.group.name.clone(),
        service: change.service.name().to_owned(),
        count: change.group.count,
        create: change.delta.create.clone(),
        start: nodes(&change.delta.start),
        destroy: nodes(&change.delta.destroy),
        keep: nodes(&change.delta.keep),
    }
}

/// What is different between a plan and what is found now.
fn compare(plan: &RunPlan, now: &RunPlan) -> Vec<PlanDifference> {
    let mut found = Differences(Vec::new());
    for group in &plan.groups {
        match now.groups.iter().find(|it| it.group == group.group) {
            Some(is) => found.group(group, is),
            None => found.note(&group.group, "the group is not described any more"),
        }
    }
    let of = |report: &'_ Report| -> BTreeMap<String, NodeReport> {
        report.nodes.iter().map(|node| (node.node.clone(), node.clone())).collect()
    };
    let (were, are) = (of(&plan.report), of(&now.report));
    let names: BTreeSet<&String> = were.keys().chain(are.keys()).collect();
    for name in names {
        match (were.get(name), are.get(name)) {
            (Some(was), Some(is)) => found.node(was, is),
            // Told with its group.
            _ => continue,
        }
    }
    found.0
}

struct Differences(Vec<PlanDifference>);

impl Differences {
    fn note(&mut self, at: impl fmt::Display, what: impl Into<String>) {
        self.0.push(PlanDifference { at: at.to_string(), what: what.into() });
    }

    fn group(&mut self, was: &PlannedGroup, is: &PlannedGroup) {
        if was.service != is.service {
            self.note(&was.group, format!("it is of service `{}` now", is.service));
            return;
        }
        let fates = |group: &PlannedGroup| -> BTreeMap<String, (&'static str, Option<String>)> {
            let nodes = |nodes: &[PlannedNode], fate: &'static str| -> Vec<_> {
                let pair = |node: &PlannedNode| (node.name.clone(), (fate, Some(node.id.clone())));
                nodes.iter().map(pair).collect()
            };
            let create = group.create.iter().map(|name| (name.clone(), ("be created", None)));
            create
                .chain(nodes(&group.start, "be started"))
                .chain(nodes(&group.destroy, "be destroyed"))
                .chain(nodes(&group.keep, "stay"))
                .collect()
        };
        let (were, are) = (fates(was), fates(is));
        let names: BTreeSet<&String> = were.keys().chain(are.keys()).collect();
        for name in names {
            match (were.get(name), are.get(name)) {
                (Some(was), Some(is)) if was == is => {}
                (Some((was, was_id)), Some((is, is_id))) => {
                    let what = match was == is && was_id != is_id {
                        true => "it was made anew".to_owned(),
                        false => format!("the plan lets it {was}; now it would {is}"),
                    };
                    self.note(name, what);
                }
                (Some((was, _)), None) => {
                    self.note(name, format!("the plan lets it {was}; now it is not there"));
                }
                (None, Some((is, _))) => {
                    self.note(name, format!("the plan does not know it; now it would {is}"));
                }
                (None, None) => {}
            }
        }
    }

    fn node(&mut self, was: &NodeReport, is: &NodeReport) {
        let phases = |node: &NodeReport| -> Vec<String> {
            node.phases.iter().map(|phase| phase.phase.clone()).collect()
        };
        if phases(was) != phases(is) {
            if let Some(failure) = is.failure().filter(|_| was.failure().is_none()) {
                return self.note(&was.node, format!("{}: {}", failure.phase, failure.message));
            }
            let told = |phases: Vec<String>| match phases.as_slice() {
                [] => "no phase".to_owned(),
                phases => phases.join(", "),
            };
            let (was_told, is_told) = (told(phases(was)), told(phases(is)));
            return self
                .note(&was.node, format!("the plan has {was_told}; now it would be {is_told}"));
        }
        for (was_phase, is_phase) in was.phases.iter().zip(&is.phases) {
            self.phase(&was.node, was_phase, is_phase);
        }
    }

    fn phase(&mut self, node: &str, was: &PhaseReport, is: &PhaseReport) {
        let at = format!("{node}, {}", was.phase);
        let names = |phase: &PhaseReport| -> Vec<(String, String)> {
            let name = |it: &ActionReport| (it.action.clone(), it.subject.clone());
            phase.actions.iter().map(name).collect()
        };
        if names(was) != names(is) {
            return self.note(at, "other actions are described now");
        }
        match (&was.failure, &is.failure) {
            (None, Some(failure)) => return self.note(at, failure.message.clone()),
            (Some(failure), None) => {
                return self
                    .note(at, format!("the plan could not look at it ({})", failure.message));
            }
            _ => {}
        }
        for (was, is) in was.actions.iter().zip(&is.actions) {
            if let Some(what) = action_difference(was, is) {
                self.note(format!("{at}, {} {}", was.action, was.subject), what);
            }
        }
    }
}

/// What is different about an action. The first difference found explains the others.
fn action_difference(was: &ActionReport, is: &ActionReport) -> Option<String> {
    let (described, seen) = match (&was.ground, &is.ground) {
        (Some(was), Some(is)) => (
            was.description == is.description,
            was.seen.iter().find(|seen| !is.seen.contains(seen)),
        ),
        (was, is) => (was.is_some() == is.is_some(), None),
    };
    if !described {
        return Some("its description has changed".to_owned());
    }
    if was.status != is.status || was.details != is.details {
        return Some(format!("the plan shows {}; now it is {}", told(was), told(is)));
    }
    if let Some(seen) = seen {
        return Some(format!("{} ({}) is not what it was", seen.what, seen.probe));
    }
    if was.ground != is.ground || was.diff != is.diff {
        return Some("what would be written is not what the plan shows".to_owned());
    }
    None
}

fn told(action: &ActionReport) -> String {
    let with = |word: &str, why: &str| match why {
        "" => word.to_owned(),
        why => format!("{word} ({why})"),
    };
    match &action.status {
        Status::Unchanged => "unchanged".to_owned(),
        Status::Changed => "changed".to_owned(),
        Status::WillChange => with("a change", &action.details.join("; ")),
        Status::MayChange { reason } => with("a possible change", reason),
        Status::Failed => "a failure".to_owned(),
        Status::Skipped { reason } => with("nothing to do", reason),
    }
}
