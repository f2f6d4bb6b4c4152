//! Crates, in Pallet's sense of the word: reusable units of configuration.
//!
//! A crate is a server-spec that is ready to be extended, with settings of a type of its own:
//!
//! ```
//! use pallet_core::crates::Crate;
//! use pallet_core::document::Document;
//! use pallet_core::registry::Registry;
//! use pallet_core::spec::{Phase, ServerSpec};
//! use schemars::JsonSchema;
//! use serde::{Deserialize, Serialize};
//!
//! struct Greeter;
//!
//! #[derive(Serialize, Deserialize, JsonSchema)]
//! #[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
//! struct Settings {
//!     /// What is said. Default: `hello`.
//!     word: String,
//! }
//!
//! impl Default for Settings {
//!     fn default() -> Self {
//!         Self { word: "hello".to_owned() }
//!     }
//! }
//!
//! impl Crate for Greeter {
//!     const NAME: &'static str = "greeter";
//!     const SUMMARY: &'static str = "Says something.";
//!     const EXAMPLE: &'static str = "[server-spec.hall]\nextends = [\"greeter\"]\n";
//!     type Settings = Settings;
//!
//!     fn server_spec() -> ServerSpec {
//!         ServerSpec::new().phase("configure", Phase::new().plan(|plan| {
//!             let settings = plan.settings_of::<Greeter>()?;
//!             assert!(!settings.word.is_empty()); // here it would add actions
//!             Ok(())
//!         }))
//!     }
//! }
//!
//! let registry = Registry::new().krate::<Greeter>();
//! let text = "[group-spec.hall]\nextends = ['greeter']\nsettings.greeter.word = 'hi'\n";
//! let infrastructure = Document::parse("pallet.toml", text)?.resolve(&registry)?;
//! let hall = infrastructure.groups.values().next().ok_or("no group")?;
//! assert!(hall.server.phases.contains_key("configure"));
//!
//! let mistaken = text.replace("word", "wrod");
//! let mistaken = Document::parse("pallet.toml", mistaken)?.resolve(&registry);
//! assert!(mistaken.is_err_and(|error| error.to_string().contains("did you mean `word`?")));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize as _, Serialize};
use serde_json::Value;
use toml::Spanned;
use toml::de::{DeValue, Error as TomlError, ValueDeserializer};

use crate::spec::{Phase, ServerSpec};

/// A reusable unit of configuration: documents extend it by its name, and give it settings under
/// that name.
pub trait Crate: 'static {
    /// Its name in documents, and that of its settings' facility: `nginx`.
    const NAME: &'static str;
    /// One sentence for reference pages and `explain`.
    const SUMMARY: &'static str;
    /// A piece of a document that uses it.
    const EXAMPLE: &'static str;
    /// What can be set. Every field has a default and says in its documentation which one it is:
    /// specs that build on each other give a few fields each.
    type Settings: Serialize + DeserializeOwned + JsonSchema + Default;

    /// Its phases, roles and whatever else specs have, without the settings.
    fn server_spec() -> ServerSpec;
}

/// What the registry knows about a crate, for reference pages, `explain` and editors.
#[derive(Debug, Clone)]
pub struct CrateInfo {
    /// Its name in documents.
    pub name: &'static str,
    /// One sentence.
    pub summary: &'static str,
    /// A piece of a document that uses it.
    pub example: &'static str,
    /// JSON schema of the settings.
    pub schema: Value,
    /// The settings where nothing is set.
    pub defaults: Value,
    /// The names of its phases.
    pub phases: Vec<String>,
}

/// One crate of a registry.
#[derive(Clone, Copy)]
pub struct CrateEntry {
    info: fn() -> CrateInfo,
    server_spec: fn() -> ServerSpec,
    read: fn(Spanned<DeValue<'_>>) -> Result<Value, TomlError>,
    check: fn(Value) -> Result<(), serde_json::Error>,
}

impl CrateEntry {
    pub(crate) fn of<C: Crate>() -> Self {
        Self {
            info: || CrateInfo {
                name: C::NAME,
                summary: C::SUMMARY,
                example: C::EXAMPLE,
                schema: schemars::schema_for!(C::Settings).to_value(),
                defaults: serde_json::to_value(C::Settings::default()).unwrap_or_default(),
                phases: full_spec::<C>().phases.into_keys().collect(),
            },
            server_spec: full_spec::<C>,
            read: |value| {
                let settings = C::Settings::deserialize(ValueDeserializer::from(value))?;
                serde_json::to_value(settings).map_err(serde::de::Error::custom)
            },
            check: |value| serde_json::from_value::<C::Settings>(value).map(drop),
        }
    }

    /// Describes the crate.
    pub fn info(&self) -> CrateInfo {
        (self.info)()
    }

    /// What documents extend: the crate's own spec, and a phase `settings` that completes the
    /// settings with their defaults, so that templates and other nodes see those, too.
    pub fn server_spec(&self) -> ServerSpec {
        (self.server_spec)()
    }

    /// Reads the settings of a document, and writes them as their type does.
    ///
    /// # Errors
    /// The TOML error, with the place of the mistake.
    pub(crate) fn read(&self, settings: Spanned<DeValue<'_>>) -> Result<Value, TomlError> {
        (self.read)(settings)
    }

    /// Checks settings that were merged from several specs.
    ///
    /// # Errors
    /// What is wrong with them.
    pub(crate) fn check(&self, settings: Value) -> Result<(), serde_json::Error> {
        (self.check)(settings)
    }
}

/// The crate as specs extend it.
pub(crate) fn full_spec<C: Crate>() -> ServerSpec {
    let complete = Phase::new().plan(|plan| {
        let settings = serde_json::to_value(plan.settings_of::<C>()?)
            .map_err(|error| plan.error(format!("settings of `{}`: {error}", C::NAME)))?;
        plan.set_settings(C::NAME, settings);
        Ok(())
    });
    let mut spec = C::server_spec();
    spec.phases.entry("settings".to_owned()).or_default().steps.splice(0..0, complete.steps);
    spec
}

/// Takes over what a type has made of the settings that were written, and leaves out what it has
/// added: defaults must not win over the settings of a spec below.
///
/// A type makes absolute paths of those that are relative to the document, for example.
pub(crate) fn overlay(written: &mut Value, read: &Value) {
    match (written, read) {
        (Value::Object(written), Value::Object(read)) => {
            for (key, value) in written {
                if let Some(read) = read.get(key) {
                    overlay(value, read);
                }
            }
        }
        (Value::Array(written), Value::Array(read)) if written.len() == read.len() => {
            written.iter_mut().zip(read).for_each(|(written, read)| overlay(written, read));
        }
        (written, read) => written.clone_from(read),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_type_adds_is_no_setting() {
        let mut written = json!({ "key": { "file": "a" }, "list": [{ "x": 1 }], "odd": true });
        let read = json!({
            "key": { "file": "/base/a", "more": 1 }, "list": [{ "x": 1, "y": 2 }], "other": 3,
        });
        overlay(&mut written, &read);
        let expected = json!({ "key": { "file": "/base/a" }, "list": [{ "x": 1 }], "odd": true });
        assert_eq!(written, expected);
    }
}
