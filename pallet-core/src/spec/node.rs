//! What a node is made of.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::image::ImageSpec;
use super::server::merge;

/// Which image, hardware and network a node gets, and from which service.
///
/// ```
/// use pallet_core::spec::{HardwareSpec, ImageSpec, NodeSpec};
/// let spec = NodeSpec::new()
///     .image(ImageSpec::family("debian"))
///     .hardware(HardwareSpec { min_ram: Some(1024), ..HardwareSpec::default() });
/// assert_eq!(spec.image.os_family.as_deref(), Some("debian"));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct NodeSpec {
    /// The service that creates it. Default: the only service, or the default one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// The image it starts from.
    #[serde(skip_serializing_if = "is_default")]
    pub image: ImageSpec,
    /// The hardware it gets.
    #[serde(skip_serializing_if = "is_default")]
    pub hardware: HardwareSpec,
    /// The network, in the service's terms. Default: the service's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<Value>,
    /// Where it shall be, in the service's terms: a host, a zone, a cluster member.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<Map<String, Value>>,
    /// How well it shall be served, in the service's terms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub qos: Option<Map<String, Value>>,
    /// Keys that only one kind of service knows, by the provider's name. What is meant for other
    /// providers is left alone, so that one node-spec can serve several.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub provider: BTreeMap<String, Map<String, Value>>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl NodeSpec {
    /// A node as its service makes it if nothing is said.
    pub fn new() -> Self {
        Self::default()
    }

    /// Names the service.
    #[must_use]
    pub fn service(mut self, service: impl Into<String>) -> Self {
        self.service = Some(service.into());
        self
    }

    /// Chooses or gives the image.
    #[must_use]
    pub fn image(mut self, image: ImageSpec) -> Self {
        self.image = image;
        self
    }

    /// Chooses or gives the hardware.
    #[must_use]
    pub fn hardware(mut self, hardware: HardwareSpec) -> Self {
        self.hardware = hardware;
        self
    }

    /// Gives the network, in the service's terms: a word, a table, or a list of adapters.
    #[must_use]
    pub fn network(mut self, network: impl Into<Value>) -> Self {
        self.network = Some(network.into());
        self
    }

    /// This node-spec with what `over` says otherwise, key by key. An explicit network replaces
    /// the other one as a whole.
    #[must_use]
    pub fn overlaid_with(mut self, over: &NodeSpec) -> Self {
        let over = over.clone();
        self.service = over.service.or(self.service);
        self.image = self.image.overlaid_with(over.image);
        self.hardware = self.hardware.overlaid_with(over.hardware);
        self.network = over.network.or(self.network);
        self.location = overlaid(self.location, over.location);
        self.qos = overlaid(self.qos, over.qos);
        for (provider, keys) in over.provider {
            merge(self.provider.entry(provider).or_default(), keys);
        }
        self
    }
}

/// One free table over another, key by key.
pub(super) fn overlaid(
    under: Option<Map<String, Value>>,
    over: Option<Map<String, Value>>,
) -> Option<Map<String, Value>> {
    match (under, over) {
        (Some(mut under), Some(over)) => {
            merge(&mut under, over);
            Some(under)
        }
        (under, over) => over.or(under),
    }
}

/// Chooses a hardware model by id or by what it has at least, gives one explicitly, or both: the
/// explicit keys win.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct HardwareSpec {
    /// The model's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hardware_id: Option<String>,
    /// Keys of a hardware model, in the service's terms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hardware_model: Option<Map<String, Value>>,
    /// Memory of at least this many MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_ram: Option<u64>,
    /// At least this many processors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_cores: Option<u32>,
    /// A disk of at least this many GiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_disk: Option<u64>,
    /// Of several models that fit, which one. Default: the service's own choice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefer: Option<Preference>,
    /// Processor architecture as `uname -m` prints it: `x86_64`, `aarch64`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub architecture: Option<String>,
    /// The kind of network, in the service's terms; the node-spec's `network` wins over it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_type: Option<String>,
    /// The host's interface that nodes are bridged to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bridged_interface: Option<String>,
    /// The host's interface that nodes share with the host alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub local_interface: Option<String>,
    /// Forwards from ports of the host to ports of the nodes, in the service's terms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nat_rules: Option<Value>,
}

/// Which of several hardware models that fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Preference {
    /// The one with the least memory, then the fewest processors.
    Smallest,
    /// The one with the most memory, then the most processors.
    Biggest,
    /// The one with the most processors, then the most memory.
    Fastest,
}

impl HardwareSpec {
    fn overlaid_with(self, over: HardwareSpec) -> Self {
        Self {
            hardware_id: over.hardware_id.or(self.hardware_id),
            hardware_model: overlaid(self.hardware_model, over.hardware_model),
            min_ram: over.min_ram.or(self.min_ram),
            min_cores: over.min_cores.or(self.min_cores),
            min_disk: over.min_disk.or(self.min_disk),
            prefer: over.prefer.or(self.prefer),
            architecture: over.architecture.or(self.architecture),
            network_type: over.network_type.or(self.network_type),
            bridged_interface: over.bridged_interface.or(self.bridged_interface),
            local_interface: over.local_interface.or(self.local_interface),
            nat_rules: over.nat_rules.or(self.nat_rules),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn spec(value: Value) -> NodeSpec {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_spec_over_another() {
        let under = spec(json!({
            "image": { "os-family": "debian", "image-model": { "path": "a.vdi", "packager": "apt" } },
            "hardware": { "hardware-id": "small", "min-ram": 512 },
            "network": { "network-type": "nat" },
            "provider": { "virtualbox": { "a": 1 } },
        }));
        let over = spec(json!({
            "service": "lab",
            "image": { "image-model": { "path": "b.vdi" } },
            "hardware": { "min-ram": 1024 },
            "network": [{ "attachment-type": "nat" }],
            "provider": { "virtualbox": { "b": 2 } },
        }));
        let expected = spec(json!({
            "service": "lab",
            "image": { "os-family": "debian", "image-model": { "path": "b.vdi", "packager": "apt" } },
            "hardware": { "hardware-id": "small", "min-ram": 1024 },
            "network": [{ "attachment-type": "nat" }],
            "provider": { "virtualbox": { "a": 1, "b": 2 } },
        }));
        assert_eq!(under.overlaid_with(&over), expected);
        assert_eq!(expected.clone().overlaid_with(&NodeSpec::new()), expected);
    }
}
