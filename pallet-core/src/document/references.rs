//! References between steps, checked where they count: in phases with everything merged.

use std::collections::{BTreeMap, BTreeSet};

use toml::Spanned;

use super::diagnostic::Mistake;
use super::extends::{ServerSpecs, parts};
use super::reader::Reader;
use super::specs::SpecDraft;
use super::steps::StepDraft;
use super::suggest;
use crate::run::RESERVED_PHASES;
use crate::spec::{Cycle, DEFAULT_PHASES, Wishes, merge_orders, order};

/// Checks what steps say of each other, and default phases, in all `lines` of specs that are
/// merged with each other, and in all server-specs that nothing builds on. What other server-specs
/// refer to may come from a spec beside them, so they are looked at only as parts of those.
pub(super) fn check(
    reader: &Reader,
    specs: &ServerSpecs,
    lines: &[Vec<&SpecDraft>],
    broken: &BTreeSet<&str>,
) {
    let all = || specs.values().chain(lines.iter().flatten().copied());
    let extended: BTreeSet<&str> =
        all().flat_map(|spec| &spec.extends).map(|base| base.get_ref().as_str()).collect();
    let tops = specs.iter().filter(|(name, _)| !extended.contains(name.as_str()));
    for (_, top) in tops {
        check_merged(reader, &[top], specs, broken);
    }
    for line in lines {
        check_merged(reader, line, specs, broken);
    }
    check_default_phases(reader, all());
}

/// A default phase that no spec has at all is a name that was mistyped.
fn check_default_phases<'s>(reader: &Reader, all: impl Iterator<Item = &'s SpecDraft> + Clone) {
    let mut known: BTreeSet<&str> = DEFAULT_PHASES.into_iter().collect();
    known.extend(all.clone().flat_map(|spec| spec.phases.keys()).map(String::as_str));
    for phase in all.filter_map(|spec| spec.default_phases.as_ref()).flat_map(|(_, list)| list) {
        let name = phase.get_ref().as_str();
        if !known.contains(name) && !RESERVED_PHASES.contains(&name) {
            let message = format!("no spec has a phase `{phase}`");
            let help = suggest::choices(phase.get_ref(), known.iter().copied(), "phases");
            reader.note(Mistake::new(phase.span(), message).label("not known").help(help));
        }
    }
}

fn check_merged(
    reader: &Reader,
    tops: &[&SpecDraft],
    specs: &ServerSpecs,
    broken: &BTreeSet<&str>,
) {
    let Some(top) = tops.last() else { return };
    let parts = parts(tops, specs);
    let is_broken = |spec: &SpecDraft| {
        spec.extends.iter().any(|base| {
            !specs.contains_key(base.get_ref()) || broken.contains(base.get_ref().as_str())
        })
    };
    // Ids that a missing spec would have had would be reported as missing as well.
    if parts.iter().any(|spec| is_broken(spec)) {
        return;
    }
    check_order(reader, &parts);
    let mut phases: BTreeMap<&str, Vec<&StepDraft>> = BTreeMap::new();
    for (phase, steps) in parts.iter().flat_map(|spec| &spec.phases) {
        phases.entry(phase).or_default().extend(steps);
    }
    let merged = Merged { top, phases };
    for (phase, steps) in &merged.phases {
        merged.check_phase(reader, phase, steps);
    }
}

/// Notes the first list of default phases that contradicts those before it.
fn check_order(reader: &Reader, parts: &[&SpecDraft]) {
    let mut lists: Vec<Vec<String>> = Vec::new();
    for part in parts {
        let (Some((span, _)), Some(list)) = (&part.default_phases, part.order()) else { continue };
        let is_repeating = list.iter().collect::<BTreeSet<_>>().len() < list.len();
        if is_repeating {
            return;
        }
        lists.push(list);
        if let Err(cycle) = merge_orders(lists.iter().map(Vec::as_slice)) {
            let names: Vec<String> =
                cycle.iter().chain(cycle.first()).map(|name| format!("`{name}`")).collect();
            let message = format!(
                "the default phases contradict those that they are merged with: {}",
                names.join(" before ")
            );
            let mistake = Mistake::new(span.clone(), message).label("no order agrees with all");
            return reader.note(mistake.help("list them in the same order everywhere"));
        }
    }
}

/// A spec with all steps of what it builds on.
struct Merged<'s> {
    top: &'s SpecDraft,
    phases: BTreeMap<&'s str, Vec<&'s StepDraft>>,
}

