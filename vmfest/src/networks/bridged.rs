//! Host interfaces to bridge to.

use vbox_soap::api::{HostNetworkInterfaceStatus, HostNetworkInterfaceType, IHostNetworkInterface};

use super::{host, network_of};
use crate::error::{Doing, Error};
use crate::manager::Manager;

/// The host's interface with this name, or the one that the host itself uses; in VirtualBox's words.
pub(super) async fn find(
    manager: &Manager,
    vm: &str,
    wanted: Option<&str>,
) -> Result<String, Error> {
    let doing = || "look for a host interface to bridge to".to_owned();
    let host = host(manager).await?;
    let kind = HostNetworkInterfaceType::Bridged;
    let interfaces = host.find_host_network_interfaces_of_type(kind).await.doing(doing)?;
    let mut names = Vec::new();
    for interface in &interfaces {
        names.push(interface.get_name().await.doing(doing)?);
    }
    let failed = |network: &str, problem: String| Error::Network {
        name: vm.to_owned(),
        network: network.to_owned(),
        problem,
    };
    if let Some(wanted) = wanted {
        let found = names.iter().find(|name| is_called(name, wanted));
        return found.cloned().ok_or_else(|| {
            let problem = format!("the host has no such interface; there are {}", list(&names));
            failed(&format!("the host's interface {wanted:?}"), problem)
        });
    }
    if let Some(route) = default_route()
        && let Some(name) = names.iter().find(|name| is_called(name, &route))
    {
        return Ok(name.clone());
    }
    for (interface, name) in interfaces.iter().zip(&names) {
        if is_usable(interface).await.doing(doing)? {
            return Ok(name.clone());
        }
    }
    let problem = format!("no interface is up and has an address; there are {}", list(&names));
    Err(failed("the host's network", problem))
}

/// VirtualBox calls interfaces by their system's names, and on some systems says more after a
/// colon: `en0: Wi-Fi (AirPort)`.
fn is_called(name: &str, wanted: &str) -> bool {
    name == wanted || name.split_once(": ").is_some_and(|(short, _)| short == wanted)
}

async fn is_usable(interface: &IHostNetworkInterface) -> Result<bool, vbox_soap::Error> {
    Ok(interface.get_status().await? == HostNetworkInterfaceStatus::Up
        && network_of(interface).await?.is_some())
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// The interface of the host's default route, where the system says so in a file.
fn default_route() -> Option<String> {
    read_routes(&std::fs::read_to_string("/proc/net/route").ok()?)
}

/// The interface to everywhere, with the lowest metric.
fn read_routes(table: &str) -> Option<String> {
    let routes = table.lines().skip(1).filter_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [interface, destination, _, _, _, _, metric, mask, ..] = fields.as_slice() else {
            return None;
        };
        let is_default = *destination == "00000000" && *mask == "00000000";
        is_default.then_some((metric.parse::<u32>().ok()?, (*interface).to_owned()))
    });
    routes.min().map(|(_, interface)| interface)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_route_with_the_lowest_metric() {
        let head =
            "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n";
        let table = format!(
            "{head}wlan0\t00000000\t0100A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0\n\
             eth0\t00000000\t0100A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n\
             tun0\t00000000\t0100A8C0\t0003\t0\t0\t0\t00000080\t0\t0\t0\n"
        );
        assert_eq!(read_routes(&table).as_deref(), Some("eth0"));
        assert_eq!(read_routes(head), None);
    }

    #[test]
    fn interfaces_are_called_by_their_short_names_too() {
        assert!(is_called("en0: Wi-Fi (AirPort)", "en0"));
        assert!(is_called("en0: Wi-Fi (AirPort)", "en0: Wi-Fi (AirPort)"));
        assert!(is_called("eth0", "eth0"));
        assert!(!is_called("eth01", "eth0"));
    }
}
