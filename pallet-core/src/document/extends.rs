//! What builds on what.

use std::collections::{BTreeMap, BTreeSet};

use toml::Spanned;

use super::diagnostic::Mistake;
use super::reader::Reader;
use super::specs::{NodeSpecs, SpecDraft};
use super::suggest;
use crate::registry::Registry;
use crate::spec::ServerSpec;

/// The server-specs of a document, by name.
pub(super) type ServerSpecs = BTreeMap<String, SpecDraft>;

/// `tops` with the specs that they build on, directly or not, in the order in which they run: bases
/// before what builds on them, in listed order, each once, at the first place where it is reached.
pub(super) fn parts<'s>(tops: &[&'s SpecDraft], specs: &'s ServerSpecs) -> Vec<&'s SpecDraft> {
    let mut order = Vec::new();
    let mut seen = BTreeSet::new();
    for top in tops {
        // A stack of our own: chains may be long.
        let mut open = vec![(*top, top.extends.iter())];
        while let Some((spec, rest)) = open.last_mut() {
            if let Some(base) = rest.next() {
                if let Some((name, base)) = specs.get_key_value(base.get_ref())
                    && seen.insert(name)
                {
                    open.push((base, base.extends.iter()));
                }
            } else {
                order.push(*spec);
                open.pop();
            }
        }
    }
    order
}

/// Specs with everything that they build on, the last of them on top.
///
/// Bases are merged one after the other and not tree by tree, so that a base which is reached
/// twice runs once and does not win its settings back from what was built on it.
pub(super) fn merged(tops: &[&SpecDraft], specs: &ServerSpecs, nodes: &NodeSpecs) -> ServerSpec {
    let parts: Vec<ServerSpec> =
        parts(tops, specs).into_iter().map(|part| part.own(nodes)).collect();
    ServerSpec::new().extends_all(&parts)
}

/// Notes unknown names and circles, and gives the names of all server-specs that have part in
/// either: what is merged from them means nothing.
pub(super) fn check<'s>(
    reader: &Reader,
    registry: &Registry,
    specs: &'s ServerSpecs,
    others: impl IntoIterator<Item = &'s SpecDraft>,
) -> BTreeSet<&'s str> {
    let mut broken = circles(reader, specs);
    for (name, spec) in specs {
        if !check_names(reader, registry, spec, specs) {
            broken.insert(name);
        }
    }
    for other in others {
        check_names(reader, registry, other, specs);
    }
    broken
}

fn check_names(
    reader: &Reader,
    registry: &Registry,
    spec: &SpecDraft,
    specs: &ServerSpecs,
) -> bool {
    let unknown = spec.extends.iter().filter(|base| !specs.contains_key(base.get_ref()));
    unknown.inspect(|base| note_unknown(reader, registry, base, specs)).count() == 0
}

fn note_unknown(reader: &Reader, registry: &Registry, base: &Spanned<String>, specs: &ServerSpecs) {
    let own = || specs.iter().filter(|(_, spec)| !spec.is_crate()).map(|(name, _)| name.as_str());
    let crates: Vec<&str> = registry.crates().map(|(name, _)| name).collect();
    let (noun, help) = match (own().next(), crates.is_empty()) {
        (None, true) => ("server-spec", "this document has no `[server-spec.…]` tables".to_owned()),
        (_, true) => ("server-spec", suggest::choices(base.get_ref(), own(), "server-specs")),
        (None, false) => {
            let crates = crates.iter().copied();
            ("server-spec or crate", suggest::choices(base.get_ref(), crates, "crates"))
        }
        (_, false) => {
            let closest = suggest::closest(base.get_ref(), own().chain(crates.iter().copied()));
            let start = closest.map(|name| format!("did you mean `{name}`? ")).unwrap_or_default();
            let (own, crates) = (suggest::list(&own().collect::<Vec<_>>()), suggest::list(&crates));
            ("server-spec or crate", format!("{start}server-specs: {own}; crates: {crates}"))
        }
    };
    let mistake = Mistake::new(base.span(), format!("there is no {noun} `{base}`"));
    reader.note(mistake.label("not known").help(help));
}

/// Notes each circle once, where it closes.
fn circles<'s>(reader: &Reader, specs: &'s ServerSpecs) -> BTreeSet<&'s str> {
    let mut in_circle = BTreeSet::new();
    let mut done: BTreeSet<&str> = BTreeSet::new();
    for (root, spec) in specs {
        let mut open: Vec<(&str, std::slice::Iter<'_, Spanned<String>>)> = Vec::new();
        if !done.contains(root.as_str()) {
            open.push((root, spec.extends.iter()));
        }
        while let Some((name, rest)) = open.last_mut() {
            let Some(base) = rest.next() else {
                done.insert(name);
                open.pop();
                continue;
            };
            let Some((base_name, spec)) = specs.get_key_value(base.get_ref()) else {
                continue;
            };
            if let Some(start) = open.iter().position(|(name, _)| name == base_name) {
                let circle: Vec<&str> = open.iter().skip(start).map(|(name, _)| *name).collect();
                note_circle(reader, base, &circle);
                in_circle.extend(circle);
            } else if !done.contains(base_name.as_str()) {
                open.push((base_name, spec.extends.iter()));
            }
        }
    }
    in_circle
}

fn note_circle(reader: &Reader, closing: &Spanned<String>, circle: &[&str]) {
    let path = format!("{} → {closing}", circle.join(" → "));
    let message = match circle {
        [only] => format!("server-spec `{only}` extends itself"),
        _ => format!("server-specs extend each other in a circle: {path}"),
    };
    reader.note(
        Mistake::new(closing.span(), message)
            .label("closes the circle")
            .help("take one of them out of an `extends`"),
    );
}
