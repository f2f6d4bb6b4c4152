//! Texts that may be secrets, for parameters of actions.

use std::borrow::Cow;
use std::fmt;
use std::path::Path;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{MapAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser::SerializeMap};

use super::source::{Source, Words};
use super::{Secret, SecretError};

/// A text that may be a secret: a string is a plain text, a table names the source of a secret as
/// for [`Secret`].
///
/// Serialised, a plain text is a string, and a secret is the table that names its source: what is
/// written down leads to the value and does not contain it.
///
/// ```
/// use pallet_core::secret::{MaybeSecret, Secret};
/// let plain = MaybeSecret::from("hello");
/// assert_eq!(plain.reveal()?, "hello");
/// assert_eq!(format!("{:?}", MaybeSecret::Secret(Secret::new("x"))), "Secret(…)");
/// # Ok::<(), pallet_core::secret::SecretError>(())
/// ```
#[derive(Clone)]
pub enum MaybeSecret {
    /// Everybody may see it.
    Plain(String),
    /// Nobody may.
    Secret(Secret),
}

impl MaybeSecret {
    /// The text.
    ///
    /// # Errors
    /// As [`Secret::reveal`].
    pub fn reveal(&self) -> Result<&str, SecretError> {
        match self {
            Self::Plain(text) => Ok(text),
            Self::Secret(secret) => secret.reveal(),
        }
    }

    /// Whether it must not be shown, not even as part of a difference.
    pub fn is_secret(&self) -> bool {
        matches!(self, Self::Secret(_))
    }
}

impl From<&str> for MaybeSecret {
    fn from(text: &str) -> Self {
        Self::Plain(text.to_owned())
    }
}

impl From<&String> for MaybeSecret {
    fn from(text: &String) -> Self {
        Self::Plain(text.clone())
    }
}

impl From<String> for MaybeSecret {
    fn from(text: String) -> Self {
        Self::Plain(text)
    }
}

impl From<Secret> for MaybeSecret {
    fn from(secret: Secret) -> Self {
        Self::Secret(secret)
    }
}

impl fmt::Debug for MaybeSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(text) => text.fmt(f),
            Self::Secret(secret) => secret.fmt(f),
        }
    }
}

impl Serialize for MaybeSecret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let source = match self {
            Self::Plain(text) => return serializer.serialize_str(text),
            Self::Secret(secret) => &secret.0.source,
        };
        let mut map = serializer.serialize_map(None)?;
        match source {
            Source::Given => map.serialize_entry("given", "(secret)")?,
            Source::Env(name) => map.serialize_entry("env", name)?,
            Source::File(path) => map.serialize_entry("file", &whole(path))?,
            Source::Command { words: Words::Line(line), .. } => {
                map.serialize_entry("command", line)?;
            }
            Source::Command { words: Words::Program(words), .. } => {
                map.serialize_entry("command", words)?;
            }
            Source::Age { file, identity } => {
                map.serialize_entry("age", &whole(file))?;
                map.serialize_entry("identity", &whole(identity))?;
            }
        }
        map.end()
    }
}

/// A path that says the same wherever a program is started: what is written down is compared with
/// what another one writes down later.
fn whole(path: &Path) -> Cow<'_, Path> {
    std::path::absolute(path).map_or(Cow::Borrowed(path), Cow::Owned)
}

impl<'de> Deserialize<'de> for MaybeSecret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = MaybeSecret;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string, or a table with one of `env`, `file`, `command`, `age`")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<MaybeSecret, E> {
        Ok(text.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<MaybeSecret, A::Error> {
        Secret::deserialize(MapAccessDeserializer::new(map)).map(MaybeSecret::Secret)
    }
}

impl JsonSchema for MaybeSecret {
    fn schema_name() -> Cow<'static, str> {
        "MaybeSecret".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A text, or the source of a secret one.",
            "anyOf": [
                { "type": "string" },
                { "type": "object", "required": ["env"], "additionalProperties": false,
                  "properties": { "env": { "type": "string" } } },
                { "type": "object", "required": ["file"], "additionalProperties": false,
                  "properties": { "file": { "type": "string" } } },
                { "type": "object", "required": ["command"], "additionalProperties": false,
                  "properties": { "command": {
                      "type": ["string", "array"], "items": { "type": "string" } } } },
                { "type": "object", "required": ["age", "identity"], "additionalProperties": false,
                  "properties": { "age": { "type": "string" }, "identity": { "type": "string" } } },
            ],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_down_names_the_source() {
        let read = |text: &str| serde_json::from_str::<MaybeSecret>(text).unwrap();
        for text in [r#""plain""#, r#"{"env":"PATH"}"#, r#"{"command":"echo hunter2-x"}"#] {
            assert_eq!(serde_json::to_string(&read(text)).unwrap(), text);
        }
        let folder = std::env::current_dir().unwrap();
        let [near, far] = ["Cargo.toml".into(), folder.join("Cargo.toml")].map(|path| {
            let secret = read(&serde_json::json!({ "file": path }).to_string());
            serde_json::to_string(&secret).unwrap()
        });
        assert_eq!(near, far, "the same file, however it is called");
        let given = MaybeSecret::Secret(Secret::new("hunter2"));
        let written = serde_json::to_string(&given).unwrap();
        assert!(!written.contains("hunter2"), "{written}");
        assert!(serde_json::from_str::<MaybeSecret>(&written).is_err());
    }
}
