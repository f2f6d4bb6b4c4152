//! Where values came from.

use std::fmt;

use toml::de::{DeTable, DeValue};

use super::SECTIONS;
use crate::secret::redact;
use crate::spec::Origin;

/// A value that counts, and where it came from.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct Setting {
    /// Its full name: `admin-user.username`.
    pub key: String,
    /// The value as TOML writes it, on one line; secrets are not in it.
    pub value: String,
    /// Where it came from.
    pub origin: SettingOrigin,
}

/// The place of a setting: a file and line, or an environment variable.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct SettingOrigin(pub Origin);

impl fmt::Display for SettingOrigin {
    /// `file:line`, or `$VARIABLE`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.0.file.display();
        match self.0.file.as_os_str().as_encoded_bytes().first() {
            Some(b'$' | b'-') => write!(f, "{file}"),
            _ => write!(f, "{file}:{}", self.0.line),
        }
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {}  # {}", self.key, self.value, self.origin)
    }
}

/// Keys whose plain strings are never shown.
const HIDDEN: [&str; 7] =
    ["password", "passphrase", "sudo-password", "credential", "private-key", "token", "secret"];

/// Lists all settings of a merged table.
pub(crate) fn list(
    table: &DeTable<'_>,
    origin: impl Fn(&std::ops::Range<usize>) -> Origin,
) -> Vec<Setting> {
    let mut found = Vec::new();
    for section in SECTIONS {
        if let Some((key, value)) = table.get_key_value(section) {
            add(section.to_owned(), value.get_ref(), &key.span(), &origin, &mut found);
        }
    }
    found.sort_by(|one, two| one.key.cmp(&two.key));
    found
}

fn add(
    name: String,
    value: &DeValue<'_>,
    key: &std::ops::Range<usize>,
    origin: &impl Fn(&std::ops::Range<usize>) -> Origin,
    found: &mut Vec<Setting>,
) {
    match value {
        DeValue::Table(table) if !table.is_empty() => {
            for (key, value) in table {
                add(format!("{name}.{key}"), value.get_ref(), &key.span(), origin, found);
            }
        }
        value => {
            let is_hidden = name.rsplit('.').next().is_some_and(|last| HIDDEN.contains(&last));
            let value = match value {
                DeValue::String(_) if is_hidden => "(secret)".to_owned(),
                value => redact(&written(value)).into_owned(),
            };
            found.push(Setting { key: name, value, origin: SettingOrigin(origin(key)) });
        }
    }
}

/// The value as TOML writes it.
fn written(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => serde_json::Value::from(text.as_ref()).to_string(),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(truth) => truth.to_string(),
        DeValue::Datetime(time) => time.to_string(),
        DeValue::Array(items) => {
            let items: Vec<_> = items.iter().map(|item| written(item.get_ref())).collect();
            format!("[{}]", items.join(", "))
        }
        DeValue::Table(table) => {
            let shown = |(key, value): (&toml::Spanned<_>, &toml::Spanned<DeValue<'_>>)| {
                let key: &std::borrow::Cow<'_, str> = key.get_ref();
                match value.get_ref() {
                    DeValue::String(_) if HIDDEN.contains(&key.as_ref()) => {
                        format!("{key} = (secret)")
                    }
                    value => format!("{key} = {}", written(value)),
                }
            };
            let entries: Vec<_> = table.iter().map(shown).collect();
            format!("{{ {} }}", entries.join(", "))
        }
    }
}
