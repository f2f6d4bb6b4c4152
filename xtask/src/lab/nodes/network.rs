//! The nodes' network: a bridge with a subnet of its own, and a way out for packages.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use crate::lab::layout::Lab;
use crate::lab::system::say::say;
use crate::lab::system::tool::Tool;

const FORWARDING: &str = "/proc/sys/net/ipv4/ip_forward";

/// Makes the bridge and the way out unless they are there.
pub(crate) fn up(lab: &Lab) -> anyhow::Result<()> {
    let bridge = lab.bridge();
    if exists(&bridge) {
        if let Some(owner) = foreign_owner(lab) {
            bail!(
                "the lab in {owner} has the number {} already: choose another with PALLET_LAB_NUMBER",
                lab.number()
            );
        }
    } else {
        refuse_foreign_subnets(lab)?;
        say(format_args!("making the bridge {bridge} for {}", lab.subnet()));
        ip(&["link", "add", &bridge, "type", "bridge"])?;
    }
    // Every time: an earlier start may have been interrupted.
    for gateway in [lab.address(1), lab.instance_address(1)] {
        ip(&["address", "replace", &format!("{gateway}/24"), "dev", &bridge])?;
    }
    let owner = owner_mark(lab);
    ip(&["link", "set", "dev", &bridge, "alias", &owner, "up"])?;
    for cable in cables(lab) {
        // One of a node that a test stops in this moment may be gone by now.
        match ip(&["link", "set", "dev", &cable, "master", &bridge]) {
            Err(error) if exists(&cable) => return Err(error),
            _ => {}
        }
    }
    let before = fs::read_to_string(FORWARDING).unwrap_or_default();
    let remembered = remembered_forwarding(lab);
    if before.trim() != "1" && !remembered.exists() {
        fs::write(&remembered, &before)
            .with_context(|| format!("could not write {}", remembered.display()))?;
        fs::write(FORWARDING, "1").with_context(|| format!("could not write {FORWARDING}"))?;
    }
    let table = lab.nft_table();
    let subnets = format!("{{ {}, {} }}", lab.subnet(), lab.instance_subnet());
    // The first two statements make the third start from nothing, whether there was one or not.
    Tool::new("nft")
        .arg(format!(
            "table ip {table}; delete table ip {table}; \
             table ip {table} {{ chain out {{ type nat hook postrouting priority 100; \
             ip saddr {subnets} ip daddr != {subnets} masquerade; }}; }}"
        ))
        .run()
        .context("could not give the nodes a way to package mirrors")?;
    Ok(())
}

/// What the bridge carries as its alias, so that no lab removes another's.
fn owner_mark(lab: &Lab) -> String {
    lab.dir().display().to_string()
}

/// The other lab that the bridge of this number belongs to, if it does. One without a mark was left
/// by an interrupted start.
fn foreign_owner(lab: &Lab) -> Option<String> {
    let alias = format!("/sys/class/net/{}/ifalias", lab.bridge());
    let owner = fs::read_to_string(alias).ok()?.trim().to_owned();
    (!owner.is_empty() && owner != owner_mark(lab)).then_some(owner)
}

/// Takes everything down again and checks that it is gone.
pub(crate) fn down(lab: &Lab) -> anyhow::Result<()> {
    if foreign_owner(lab).is_some() {
        return Ok(());
    }
    let (bridge, table) = (lab.bridge(), lab.nft_table());
    if exists(&bridge) {
        ip(&["link", "delete", &bridge])?;
        say(format_args!("removed the bridge {bridge}"));
    }
    if Tool::new("nft").args(["list", "table", "ip", &table]).succeeds() {
        Tool::new("nft").args(["delete", "table", "ip", &table]).run()?;
    }
    restore_forwarding(lab)?;
    let cables = cables(lab);
    if !cables.is_empty() {
        bail!("network devices are left behind: {}", cables.join(" "));
    }
    Ok(())
}

