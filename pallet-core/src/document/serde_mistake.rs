//! What typed values say when they cannot be read, in our words.

use std::ops::Range;

use toml::de::{DeValue, Error as TomlError};

use super::diagnostic::Mistake;
use super::reader::{Node, element, join, kind};
use super::suggest;
use crate::secret::HELP;

const UNKNOWN_KEY: &str = "unknown field ";
const MISSING_KEY: &str = "missing field ";
const UNKNOWN_VARIANT: &str = "unknown variant ";

/// Whether the error is about a key that is not there.
pub(super) fn is_missing_key(error: &TomlError) -> bool {
    error.message().starts_with(MISSING_KEY)
}

/// Puts an error from reading `value`, called `name`, into the form of all mistakes.
pub(super) fn serde_mistake(name: &str, value: &Node<'_>, error: &TomlError) -> Mistake {
    let span = error.span().unwrap_or_else(|| value.span());
    let message = error.message().trim_end();
    let (path, there) = find(name, value, &span);
    let at = |message: String| Mistake::new(span.clone(), message);

    if let Some(names) = message.strip_prefix(UNKNOWN_KEY).map(quoted_names) {
        let (key, allowed) = first_and_rest(&names);
        let table = path.strip_suffix(&format!(".{key}")).unwrap_or(name);
        return at(format!("unknown key `{key}` in `{table}`"))
            .label("not known here")
            .help(suggest::choices(key, allowed.iter().copied(), "allowed keys"));
    }
    if let Some(names) = message.strip_prefix(UNKNOWN_VARIANT).map(quoted_names) {
        let (given, allowed) = first_and_rest(&names);
        return at(format!("`{path}` cannot be `{given}`"))
            .label("not allowed here")
            .help(suggest::choices(given, allowed.iter().copied(), "allowed values"));
    }
    if let Some(key) = message.strip_prefix(MISSING_KEY) {
        return at(format!("{key} is missing in `{path}`")).label("incomplete");
    }
    if let Some((_, expected)) = typed_message(message, "invalid type: ") {
        let found = there.map_or("something else", kind);
        return at(format!("`{path}` must be {expected}, but is {found}"))
            .label(format!("expected {expected}"));
    }
    if let Some((found, expected)) = typed_message(message, "invalid value: ") {
        return at(format!("`{path}` must be {expected}, but is {found}"))
            .label(format!("expected {expected}"));
    }
    if message.contains("did not match any variant") {
        return at(format!("`{path}` has none of the forms that are allowed here"))
            .label("not understood");
    }
    match message.split_once(HELP) {
        Some((message, help)) => at(format!("`{path}`: {message}")).help(help),
        None => at(format!("`{path}`: {message}")),
    }
}

/// The names in backticks.
fn quoted_names(message: &str) -> Vec<&str> {
    message.split('`').skip(1).step_by(2).collect()
}

fn first_and_rest<'a, 'm>(names: &'a [&'m str]) -> (&'m str, &'a [&'m str]) {
    names.split_first().map_or(("", &[]), |(first, rest)| (*first, rest))
}

/// What was found and what was expected, out of `<start><found>, expected <expected>`.
fn typed_message(message: &str, start: &str) -> Option<(String, String)> {
    // Strings that were found may contain anything; what was expected comes from a program.
    let (found, expected) = message.strip_prefix(start)?.rsplit_once(", expected ")?;
    let found = match found.split_once(' ') {
        Some(("integer" | "boolean" | "string", value)) => value.replace('`', ""),
        Some(("floating", value)) => value.trim_start_matches("point ").replace('`', ""),
        _ => found.to_owned(),
    };
    Some((found, expectation(expected)))
}

/// What a type expects, without Rust's names.
fn expectation(expected: &str) -> String {
    let whole = |max: u64| format!("a whole number from 0 to {max}");
    match expected {
        "u8" => whole(u8::MAX.into()),
        "u16" => whole(u16::MAX.into()),
        "u32" => whole(u32::MAX.into()),
        "u64" | "u128" | "usize" => "a whole number that is not negative".to_owned(),
        "i8" | "i16" | "i32" | "i64" | "i128" | "isize" => "a whole number".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        "bool" => "a boolean".to_owned(),
        "path string" => "a path".to_owned(),
        "a map" => "a table".to_owned(),
        "a sequence" => "an array".to_owned(),
        other if other.starts_with("struct ") => "a table".to_owned(),
        other if other.starts_with("enum ") => "one of the allowed values".to_owned(),
        other => other.to_owned(),
    }
}

/// What stands at `span`, a key or a value: its full name, and the value if it is one. If nothing
/// stands there, `name` itself.
fn find<'v, 'd>(
    name: &str,
    value: &'v Node<'d>,
    span: &Range<usize>,
) -> (String, Option<&'v DeValue<'d>>) {
    let mut left = vec![(name.to_owned(), value)];
    while let Some((path, value)) = left.pop() {
        if value.span() == *span {
            return (path, Some(value.get_ref()));
        }
        match value.get_ref() {
            DeValue::Array(values) => {
                left.extend(values.iter().map(|value| (element(&path), value)));
            }
            DeValue::Table(table) => {
                if let Some(key) = table.keys().find(|key| key.span() == *span) {
                    return (join(&path, key), None);
                }
                left.extend(table.iter().map(|(key, value)| (join(&path, key), value)));
            }
            _ => {}
        }
    }
    (name.to_owned(), None)
}
