//! What a document may say of a service, in all spellings that there have been.

use std::collections::BTreeMap;
use std::path::PathBuf;

use pallet_core::secret::Secret;
use serde::de::{self, Deserialize, Deserializer, IgnoredAny};

use super::config::VirtualBoxConfig;
use crate::models::{HardwareModel, ImageModel, Invalid, NetworkType, SessionType};

/// The keys of the table. Some are there for configurations that were written for the original:
/// they are accepted where they ask for what is done anyway, and refused with the reason where
/// they cannot be met.
#[derive(serde::Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Table {
    url: Option<String>,
    identity: Option<String>,
    credential: Option<Secret>,
    model_path: Option<PathBuf>,
    node_path: Option<PathBuf>,
    scope: Option<String>,
    #[serde(default)]
    locations: Locations,
    #[serde(default)]
    images: BTreeMap<String, Checked<ImageModel>>,
    #[serde(default)]
    hardware_models: BTreeMap<String, Checked<HardwareModel>>,
    #[serde(alias = "hardware-model-path")]
    hardware_models_path: Option<PathBuf>,
    default_network_type: Option<NetworkType>,
    default_local_interface: Option<String>,
    default_bridged_interface: Option<String>,
    default_session_type: Option<SessionType>,
    #[serde(default, rename = "vbox-comm", deserialize_with = "web_service_only")]
    _vbox_comm: (),
    #[serde(default, rename = "tag-provider", deserialize_with = "extra_data_only")]
    _tag_provider: (),
    #[serde(default, rename = "environment", deserialize_with = "no_environment")]
    _environment: (),
}

impl From<Table> for VirtualBoxConfig {
    fn from(table: Table) -> Self {
        fn unwrapped<T>(models: BTreeMap<String, Checked<T>>) -> BTreeMap<String, T> {
            models.into_iter().map(|(name, model)| (name, model.0)).collect()
        }
        Self {
            url: table.url,
            identity: table.identity,
            credential: table.credential,
            model_path: table.model_path.or(table.locations.model_path),
            node_path: table.node_path.or(table.locations.node_path),
            scope: table.scope,
            images: unwrapped(table.images),
            hardware_models: unwrapped(table.hardware_models),
            hardware_models_path: table.hardware_models_path,
            default_network_type: table.default_network_type,
            default_local_interface: table.default_local_interface,
            default_bridged_interface: table.default_bridged_interface,
            default_session_type: table.default_session_type,
        }
    }
}

/// A model all of whose values can be.
struct Checked<T>(T);

trait Check {
    fn problem(&self) -> Result<(), Invalid>;
}

impl Check for ImageModel {
    fn problem(&self) -> Result<(), Invalid> {
        self.check()
    }
}

impl Check for HardwareModel {
    fn problem(&self) -> Result<(), Invalid> {
        self.check()
    }
}

impl<'de, T: Check + Deserialize<'de>> Deserialize<'de> for Checked<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let model = T::deserialize(deserializer)?;
        match model.problem() {
            Ok(()) => Ok(Self(model)),
            Err(invalid) => Err(de::Error::custom(super::words::in_toml(&invalid))),
        }
    }
}

/// `{ local = { model-path = "…", node-path = "…" } }`. The original used the first of several
/// locations, whichever that was.
#[derive(Default)]
struct Locations {
    model_path: Option<PathBuf>,
    node_path: Option<PathBuf>,
}

impl<'de> Deserialize<'de> for Locations {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(serde::Deserialize)]
        #[serde(rename_all = "kebab-case", deny_unknown_fields)]
        struct One {
            model_path: Option<PathBuf>,
            node_path: Option<PathBuf>,
        }
        let mut all = BTreeMap::<String, One>::deserialize(deserializer)?;
        match (all.pop_first(), all.len()) {
            (Some((_, One { model_path, node_path })), 0) => Ok(Self { model_path, node_path }),
            _ => Err(de::Error::custom(
                "a service has one location; give `model-path` and `node-path`, and make a service \
                 of each further location",
            )),
        }
    }
}

