//! The firewall as iptables has it.

use pallet_core::crates::Crate as _;
use pallet_core::plan::{Plan, PlanError};

use super::super::support::{OrWrong, install, needs_debian};
use super::{Iptables, Rule, list, rules, ssh_ports};
use crate::actions::{ExecScript, RemoteFile, Service};

const FILES: [(&str, &str, bool); 2] =
    [("/etc/iptables/rules.v4", "iptables", false), ("/etc/iptables/rules.v6", "ip6tables", true)];

pub(super) fn install_it(plan: &mut Plan<'_>) -> Result<(), PlanError> {
    needs_debian(plan, Iptables::NAME)?;
    install(plan, ["iptables", "iptables-persistent"])
}

pub(super) fn configure(plan: &mut Plan<'_>) -> Result<(), PlanError> {
    let settings = plan.settings_of::<Iptables>()?;
    let ssh = ssh_ports(plan, &settings)?;
    let rules = rules(plan, &settings)?;
    for (path, program, is_v6) in FILES {
        let file = RemoteFile::new(path)
            .and_then(|file| file.content(text(&ssh, &rules, is_v6)).owner("root")?.mode("0644"))
            .or_wrong(plan)?
            .verify(format!("{program}-restore --test %s"));
        let file = plan.action(file);
        let (memory, digest) = (
            format!("/var/lib/pallet/crates/{program}"),
            format!("{{ sha256sum {path}; {program} -S PALLET; {program} -C INPUT -j PALLET; }}"),
        );
        // Docker's rules and others stay: only the own chain is filled anew, and led to once.
        let script = format!(
            "set -e\n\
             grep -v '^-A INPUT ' {path} | {program}-restore --noflush\n\
             {program} -C INPUT -j PALLET 2>/dev/null || {program} -I INPUT -j PALLET\n\
             umask 077; mkdir -p /var/lib/pallet/crates\n{digest} >{memory}\n"
        );
        let load = |name: String| {
            ExecScript::new(script.clone()).name(name).affects("/var/lib/pallet/crates")
        };
        let changed = load(format!("load the rules of {program}")).or_wrong(plan)?;
        plan.action_when_changed(&[&file], changed);
        let missing = load(format!("load the rules of {program}, if they are not as loaded"))
            .or_wrong(plan)?
            .unless(format!("set -o pipefail; {digest} | cmp -s - {memory}"))
            .read_only_guards();
        plan.action(missing);
    }
    let service = Service::new("netfilter-persistent").or_wrong(plan)?.enabled(true);
    plan.action(service);
    Ok(())
}

fn text(ssh: &str, rules: &[Rule], is_v6: bool) -> String {
    let icmp = if is_v6 { "ipv6-icmp" } else { "icmp" };
    let mut text = format!(
        "# Written by Pallet; changes made here are lost.\n\
         *filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n\
         :PALLET - [0:0]\n\
         -A INPUT -j PALLET\n\
         -A PALLET -i lo -j ACCEPT\n\
         -A PALLET -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n\
         -A PALLET -p {icmp} -j ACCEPT\n\
         -A PALLET -p tcp -m multiport --dports {ssh} -j ACCEPT\n"
    );
    for rule in rules {
        if rule.from.as_ref().is_some_and(|from| from.is_v6 != is_v6) {
            continue;
        }
        let from = rule.from.as_ref().map(|from| format!("-s {} ", from.text));
        let (protocol, from) = (rule.protocol.name(), from.unwrap_or_default());
        // The match takes 15 ports at most.
        for ports in rule.ports.chunks(15) {
            text.push_str(&format!(
                "-A PALLET {from}-p {protocol} -m multiport --dports {} -j ACCEPT\n",
                list(ports)
            ));
        }
    }
    text.push_str("-A PALLET -j DROP\nCOMMIT\n");
    text
}
