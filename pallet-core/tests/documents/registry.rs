//! A small registry to read test documents with: one action for each form that parameters take.

use std::collections::BTreeMap;
use std::sync::Arc;

use pallet_core::action::{Action, ActionError, Decision, ProbeSet, View};
use pallet_core::compute::{ComputeError, ComputeService, NodeList, Provider, ProviderContext};
use pallet_core::crates::Crate;
use pallet_core::registry::Registry;
use pallet_core::secret::{MaybeSecret, Secret};
use pallet_core::spec::{Phase, ServerSpec, Step};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub fn registry() -> Registry {
    Registry::new()
        .action::<RemoteFile>()
        .action::<Directory>()
        .action::<Packages>()
        .action::<PackageManager>()
        .action::<ExecScript>()
        .plan_fn("announce", |_plan| Ok(()))
        .plan_fn("find-database", |_plan| Ok(()))
        .provider::<NodeList>()
        .provider::<Cloud>()
        .krate::<Greeter>()
}

macro_rules! action {
    ($type:ty, $name:literal, $example:literal, $subject:expr) => {
        impl Action for $type {
            const NAME: &'static str = $name;
            const SUMMARY: &'static str = "An action of the tests.";
            const EXAMPLE: &'static str = $example;

            fn subject(&self) -> String {
                let subject: fn(&Self) -> String = $subject;
                subject(self)
            }

            fn probe(&self, _view: &View<'_>, _wanted: &mut ProbeSet) {}

            fn decide(&self, _view: &View<'_>) -> Result<Decision, ActionError> {
                Ok(Decision::Unchanged)
            }
        }
    };
}

/// A table.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RemoteFile {
    pub path: String,
    #[serde(default)]
    pub content: String,
    #[serde(default)]
    pub max_size: Option<u16>,
    #[serde(default)]
    pub no_backup: bool,
}
action!(
    RemoteFile,
    "remote-file",
    "{ remote-file = { path = \"/etc/motd\", content = \"hi\" } }",
    |it| { it.path.clone() }
);

/// A string or a table.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Directory {
    Path(String),
    Full { path: String, mode: Option<String> },
}
action!(Directory, "directory", "{ directory = \"/opt/app\" }", |it| match it {
    Directory::Path(path) => path.clone(),
    Directory::Full { path, mode } => format!("{path} {}", mode.as_deref().unwrap_or("-")),
});

/// An array.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Packages(pub Vec<String>);
action!(Packages, "packages", "{ packages = [\"git\"] }", |it| it.0.join(" "));

/// One of some words.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PackageManager {
    Update,
    FullUpgrade,
}
action!(PackageManager, "package-manager", "{ package-manager = \"update\" }", |it| format!(
    "{it:?}"
));

/// A string.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ExecScript(pub String);
action!(ExecScript, "exec-script", "{ exec-script = \"true\" }", |it| it.0.clone());

/// A provider that must not be opened by reading a document.
pub struct Cloud;

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct CloudConfig {
    #[allow(dead_code, reason = "documents are read, the service is never opened")]
    pub url: String,
    #[allow(dead_code, reason = "documents are read, the service is never opened")]
    pub token: Option<Secret>,
}

impl Provider for Cloud {
    const NAME: &'static str = "cloud";
    const ALIASES: &'static [&'static str] = &["sky"];
    type Config = CloudConfig;

    async fn open(
        _config: CloudConfig,
        _context: ProviderContext,
    ) -> Result<Arc<dyn ComputeService>, ComputeError> {
        panic!("reading a document opened a service")
    }
}

/// A crate whose settings are never complete by themselves.
pub struct Greeter;

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct GreeterSettings {
    pub word: String,
    pub guests: BTreeMap<String, Guest>,
    pub key: Option<MaybeSecret>,
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Guest {
    pub title: String,
    #[serde(default)]
    pub age: u8,
}

impl Default for GreeterSettings {
    fn default() -> Self {
        Self { word: "hello".to_owned(), guests: BTreeMap::new(), key: None }
    }
}

impl Crate for Greeter {
    const NAME: &'static str = "greeter";
    const SUMMARY: &'static str = "A crate of the tests.";
    const EXAMPLE: &'static str = "[server-spec.hall]\nextends = [\"greeter\"]\n";
    type Settings = GreeterSettings;

    fn server_spec() -> ServerSpec {
        let file = RemoteFile {
            path: "/etc/greeting".to_owned(),
            content: String::new(),
            max_size: None,
            no_backup: false,
        };
        ServerSpec::new()
            .role("greeter")
            .phase("configure", Phase::new().step(Step::action(file).id("greeting")))
            .phase("greet", Phase::new().plan(|_| Ok(())))
    }
}
