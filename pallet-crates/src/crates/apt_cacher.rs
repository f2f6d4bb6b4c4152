//! The crates `apt-cacher` and `apt-cacher-client`.

use std::collections::BTreeMap;

use pallet_core::crates::Crate;
use pallet_core::plan::{Plan, PlanError};
use pallet_core::spec::ServerSpec;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::support::{Daemon, OrWrong, address_of, install, needs_debian, phase, service_phases};
use crate::actions::{RemoteFile, WaitFor};

/// A cache of Debian packages for all other nodes: apt-cacher-ng.
///
/// It is there before any other node installs anything: its phase `package-cache` runs before
/// `install`. Nodes that extend `apt-cacher-client` find it by its role, `apt-cacher`.
///
/// ```toml
/// [server-spec.cache]
/// extends = ["apt-cacher"]
/// settings.apt-cacher.options = { ExThreshold = 30 }
///
/// [server-spec.base]
/// extends = ["apt-cacher-client"]
/// ```
#[derive(Debug)]
pub struct AptCacher;

/// What the crate `apt-cacher` can be told.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// The port. Default: 3142.
    pub port: u16,
    /// Whatever else apt-cacher-ng knows, under its own names. Default: nothing.
    pub options: BTreeMap<String, Text>,
}

/// A number or a text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Text {
    /// A number.
    Number(i64),
    /// A text.
    Text(String),
}

impl Default for Settings {
    fn default() -> Self {
        Self { port: 3142, options: BTreeMap::new() }
    }
}

impl Crate for AptCacher {
    const NAME: &'static str = "apt-cacher";
    const SUMMARY: &'static str = "A cache of Debian packages for all other nodes.";
    const EXAMPLE: &'static str = r#"[server-spec.cache]
extends = ["apt-cacher"]
settings.apt-cacher.options = { ExThreshold = 30 }

[server-spec.base]
extends = ["apt-cacher-client"]
"#;
    type Settings = Settings;

    fn server_spec() -> ServerSpec {
        let spec = ServerSpec::new()
            .role("apt-cacher")
            .default_phases(["package-cache", "install", "configure"])
            .phase("package-cache", phase(serve));
        service_phases(spec, |_| Ok("apt-cacher-ng".to_owned()))
    }
}

fn serve(plan: &mut Plan<'_>) -> Result<(), PlanError> {
    needs_debian(plan, AptCacher::NAME)?;
    let settings = plan.settings_of::<AptCacher>()?;
    install(plan, ["apt-cacher-ng"])?;
    let mut text = format!("# Written by Pallet.\nPort: {}\n", settings.port);
    for (name, value) in &settings.options {
        let value = match value {
            Text::Number(number) => number.to_string(),
            Text::Text(text) => text.clone(),
        };
        if [name, &value].into_iter().any(|it| it.contains('\n')) || name.contains([':', ' ']) {
            return Err(plan.error(format!("`{name}: {value}` is no option of apt-cacher-ng")));
        }
        text.push_str(&format!("{name}: {value}\n"));
    }
    // It reads the files of the folder in their order, and the last word counts.
    let file = RemoteFile::new("/etc/apt-cacher-ng/zz_pallet.conf")
        .and_then(|file| file.content(text).owner("root")?.mode("0644"))
        .or_wrong(plan)?;
    let file = plan.action(file);
    let daemon = Daemon {
        krate: AptCacher::NAME,
        service: "apt-cacher-ng",
        reads: "/etc/apt-cacher-ng/zz_pallet.conf",
        check: "true",
        restarts: true,
        starts_with_machine: true,
    };
    daemon.settle(plan, &[&file])?;
    plan.action(WaitFor::port(settings.port));
    Ok(())
}

/// Has apt fetch packages through the cache of another node.
///
/// ```toml
/// [server-spec.base]
/// extends = ["apt-cacher-client"]
/// ```
#[derive(Debug)]
pub struct AptCacherClient;

/// What the crate `apt-cacher-client` can be told.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ClientSettings {
    /// The role of the node with the cache. Default: `apt-cacher`.
    pub role: String,
    /// The cache's address, in place of a node's: `http://cache.example.org:3142`. Default: none.
    pub proxy: Option<String>,
}

impl Default for ClientSettings {
    fn default() -> Self {
        Self { role: "apt-cacher".to_owned(), proxy: None }
    }
}

impl Crate for AptCacherClient {
    const NAME: &'static str = "apt-cacher-client";
    const SUMMARY: &'static str = "Has apt fetch packages through the cache of another node.";
    const EXAMPLE: &'static str = "[server-spec.base]\nextends = [\"apt-cacher-client\"]\n";
    type Settings = ClientSettings;

    fn server_spec() -> ServerSpec {
        ServerSpec::new().phase("install", phase(use_cache))
    }
}

fn use_cache(plan: &mut Plan<'_>) -> Result<(), PlanError> {
    needs_debian(plan, AptCacherClient::NAME)?;
    let settings = plan.settings_of::<AptCacherClient>()?;
    let file = RemoteFile::new("/etc/apt/apt.conf.d/50pallet-proxy").or_wrong(plan)?;
    let Some(proxy) = settings.address(plan)? else {
        plan.action(file.absent());
        return Ok(());
    };
    if proxy.contains(['"', '\n', '\\']) {
        return Err(plan.error(format!("`{proxy}` is no address of a cache")));
    }
    let text = format!("Acquire::http::Proxy \"{proxy}\";\nAcquire::https::Proxy \"DIRECT\";\n");
    let file = file.content(text).mode("0644").or_wrong(plan)?;
    plan.action(file);
    Ok(())
}

impl ClientSettings {
    /// `None` on the node that is the cache itself: it installs before it is one.
    fn address(&self, plan: &Plan<'_>) -> Result<Option<String>, PlanError> {
        if let Some(proxy) = &self.proxy {
            return Ok(Some(proxy.clone()));
        }
        if plan.target().roles.contains(&self.role) {
            return Ok(None);
        }
        let Some(cache) = plan.nodes_with_role(&self.role).next() else {
            let error = plan.error(format!("no node plays the role `{}`", self.role));
            return Err(error
                .help("have one extend `apt-cacher`, or set `settings.apt-cacher-client.proxy`"));
        };
        let settings = cache.settings_of::<AptCacher>();
        let settings = settings.map_err(|error| plan.error(format!("{}: {error}", cache.name)))?;
        let port = settings.unwrap_or_default().port;
        Ok(Some(format!("http://{}:{port}", address_of(cache))))
    }
}
