//! The crate `docker`.

use pallet_core::crates::Crate;
use pallet_core::plan::{Plan, PlanError};
use pallet_core::spec::ServerSpec;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::support::{Daemon, OrWrong, install, needs_debian, phase, service_phases};
use crate::actions::{Directory, RemoteFile, User};

/// Docker's engine, as the distribution packages it, and who may use it.
///
/// From version 23 on, `dockerd` checks the configuration before it is put in place. Whoever is in the group `docker`
/// can do everything on the node.
///
/// ```toml
/// [server-spec.builder]
/// extends = ["docker"]
///
/// [server-spec.builder.settings.docker]
/// users  = ["ci"]
/// daemon = { log-driver = "local", live-restore = true }
/// ```
#[derive(Debug)]
pub struct Docker;

/// What the crate `docker` can be told.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// The packages. Default: `docker.io`, and `docker-cli` where the release has it apart.
    pub packages: Option<Vec<String>>,
    /// The content of `/etc/docker/daemon.json`, under Docker's own names. Default: empty.
    pub daemon: Map<String, Value>,
    /// Accounts that may use it, made if they are not there. Default: root alone.
    pub users: Vec<String>,
    /// Whether it runs. Default: true.
    pub running: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { packages: None, daemon: Map::new(), users: Vec::new(), running: true }
    }
}

impl Crate for Docker {
    const NAME: &'static str = "docker";
    const SUMMARY: &'static str = "Docker's engine, its configuration, and who may use it.";
    const EXAMPLE: &'static str = r#"[server-spec.builder]
extends = ["docker"]

[server-spec.builder.settings.docker]
users  = ["ci"]
daemon = { log-driver = "local", live-restore = true }
"#;
    type Settings = Settings;

    fn server_spec() -> ServerSpec {
        let spec = ServerSpec::new()
            .phase("install", phase(install_docker))
            .phase("configure", phase(configure));
        service_phases(spec, |_| Ok("docker".to_owned()))
    }
}

/// Docker checks its configuration from version 23 on.
const CHECK: &str = "if dockerd --help | grep -q -e --validate; then \
                     dockerd --validate --config-file=FILE; fi";

fn install_docker(plan: &mut Plan<'_>) -> Result<(), PlanError> {
    needs_debian(plan, Docker::NAME)?;
    let facts = &plan.target().facts;
    // From Debian 13 on the command is a package of its own, which is only recommended.
    let is_split = facts.os == "debian" && facts.os_version.parse().is_ok_and(|it: u32| it >= 13);
    let usual = || {
        let names = if is_split { ["docker.io", "docker-cli"].as_slice() } else { &["docker.io"] };
        names.iter().map(|name| (*name).to_owned()).collect()
    };
    let packages = plan.settings_of::<Docker>()?.packages.unwrap_or_else(usual);
    install(plan, packages.iter().map(String::as_str))
}

fn configure(plan: &mut Plan<'_>) -> Result<(), PlanError> {
    let settings = plan.settings_of::<Docker>()?;
    let folder = Directory::new("/etc/docker").or_wrong(plan)?;
    plan.action(folder);
    let text = serde_json::to_string_pretty(&settings.daemon)
        .map_err(|error| plan.error(format!("`daemon` cannot be written: {error}")))?;
    let file = RemoteFile::new("/etc/docker/daemon.json")
        .and_then(|file| file.content(format!("{text}\n")).owner("root")?.mode("0644"))
        .or_wrong(plan)?
        .verify(CHECK.replace("FILE", "%s"));
    let file = plan.action(file);
    for name in &settings.users {
        let user = User::new(name).and_then(|user| user.groups(["docker"])).or_wrong(plan)?;
        plan.action(user);
    }
    if !settings.running {
        return Ok(());
    }
    let check = CHECK.replace("FILE", "/etc/docker/daemon.json");
    let daemon = Daemon {
        krate: Docker::NAME,
        service: "docker",
        reads: "/etc/docker",
        check: &check,
        restarts: true,
        starts_with_machine: true,
    };
    daemon.settle(plan, &[&file])
}
