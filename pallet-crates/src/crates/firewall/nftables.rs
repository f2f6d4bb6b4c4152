//! The firewall as nftables has it.

use pallet_core::crates::Crate as _;
use pallet_core::plan::{Plan, PlanError};

use super::super::support::{OrWrong, install, needs_debian};
use super::{Nftables, Rule, list, rules, ssh_ports};
use crate::actions::{Directory, ExecScript, LineInFile, RemoteFile, Service};

const FOLDER: &str = "/etc/nftables.d";
const FILE: &str = "/etc/nftables.d/pallet.nft";

pub(super) fn install_it(plan: &mut Plan<'_>) -> Result<(), PlanError> {
    needs_debian(plan, Nftables::NAME)?;
    install(plan, ["nftables"])
}

pub(super) fn configure(plan: &mut Plan<'_>) -> Result<(), PlanError> {
    let settings = plan.settings_of::<Nftables>()?;
    let ssh = ssh_ports(plan, &settings)?;
    let text = text(&ssh, &rules(plan, &settings)?);
    let folder = Directory::new(FOLDER).or_wrong(plan)?;
    plan.action(folder);
    let file = RemoteFile::new(FILE)
        .and_then(|file| file.content(text).owner("root")?.mode("0644"))
        .or_wrong(plan)?
        .verify("nft -c -f %s");
    let file = plan.action(file);
    // The distribution's file begins with `flush ruleset`, and holds a table that accepts all.
    let include = LineInFile::new("/etc/nftables.conf", format!("include \"{FILE}\""))
        .or_wrong(plan)?
        .create();
    plan.action(include);
    let load = |name: &str| {
        let script = format!(
            "set -e\nnft -f {FILE}\n\
             umask 077; mkdir -p /var/lib/pallet/crates\n{{ {DIGEST}; }} >{MEMORY}\n"
        );
        ExecScript::new(script).name(name).affects("/var/lib/pallet/crates")
    };
    let changed = load("load the firewall's rules").or_wrong(plan)?;
    plan.action_when_changed(&[&file], changed);
    let missing = load("load the firewall's rules, if they are not as they were loaded")
        .or_wrong(plan)?
        .unless(format!("set -o pipefail; {{ {DIGEST}; }} | cmp -s - {MEMORY}"))
        .read_only_guards();
    plan.action(missing);
    // Starting it would load its file, which is done already.
    let service = Service::new("nftables").or_wrong(plan)?.enabled(true);
    plan.action(service);
    Ok(())
}

const MEMORY: &str = "/var/lib/pallet/crates/nftables";
/// What tells whether the rules that hold are those of the file.
const DIGEST: &str = "sha256sum /etc/nftables.d/pallet.nft; nft -s list table inet pallet";

fn text(ssh: &str, rules: &[Rule]) -> String {
    let mut text = format!(
        "# Written by Pallet; changes made here are lost.\n\
         table inet pallet\n\
         delete table inet pallet\n\
         table inet pallet {{\n\
         \tchain input {{\n\
         \t\ttype filter hook input priority filter; policy drop;\n\
         \t\tiifname \"lo\" accept\n\
         \t\tct state established,related accept\n\
         \t\tmeta l4proto {{ icmp, ipv6-icmp }} accept\n\
         \t\ttcp dport {{ {ssh} }} accept\n"
    );
    for rule in rules {
        let from = rule
            .from
            .as_ref()
            .map(|from| format!("{} saddr {} ", if from.is_v6 { "ip6" } else { "ip" }, from.text));
        let (protocol, ports) = (rule.protocol.name(), list(&rule.ports));
        let from = from.unwrap_or_default();
        text.push_str(&format!("\t\t{from}{protocol} dport {{ {ports} }} accept\n"));
    }
    text.push_str("\t}\n}\n");
    text
}
