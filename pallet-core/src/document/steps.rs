//! Steps of phases.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use toml::Spanned;

use super::diagnostic::Mistake;
use super::reader::{Entry, Node, Reader, Table};
use super::suggest;
use crate::registry::Registry;
use crate::spec::{OnlyOn, Origin, Step, StepKind};

/// The keys of a step beside its action.
const RESERVED: [&str; 7] =
    ["id", "when-changed", "before", "after", "only-on", "as-user", "timeout"];

/// The key of a step that runs a plan function in place of an action.
const PLAN_FN: &str = "plan-fn";

/// A step as far as it could be read.
#[derive(Debug)]
pub(super) struct StepDraft {
    /// What it does; without one, a mistake was noted.
    pub(super) kind: Option<StepKind>,
    /// Its name.
    pub(super) id: Option<Spanned<String>>,
    /// Names of steps that it depends on.
    pub(super) when_changed: Vec<Spanned<String>>,
    /// Names of steps that it comes before.
    pub(super) before: Vec<Spanned<String>>,
    /// Names of steps that it comes after.
    pub(super) after: Vec<Spanned<String>>,
    only_on: Option<OnlyOn>,
    as_user: Option<String>,
    timeout: Option<Duration>,
    /// Where it stands.
    pub(super) origin: Origin,
}

impl StepDraft {
    /// The draft of a step that is ready; `place` is what messages about it point to.
    pub(super) fn of_step(step: &Step, place: Range<usize>) -> Self {
        let named = |id: &String| Spanned::new(place.clone(), id.clone());
        let all = |ids: &[String]| ids.iter().map(named).collect();
        Self {
            kind: Some(step.kind.clone()),
            id: step.id.as_ref().map(named),
            when_changed: all(&step.when_changed),
            before: all(&step.before),
            after: all(&step.after),
            only_on: step.only_on.clone(),
            as_user: step.as_user.clone(),
            timeout: step.timeout,
            origin: step.origin.clone(),
        }
    }

    /// The step, if there was no mistake in what it does.
    pub(super) fn step(&self, spec: &Arc<str>) -> Option<Step> {
        let names = |ids: &[Spanned<String>]| ids.iter().map(|id| id.get_ref().clone()).collect();
        Some(Step {
            kind: self.kind.clone()?,
            id: self.id.as_ref().map(|id| id.get_ref().clone()),
            when_changed: names(&self.when_changed),
            before: names(&self.before),
            after: names(&self.after),
            only_on: self.only_on.clone(),
            as_user: self.as_user.clone(),
            timeout: self.timeout,
            spec: Some(spec.clone()),
            origin: self.origin.clone(),
        })
    }
}

/// Reads one step of the phase called `phase`.
pub(super) fn read_step(
    reader: &Reader,
    registry: &Registry,
    phase: &str,
    value: &Node<'_>,
) -> Option<StepDraft> {
    let Some(mut table) = value.get_ref().as_table().and_then(|_| Table::of(reader, phase, value))
    else {
        let mistake = Mistake::new(value.span(), format!("a step of `{phase}` must be a table"));
        reader.note(mistake.label("no step").help(example(registry)));
        return None;
    };
    let id = table.string("id").inspect(|id| {
        if !is_id(id.get_ref()) {
            let message = format!("`{id}` cannot be a step's id");
            reader.note(
                Mistake::new(id.span(), message)
                    .label("no id")
                    .help("use letters, digits, `-`, `_` and `.`"),
            );
        }
    });
    let when_changed = table.string_or_strings("when-changed");
    let before = table.string_or_strings("before");
    let after = table.string_or_strings("after");
    let only_on = table.entry("only-on").and_then(|entry| reader.typed(&entry.name, entry.value));
    let as_user = table.string("as-user").map(|user| {
        if !is_user(user.get_ref()) {
            let mistake = Mistake::new(user.span(), format!("`{user}` cannot be a user's name"));
            reader.note(mistake.label("no user name"));
        }
        user.into_inner()
    });
    let timeout = table.string("timeout").and_then(|text| {
        let limit = seconds(text.get_ref());
        if limit.is_none() {
            let message = format!("`{text}` is no length of time");
            reader.note(
                Mistake::new(text.span(), message)
                    .label("no time")
                    .help("write a number and one of s, m and h, such as \"90s\" or \"15m\""),
            );
        }
        limit
    });
    let kind = read_kind(reader, registry, &table);
    Some(StepDraft {
        kind,
        id,
        when_changed,
        before,
        after,
        only_on,
        as_user,
        timeout,
        origin: reader.origin(&value.span()),
    })
}

/// A colon would make an id look like those of steps that plan functions add.
fn is_id(id: &str) -> bool {
    let allowed = |letter: char| letter.is_alphanumeric() || "-_.".contains(letter);
    !id.is_empty() && id.chars().all(allowed)
}

