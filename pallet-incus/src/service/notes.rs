//! What is noted with an instance, in its `user.*` settings, so that it is known again as a node.

use std::collections::BTreeMap;

use pallet_core::compute::{Node, NodeState};
use pallet_core::login::Login;
use pallet_core::transport::{Endpoint, HostKeys};
use serde::{Deserialize, Serialize};

use crate::client::{Instance, State};

/// Every node has it: the service's own instances are found by it.
pub(super) const NODE: (&str, &str) = ("user.pallet.node", "true");
/// The group that a node belongs to.
pub(super) const GROUP: &str = "user.pallet.group";
/// The attempt that a node was made in: tells it from somebody else's of the same name.
pub(super) const ATTEMPT: &str = "user.pallet.attempt";
/// What was known of the image when the node was made.
pub(super) const IMAGE: &str = "user.pallet.image";
/// Whether `bootstrap` has succeeded.
pub(super) const BOOTSTRAPPED: &str = "user.pallet.bootstrapped";
/// The host keys that were read from the node.
pub(super) const HOST_KEYS: &str = "user.pallet.host-keys";
/// How it is worked on, if not over SSH.
pub(super) const REACH: &str = "user.pallet.reach";
/// The value of [`REACH`], and of the property of that name.
pub(super) const EXEC: &str = "exec";

/// Port of the nodes' sshd.
pub(super) const SSH: u16 = 22;

/// What was known of an image when a node was made of it. No passwords: everybody who may look at
/// the cluster sees it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub(super) struct ImageNote {
    pub(super) name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) os_family: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) os_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) username: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) private_key_path: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) no_sudo: bool,
}

impl ImageNote {
    pub(super) fn of(instance: &Instance) -> Self {
        let noted = instance.config.get(IMAGE).map(String::as_str).unwrap_or_default();
        serde_json::from_str(noted).unwrap_or_default()
    }
}

/// The group of an instance, if it is a node.
pub(super) fn group(instance: &Instance) -> Option<&String> {
    instance.config.get(NODE.0).filter(|value| *value == NODE.1)?;
    instance.config.get(GROUP)
}

/// Whether an instance is this node, and not another one of its name.
pub(super) fn is_same(instance: &Instance, node: &Node) -> bool {
    let was_out_of_sight = node.id == out_of_sight(&instance.name);
    group(instance).is_some() && (instance.id() == node.id || was_out_of_sight)
}

/// The identifier of an instance of which only the name is known.
fn out_of_sight(name: &str) -> String {
    format!("out of sight: {name}")
}

/// A node on a member that does not answer. The API has nothing of it but its name, which says
/// what group it would be of. Whether it is really a node is seen before it is touched.
fn node_out_of_sight(instance: &Instance) -> Option<Node> {
    let (group, number) = instance.name.rsplit_once('-')?;
    number.parse::<u32>().ok()?;
    let place = &instance.location;
    Some(Node {
        id: out_of_sight(&instance.name),
        name: instance.name.clone(),
        group: group.to_owned(),
        state: NodeState::Other(format!("out of sight: the member {place} does not answer")),
        endpoint: None,
        host_keys: pinned(""),
        image_user: None,
        bootstrapped: true,
        properties: BTreeMap::from([("member".to_owned(), place.clone())]),
    })
}

/// The node that an instance is, if it is one. `login` makes an account of what was noted of the
/// image.
pub(super) fn node(
    instance: &Instance,
    login: impl FnOnce(&ImageNote) -> Option<Login>,
) -> Option<Node> {
    if instance.is_out_of_sight() {
        return node_out_of_sight(instance);
    }
    let image = ImageNote::of(instance);
    let keys = instance.config.get(HOST_KEYS).map(String::as_str).unwrap_or_default();
    let address = instance.state.as_ref().and_then(|state| address(instance, state));
    let endpoint = address.map(|host| Endpoint { host, port: SSH });
    Some(Node {
        id: instance.id().to_owned(),
        name: instance.name.clone(),
        group: group(instance)?.clone(),
        state: match instance.status.as_str() {
            "Stopped" => NodeState::Stopped,
            _ if instance.is_running() => NodeState::Running,
            other => NodeState::Other(other.to_lowercase()),
        },
        endpoint: endpoint.filter(|_| instance.is_running()),
        host_keys: pinned(keys),
        image_user: login(&image),
        bootstrapped: instance.config.contains_key(BOOTSTRAPPED),
        properties: properties(instance, image),
    })
}

/// Keys as they are noted, one a line. None at all means that no host is accepted, until they have
/// been read.
pub(super) fn pinned(keys: &str) -> HostKeys {
    HostKeys::Pinned { keys: keys.lines().map(str::to_owned).collect() }
}

/// What templates and reports may show of a node.
fn properties(instance: &Instance, image: ImageNote) -> BTreeMap<String, String> {
    let location = Some(instance.location.clone()).filter(|at| !at.is_empty() && at != "none");
    let known = [
        ("image", Some(image.name)),
        ("os-family", image.os_family),
        ("os-version", image.os_version),
        ("architecture", Some(instance.architecture.clone())),
        ("type", Some(instance.kind.name().to_owned())),
        ("member", location),
        ("reach", instance.config.get(REACH).cloned()),
    ];
    let given = known.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
    given.filter(|(_, value)| !value.is_empty()).collect()
}

