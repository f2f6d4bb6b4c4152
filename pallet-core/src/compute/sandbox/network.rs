//! The network of a service's sandboxes: a bridge, and a cable from each sandbox to it.

use std::collections::BTreeSet;
use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::store::{Scope, read_json, write_json};
use super::tool::{self, failed, run};
use crate::compute::ComputeError;

/// The first sandbox's number in the network: `.0` and `.1` are taken.
const FIRST: u16 = 2;
/// The last number of a /20.
const LAST: u16 = 4094;

/// A subnet of 4,096 addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Subnet(Ipv4Addr);

impl Subnet {
    /// The address of a number.
    pub fn address(self, number: u16) -> Ipv4Addr {
        Ipv4Addr::from(u32::from(self.0) + u32::from(number))
    }

    /// The machine's own address in it.
    pub fn gateway(self) -> Ipv4Addr {
        self.address(1)
    }

    fn overlaps(self, address: Ipv4Addr, prefix: u32) -> bool {
        let mask = u32::MAX.checked_shl(32 - prefix.min(20)).unwrap_or(0);
        (u32::from(self.0) ^ u32::from(address)) & mask == 0
    }
}

/// The lowest number that none of the others has.
pub(super) fn free_number(taken: &BTreeSet<u16>) -> Option<u16> {
    (FIRST..=LAST).find(|number| !taken.contains(number))
}

/// The subnet of a scope, if it has one.
pub(super) fn known(scope: &Scope) -> Result<Option<Subnet>, ComputeError> {
    read_json(&scope.network_file())
}

/// Makes the bridge of a scope unless it is there. Call it with the hub locked. The inner error
/// says why there can be none, which the sandboxes then live without.
pub(super) fn bridge(scope: &Scope) -> Result<Result<Subnet, String>, ComputeError> {
    if !tool::is_there("ip") {
        return Ok(Err("the program `ip` (package iproute2) is missing".to_owned()));
    }
    let name = bridge_name(scope);
    let known = known(scope)?;
    if let Some(subnet) = known
        && exists(&name)
    {
        return Ok(Ok(subnet));
    }
    let subnet = known.or_else(|| {
        let routes = fs::read_to_string("/proc/net/route").unwrap_or_default();
        choose(scope.tag(), &routes)
    });
    let Some(subnet) = subnet else {
        return Ok(Err("no subnet of 10.0.0.0/8 is free on this machine".to_owned()));
    };
    let gateway = subnet.gateway();
    let mut commands = String::new();
    // One that is there was left by an interrupted start.
    if !exists(&name) {
        commands.push_str(&format!("link add {name} type bridge\n"));
    }
    commands.push_str(&format!("address replace {gateway}/20 dev {name}\nlink set {name} up\n"));
    let said =
        tool::attempt("ip", ["-batch", "-"], &commands).map_err(|error| failed("ip", &error))?;
    if let Some(words) = said {
        return Ok(Err(words));
    }
    write_json(&scope.network_file(), &subnet)?;
    Ok(Ok(subnet))
}

/// Puts a cable between a sandbox's network namespace and the bridge.
pub(super) fn plug(scope: &Scope, number: u16, pid: u32) -> Result<(), ComputeError> {
    let (bridge, cable) = (bridge_name(scope), cable_name(scope, number));
    unplug(scope, number)?;
    let commands = format!(
        "link add {cable} type veth peer name eth0 netns {pid}\nlink set {cable} master {bridge} up\n"
    );
    run("ip", ["-batch", "-"], &commands)
}

/// Removes the cable of a sandbox that has ended, if the kernel has not done it yet.
pub(super) fn unplug(scope: &Scope, number: u16) -> Result<(), ComputeError> {
    remove(&cable_name(scope, number))
}

/// Removes the bridge.
pub(super) fn remove_bridge(scope: &Scope) -> Result<(), ComputeError> {
    remove(&bridge_name(scope))
}

fn remove(device: &str) -> Result<(), ComputeError> {
    if !exists(device) {
        return Ok(());
    }
    let said = tool::attempt("ip", ["link", "delete", device], "");
    match said.map_err(|error| failed("ip", &error))? {
        // It went by itself meanwhile.
        Some(words) if exists(device) => {
            Err(ComputeError::failed(format!("the network device {device} stays: {words}")))
        }
        _ => Ok(()),
    }
}

fn bridge_name(scope: &Scope) -> String {
    format!("p{}", scope.tag())
}

/// At most 14 characters; the kernel allows 15.
fn cable_name(scope: &Scope, number: u16) -> String {
    format!("p{}v{number}", scope.tag())
}

fn exists(device: &str) -> bool {
    Path::new("/sys/class/net").join(device).exists()
}

/// A subnet of 10.0.0.0/8 that this machine has no route into. Where it begins to look depends
/// on the scope, so that two scopes rarely meet.
fn choose(tag: &str, routes: &str) -> Option<Subnet> {
    let taken: Vec<(Ipv4Addr, u32)> = routes.lines().filter_map(route).collect();
    let start = u32::from_str_radix(tag, 16).unwrap_or(0) % 4096;
    (0..4096)
        .map(|step| Subnet(Ipv4Addr::from((10 << 24) | (((start + step) % 4096) << 12))))
        .find(|subnet| !taken.iter().any(|(address, prefix)| subnet.overlaps(*address, *prefix)))
}

/// A line of /proc/net/route: addresses are hexadecimal with the first byte last. The default
/// route leads everywhere and takes nothing.
fn route(line: &str) -> Option<(Ipv4Addr, u32)> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let number = |field: usize| u32::from_str_radix(fields.get(field)?, 16).ok();
    let (target, mask) = (number(1)?, number(7)?);
    (mask != 0).then(|| (Ipv4Addr::from(target.swap_bytes()), mask.count_ones()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subnet_that_nobody_else_uses() {
        let header = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n";
        let route =
            |target: &str, mask: &str| format!("eth0\t{target}\t0\t1\t0\t0\t0\t{mask}\t0\n");
        let default = route("00000000", "00000000");
        let of = |tag: &str, routes: &str| choose(tag, routes).map(|subnet| subnet.0.to_string());
        assert_eq!(of("00000c90", &format!("{header}{default}")).unwrap(), "10.201.0.0");
        // 10.201.8.0/24 lies in 10.201.0.0/20.
        let inside = route("0008C90A", "00FFFFFF");
        assert_eq!(of("00000c90", &inside).unwrap(), "10.201.16.0");
        assert_eq!(of("00000c90", &route("0000000A", "000000FF")), None, "all of 10.0.0.0/8");
    }

    #[test]
    fn numbers_are_given_again() {
        assert_eq!(free_number(&BTreeSet::new()), Some(2));
        assert_eq!(free_number(&BTreeSet::from([2, 3, 5])), Some(4));
        assert_eq!(free_number(&(FIRST..=LAST).collect()), None);
        let subnet = Subnet(Ipv4Addr::new(10, 201, 16, 0));
        assert_eq!(subnet.gateway(), Ipv4Addr::new(10, 201, 16, 1));
        assert_eq!(subnet.address(LAST), Ipv4Addr::new(10, 201, 31, 254));
    }
}
