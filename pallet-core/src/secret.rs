//! Secrets: values that cannot be printed.

use std::fmt;

use serde::{Deserialize, Deserializer, de};
use zeroize::Zeroizing;

/// A password or passphrase. It has no `Display` and no `Serialize`, its `Debug` shows nothing of
/// it, and its memory is wiped when it is dropped.
///
/// In documents it is `{ env = "NAME" }`, `{ file = "path" }` or, for throw-away machines, a plain
/// string.
///
/// ```
/// use pallet_core::secret::Secret;
/// assert_eq!(format!("{:?}", Secret::new("hunter2")), "Secret(…)");
/// ```
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes over a secret value.
    pub fn new(value: impl Into<String>) -> Self {
        Self(Zeroizing::new(value.into()))
    }

    /// The value itself. Callers must not log it or pass it on a command line.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SecretVisitor)
    }
}

struct SecretVisitor;

impl<'de> de::Visitor<'de> for SecretVisitor {
    type Value = Secret;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string, { env = \"NAME\" } or { file = \"path\" }")
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Secret, E> {
        Ok(Secret::new(value))
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Secret, A::Error> {
        let Some((key, value)) = map.next_entry::<String, String>()? else {
            return Err(de::Error::custom("an empty table is no secret; write env or file"));
        };
        if let Some(extra) = map.next_key::<String>()? {
            return Err(de::Error::custom(format!("a secret has one source; remove `{extra}`")));
        }
        match key.as_str() {
            "env" => std::env::var(&value).map(Secret::new).map_err(|_| {
                de::Error::custom(format!("the environment variable {value} is not set"))
            }),
            "file" => std::fs::read_to_string(&value)
                .map(|text| Secret::new(text.trim_end_matches(['\n', '\r'])))
                .map_err(|error| de::Error::custom(format!("cannot read {value}: {error}"))),
            other => Err(de::Error::unknown_field(other, &["env", "file"])),
        }
    }
}