/// The address that an instance is reached at: of the interfaces that are its devices, in the order
/// of the devices' names, the first global one, IPv4 before IPv6. What it may have made itself,
/// bridges for example, is none of that.
pub(super) fn address(instance: &Instance, state: &State) -> Option<String> {
    let devices = instance.expanded_devices.iter();
    let cards = devices.filter(|(_, keys)| keys.get("type").is_some_and(|kind| kind == "nic"));
    let interfaces = cards.filter_map(|(device, keys)| {
        let own = keys.get("hwaddr");
        let hwaddr = own.or_else(|| instance.config.get(&format!("volatile.{device}.hwaddr")));
        let by_address = |hwaddr: &String| state.network.values().find(|it| it.hwaddr == *hwaddr);
        let name = keys.get("name").unwrap_or(device);
        hwaddr.and_then(by_address).or_else(|| state.network.get(name))
    });
    let addresses: Vec<_> = interfaces
        .flat_map(|interface| &interface.addresses)
        .filter(|address| address.scope == "global")
        .collect();
    let of = |family: &str| addresses.iter().find(|address| address.family == family);
    of("inet").or_else(|| of("inet6")).map(|address| address.address.clone())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn instance(value: Value) -> Instance {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn only_what_carries_our_mark_is_a_node() {
        let config = |config: Value| instance(json!({"name": "a", "config": config}));
        for not in [
            json!({}),
            json!({"user.pallet.group": "web"}),
            json!({"user.pallet.node": "no", "user.pallet.group": "web"}),
        ] {
            assert!(node(&config(not), |_| None).is_none());
        }
        let ours = config(json!({
            "user.pallet.node": "true", "user.pallet.group": "web", "volatile.uuid": "u-1",
            "user.pallet.host-keys": "ssh-ed25519 A\nssh-rsa B",
        }));
        let node = node(&ours, |_| None).unwrap();
        assert_eq!(
            (node.id.as_str(), node.group.as_str(), node.bootstrapped),
            ("u-1", "web", false)
        );
        let keys = ["ssh-ed25519 A", "ssh-rsa B"].map(str::to_owned).to_vec();
        assert_eq!(node.host_keys, HostKeys::Pinned { keys });
    }

    #[test]
    fn states_in_our_words() {
        for (status, state) in [
            ("Running", NodeState::Running),
            ("Ready", NodeState::Running),
            ("Stopped", NodeState::Stopped),
            ("Frozen", NodeState::Other("frozen".to_owned())),
        ] {
            let config = json!({"user.pallet.node": "true", "user.pallet.group": "g"});
            let it = instance(json!({"name": "a", "status": status, "config": config}));
            assert_eq!(node(&it, |_| None).unwrap().state, state);
        }
    }

    #[test]
    fn who_is_out_of_sight_is_known_by_name_until_it_is_seen() {
        let lost = json!({"name": "web-2", "status": "Error", "type": "", "config": null,
                          "location": "n2"});
        let lost = node(&instance(lost), |_| None).unwrap();
        assert_eq!((lost.group.as_str(), lost.properties["member"].as_str()), ("web", "n2"));
        assert!(matches!(&lost.state, NodeState::Other(word) if word.contains("n2")));
        let seen = |config: Value| instance(json!({"name": "web-2", "config": config}));
        let tags = json!({"user.pallet.node": "true", "user.pallet.group": "web",
                          "volatile.uuid": "u"});
        assert!(is_same(&seen(tags.clone()), &lost));
        assert!(!is_same(&seen(json!({"volatile.uuid": "u"})), &lost), "somebody else's");
        let other = Node { id: "v".to_owned(), ..lost };
        assert!(!is_same(&seen(tags), &other));
        let unnumbered = json!({"name": "router", "status": "Error", "config": null});
        assert!(node(&instance(unnumbered), |_| None).is_none());
    }

    #[test]
    fn the_address_is_that_of_its_own_card() {
        let address_of = |devices: Value, network: Value| {
            let config = json!({"volatile.eth1.hwaddr": "00:16:3e:00:00:01"});
            let it = instance(json!({"name": "a", "config": config, "expanded_devices": devices}));
            let state: State = serde_json::from_value(json!({"network": network})).unwrap();
            address(&it, &state)
        };
        let at = |family: &str, address: &str, scope: &str| json!({"family": family, "address": address, "scope": scope});
        let network = json!({
            "docker0": {"addresses": [at("inet", "172.17.0.1", "global")], "hwaddr": "02:42"},
            "eth0": {"addresses": null, "hwaddr": ""},
            // A virtual machine names its cards itself.
            "enp5s0": {"hwaddr": "00:16:3e:00:00:01", "addresses": [
                at("inet6", "fe80::1", "link"), at("inet6", "fd00::1", "global"),
                at("inet", "10.0.0.7", "global"),
            ]},
        });
        let nic = json!({"type": "nic"});
        let both = json!({"eth0": nic, "eth1": nic, "root": {"type": "disk"}});
        assert_eq!(address_of(both, network.clone()).as_deref(), Some("10.0.0.7"));
        assert_eq!(address_of(json!({"eth0": nic}), network), None);
        let six = json!({"eth0": {"addresses": [at("inet6", "fd00::1", "global")]}});
        assert_eq!(address_of(json!({"eth0": nic}), six).as_deref(), Some("fd00::1"));
    }
}
