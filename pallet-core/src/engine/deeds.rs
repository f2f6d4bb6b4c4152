//! What an earlier part of the same run has done on a node.

use std::collections::HashMap;

use crate::action::{ActionError, digest};
use crate::plan::PlannedAction;

/// What a run that broke off has done on a node, by the actions' ids, as the node's log tells it.
#[derive(Debug, Default)]
pub(crate) struct Deeds(HashMap<String, Deed>);

/// What is known of one action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Deed {
    pub state: DeedState,
    /// Its place in the order of what happened.
    pub at: usize,
}

/// How far an action came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DeedState {
    /// It was begun, and nobody knows how it ended.
    Begun,
    /// It was carried out.
    Done,
    /// It failed.
    Failed,
}

impl Deeds {
    /// Reads the lines of a run in a node's log. `boot` tells the node's present start from
    /// earlier ones.
    pub fn parse(log: &str, boot: &str) -> Self {
        let mut deeds = HashMap::new();
        let mut boot_then = "";
        let mut restarts = Vec::new();
        for (at, line) in log.lines().enumerate() {
            let mut words = line.split(' ');
            match words.next() {
                Some("run") => boot_then = words.nth(2).unwrap_or_default(),
                Some("restart") => restarts.extend(words.map(|id| (id, boot_then, at))),
                Some("unsent") => words.for_each(|id| {
                    deeds.remove(id);
                }),
                Some(word) => {
                    let state = match word {
                        "begun" | "sent" => DeedState::Begun,
                        "done" => DeedState::Done,
                        "failed" => DeedState::Failed,
                        _ => continue,
                    };
                    deeds.extend(words.map(|id| (id.to_owned(), Deed { state, at })));
                }
                None => {}
            }
        }
        // A node that has started anew since has carried out its restart.
        for (id, before, at) in restarts {
            if before != boot && before != "-" && !deeds.contains_key(id) {
                deeds.insert(id.to_owned(), Deed { state: DeedState::Done, at });
            }
        }
        Self(deeds)
    }

    /// What is known of the action called `id`.
    pub fn get(&self, id: &str) -> Option<Deed> {
        self.0.get(id).copied()
    }

    /// Takes in how an action ended, of which the node knows only that it was begun.
    pub fn ended(&mut self, id: &str, state: DeedState) {
        if let Some(deed) = self.0.get_mut(id).filter(|deed| deed.state == DeedState::Begun) {
            deed.state = state;
        }
    }

    /// The actions that were begun.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

/// What is to become of an action that a resumed run comes to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Whatever would become of it in a run of its own.
    Anew,
    /// It is to be carried out, since what it waits for has changed in the broken run.
    Owed,
    /// It was done in the broken run.
    Done,
}

/// Decides what becomes of an action of a resumed run. `is_triggered` says whether something that
/// it waits for has changed in this part of the run.
///
/// # Errors
/// [`ActionError`] where nobody knows whether the action was finished, and it may not be repeated.
pub(super) fn verdict(
    deeds: &[Option<Deed>],
    position: usize,
    planned: &PlannedAction,
    is_triggered: bool,
    again: bool,
) -> Result<Verdict, ActionError> {
    let of = |position: usize| deeds.get(position).copied().flatten();
    let own = of(position);
    let is_begun = own.is_some_and(|deed| deed.state == DeedState::Begun);
    let is_done = own.is_some_and(|deed| deed.state == DeedState::Done);
    let trigger = match &planned.when_changed {
        Some(positions) => positions.iter().filter_map(|at| of(*at)).map(|deed| deed.at).max(),
        None => None,
    };
    let verdict = match (&planned.when_changed, trigger) {
        _ if is_triggered => Verdict::Anew,
        (Some(_), None) => return Ok(Verdict::Anew),
        (Some(_), Some(trigger)) => match own {
            Some(own) if is_done && own.at > trigger => return Ok(Verdict::Done),
            _ => Verdict::Owed,
        },
        (None, _) if is_done && !planned.action.is_repeatable() => return Ok(Verdict::Done),
        (None, _) => Verdict::Anew,
    };
    if is_begun && !planned.action.is_repeatable() && !again {
        return Err(ActionError::new(
            "it was begun in the run that is resumed, and whether it came to its end is not known",
        )
        .help(
            "look at the node; `pallet resume --again` carries it out again, a new run starts from the beginning",
        ));
    }
    Ok(verdict)
}

/// Names the actions of a phase, so that another process that compiles the same phase gives them
/// the same names. Equal actions are told apart by their order.
pub(super) fn ids(phase: &str, actions: &[PlannedAction]) -> Vec<String> {
    let mut seen: HashMap<String, usize> = HashMap::new();
    let name = |planned: &PlannedAction| {
        let parameters = planned.action.parameters().unwrap_or_default().to_string();
        let user = planned.as_user.as_deref().unwrap_or_default();
        let parts = [phase, planned.action.name(), &parameters, user];
        let base = digest(parts.iter().map(|part| part.as_bytes()));
        let count = seen.entry(base.clone()).or_default();
        *count += 1;
        if *count == 1 { base } else { format!("{base}.{count}") }
    };
    actions.iter().map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_tells_how_far_each_action_came() {
        let log = "run R 12 boot-1 ann@desk\nbegun a\ndone a\nbegun b\nfailed b\nbegun c\n\
                   sent d e f\ndone d\nunsent f\nrun R 13 boot-1 ann@desk\nbegun a\n";
        let deeds = Deeds::parse(log, "boot-1");
        let state = |id| deeds.get(id).map(|deed| deed.state);
        assert_eq!(state("a"), Some(DeedState::Begun));
        assert_eq!(state("b"), Some(DeedState::Failed));
        assert_eq!(state("c"), Some(DeedState::Begun));
        assert_eq!(state("d"), Some(DeedState::Done));
        assert_eq!(state("e"), Some(DeedState::Begun));
        assert_eq!((state("f"), state("g")), (None, None));
    }

    #[test]
    fn a_restart_is_done_when_the_node_has_started_anew() {
        let log = "run R 12 boot-1 ann@desk\nrestart r\n";
        assert_eq!(Deeds::parse(log, "boot-1").get("r"), None);
        let done = Deeds::parse(log, "boot-2").get("r").unwrap();
        assert_eq!(done.state, DeedState::Done);
    }

    #[test]
    fn what_the_node_cannot_know_is_added() {
        let mut deeds = Deeds::parse("sent a\nbegun b\ndone b\n", "");
        deeds.ended("a", DeedState::Failed);
        deeds.ended("b", DeedState::Failed);
        deeds.ended("c", DeedState::Done);
        let state = |id| deeds.get(id).map(|deed| deed.state);
        assert_eq!(state("a"), Some(DeedState::Failed));
        assert_eq!((state("b"), state("c")), (Some(DeedState::Done), None));
    }
}
