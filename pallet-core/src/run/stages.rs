//! Which phases a run carries out, in which order, and on which groups.

use std::collections::BTreeSet;

use super::{RESERVED_PHASES, RunError};
use crate::spec::{GroupName, GroupSpec, PhaseCall, merge_orders};

/// A phase of a run.
#[derive(Debug, Clone)]
pub(super) struct Stage {
    /// The phase with its arguments.
    pub call: PhaseCall,
    /// What it is called in this run, and nothing else is: a phase that is asked for twice is
    /// `deploy` first, and then `deploy (2)`.
    pub label: String,
    /// The groups that it runs on without being asked for. `None`: it was asked for, and runs
    /// wherever it exists.
    groups: Option<BTreeSet<GroupName>>,
}

impl Stage {
    /// A phase that runs wherever it exists.
    pub fn everywhere(name: &str) -> Self {
        Self { call: PhaseCall::new(name), label: name.to_owned(), groups: None }
    }

    /// Whether it runs on a group's nodes, if they have it.
    pub fn is_for(&self, group: &GroupName) -> bool {
        self.groups.as_ref().is_none_or(|groups| groups.contains(group))
    }
}

/// The phases of a run, in order: the default ones, then those asked for.
///
/// # Errors
/// [`RunError::Phase`] and [`RunError::PhaseOrder`].
pub(super) fn stages(groups: &[GroupSpec], asked: &[PhaseCall]) -> Result<Vec<Stage>, RunError> {
    let mut known: Vec<String> =
        groups.iter().flat_map(|group| group.server.phases.keys().cloned()).collect();
    known.retain(|phase| !RESERVED_PHASES.contains(&phase.as_str()));
    known.sort();
    known.dedup();
    for call in asked {
        let reason = if RESERVED_PHASES.contains(&call.name.as_str()) {
            "has a place of its own in a run and cannot be asked for"
        } else if !known.contains(&call.name) {
            "does not exist in these groups"
        } else {
            continue;
        };
        let (phase, reason) = (call.name.clone(), reason.to_owned());
        return Err(RunError::Phase { phase, reason, known });
    }

    let contradiction = |cycle: Vec<String>| {
        let first = cycle.first().cloned();
        RunError::PhaseOrder { cycle: cycle.into_iter().chain(first).collect() }
    };
    let orders: Result<Vec<Vec<String>>, _> =
        groups.iter().map(|group| group.server.default_order()).collect();
    let orders = orders.map_err(contradiction)?;
    let distinct: BTreeSet<&Vec<String>> = orders.iter().collect();
    let defaults = merge_orders(distinct.into_iter().map(Vec::as_slice)).map_err(contradiction)?;
    let is_asked = |name: &String| asked.iter().any(|call| call.name == *name);
    let default_stage = |name: String| {
        let with_it = groups.iter().zip(&orders).filter(|(_, order)| order.contains(&name));
        let groups = with_it.map(|(group, _)| group.name.clone()).collect();
        Stage { call: PhaseCall::new(&name), label: name, groups: Some(groups) }
    };
    let mut stages: Vec<Stage> =
        defaults.into_iter().filter(|name| !is_asked(name)).map(default_stage).collect();
    for (position, call) in asked.iter().enumerate() {
        let before = asked.iter().take(position).filter(|other| other.name == call.name).count();
        let label = match before {
            0 => call.name.clone(),
            before => format!("{} ({})", call.name, before + 1),
        };
        stages.push(Stage { call: call.clone(), label, groups: None });
    }
    Ok(stages)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{NodeSpec, Phase, ServerSpec};

    fn group(name: &str, phases: &[&str], default: Option<&str>) -> GroupSpec {
        let server = phases
            .iter()
            .fold(ServerSpec::new(), |server, phase| server.phase(*phase, Phase::new()));
        let server = match default {
            Some(order) => server.default_phases(order.split_whitespace()),
            None => server,
        };
        GroupSpec::new(name.parse().unwrap(), NodeSpec::new(), server)
    }

    fn told(groups: &[GroupSpec], asked: &[&str]) -> Result<String, RunError> {
        let asked: Vec<PhaseCall> = asked.iter().map(|text| text.parse().unwrap()).collect();
        let told = |stage: &Stage| {
            let on: Vec<&str> = groups
                .iter()
                .filter(|group| stage.is_for(&group.name))
                .map(|group| group.name.as_str())
                .collect();
            let label = if stage.label == stage.call.name { "" } else { &stage.label };
            format!("{label}{} on {}", stage.call, on.join("+"))
        };
        Ok(stages(groups, &asked)?.iter().map(told).collect::<Vec<_>>().join(", "))
    }

    #[test]
    fn default_phases_come_first_and_each_where_it_is_one() {
        let web = group("web", &["install", "configure", "deploy"], None);
        let db = group("db", &["configure", "dump"], Some("configure dump"));
        let told = |asked: &[&str]| told(&[web.clone(), db.clone()], asked).unwrap();
        assert_eq!(told(&[]), "install on web, configure on web+db, dump on db");
        assert_eq!(
            told(&["deploy:v=1", "configure"]),
            "install on web, dump on db, deploy:v=1 on web+db, configure on web+db"
        );
        assert_eq!(
            told(&["dump:a=1", "deploy", "dump"]),
            "install on web, configure on web+db, dump:a=1 on web+db, deploy on web+db, \
             dump (2)dump on web+db"
        );
    }

    #[test]
    fn what_cannot_be_asked_for() {
        let web = [group("web", &["deploy"], None)];
        let error = told(&web, &["dploy"]).unwrap_err();
        assert!(error.to_string().contains("does not exist"), "{error}");
        assert!(error.help().unwrap().contains("deploy"));
        assert!(told(&web, &["bootstrap"]).is_err());
        let other = group("db", &[], Some("configure install"));
        let error = told(&[group("web", &[], None), other], &[]).unwrap_err();
        assert!(matches!(error, RunError::PhaseOrder { .. }) && error.is_input(), "{error}");
    }
}
