//! What a node is made of.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Which image, hardware and network a node gets, and from which service.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct NodeSpec {
    /// The service that creates it. Default: the only service, or the default one.
    #[serde(default)]
    pub service: Option<String>,
    /// The image it starts from.
    #[serde(default)]
    pub image: ImageSpec,
    /// The hardware it gets.
    #[serde(default)]
    pub hardware: HardwareSpec,
    /// The network, in the service's terms. Default: the service's.
    #[serde(default)]
    pub network: Option<Value>,
}

/// Chooses an image model: by id, or the best match of the other keys.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ImageSpec {
    /// The model's name.
    #[serde(default)]
    pub image_id: Option<String>,
    /// Operating system family: `debian`, `ubuntu`.
    #[serde(default)]
    pub os_family: Option<String>,
    /// Exact operating system version.
    #[serde(default)]
    pub os_version: Option<String>,
    /// 64-bit or not.
    #[serde(default)]
    pub os_64_bit: Option<bool>,
    /// Regular expression that the whole operating system version matches.
    #[serde(default)]
    pub os_version_matches: Option<String>,
    /// Regular expression that the whole name for people matches.
    #[serde(default)]
    pub image_name_matches: Option<String>,
    /// Regular expression that the model's whole name matches.
    #[serde(default)]
    pub image_id_matches: Option<String>,
    /// Regular expression that the whole description matches.
    #[serde(default)]
    pub image_description_matches: Option<String>,
    /// The complete image, in the service's terms, instead of one that the service knows by name.
    #[serde(default)]
    pub image_model: Option<Map<String, Value>>,
    /// How nodes are shown when they start, in the service's terms. Default: not at all.
    #[serde(default)]
    pub session_type: Option<String>,
}

/// Chooses a hardware model by id, gives one explicitly, or both: the explicit keys win.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct HardwareSpec {
    /// The model's name.
    #[serde(default)]
    pub hardware_id: Option<String>,
    /// Keys of a hardware model, in the service's terms.
    #[serde(default)]
    pub hardware_model: Option<Map<String, Value>>,
    /// Memory of at least this many MiB.
    #[serde(default)]
    pub min_ram: Option<u64>,
    /// At least this many processors.
    #[serde(default)]
    pub min_cores: Option<u32>,
    /// The kind of network, in the service's terms; the node-spec's `network` wins over it.
    #[serde(default)]
    pub network_type: Option<String>,
    /// The host's interface that nodes are bridged to.
    #[serde(default)]
    pub bridged_interface: Option<String>,
    /// The host's interface that nodes share with the host alone.
    #[serde(default)]
    pub local_interface: Option<String>,
    /// Forwards from ports of the host to ports of the nodes, in the service's terms.
    #[serde(default)]
    pub nat_rules: Option<Value>,
}