/// `90s`, `15m`, `2h`; nothing else, and not nothing.
fn seconds(text: &str) -> Option<Duration> {
    let (number, factor) = [("s", 1), ("m", 60), ("h", 60 * 60)]
        .into_iter()
        .find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, factor)))?;
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let count = number.parse::<u32>().ok().filter(|count| is_number && *count > 0)?;
    Some(Duration::from_secs(u64::from(count) * factor))
}

fn is_user(name: &str) -> bool {
    let forbidden = |letter: char| letter.is_whitespace() || letter.is_control() || letter == ':';
    !name.is_empty() && !name.starts_with('-') && !name.contains(forbidden)
}

/// Reads what the step does: its one key that is not reserved.
fn read_kind(reader: &Reader, registry: &Registry, table: &Table<'_, '_>) -> Option<StepKind> {
    let is_known = |entry: &Entry<'_, '_>| {
        *entry.key.get_ref() == PLAN_FN || registry.find_action(entry.key.get_ref()).is_some()
    };
    let (mut known, unknown): (Vec<_>, Vec<_>) = table.others().partition(is_known);
    known.sort_by_key(|entry| entry.key.span().start);
    for entry in &unknown {
        reader.note(unknown_key_of_step(registry, entry, known.first()));
    }
    if let [first, second, ..] = known.as_slice() {
        let message =
            format!("a step has one action, but here are `{}` and `{}`", first.key, second.key);
        reader.note(
            Mistake::new(second.key.span(), message)
                .label("the second action")
                .help("make two steps of it; they run in the order in which they stand"),
        );
    }
    if known.is_empty() && unknown.is_empty() {
        let mistake = Mistake::new(table.span(), "this step does nothing: it has no action");
        reader.note(mistake.label("no action").help(example(registry)));
    }
    // All are read, so that mistakes in a second one are told as well.
    let kinds: Vec<_> = known.iter().map(|entry| read_entry(reader, registry, entry)).collect();
    kinds.into_iter().next().flatten()
}

fn read_entry(reader: &Reader, registry: &Registry, entry: &Entry<'_, '_>) -> Option<StepKind> {
    let name = entry.key.get_ref();
    let Some(action) = registry.find_action(name) else {
        return read_plan_fn(reader, registry, entry);
    };
    match reader.read(name, entry.value, |value| action.read(value)) {
        Ok(action) => Some(StepKind::Action(action)),
        Err(mistakes) => {
            let help = || format!("for example: {}", action.info().example);
            mistakes.into_iter().for_each(|mistake| reader.note(mistake.help_otherwise(help)));
            None
        }
    }
}

fn read_plan_fn(reader: &Reader, registry: &Registry, entry: &Entry<'_, '_>) -> Option<StepKind> {
    let name = reader.string(PLAN_FN, entry.value)?;
    let function = registry.find_plan_fn(name.get_ref());
    if function.is_none() {
        reader.note(
            Mistake::new(name.span(), format!("there is no plan function `{name}`"))
                .label("not known")
                .help(suggest::choices(name.get_ref(), registry.plan_fn_names(), "plan functions")),
        );
    }
    function.cloned().map(StepKind::Plan)
}

/// A key that is neither an action nor reserved: whichever of the two it looks more like.
fn unknown_key_of_step(
    registry: &Registry,
    entry: &Entry<'_, '_>,
    action: Option<&Entry<'_, '_>>,
) -> Mistake {
    let key = entry.key.get_ref().as_ref();
    let span: Range<usize> = entry.key.span();
    let actions = || registry.actions().map(|(name, _)| name).chain([PLAN_FN]);
    let closest = suggest::closest(key, actions().chain(RESERVED));
    let is_reserved = closest.is_some_and(|name| RESERVED.contains(&name));
    match action {
        None if !is_reserved => Mistake::new(span, format!("unknown action `{key}`"))
            .label("not known")
            .help(suggest::choices(key, actions(), "actions")),
        None => Mistake::new(span, format!("unknown key `{key}` in a step"))
            .label("not known here")
            .help(suggest::choices(key, RESERVED, "allowed keys beside the action")),
        Some(action) => {
            Mistake::new(span, format!("unknown key `{key}` in a step with `{}`", action.key))
                .label("not known here")
                .help(match closest {
                    Some(name) if !is_reserved => format!(
                        "a step has one action; if `{name}` is meant, make a step of its own of it"
                    ),
                    _ => suggest::choices(key, RESERVED, "allowed keys beside the action"),
                })
        }
    }
}

/// What a step looks like, with an action that exists.
fn example(registry: &Registry) -> String {
    let known: Vec<&str> = registry.actions().map(|(name, _)| name).collect();
    match registry.actions().next() {
        Some((_, action)) => {
            format!("for example: {}; actions: {}", action.info().example, suggest::list(&known))
        }
        None => "there are no actions".to_owned(),
    }
}
