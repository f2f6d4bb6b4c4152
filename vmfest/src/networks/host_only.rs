//! Host-only interfaces.

use vbox_soap::api::{HostNetworkInterfaceType, IHost, IHostNetworkInterface};

use super::{Network, host, lock_host_networks, network_of, ranges};
use crate::error::{Doing, Error};
use crate::manager::Manager;
use crate::wait::PATIENCE;

/// The names that VirtualBox gives to the interfaces that it makes, before the number.
const PREFIX: &str = "vboxnet";
/// VirtualBox makes no more on Linux.
const MOST: u32 = 128;

/// Sees to it that there is a host-only interface of this name, with an address and a DHCP server.
pub(super) async fn ensure(manager: &Manager, vm: &str, wanted: &str) -> Result<(), Error> {
    let host = host(manager).await?;
    let mut ready = manager.ready_networks().lock().await;
    let found = find(&host, wanted).await?;
    if found.is_some() && ready.contains(wanted) {
        return Ok(());
    }
    let _lock = lock_host_networks(manager).await?;
    // Another process may have made it meanwhile.
    let interface = match find(&host, wanted).await? {
        Some(interface) => interface,
        None => make(&host, vm, wanted).await?,
    };
    let network = match network_of(&interface).await.doing(|| doing(wanted))? {
        Some(network) => network,
        None => give_address(&host, &interface, vm, wanted).await?,
    };
    super::dhcp::ensure(manager, &interface, network).await.doing(|| doing(wanted))?;
    ready.insert(wanted.to_owned());
    Ok(())
}

fn doing(interface: &str) -> String {
    format!("set up the host-only interface {interface}")
}

async fn find(host: &IHost, name: &str) -> Result<Option<IHostNetworkInterface>, Error> {
    // The list, because a search by name fails in other ways where there is none than a search
    // for other things does, and differently in each version.
    let all = host.find_host_network_interfaces_of_type(HostNetworkInterfaceType::HostOnly);
    for interface in all.await.doing(|| doing(name))? {
        if interface.get_name().await.doing(|| doing(name))? == name {
            return Ok(Some(interface));
        }
    }
    Ok(None)
}

/// Makes the interface. VirtualBox chooses the name: the lowest number that is free.
async fn make(host: &IHost, vm: &str, wanted: &str) -> Result<IHostNetworkInterface, Error> {
    let number = wanted.strip_prefix(PREFIX).and_then(|number| number.parse::<u32>().ok());
    let Some(number) = number.filter(|number| *number < MOST) else {
        return Err(failed(
            vm,
            wanted,
            format!(
                "there is none, and VirtualBox makes only such as {PREFIX}0; choose one of those, \
                 or one that `VBoxManage list hostonlyifs` shows"
            ),
        ));
    };
    let mut others = Vec::new();
    let mut made = None;
    for _ in 0..=number {
        let interface = make_any(host, vm, wanted).await?;
        if interface.get_name().await.doing(|| doing(wanted))? == wanted {
            made = Some(interface);
            break;
        }
        others.push(interface);
    }
    // Those with lower numbers were only in the way.
    for other in others {
        let removed = async {
            let id = other.get_id().await?;
            host.remove_host_only_network_interface(&id).await?.wait(PATIENCE).await
        };
        if let Err(error) = removed.await {
            tracing::warn!(%error, "cannot remove a host-only interface that nobody needs");
        }
    }
    made.ok_or_else(|| {
        failed(vm, wanted, "VirtualBox made others, but none of this name".to_owned())
    })
}

async fn make_any(host: &IHost, vm: &str, wanted: &str) -> Result<IHostNetworkInterface, Error> {
    let made = async {
        let making = host.create_host_only_network_interface().await?;
        making.result.wait(PATIENCE).await?;
        Ok(making.host_interface)
    };
    made.await.map_err(|error: vbox_soap::Error| {
        let why = match error {
            // Why it gives none, it says nowhere.
            vbox_soap::Error::NullReference { .. } => String::new(),
            error => format!(": {error}"),
        };
        failed(
            vm,
            wanted,
            format!(
                "there is none, and VirtualBox cannot make one{why}. It needs the kernel module \
                 vboxnetadp (`sudo modprobe vboxnetadp`; after an update of the kernel, `sudo \
                 /sbin/vboxconfig`), which does not work in containers; the network type nat needs \
                 none"
            ),
        )
    })
}

/// Gives the interface an address in a network that is allowed and free.
async fn give_address(
    host: &IHost,
    interface: &IHostNetworkInterface,
    vm: &str,
    name: &str,
) -> Result<Network, Error> {
    let mut used = Vec::new();
    for other in host.get_network_interfaces().await.doing(|| doing(name))? {
        used.extend(network_of(&other).await.doing(|| doing(name))?);
    }
    let Some(free) = ranges::free(&ranges::allowed(), &used) else {
        let problem = "all networks that VirtualBox allows are in use; allow further ones in \
                       /etc/vbox/networks.conf, such as `* 10.20.0.0/16`";
        return Err(failed(vm, name, problem.to_owned()));
    };
    let (address, mask) = (free.address(1).to_string(), free.mask().to_string());
    let given = interface.enable_static_ip_config(&address, &mask).await;
    given.map(|()| free).map_err(|error| {
        let problem = format!(
            "VirtualBox refuses the address {address}: {error}. /etc/vbox/networks.conf says which \
             are allowed"
        );
        failed(vm, name, problem)
    })
}

fn failed(vm: &str, interface: &str, problem: String) -> Error {
    Error::Network {
        name: vm.to_owned(),
        network: format!("the host-only interface {interface}"),
        problem,
    }
}
