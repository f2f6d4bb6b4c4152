//! The crate `haproxy`.

use std::collections::BTreeMap;

use pallet_core::crates::Crate;
use pallet_core::plan::{Plan, PlanError};
use pallet_core::spec::ServerSpec;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::support::{Daemon, OrWrong, address_of, install, needs_debian, phase, service_phases};
use crate::actions::RemoteFile;

/// HAProxy, which finds the servers behind it among the nodes.
///
/// A node is behind a listener if it plays the role that the listener names, or if its own settings
/// say so (`settings.haproxy.serves.LISTENER`), which it may do without extending this crate.
///
/// ```toml
/// [server-spec.balancer]
/// extends = ["haproxy"]
/// settings.haproxy.listeners.shop = { bind = "*:80", role = "web", port = 8080 }
///
/// [server-spec.app]
/// settings.haproxy.serves.shop = { port = 9000, weight = 10 }
/// ```
#[derive(Debug)]
pub struct Haproxy;

/// What the crate `haproxy` can be told.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// Lines of the section `global`, after those that the distribution has. Default: none.
    pub global: Vec<String>,
    /// Lines of the section `defaults`. Default: HTTP with its log, and time-outs of 5 s to
    /// connect and 50 s for each side.
    pub defaults: Vec<String>,
    /// What is listened on, by name. Default: nothing.
    pub listeners: BTreeMap<String, Listener>,
    /// On a node behind a listener: what it serves there, by the listener's name. Default: nothing.
    pub serves: BTreeMap<String, Served>,
}

/// Something that is listened on, and what is behind it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Listener {
    /// Where it listens. Default: `*:80`.
    pub bind: String,
    /// `http` or `tcp`. Default: `http`.
    pub mode: String,
    /// How a server is chosen. Default: `roundrobin`.
    pub balance: String,
    /// All nodes that play this role are behind it. Default: none.
    pub role: Option<String>,
    /// The port of the servers that do not name another one. Default: 80.
    pub port: u16,
    /// Servers that are no nodes: `host:port`. Default: none.
    pub servers: Vec<String>,
    /// Whether servers that do not answer are left out. Default: true.
    pub check: bool,
    /// Further lines of its section. Default: none.
    pub options: Vec<String>,
}

/// What a node serves behind a listener.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Served {
    /// Its port. Default: the listener's.
    pub port: Option<u16>,
    /// How much of the work it gets, 0 to 256. Default: as much as others.
    pub weight: Option<u16>,
    /// Whether it works only if no other does. Default: false.
    pub backup: bool,
}

impl Default for Settings {
    fn default() -> Self {
        let defaults = [
            "log global",
            "mode http",
            "option httplog",
            "option dontlognull",
            "timeout connect 5s",
            "timeout client 50s",
            "timeout server 50s",
        ];
        Self {
            global: Vec::new(),
            defaults: defaults.map(str::to_owned).to_vec(),
            listeners: BTreeMap::new(),
            serves: BTreeMap::new(),
        }
    }
}

impl Default for Listener {
    fn default() -> Self {
        Self {
            bind: "*:80".to_owned(),
            mode: "http".to_owned(),
            balance: "roundrobin".to_owned(),
            role: None,
            port: 80,
            servers: Vec::new(),
            check: true,
            options: Vec::new(),
        }
    }
}

const FILE: &str = "/etc/haproxy/haproxy.cfg";
const GLOBAL: &str = "# Written by Pallet; changes made here are lost.
global
    log /dev/log local0
    chroot /var/lib/haproxy
    user haproxy
    group haproxy
    daemon
";

impl Crate for Haproxy {
    const NAME: &'static str = "haproxy";
    const SUMMARY: &'static str = "HAProxy, which finds the servers behind it among the nodes.";
    const EXAMPLE: &'static str = r#"[server-spec.balancer]
extends = ["haproxy"]
settings.haproxy.listeners.shop = { bind = "*:80", role = "web", port = 8080 }

[server-spec.app]
settings.haproxy.serves.shop = { port = 9000, weight = 10 }
"#;
    type Settings = Settings;

    fn server_spec() -> ServerSpec {
        let spec = ServerSpec::new()
            .phase("install", phase(install_haproxy))
            .phase("configure", phase(configure));
        service_phases(spec, |_| Ok("haproxy".to_owned()))
    }
}

fn install_haproxy(plan: &mut Plan<'_>) -> Result<(), PlanError> {
    needs_debian(plan, Haproxy::NAME)?;
    install(plan, ["haproxy"])
}