impl Merged<'_> {
    fn check_phase(&self, reader: &Reader, phase: &str, steps: &[&StepDraft]) {
        let Some(steps) = self.ordered(reader, phase, steps) else { return };
        let mut earlier: BTreeMap<&str, &StepDraft> = BTreeMap::new();
        for step in &steps {
            for id in &step.when_changed {
                if !earlier.contains_key(id.get_ref().as_str()) {
                    let (label, help) = self.why_missing(phase, step, &earlier, id.get_ref());
                    let message = format!("no earlier step of phase `{phase}` is called `{id}`");
                    let help = format!("{help}{}", self.context(phase, step));
                    reader.note(Mistake::new(id.span(), message).label(label).help(help));
                }
            }
            let Some(id) = &step.id else {
                continue;
            };
            if let Some(first) = earlier.get(id.get_ref().as_str()) {
                let message = format!("two steps of phase `{phase}` are called `{id}`");
                let context = self.context(phase, step);
                reader.note(
                    Mistake::new(id.span(), message)
                        .label("the second one")
                        .help(format!("the first one stands at {}{context}", first.origin)),
                );
            } else {
                earlier.insert(id.get_ref(), step);
            }
        }
    }

    /// The steps in the order in which they run; `None` when there is none, which is noted.
    fn ordered<'d>(
        &self,
        reader: &Reader,
        phase: &str,
        steps: &[&'d StepDraft],
    ) -> Option<Vec<&'d StepDraft>> {
        if steps.iter().all(|step| step.before.is_empty() && step.after.is_empty()) {
            return Some(steps.to_vec());
        }
        let ids: Vec<Option<&str>> =
            steps.iter().map(|step| step.id.as_ref().map(|id| id.get_ref().as_str())).collect();
        let mut wishes = Vec::new();
        for step in steps {
            let positions = |names: &[Spanned<String>]| {
                names.iter().flat_map(|name| self.named(reader, phase, step, &ids, name)).collect()
            };
            wishes.push(Wishes { before: positions(&step.before), after: positions(&step.after) });
        }
        match order(&wishes) {
            Ok(order) => Some(order.into_iter().filter_map(|at| steps.get(at).copied()).collect()),
            Err(Cycle(cycle)) => {
                let cycle: Vec<&StepDraft> =
                    cycle.iter().filter_map(|at| steps.get(*at).copied()).collect();
                self.note_cycle(reader, phase, &cycle);
                None
            }
        }
    }

    /// The positions of the steps called `name`, which is noted where there are none.
    fn named(
        &self,
        reader: &Reader,
        phase: &str,
        step: &StepDraft,
        ids: &[Option<&str>],
        name: &Spanned<String>,
    ) -> Vec<usize> {
        let is_named = |id: &Option<&str>| *id == Some(name.get_ref().as_str());
        let found: Vec<usize> =
            (0..).zip(ids).filter(|(_, id)| is_named(id)).map(|(at, _)| at).collect();
        if found.is_empty() {
            let known = ids.iter().filter_map(|id| *id);
            let nouns = format!("ids in phase `{phase}`");
            let help = suggest::choices(name.get_ref(), known, &nouns);
            let message = format!("no step of phase `{phase}` is called `{name}`");
            let help = format!("{help}{}", self.context(phase, step));
            reader.note(Mistake::new(name.span(), message).label("not known").help(help));
        }
        found
    }

    /// Notes steps of which each comes before the next, and the last before the first.
    fn note_cycle(&self, reader: &Reader, phase: &str, cycle: &[&StepDraft]) {
        let name = |step: &&StepDraft| match &step.id {
            Some(id) => format!("`{id}`"),
            None => format!("the step at {}", step.origin),
        };
        let names: Vec<String> = cycle.iter().chain(cycle.first()).map(name).collect();
        let message =
            format!("steps of phase `{phase}` wait for each other: {}", names.join(" before "));
        let calls = |names: &[Spanned<String>], step: &StepDraft| {
            let is_it = |name: &&Spanned<String>| {
                step.id.as_ref().is_some_and(|id| id.get_ref() == name.get_ref())
            };
            names.iter().find(is_it).map(Spanned::span)
        };
        // The last place in the file closes the circle.
        let pairs = cycle.iter().zip(cycle.iter().skip(1).chain(cycle.first()));
        let place = pairs
            .filter_map(|(first, next)| {
                let place = calls(&first.before, next).or_else(|| calls(&next.after, first))?;
                Some((place, *first))
            })
            .max_by_key(|(place, _)| place.start);
        if let Some((place, step)) = place {
            let help = "take one of their `before` and `after` away";
            let help = format!("{help}{}", self.context(phase, step));
            reader.note(Mistake::new(place, message).label("closes the circle").help(help));
        }
    }

    /// A label and help for a reference to a step that is not there, or not yet.
    fn why_missing(
        &self,
        phase: &str,
        step: &StepDraft,
        earlier: &BTreeMap<&str, &StepDraft>,
        id: &str,
    ) -> (&'static str, String) {
        let is_named =
            |step: &StepDraft| step.id.as_ref().is_some_and(|known| known.get_ref() == id);
        if is_named(step) {
            return ("the step itself", "a step can only wait for earlier ones".to_owned());
        }
        let in_phase = |phase| self.phases.get(phase).into_iter().flatten();
        if let Some(later) = in_phase(phase).find(|step| is_named(step)) {
            let origin = &later.origin;
            let help = format!("it stands at {origin}; a step can only wait for earlier ones");
            return ("not yet run", help);
        }
        let other = self.phases.keys().find(|other| in_phase(other).any(|step| is_named(step)));
        if let Some(other) = other {
            let help = format!(
                "it is in phase `{other}`; a step can only wait for steps of its own phase"
            );
            return ("not in this phase", help);
        }
        let nouns = format!("ids before it in phase `{phase}`");
        ("not known", suggest::choices(id, earlier.keys().copied(), &nouns))
    }

    /// Which spec brings the steps together, where it is not the one in which `step` stands.
    fn context(&self, phase: &str, step: &StepDraft) -> String {
        let mut own = self.top.phases.get(phase).into_iter().flatten();
        if own.any(|own| std::ptr::eq(own, step)) {
            return String::new();
        }
        format!(" (in what `{}` extends)", self.top.name)
    }
}
