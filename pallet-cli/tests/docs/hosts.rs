//! Existing hosts that a page names: nodes of the lab, under the addresses and with the account of
//! the page, plugged into the page's machine.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::Path;
use std::process::Command;

use xtask::lab::{ClaimedNode, NodeKind, State};

use super::machine::{Machine, READER};
use super::page::Needs;

/// Makes an account with the key of the one that the lab's nodes have, and sudo without password.
const ACCOUNT: &str = r#"
set -eu
id "$1" >/dev/null 2>&1 || useradd --create-home --shell /bin/bash "$1"
home=$(getent passwd "$1" | cut -d: -f6)
install -d -m 700 -o "$1" -g "$1" "$home/.ssh"
from=$(getent passwd "$2" | cut -d: -f6)/.ssh/authorized_keys
cmp -s "$from" "$home/.ssh/authorized_keys" || install -m 600 -o "$1" -g "$1" "$from" "$home/.ssh/authorized_keys"
echo "$1 ALL=(ALL) NOPASSWD: ALL" >/etc/sudoers.d/page
"#;

/// Takes nodes, and gives them back with the returned value.
pub fn plug(machine: &Machine, needs: &Needs, number: usize) -> Vec<ClaimedNode> {
    let lab = State::load().unwrap();
    let kind = if needs.systemd { NodeKind::Systemd } else { NodeKind::Plain };
    let nodes = lab.claim(kind, needs.hosts.len()).unwrap();
    let [first, second, third, _] = nodes[0].address.octets();
    let pid = machine.pid();
    let cable = format!("page{number}l{third}");
    let (bridge, own) = (format!("plab{third}"), 191 + number);
    ip(&format!("link add {cable} type veth peer name eth0 netns {pid}"));
    ip(&format!("link set {cable} master {bridge} up"));
    let inside = |command: String| {
        let target = format!("--target={pid}");
        let status = Command::new("nsenter")
            .args([&target, "--net", "ip"])
            .args(command.split(' '))
            .status();
        assert!(status.unwrap().success(), "ip {command}");
    };
    inside(format!("address add {first}.{second}.{third}.{own}/24 dev eth0"));
    inside("link set eth0 up".to_owned());
    inside(format!("route add default via {first}.{second}.{third}.1"));

    let mut known = String::new();
    for (node, host) in nodes.iter().zip(&needs.hosts) {
        // `~` stands behind hosts that are reached through others alone.
        let (host, hidden) = host.strip_suffix('~').map_or((host.as_str(), false), |it| (it, true));
        node.run(&["ip", "address", "add", &format!("{host}/32"), "dev", "lo"]).unwrap();
        node.run(&["sh", "-c", ACCOUNT, "account", &needs.account, &node.user]).unwrap();
        if hidden {
            inside(format!("route add unreachable {host}/32"));
        } else {
            inside(format!("route add {host}/32 via {}", node.address));
        }
        for other in nodes.iter().filter(|other| other.name != node.name) {
            let via = node.address.to_string();
            other.run(&["ip", "route", "add", &format!("{host}/32"), "via", &via]).unwrap();
        }
        known += &format!("{host} {}\n", node.host_key);
    }
    ssh_folder(&machine.home().join(".ssh"), &nodes[0].key, &known);
    nodes
}

/// What somebody has who has logged in at the hosts before.
fn ssh_folder(folder: &Path, key: &Path, known: &str) {
    fs::create_dir(folder).unwrap();
    fs::copy(key, folder.join("id_ed25519")).unwrap();
    fs::copy(key.with_extension("pub"), folder.join("id_ed25519.pub")).unwrap();
    fs::write(folder.join("known_hosts"), known).unwrap();
    for (name, mode) in
        [("", 0o700), ("id_ed25519", 0o600), ("id_ed25519.pub", 0o644), ("known_hosts", 0o600)]
    {
        chown(folder.join(name), Some(READER), Some(READER)).unwrap();
        fs::set_permissions(folder.join(name), fs::Permissions::from_mode(mode)).unwrap();
    }
}

fn ip(command: &str) {
    let status = Command::new("ip").args(command.split(' ')).status();
    assert!(status.unwrap().success(), "ip {command}");
}