fn configure(plan: &mut Plan<'_>) -> Result<(), PlanError> {
    let text = configuration(plan)?;
    let file = RemoteFile::new(FILE)
        .and_then(|file| file.content(text).owner("root")?.mode("0644"))
        .or_wrong(plan)?
        .verify("haproxy -c -q -f %s");
    let file = plan.action(file);
    let check = format!("haproxy -c -q -f {FILE}");
    let daemon = Daemon {
        krate: Haproxy::NAME,
        service: "haproxy",
        reads: "/etc/haproxy",
        check: &check,
        restarts: false,
        starts_with_machine: true,
    };
    daemon.settle(plan, &[&file])
}

fn configuration(plan: &Plan<'_>) -> Result<String, PlanError> {
    let settings = plan.settings_of::<Haproxy>()?;
    let mut text = String::from(GLOBAL);
    let mut section = |head: &str, lines: &[String]| -> Result<(), PlanError> {
        if [head].into_iter().chain(lines.iter().map(String::as_str)).any(|it| it.contains('\n')) {
            return Err(plan.error(format!("`{head}`: one element, one line")));
        }
        if !head.is_empty() {
            text.push_str(&format!("\n{head}\n"));
        }
        lines.iter().for_each(|line| text.push_str(&format!("    {line}\n")));
        Ok(())
    };
    section("", &settings.global)?;
    section("defaults", &settings.defaults)?;
    for (name, listener) in &settings.listeners {
        let mut lines = vec![
            format!("bind {}", listener.bind),
            format!("mode {}", listener.mode),
            format!("balance {}", listener.balance),
        ];
        lines.extend(listener.options.iter().cloned());
        lines.extend(listener.servers(plan, name)?);
        section(&format!("listen {name}"), &lines)?;
    }
    Ok(text)
}

impl Listener {
    fn servers(&self, plan: &Plan<'_>, name: &str) -> Result<Vec<String>, PlanError> {
        let check = if self.check { " check" } else { "" };
        let mut lines = Vec::new();
        for node in plan.nodes() {
            let settings = node.settings_of::<Haproxy>().map_err(|error| {
                plan.error(format!(
                    "the settings of `haproxy` of {} are not right: {error}",
                    node.name
                ))
            })?;
            let served = settings.and_then(|it| it.serves.get(name).cloned());
            let plays_role = self.role.as_ref().is_some_and(|role| node.roles.contains(role));
            let Some(served) = served.or(plays_role.then(Served::default)) else { continue };
            let (address, port) = (address_of(node), served.port.unwrap_or(self.port));
            // The address of a node that does not exist yet is told in words.
            let address = address.replace(' ', "-");
            let weight = served.weight.map(|it| format!(" weight {it}")).unwrap_or_default();
            let backup = if served.backup { " backup" } else { "" };
            lines.push(format!("server {} {address}:{port}{check}{weight}{backup}", node.name));
        }
        let others = self.servers.iter().enumerate();
        lines.extend(others.map(|(at, server)| format!("server other-{} {server}{check}", at + 1)));
        Ok(lines)
    }
}

#[cfg(test)]
mod tests {
    use pallet_core::plan::{Nodes, Scene, Target, compile};
    use pallet_core::spec::Phase;
    use serde_json::{Map, Value, json};

    use super::*;

    fn node(name: &str, address: &str, role: &str, settings: Value) -> Target {
        let mut node = Target::new(name, "group");
        node.address = address.to_owned();
        node.roles.insert(role.to_owned());
        if let Value::Object(settings) = settings {
            node.settings = settings;
        }
        node
    }

    #[test]
    fn servers_are_found_among_the_nodes() {
        let listener = json!({ "role": "web", "port": 8080, "servers": ["10.9.9.9:1"] });
        let target = node(
            "lb",
            "10.0.0.1",
            "lb",
            json!({ "haproxy": { "listeners": { "shop": listener } } }),
        );
        let nodes = Nodes::from(vec![
            target.clone(),
            node("web-1", "10.0.0.2", "web", json!({})),
            node(
                "web-2",
                "10.0.0.3",
                "web",
                json!({ "haproxy": { "serves": { "shop": { "backup": true } } } }),
            ),
            node(
                "app",
                "10.0.0.4",
                "app",
                json!({ "haproxy": { "serves": { "shop": { "port": 9, "weight": 7 } } } }),
            ),
            node("db", "10.0.0.5", "db", json!({})),
        ]);
        let phase = Phase::new().plan(|plan| {
            let text = configuration(plan)?;
            let servers: Vec<&str> =
                text.lines().filter_map(|line| line.trim().strip_prefix("server ")).collect();
            assert_eq!(
                servers,
                [
                    "web-1 10.0.0.2:8080 check",
                    "web-2 10.0.0.3:8080 check backup",
                    "app 10.0.0.4:9 check weight 7",
                    "other-1 10.9.9.9:1 check",
                ]
            );
            Ok(())
        });
        let environment = Map::new();
        compile("configure", &phase, &target, Scene::new(&nodes, &environment)).unwrap();
    }
}