/// `vbox-comm` chose between VirtualBox's web service and its library in the same process.
fn web_service_only<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
    match String::deserialize(deserializer)?.trim_start_matches(':') {
        "ws" => Ok(()),
        "xpcom" => Err(de::Error::custom(
            "VirtualBox is only spoken to through its web service (\"ws\"); leave `vbox-comm` out \
             and start vboxwebsrv",
        )),
        other => {
            Err(de::Error::custom(format!("{other:?} is no way to VirtualBox; there is \"ws\"")))
        }
    }
}

/// `tag-provider` chose where notes about nodes are kept.
fn extra_data_only<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
    match String::deserialize(deserializer)?.trim_start_matches(':') {
        "extra-data" => Ok(()),
        other => Err(de::Error::custom(format!(
            "{other:?} is no place for notes about nodes: they are kept in the VMs' \"extra-data\""
        ))),
    }
}

/// `environment` named, among others, the function that creates nodes.
fn no_environment<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
    IgnoredAny::deserialize(deserializer)?;
    Err(de::Error::custom(
        "a service has no environment: values for templates stand in the document's [environment], \
         and nodes are always created at the same time, a few at once",
    ))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn config(text: &str) -> Result<VirtualBoxConfig, toml::de::Error> {
        toml::from_str(text)
    }

    #[test]
    fn every_key() {
        let config = config(
            r#"
            url = "http://192.0.2.1:18083"
            identity = "me"
            credential = "secret"
            node-path = "nodes"
            locations = { local = { model-path = "a", node-path = "b" } }
            hardware-model-path = "hardware"
            default-network-type = "local"
            default-local-interface = "vboxnet3"
            default-bridged-interface = "eth0"
            default-session-type = "gui"
            vbox-comm = "ws"
            tag-provider = "extra-data"
            [images.deb]
            uuid = "deb.vdi"
            os-type-id = "Debian_64"
            hardware = { "io-apic-enabled?" = true }
            [hardware-models.tiny]
            memory-size = 64
            network = ["none", {}]
            "#,
        )
        .expect("reads");
        assert_eq!(config.model_path.as_deref(), Some(Path::new("a")));
        assert_eq!(config.node_path.as_deref(), Some(Path::new("nodes")), "over `locations`");
        assert_eq!(config.hardware_models_path.as_deref(), Some(Path::new("hardware")));
        assert_eq!(config.default_network_type, Some(NetworkType::Local));
        assert_eq!(config.default_session_type, Some(SessionType::Gui));
        let tiny = &config.hardware_models["tiny"];
        assert_eq!(tiny.network.as_ref().map(|adapters| adapters.len()), Some(2));
        let own = config.images["deb"].hardware.as_ref();
        assert_eq!(own.and_then(|hardware| hardware.io_apic_enabled), Some(true));
        assert!(!format!("{config:?}").contains("secret"));
    }

    #[test]
    fn mistakes_have_a_place_and_what_is_gone_has_a_reason() {
        for (text, place, part) in [
            ("vbox-comm = \"xpcom\"", "\"xpcom\"", "only spoken to through its web service"),
            ("vbox-comm = \"smoke\"", "\"smoke\"", "there is \"ws\""),
            ("tag-provider = \"files\"", "\"files\"", "kept in the VMs' \"extra-data\""),
            ("environment = { a = 1 }", "{ a = 1 }", "a service has no environment"),
            ("locations = { a = {}, b = {} }", "{ a = {}, b = {} }", "has one location"),
            ("default-network-type = \"wifi\"", "\"wifi\"", "unknown variant `wifi`"),
            ("images.a = { uuid = \"x\" }", "{ uuid = \"x\" }", "missing field `os-type-id`"),
            (
                "hardware-models.a = { cpu-count = 0 }",
                "{ cpu-count = 0 }",
                "cpu-count: 0 is out of range: 1 to 256 processors",
            ),
            ("hardware-models.a = { cpus = 1 }", "cpus", "unknown field `cpus`"),
            ("colour = 1", "colour", "unknown field `colour`"),
        ] {
            let error = config(text).expect_err(text);
            assert!(error.message().contains(part), "{text}: {error}");
            let found = error.span().and_then(|span| text.get(span));
            assert_eq!(found, Some(place), "{text}: {error}");
        }
    }
}
