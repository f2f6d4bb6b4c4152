//! Environments: values for templates and plan functions.

use serde_json::{Map, Value};
use toml::Spanned;
use toml::de::DeValue;

use super::diagnostic::Mistake;
use super::reader::{Entry, Node, Reader, Table, join};
use crate::secret::{Secret, late};

/// Reads the table under `environment`: free values, and secrets as `{ secret = { file = "…" } }`. Those are plain
/// strings for templates and plan functions, and are taken out of texts until the program ends.
pub(super) fn read_environment(reader: &Reader, table: &mut Table<'_, '_>) -> Map<String, Value> {
    let Some(table) = table.table("environment") else { return Map::new() };
    let read = |entry: Entry<'_, '_>| {
        let value = free_value(reader, &entry.name, entry.value)?;
        Some((entry.key.to_string(), value))
    };
    table.others().filter_map(read).collect()
}

fn free_value(reader: &Reader, name: &str, value: &Node<'_>) -> Option<Value> {
    let DeValue::Table(table) = value.get_ref() else { return reader.json(name, value) };
    if let (1, Some(source)) = (table.len(), table.get("secret"))
        && source.get_ref().is_table()
    {
        let secret: Secret = reader.typed(name, source)?;
        return match secret.reveal() {
            Ok(value) => {
                secret.keep();
                Some(Value::from(value))
            }
            Err(_) if late::is_allowed() => None,
            Err(error) => {
                let mistake = Mistake::new(source.span(), format!("`{name}`: {error}"));
                reader.note(mistake.help(error.help()));
                None
            }
        };
    }
    let read = |(key, value): (&Spanned<_>, _)| {
        Some((key.to_string(), free_value(reader, &join(name, key), value)?))
    };
    Some(Value::Object(table.iter().filter_map(read).collect()))
}