/// Puts back the machine's own setting, unless another lab still depends on the present one.
fn restore_forwarding(lab: &Lab) -> anyhow::Result<()> {
    let remembered = remembered_forwarding(lab);
    let Ok(before) = fs::read_to_string(&remembered) else {
        return Ok(());
    };
    if devices().any(|name| name.starts_with("plab")) {
        say("another lab runs: IP forwarding stays on for it");
    } else {
        fs::write(FORWARDING, before.trim())
            .with_context(|| format!("could not write {FORWARDING}"))?;
    }
    fs::remove_file(&remembered)
        .with_context(|| format!("could not remove {}", remembered.display()))
}

/// Connects the network namespace of the process `pid` as `eth0`; `host` ends the node's address.
pub(crate) fn plug(lab: &Lab, host: u8, pid: u32) -> anyhow::Result<()> {
    let pid = pid.to_string();
    let cable = cable(lab, host);
    unplug(&cable)?;
    // The same after every start: this machine goes on using a hardware address it knows for up
    // to half a minute.
    let hardware_address = format!("02:fb:0a:c9:{:02x}:{host:02x}", lab.number());
    ip(&[
        "link",
        "add",
        &cable,
        "type",
        "veth",
        "peer",
        "name",
        "eth0",
        "address",
        &hardware_address,
        "netns",
        &pid,
    ])?;
    ip(&["link", "set", "dev", &cable, "master", &lab.bridge(), "up"])
}

/// Whether both ends of a node's cable are up.
pub(super) fn is_connected(lab: &Lab, host: u8) -> bool {
    fs::read_to_string(format!("/sys/class/net/{}/carrier", cable(lab, host)))
        .is_ok_and(|carrier| carrier.trim() == "1")
}

/// Removes a cable that is still there.
pub(crate) fn unplug(cable: &str) -> anyhow::Result<()> {
    // It may vanish by itself meanwhile.
    if exists(cable) && !Tool::new("ip").args(["link", "delete", cable]).succeeds() && exists(cable)
    {
        bail!("the network device {cable} cannot be removed");
    }
    Ok(())
}

/// The cable's name on this machine's side.
pub(crate) fn cable(lab: &Lab, host: u8) -> String {
    format!("{}{host}", cable_prefix(lab))
}

fn cable_prefix(lab: &Lab) -> String {
    format!("pl{}h", lab.number())
}

fn cables(lab: &Lab) -> Vec<String> {
    let prefix = cable_prefix(lab);
    devices().filter(|name| name.starts_with(&prefix)).collect()
}

/// The names of this machine's network devices.
fn devices() -> impl Iterator<Item = String> {
    fs::read_dir("/sys/class/net")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
}

/// The packet size that fits the machine's way out. Bigger ones would have to be split on the way,
/// and not every network tells the sender so.
pub(crate) fn mtu() -> u32 {
    let route =
        Tool::new("ip").args(["-o", "-4", "route", "show", "default"]).run().unwrap_or_default();
    device_of(&route)
        .and_then(|device| fs::read_to_string(format!("/sys/class/net/{device}/mtu")).ok())
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(1500)
        .min(1500)
}

fn device_of(route: &str) -> Option<&str> {
    let mut words = route.split_whitespace().skip_while(|word| *word != "dev");
    words.nth(1)
}

fn refuse_foreign_subnets(lab: &Lab) -> anyhow::Result<()> {
    for subnet in [lab.subnet(), lab.instance_subnet()] {
        let found = Tool::new("ip").args(["-o", "-4", "address", "show", "to", &subnet]).run()?;
        if let Some(line) = found.lines().next() {
            bail!(
                "the subnet {subnet} is in use on this machine ({}). Choose another with PALLET_LAB_NUMBER=1",
                line.trim()
            );
        }
    }
    Ok(())
}

/// Whether this machine has a network device of this name.
pub(super) fn exists(device: &str) -> bool {
    Path::new("/sys/class/net").join(device).exists()
}

fn ip(arguments: &[&str]) -> anyhow::Result<()> {
    Tool::new("ip").args(arguments).run().map(drop)
}

fn remembered_forwarding(lab: &Lab) -> PathBuf {
    lab.run_dir().join("ip_forward.before")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_out_is_read_from_the_route() {
        let route = "default via 192.0.2.1 dev eth0 proto static \n";
        assert_eq!(device_of(route), Some("eth0"));
        assert_eq!(device_of(""), None);
    }
}
