//! Putting layers together.
//!
//! All layers become one table. Their texts are thought of as standing one behind the other, the
//! project's first: the place of a value in this long text says from which layer it is.

use std::borrow::Cow;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::{Content, SECTIONS, Settings};
use crate::local_path;

type Value<'d> = Spanned<DeValue<'d>>;

/// A layer's table, with its places in the long text.
pub(crate) fn table<'d>(settings: &'d Settings, start: usize) -> DeTable<'d> {
    let table = match &settings.content {
        Content::Tree(tree) => match tree.to_toml().into_inner() {
            DeValue::Table(table) => table,
            _ => DeTable::new(),
        },
        // The syntax was checked before.
        Content::Text | Content::Services => {
            DeTable::parse_recoverable(&settings.text).0.into_inner()
        }
    };
    let mut table = shift_table(table, start);
    if matches!(settings.content, Content::Services) {
        let key = Spanned::new(start..start, Cow::Borrowed("service"));
        let services = Spanned::new(start..start + settings.text.len(), DeValue::Table(table));
        table = DeTable::from_iter([(key, services)]);
    }
    for section in SECTIONS {
        if let Some(value) = table.get_mut(section) {
            resolve_paths(value.get_mut(), settings.base());
        }
    }
    table
}

/// Puts `higher` over `lower`.
pub(crate) fn merge<'d>(lower: &mut DeTable<'d>, higher: DeTable<'d>) {
    for (key, value) in higher {
        match key.get_ref().as_ref() {
            "service" => put(lower, key, value, merge_services),
            "environment" => put(lower, key, value, merge_deep),
            _ => put(lower, key, value, merge_keys),
        }
    }
}

/// Puts a value over another one; two tables are merged with `deep`.
fn put<'d>(
    lower: &mut DeTable<'d>,
    key: Spanned<Cow<'d, str>>,
    value: Value<'d>,
    deep: impl Fn(&mut DeTable<'d>, DeTable<'d>),
) {
    let span = value.span();
    match (lower.get_mut(key.get_ref().as_ref()).map(Spanned::get_mut), value.into_inner()) {
        (Some(DeValue::Table(there)), DeValue::Table(table)) => deep(there, table),
        (_, value) => {
            lower.remove(key.get_ref().as_ref());
            lower.insert(key, Spanned::new(span, value));
        }
    }
}

fn merge_keys<'d>(lower: &mut DeTable<'d>, higher: DeTable<'d>) {
    for (key, value) in higher {
        lower.remove(key.get_ref().as_ref());
        lower.insert(key, value);
    }
}

fn merge_deep<'d>(lower: &mut DeTable<'d>, higher: DeTable<'d>) {
    higher.into_iter().for_each(|(key, value)| put(lower, key, value, merge_deep));
}

/// A service of another provider has other keys: nothing of the one below is kept.
fn merge_services<'d>(lower: &mut DeTable<'d>, higher: DeTable<'d>) {
    let merge_service = |there: &mut DeTable<'d>, service: DeTable<'d>| {
        let provider = |table: &DeTable<'d>| {
            table.get("provider").and_then(|it| it.get_ref().as_str().map(str::to_owned))
        };
        let another = provider(&service).is_some_and(|new| provider(there) != Some(new));
        if another {
            *there = service;
            return;
        }
        for (key, value) in service {
            match key.get_ref().as_ref() {
                "environment" => put(there, key, value, merge_deep),
                "admin-user" => put(there, key, value, merge_keys),
                _ => merge_keys(there, DeTable::from_iter([(key, value)])),
            }
        }
    };
    higher.into_iter().for_each(|(key, value)| put(lower, key, value, merge_service));
}

fn shift_table<'d>(table: DeTable<'d>, by: usize) -> DeTable<'d> {
    let shift_entry = |(key, value): (Spanned<Cow<'d, str>>, Value<'d>)| {
        let span = key.span();
        (Spanned::new(span.start + by..span.end + by, key.into_inner()), shifted(value, by))
    };
    table.into_iter().map(shift_entry).collect()
}

fn shifted(value: Value<'_>, by: usize) -> Value<'_> {
    let span = value.span();
    let value = match value.into_inner() {
        DeValue::Table(table) => DeValue::Table(shift_table(table, by)),
        DeValue::Array(items) => {
            let mut array = DeArray::new();
            items.into_iter().for_each(|item| array.push(shifted(item, by)));
            DeValue::Array(array)
        }
        other => other,
    };
    Spanned::new(span.start + by..span.end + by, value)
}

/// The keys whose strings are local paths wherever they stand, and those of tables that name the
/// source of a secret.
const PATHS: [&str; 3] = ["private-key-path", "known-hosts", "config"];
const SOURCES: [&str; 5] = ["env", "file", "command", "age", "identity"];

/// Makes the paths of a layer independent of where it stands, as far as they are known to be
/// paths: values of several layers are read together.
fn resolve_paths(value: &mut DeValue<'_>, base: &Path) {
    match value {
        DeValue::Table(table) => {
            let is_source = !table.is_empty()
                && table.keys().all(|key| SOURCES.contains(&key.get_ref().as_ref()));
            for (key, value) in table.iter_mut() {
                let is_path = match key.get_ref().as_ref() {
                    "file" | "age" | "identity" => is_source,
                    key => PATHS.contains(&key),
                };
                match value.get_mut() {
                    DeValue::String(path) if is_path => resolve_path(path, base),
                    DeValue::Array(items) if is_path => {
                        for item in items.iter_mut() {
                            if let DeValue::String(path) = item.get_mut() {
                                resolve_path(path, base);
                            }
                        }
                    }
                    value => resolve_paths(value, base),
                }
            }
        }
        DeValue::Array(items) => {
            items.iter_mut().for_each(|item| resolve_paths(item.get_mut(), base));
        }
        _ => {}
    }
}

fn resolve_path(path: &mut Cow<'_, str>, base: &Path) {
    if path == "none" {
        return;
    }
    // What cannot be resolved is told when it is read.
    let resolved = local_path::resolve(base, path).ok();
    let resolved = resolved.and_then(|path| std::path::absolute(path).ok());
    if let Some(Ok(resolved)) = resolved.map(|path| path.into_os_string().into_string()) {
        *path = Cow::Owned(resolved);
    }
}
