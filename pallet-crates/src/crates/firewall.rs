//! The crates `nftables` and `iptables`.

mod iptables;
mod nftables;

use std::collections::BTreeSet;
use std::net::IpAddr;

use pallet_core::crates::Crate;
use pallet_core::plan::{Plan, PlanError};
use pallet_core::spec::ServerSpec;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ssh::Ssh;
use super::support::{address_of, phase};
use crate::actions::ReadValue;

/// A firewall in a table of its own, so that rules of Docker and others stay: what is not accepted
/// does not come in. It survives a restart of the machine.
///
/// What is always accepted: this machine's own packets, answers, ICMP, and SSH on port 22, on the
/// ports of the crate `ssh`, and on those that the node's SSH server listens on at the moment: no
/// setting can lock you out. `nft` checks the rules before they are put in place.
///
/// ```toml
/// [server-spec.web]
/// extends = ["nftables"]
/// settings.nftables.accept = [
///   { ports = [80, 443] },
///   { ports = [9100], from = ["10.0.0.0/8"] },
///   { ports = [53], protocol = "udp", from-role = "web" },
/// ]
/// ```
#[derive(Debug)]
pub struct Nftables;

/// As [`Nftables`], with iptables: a chain of its own, loaded by `netfilter-persistent` when the
/// machine starts.
///
/// ```toml
/// [server-spec.web]
/// extends = ["iptables"]
/// settings.iptables.accept = [{ ports = [80, 443] }]
/// ```
#[derive(Debug)]
pub struct Iptables;

/// What the crates `nftables` and `iptables` can be told.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// What comes in, beside what always does. Default: nothing.
    pub accept: Vec<Accept>,
    /// Further ports of SSH. Default: none.
    pub ssh_ports: Vec<u16>,
}

/// Something that comes in.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Accept {
    /// Ports of this node. Default: none, so nothing comes in.
    pub ports: Vec<u16>,
    /// The protocol. Default: `tcp`.
    pub protocol: Protocol,
    /// Addresses or networks that it may come from. Default: everywhere, unless `from-role` is
    /// given.
    pub from: Vec<String>,
    /// Nodes that play this role may send it. Default: see `from`.
    pub from_role: Option<String>,
}

/// A protocol with ports.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// TCP.
    #[default]
    Tcp,
    /// UDP.
    Udp,
}

impl Protocol {
    fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

impl Crate for Nftables {
    const NAME: &'static str = "nftables";
    const SUMMARY: &'static str = "A firewall of nftables that never locks out SSH.";
    const EXAMPLE: &'static str = r#"[server-spec.web]
extends = ["nftables"]
settings.nftables.accept = [
  { ports = [80, 443] },
  { ports = [9100], from = ["10.0.0.0/8"] },
  { ports = [53], protocol = "udp", from-role = "web" },
]
"#;
    type Settings = Settings;

    fn server_spec() -> ServerSpec {
        ServerSpec::new()
            .phase("install", phase(nftables::install_it))
            .phase("configure", phase(nftables::configure))
    }
}

impl Crate for Iptables {
    const NAME: &'static str = "iptables";
    const SUMMARY: &'static str = "A firewall of iptables that never locks out SSH.";
    const EXAMPLE: &'static str = r#"[server-spec.web]
extends = ["iptables"]
settings.iptables.accept = [{ ports = [80, 443] }]
"#;
    type Settings = Settings;

    fn server_spec() -> ServerSpec {
        ServerSpec::new()
            .phase("install", phase(iptables::install_it))
            .phase("configure", phase(iptables::configure))
    }
}

/// The name under which the ports of SSH are read from the node.
const SSH_PORTS: &str = "firewall-ssh-ports";

/// All ports of SSH, as both programs list them: those that settings name, and those that the
/// node's SSH server listens on. What stands for them is a placeholder.
fn ssh_ports(plan: &mut Plan<'_>, settings: &Settings) -> Result<String, PlanError> {
    let mut known = BTreeSet::from([22]);
    known.extend(&settings.ssh_ports);
    known.extend(plan.settings_of::<Ssh>()?.ports);
    let known: Vec<String> = known.iter().map(u16::to_string).collect();
    let script = format!(
        "{{ printf '%s\\n' {}; PATH=$PATH:/usr/sbin; sshd -T 2>/dev/null | sed -n 's/^port //p'; }} \
         | sort -un | paste -sd, -",
        known.join(" ")
    );
    plan.action(ReadValue::script(SSH_PORTS, script).default(known.join(",")));
    plan.placeholder(SSH_PORTS)
}

/// One rule: a protocol, ports, and where it may come from (`None`: everywhere).
#[derive(Debug, PartialEq, Eq)]
struct Rule {
    protocol: Protocol,
    ports: Vec<u16>,
    from: Option<Network>,
}

/// A network, as both programs write it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Network {
    text: String,
    is_v6: bool,
}

/// All rules of a node beside that for SSH.
fn rules(plan: &Plan<'_>, settings: &Settings) -> Result<Vec<Rule>, PlanError> {
    let mut rules = Vec::new();
    for accept in settings.accept.iter().filter(|accept| !accept.ports.is_empty()) {
        let rule = |from| Rule { protocol: accept.protocol, ports: accept.ports.clone(), from };
        if accept.from.is_empty() && accept.from_role.is_none() {
            rules.push(rule(None));
            continue;
        }
        let mut networks = BTreeSet::new();
        for text in &accept.from {
            let error = || plan.error(format!("`{text}` is neither an address nor a network"));
            networks.insert(network(text).ok_or_else(error)?);
        }
        let role = accept.from_role.as_deref().unwrap_or_default();
        // The address of a node that does not exist yet is not known.
        let nodes = plan.nodes().iter().filter(|node| node.roles.contains(role));
        networks.extend(nodes.filter_map(|node| network(&address_of(node))));
        rules.extend(networks.into_iter().map(|network| rule(Some(network))));
    }
    Ok(rules)
}

fn network(text: &str) -> Option<Network> {
    let (address, prefix) = text.split_once('/').map_or((text, None), |(a, p)| (a, Some(p)));
    let address: IpAddr = address.parse().ok()?;
    let longest = if address.is_ipv6() { 128 } else { 32 };
    if let Some(prefix) = prefix {
        prefix.parse::<u8>().ok().filter(|prefix| *prefix <= longest)?;
    }
    Some(Network { text: text.to_owned(), is_v6: address.is_ipv6() })
}

/// Ports as both programs list them, without braces.
fn list(ports: &[u16]) -> String {
    ports.iter().map(u16::to_string).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks() {
        for good in ["10.0.0.0/8", "192.0.2.1", "2001:db8::/32", "::1"] {
            assert_eq!(network(good).unwrap().text, good);
        }
        for bad in ["10.0.0.0/33", "x", "1.2.3.4/", "known after create", "", "10.0.0.0/8; drop"] {
            assert_eq!(network(bad), None, "{bad}");
        }
    }
}
