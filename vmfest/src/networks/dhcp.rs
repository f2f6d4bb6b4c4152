//! DHCP servers of host-only interfaces.

use vbox_soap::Error;
use vbox_soap::api::IHostNetworkInterface;

use super::Network;
use crate::manager::Manager;

/// Sees to it that the interface's network has a DHCP server. One that is there is left as it is.
pub(super) async fn ensure(
    manager: &Manager,
    interface: &IHostNetworkInterface,
    network: Network,
) -> Result<(), Error> {
    let name = interface.get_network_name().await?;
    match manager.vbox().find_dhcp_server_by_network_name(&name).unexplained().await {
        Ok(server) => {
            if !server.get_enabled().await? {
                tracing::warn!(
                    network = name,
                    "its DHCP server is switched off: guests need addresses of their own"
                );
            }
            return Ok(());
        }
        // Old versions say that something is wrong with the name.
        Err(Error::Fault(fault)) => {
            tracing::debug!(%fault, network = name, "it has no DHCP server")
        }
        Err(error) => return Err(error),
    }
    let server = manager.vbox().create_dhcp_server(&name).await?;
    let range = addresses(network);
    server.set_configuration(&range.server, &range.mask, &range.lowest, &range.highest).await?;
    server.set_enabled(true).await
}

#[derive(Debug, PartialEq, Eq)]
struct Addresses {
    server: String,
    mask: String,
    lowest: String,
    highest: String,
}

/// The upper half of the network is for guests; the address below it is the server's.
fn addresses(network: Network) -> Addresses {
    let last = u32::try_from(network.size() - 1).unwrap_or(u32::MAX);
    // In a /24: .100, and .101 to .254.
    let server = if last == 255 { 100 } else { last / 2 };
    let address = |number: u32| network.address(number).to_string();
    Addresses {
        server: address(server),
        mask: network.mask().to_string(),
        lowest: address(server + 1),
        highest: address(last.saturating_sub(1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guests_get_the_upper_addresses() {
        for (address, mask, server, lowest, highest) in [
            ("192.168.56.1", "255.255.255.0", "192.168.56.100", "192.168.56.101", "192.168.56.254"),
            ("10.1.0.1", "255.255.255.240", "10.1.0.7", "10.1.0.8", "10.1.0.14"),
            ("10.1.0.1", "255.255.0.0", "10.1.127.255", "10.1.128.0", "10.1.255.254"),
        ] {
            let network = Network::of(address, mask).expect("a network");
            let [server, lowest, highest] = [server, lowest, highest].map(str::to_owned);
            let expected = Addresses { server, mask: mask.to_owned(), lowest, highest };
            assert_eq!(addresses(network), expected);
        }
    }
}
