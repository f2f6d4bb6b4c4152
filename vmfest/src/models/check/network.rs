//! What is checked of networks.

use std::collections::BTreeSet;

use super::Invalid;
use crate::models::network::{Adapter, AttachmentType, NatRule};
use crate::models::settings::Chipset;

/// How many network adapters a chipset carries.
fn capacity(chipset: Chipset) -> usize {
    match chipset {
        Chipset::Piix3 => 8,
        Chipset::Ich9 => 36,
    }
}

pub(super) fn check_adapters(
    adapters: &[Option<Adapter>],
    chipset: Chipset,
) -> Result<(), Invalid> {
    let (count, most) = (adapters.len(), capacity(chipset));
    if count > most {
        let chipset = match chipset {
            Chipset::Piix3 => "with this `chipset-type`, a VM has at most 8 (ich9 has more)",
            Chipset::Ich9 => "a VM has at most 36",
        };
        return Err(Invalid::new("network", format!("has {count} adapters; {chipset}")));
    }
    for (slot, adapter) in adapters.iter().enumerate() {
        if let Some(adapter) = adapter {
            check_adapter(adapter).map_err(|e| e.inside(slot).inside("network"))?;
        }
    }
    Ok(())
}

pub(super) fn check_nat_rules(rules: &[NatRule]) -> Result<(), Invalid> {
    let mut names = BTreeSet::new();
    for (index, rule) in rules.iter().enumerate() {
        let wrong = |key: &str, problem: String| {
            Err(Invalid::new(key, problem).inside(index).inside("nat-rules"))
        };
        if rule.name.is_empty() || rule.name.contains(',') {
            return wrong("name", format!("{:?} must not be empty or hold a comma", rule.name));
        }
        if rule.name == crate::ports::SSH_RULE {
            return wrong("name", format!("{:?} is reserved for the SSH forward", rule.name));
        }
        if !names.insert(&rule.name) {
            return wrong("name", format!("{:?} is given twice", rule.name));
        }
        for (key, port) in [("host-port", rule.host_port), ("guest-port", rule.guest_port)] {
            if port == 0 {
                return wrong(key, "0 is not a port".to_owned());
            }
        }
        for (key, ip) in [("host-ip", &rule.host_ip), ("guest-ip", &rule.guest_ip)] {
            if !ip.is_empty() && ip.parse::<std::net::IpAddr>().is_err() {
                return wrong(key, format!("{ip:?} is not an IP address"));
            }
        }
    }
    Ok(())
}

fn check_adapter(adapter: &Adapter) -> Result<(), Invalid> {
    check_nat_rules(&adapter.nat_rules)?;
    let attachment = adapter.attachment_type.unwrap_or(AttachmentType::Nat);
    if attachment != AttachmentType::Nat && !adapter.nat_rules.is_empty() {
        return Err(Invalid::new("nat-rules", "work with the `attachment-type` nat only"));
    }
    let needs = match attachment {
        AttachmentType::Bridged => Some(("host-interface", &adapter.host_interface)),
        AttachmentType::HostOnly => Some(("host-only-interface", &adapter.host_only_interface)),
        AttachmentType::HostOnlyNetwork => Some(("host-only-network", &adapter.host_only_network)),
        AttachmentType::Internal => Some(("internal-network", &adapter.internal_network)),
        AttachmentType::NatNetwork => Some(("nat-network", &adapter.nat_network)),
        AttachmentType::Generic => Some(("generic-driver", &adapter.generic_driver)),
        AttachmentType::Nat | AttachmentType::Null => None,
    };
    if let Some((key, None)) = needs {
        return Err(Invalid::new(key, "is missing for this `attachment-type`"));
    }
    if let Some(mac) = &adapter.mac_address {
        let unicast = mac.chars().nth(1).and_then(|c| c.to_digit(16)).is_some_and(|d| d % 2 == 0);
        if mac.len() != 12 || !mac.chars().all(|c| c.is_ascii_hexdigit()) || !unicast {
            return Err(Invalid::new(
                "mac-address",
                format!("{mac:?} is not a unicast address of 12 hexadecimal digits"),
            ));
        }
    }
    Ok(())
}
