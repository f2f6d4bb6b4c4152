//! Which networks.

use std::collections::BTreeMap;

use pallet_core::compute::ComputeError;
use pallet_core::spec::NodeSpec;
use serde::Deserialize;
use serde_json::Value;

use super::words::{read, wrong};
use crate::client::{Device, Network};

/// VirtualBox's ready-made layouts: on a cluster the profiles' network is all of that at once.
const LAYOUTS: [&str; 3] = ["nat", "local", "bridged"];

/// A network card of a node-spec: a network's name, or a device's keys.
#[derive(Deserialize)]
#[serde(untagged)]
enum Card {
    Named(String),
    Keys(BTreeMap<String, Value>),
}

/// The network devices that a node-spec asks for; none where the profiles' are meant.
pub(super) fn devices(
    networks: &[Network],
    default: Option<&Value>,
    spec: &NodeSpec,
) -> Result<BTreeMap<String, Device>, ComputeError> {
    let hardware = &spec.hardware;
    for (is_given, key) in [
        (hardware.nat_rules.is_some(), "nat-rules"),
        (hardware.local_interface.is_some(), "local-interface"),
    ] {
        if is_given {
            let why = "nodes of a cluster have addresses of their own; leave it out";
            return Err(wrong(&["hardware", key], why));
        }
    }
    let of_hardware = hardware.bridged_interface.clone().or_else(|| hardware.network_type.clone());
    let asked = spec.network.clone().or(of_hardware.map(Value::from));
    let Some(asked) = asked.or_else(|| default.cloned()) else { return Ok(BTreeMap::new()) };
    let cards = match asked {
        Value::String(word) => {
            let is_known = networks.iter().any(|network| network.name == word);
            if !is_known && LAYOUTS.contains(&word.as_str()) {
                return Ok(BTreeMap::new());
            }
            vec![Card::Named(word)]
        }
        Value::Array(cards) => read(cards.into(), &["network"])?,
        keys => vec![read(keys, &["network"])?],
    };
    let devices = cards.into_iter().enumerate().map(|(number, card)| {
        let interface = format!("eth{number}");
        let device = match card {
            Card::Named(name) => on(networks, &name, &interface)?,
            Card::Keys(keys) => explicit(networks, keys, &interface)?,
        };
        Ok((interface, device))
    });
    devices.collect()
}

/// A card on the network of this name.
fn on(networks: &[Network], name: &str, interface: &str) -> Result<Device, ComputeError> {
    let usable = || networks.iter().filter(|network| network.managed || network.kind == "bridge");
    let Some(network) = usable().find(|network| network.name == name) else {
        let names: Vec<&str> = usable().map(|network| network.name.as_str()).collect();
        let problem = format!("there is no network {name}");
        let help = format!("there are: {}", names.join(", "));
        return Err(wrong(&["network"], &problem).help(help));
    };
    let mut device = Device::from([
        ("type".to_owned(), "nic".to_owned()),
        ("name".to_owned(), interface.to_owned()),
    ]);
    if network.managed {
        device.insert("network".to_owned(), name.to_owned());
    } else {
        device.insert("nictype".to_owned(), "bridged".to_owned());
        device.insert("parent".to_owned(), name.to_owned());
    }
    Ok(device)
}

/// A card with the keys of the API's own, on `network` or whatever else they say.
fn explicit(
    networks: &[Network],
    keys: BTreeMap<String, Value>,
    interface: &str,
) -> Result<Device, ComputeError> {
    let mut given = Device::new();
    for (key, value) in keys {
        let text = match value {
            Value::String(text) => text,
            Value::Number(number) => number.to_string(),
            Value::Bool(is) => is.to_string(),
            _ => return Err(wrong(&["network", &key], "a device's keys are plain values")),
        };
        given.insert(key, text);
    }
    // VirtualBox has no firewall either: ports are open.
    given.remove("inbound-ports");
    let mut device = match given.remove("network") {
        Some(name) => on(networks, &name, interface)?,
        None if given.contains_key("nictype") => Device::from([
            ("type".to_owned(), "nic".to_owned()),
            ("name".to_owned(), interface.to_owned()),
        ]),
        None => {
            let problem = "a card has `network`, or `nictype` and what belongs to it";
            return Err(wrong(&["network"], problem));
        }
    };
    device.extend(given);
    Ok(device)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn made(spec: Value) -> Result<Value, ComputeError> {
        let networks: Vec<Network> = serde_json::from_value(json!([
            {"name": "inner", "type": "bridge", "managed": true},
            {"name": "br0", "type": "bridge", "managed": false},
            {"name": "eth0", "type": "physical", "managed": false},
        ]))
        .unwrap();
        let made = devices(&networks, None, &serde_json::from_value(spec).unwrap())?;
        Ok(serde_json::to_value(made).unwrap())
    }

    #[test]
    fn networks() {
        let inner = json!({"type": "nic", "name": "eth0", "network": "inner"});
        let br0 = json!({"type": "nic", "name": "eth0", "nictype": "bridged", "parent": "br0"});
        for (spec, expected) in [
            (json!({}), json!({})),
            (json!({"network": "nat"}), json!({})),
            (json!({"network": "inner"}), json!({"eth0": inner})),
            (json!({"network": "br0"}), json!({"eth0": br0})),
            (json!({"hardware": {"bridged-interface": "br0"}}), json!({"eth0": br0})),
            (
                json!({"network": ["inner", {"nictype": "macvlan", "parent": "eth0", "mtu": 1400}]}),
                json!({
                    "eth0": inner,
                    "eth1": {"type": "nic", "name": "eth1", "nictype": "macvlan", "parent": "eth0",
                             "mtu": "1400"},
                }),
            ),
            (
                json!({"network": {"network": "inner", "ipv4.address": "10.0.0.5"}}),
                json!({"eth0": {"type": "nic", "name": "eth0", "network": "inner",
                                "ipv4.address": "10.0.0.5"}}),
            ),
        ] {
            assert_eq!(made(spec.clone()).unwrap(), expected, "{spec}");
        }
        for (spec, part) in [
            (json!({"network": "outer"}), "network: there is no network outer"),
            (json!({"network": "eth0"}), "network: there is no network eth0"),
            (json!({"network": {"mtu": 1}}), "network: a card has `network`"),
            (json!({"network": {"network": "inner", "x": []}}), "network.x: a device's keys"),
            (json!({"hardware": {"nat-rules": []}}), "hardware.nat-rules: nodes of a cluster"),
        ] {
            let error = made(spec).unwrap_err();
            assert!(error.is_input && error.message.contains(part), "{error}");
        }
    }
}
