//! What a plan shows of nodes, and so allows to be changed on them.

use std::collections::{BTreeMap, BTreeSet};

use crate::plan::{KNOWN_AFTER_CREATE, PlannedAction};
use crate::report::{ActionReport, Report, Status};
use crate::secret::redact;

/// Which actions a plan shows as changing something.
#[derive(Debug, Clone, Default)]
pub(super) struct Shown {
    /// By node, phase and position.
    actions: BTreeMap<(String, String), Vec<ShownAction>>,
    /// Nodes that the plan could not look at yet: all that is described was shown as what may
    /// happen there.
    unseen: BTreeSet<String>,
}

#[derive(Debug, Clone)]
struct ShownAction {
    action: String,
    subject: String,
    changes: bool,
}

impl Shown {
    pub fn of(report: &Report) -> Self {
        let shown = |action: &ActionReport| ShownAction {
            action: action.action.clone(),
            subject: action.subject.clone(),
            changes: matches!(action.status, Status::WillChange | Status::MayChange { .. }),
        };
        let mut actions = BTreeMap::new();
        for node in &report.nodes {
            for phase in &node.phases {
                let key = (node.node.clone(), phase.phase.clone());
                actions.insert(key, phase.actions.iter().map(shown).collect());
            }
        }
        let unseen = report.created.iter().chain(&report.started).cloned().collect();
        Self { actions, unseen }
    }

    /// Forbids actions to change anything unless the plan shows that they would or may.
    pub fn restrict(&self, node: &str, phase: &str, actions: &mut [PlannedAction]) {
        if self.unseen.contains(node) {
            return;
        }
        let shown = self.actions.get(&(node.to_owned(), phase.to_owned()));
        for (position, planned) in actions.iter_mut().enumerate() {
            // What an earlier phase has read can lead to other actions than the plan has.
            let shown = shown.and_then(|shown| shown.get(position));
            planned.may_change = shown.is_some_and(|shown| shown.allows(planned));
        }
    }
}

impl ShownAction {
    fn allows(&self, planned: &PlannedAction) -> bool {
        let is_same = || self.subject == redact(&planned.action.subject());
        let is_open = || self.subject.contains(KNOWN_AFTER_CREATE);
        self.changes && self.action == planned.action.name() && (is_same() || is_open())
    }
}
