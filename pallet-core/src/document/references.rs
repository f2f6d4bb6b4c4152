//! References between steps, checked where they count: in phases with everything merged.

use std::collections::{BTreeMap, BTreeSet};

use super::diagnostic::Mistake;
use super::extends::{ServerSpecs, bases};
use super::reader::Reader;
use super::specs::SpecDraft;
use super::steps::StepDraft;
use super::suggest;

/// Checks ids and `when-changed` in the merged phases of all groups, and of all server-specs that
/// nothing builds on. What other server-specs refer to may come from a spec beside them, so they
/// are looked at only as parts of those.
pub(super) fn check<'s>(
    reader: &Reader,
    specs: &'s ServerSpecs,
    groups: impl IntoIterator<Item = &'s SpecDraft>,
    broken: &BTreeSet<&str>,
) {
    let groups: Vec<&SpecDraft> = groups.into_iter().collect();
    let all = specs.values().chain(groups.iter().copied());
    let extended: BTreeSet<&str> =
        all.flat_map(|spec| &spec.extends).map(|base| base.get_ref().as_str()).collect();
    let tops = specs.iter().filter(|(name, _)| !extended.contains(name.as_str()));
    for top in tops.map(|(_, spec)| spec).chain(groups) {
        check_merged(reader, top, specs, broken);
    }
}

fn check_merged(reader: &Reader, top: &SpecDraft, specs: &ServerSpecs, broken: &BTreeSet<&str>) {
    let mut parts = bases(top, specs);
    parts.push(top);
    let is_broken = |spec: &SpecDraft| {
        spec.extends.iter().any(|base| {
            !specs.contains_key(base.get_ref()) || broken.contains(base.get_ref().as_str())
        })
    };
    // Ids that a missing spec would have had would be reported as missing as well.
    if parts.iter().any(|spec| is_broken(spec)) {
        return;
    }
    let mut phases: BTreeMap<&str, Vec<&StepDraft>> = BTreeMap::new();
    for (phase, steps) in parts.iter().flat_map(|spec| &spec.phases) {
        phases.entry(phase).or_default().extend(steps);
    }
    let merged = Merged { top, phases };
    for (phase, steps) in &merged.phases {
        merged.check_phase(reader, phase, steps);
    }
}

/// A spec with all steps of what it builds on.
struct Merged<'s> {
    top: &'s SpecDraft,
    phases: BTreeMap<&'s str, Vec<&'s StepDraft>>,
}

impl Merged<'_> {
    fn check_phase(&self, reader: &Reader, phase: &str, steps: &[&StepDraft]) {
        let mut earlier: BTreeMap<&str, &StepDraft> = BTreeMap::new();
        for step in steps {
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
