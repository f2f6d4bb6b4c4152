//! From a model's network to the adapters of a VM.

use vbox_soap::Error as SoapError;
use vbox_soap::api::{IMachine, INATEngine, INetworkAdapter, NATProtocol};

use super::words;
use crate::models::{
    Adapter, AdapterType, AttachmentType, HardwareModel, NatProtocol, NatRule, NetworkType,
};
use crate::ports::SSH_RULE;
use crate::versions;

/// Port that the guest's sshd listens on.
pub(crate) const SSH_PORT: u16 = 22;

/// The adapters that a model asks for, and the slot that gets the SSH forward.
pub(super) fn adapters(hardware: &HardwareModel, ssh_host_port: u16) -> Vec<Option<Adapter>> {
    if let Some(explicit) = &hardware.network {
        return explicit.clone();
    }
    let nat = || {
        let ssh = NatRule {
            name: SSH_RULE.to_owned(),
            protocol: NatProtocol::Tcp,
            host_ip: "127.0.0.1".to_owned(),
            host_port: ssh_host_port,
            guest_ip: String::new(),
            guest_port: SSH_PORT,
        };
        let further = hardware.nat_rules.clone().unwrap_or_default();
        Adapter {
            attachment_type: Some(AttachmentType::Nat),
            nat_rules: std::iter::once(ssh).chain(further).collect(),
            ..Adapter::default()
        }
    };
    match hardware.network_type.unwrap_or(NetworkType::Nat) {
        NetworkType::Nat => vec![Some(nat())],
        NetworkType::Local => {
            let host_only = Adapter {
                attachment_type: Some(AttachmentType::HostOnly),
                host_only_interface: hardware.local_interface.clone(),
                ..Adapter::default()
            };
            vec![Some(host_only), Some(nat())]
        }
        NetworkType::Bridged => vec![Some(Adapter {
            attachment_type: Some(AttachmentType::Bridged),
            host_interface: hardware.bridged_interface.clone(),
            ..Adapter::default()
        })],
    }
}

/// The slot whose adapter forwards a host port to the guest's SSH port.
pub(super) fn ssh_slot(adapters: &[Option<Adapter>]) -> Option<usize> {
    adapters.iter().position(|adapter| {
        adapter.as_ref().is_some_and(|a| a.nat_rules.iter().any(|r| r.guest_port == SSH_PORT))
    })
}

/// Whether the model's network needs a host port chosen for it.
pub(super) fn needs_ssh_port(hardware: &HardwareModel) -> bool {
    hardware.network.is_none() && hardware.network_type != Some(NetworkType::Bridged)
}

/// Sets the network adapters up.
pub(super) async fn apply(
    machine: &IMachine,
    adapters: &[Option<Adapter>],
) -> Result<(), SoapError> {
    if !matches!(adapters.first(), Some(Some(_))) {
        // VirtualBox gives every new machine a NAT adapter in the first slot.
        machine.get_network_adapter(0).await?.set_enabled(false).await?;
    }
    for (slot, adapter) in (0..).zip(adapters) {
        if let Some(adapter) = adapter {
            one_adapter(&machine.get_network_adapter(slot).await?, adapter).await?;
        }
    }
    Ok(())
}

async fn one_adapter(target: &INetworkAdapter, adapter: &Adapter) -> Result<(), SoapError> {
    if let Some(kind) = adapter.adapter_type.filter(|kind| *kind != AdapterType::Null) {
        target.set_adapter_type(words::adapter_type(kind)).await?;
    }
    if let Some(name) = &adapter.host_interface {
        target.set_bridged_interface(name).await?;
    }
    if let Some(name) = &adapter.host_only_interface {
        target.set_host_only_interface(name).await?;
    }
    if let Some(name) = &adapter.host_only_network {
        target.set_host_only_network(name).await?;
    }
    if let Some(name) = &adapter.internal_network {
        target.set_internal_network(name).await?;
    }
    if let Some(name) = &adapter.nat_network {
        target.set_nat_network(name).await?;
    }
    if let Some(name) = &adapter.generic_driver {
        target.set_generic_driver(name).await?;
    }
    for (name, value) in &adapter.generic_properties {
        target.set_property(name, value).await?;
    }
    if let Some(mac) = &adapter.mac_address {
        target.set_mac_address(mac).await?;
    }
    if let Some(connected) = adapter.cable_connected {
        target.set_cable_connected(connected).await?;
    }
    if let Some(speed) = adapter.line_speed {
        target.set_line_speed(speed).await?;
    }
    if let Some(mode) = adapter.promiscuous_mode {
        target.set_promisc_mode_policy(words::promiscuous_mode(mode)).await?;
    }
    let attachment = adapter.attachment_type.unwrap_or(AttachmentType::Nat);
    target.set_attachment_type(words::attachment_type(attachment)).await?;
    if !adapter.nat_rules.is_empty() {
        let engine = versions::nat_engine(target).await?;
        for rule in &adapter.nat_rules {
            add_rule(&engine, rule).await?;
        }
    }
    target.set_enabled(adapter.enabled.unwrap_or(true)).await
}

/// Adds a port forward.
pub(crate) async fn add_rule(engine: &INATEngine, rule: &NatRule) -> Result<(), SoapError> {
    let protocol = match rule.protocol {
        NatProtocol::Tcp => NATProtocol::TCP,
        NatProtocol::Udp => NATProtocol::UDP,
    };
    engine
        .add_redirect(
            &rule.name,
            protocol,
            &rule.host_ip,
            rule.host_port,
            &rule.guest_ip,
            rule.guest_port,
        )
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hardware(text: &str) -> HardwareModel {
        HardwareModel::base().overlaid_with(&crate::edn::from_str(text).expect("is a model"))
    }

    #[test]
    fn layouts() {
        for (text, kinds, ssh) in [
            ("{}", vec![Some(AttachmentType::Nat)], Some(0)),
            (
                "{:network-type :local}",
                vec![Some(AttachmentType::HostOnly), Some(AttachmentType::Nat)],
                Some(1),
            ),
            (
                "{:network-type :bridged :bridged-interface \"eth0\"}",
                vec![Some(AttachmentType::Bridged)],
                None,
            ),
            (
                "{:network [nil {:attachment-type :nat :nat-rules [{:name \"s\" :host-port 2022 :guest-port 22}]}]}",
                vec![None, Some(AttachmentType::Nat)],
                Some(1),
            ),
        ] {
            let adapters = adapters(&hardware(text), 20_022);
            let found: Vec<_> =
                adapters.iter().map(|a| a.as_ref().and_then(|a| a.attachment_type)).collect();
            assert_eq!(found, kinds, "{text}");
            assert_eq!(ssh_slot(&adapters), ssh, "{text}");
        }
    }

    #[test]
    fn further_rules_join_the_ssh_forward() {
        let rules = hardware("{:nat-rules [{:name \"web\" :host-port 8080 :guest-port 80}]}");
        let adapters = adapters(&rules, 20_022);
        let rules = &adapters[0].as_ref().expect("an adapter").nat_rules;
        let shown: Vec<_> =
            rules.iter().map(|r| (r.name.as_str(), r.host_port, r.guest_port)).collect();
        assert_eq!(shown, [("ssh", 20_022, 22), ("web", 8080, 80)]);
    }
}
