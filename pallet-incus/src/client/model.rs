//! The API's documents, as far as nodes need them. Whatever else stands in them is left alone.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

/// Instances on a member that does not answer have no type.
fn known_type<'de, D: Deserializer<'de>>(deserializer: D) -> Result<InstanceType, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?.unwrap_or_default();
    Ok(match text.as_str() {
        "virtual-machine" => InstanceType::VirtualMachine,
        _ => InstanceType::Container,
    })
}

/// Where the API says `null` for what is empty.
fn or_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// What a server says of itself.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Server {
    /// What the API has beyond its first version.
    pub api_extensions: Vec<String>,
    /// `trusted`, or what else this client is.
    pub auth: String,
    /// What the server runs on.
    pub environment: Environment,
}

/// What a server runs on.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Environment {
    /// `incus` or `lxd`.
    pub server: String,
    /// The product's version.
    pub server_version: String,
    /// The member's name.
    pub server_name: String,
    /// Whether it is a member of a cluster.
    pub server_clustered: bool,
    /// What it can run, separated by ` | `: `lxc | qemu`.
    pub driver: String,
    /// Architectures that it runs, its own first.
    pub architectures: Vec<String>,
    /// SHA-256 of the certificate that it shows.
    pub certificate_fingerprint: String,
}

/// Containers share the server's kernel, virtual machines have their own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InstanceType {
    /// A container.
    #[default]
    Container,
    /// A virtual machine.
    #[serde(alias = "vm")]
    VirtualMachine,
}

impl InstanceType {
    /// The API's word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Container => "container",
            Self::VirtualMachine => "virtual-machine",
        }
    }
}

/// A device of an instance or a profile: its keys, `type` above all.
pub type Device = BTreeMap<String, String>;

/// An instance.
#[derive(Debug, Clone, Deserialize)]
pub struct Instance {
    /// Its name, unique in its project.
    pub name: String,
    /// `Running`, `Stopped`, `Frozen`, `Error`, …
    #[serde(default)]
    pub status: String,
    /// Container or virtual machine.
    #[serde(rename = "type", default, deserialize_with = "known_type")]
    pub kind: InstanceType,
    /// Its own settings, `user.…` and `volatile.…` among them.
    #[serde(default, deserialize_with = "or_default")]
    pub config: BTreeMap<String, String>,
    /// Its devices, those of its profiles included.
    #[serde(default, deserialize_with = "or_default")]
    pub expanded_devices: BTreeMap<String, Device>,
    /// The member that it is on; `none` where there is no cluster.
    #[serde(default)]
    pub location: String,
    /// Its architecture.
    #[serde(default)]
    pub architecture: String,
    /// What it does, where that was asked for too.
    #[serde(default)]
    pub state: Option<State>,
}

impl Instance {
    /// What stays the same as long as it exists, and is nobody else's.
    pub fn id(&self) -> &str {
        self.config.get("volatile.uuid").map_or(&self.name, String::as_str)
    }

    /// Whether it runs.
    pub fn is_running(&self) -> bool {
        is_running(&self.status)
    }

    /// Whether the API knows nothing but its name and its place, since the member that it is on
    /// does not answer.
    pub fn is_out_of_sight(&self) -> bool {
        self.status == "Error" && self.config.is_empty()
    }
}

/// `Ready` is said of instances that have said so themselves.
fn is_running(status: &str) -> bool {
    matches!(status, "Running" | "Ready")
}

/// What an instance does.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct State {
    /// `Running`, `Stopped`, …
    pub status: String,
    /// Its interfaces by name.
    #[serde(deserialize_with = "or_default")]
    pub network: BTreeMap<String, NetworkState>,
}

impl State {
    /// Whether it runs.
    pub fn is_running(&self) -> bool {
        is_running(&self.status)
    }
}

/// An interface of an instance.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct NetworkState {
    /// Its addresses.
    #[serde(deserialize_with = "or_default")]
    pub addresses: Vec<NetworkAddress>,
    /// Its hardware address.
    pub hwaddr: String,
}

/// An address of an interface.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct NetworkAddress {
    /// `inet` or `inet6`.
    pub family: String,
    /// The address.
    pub address: String,
    /// `global`, `link` or `local`.
    pub scope: String,
}

/// An image.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Image {
    /// Its SHA-256.
    pub fingerprint: String,
    /// Its names.
    #[serde(deserialize_with = "or_default")]
    pub aliases: Vec<Alias>,
    /// What it is, in words: `os`, `release`, `description`, …
    #[serde(deserialize_with = "or_default")]
    pub properties: BTreeMap<String, String>,
    /// Its architecture.
    pub architecture: String,
    /// What can be made of it.
    #[serde(rename = "type")]
    pub kind: InstanceType,
    /// Its size in bytes.
    pub size: u64,
    /// When it came here.
    pub uploaded_at: String,
}

/// A name of an image.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Alias {
    /// The name.
    pub name: String,
}

/// A network that instances can be on.
#[derive(Debug, Clone, Deserialize)]
pub struct Network {
    /// Its name.
    pub name: String,
    /// `bridge`, `physical`, `ovn`, …
    #[serde(rename = "type", default)]
    pub kind: String,
    /// Whether the server looks after it, and is not just there on the member.
    #[serde(default)]
    pub managed: bool,
}

/// What many instances have in common.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Profile {
    /// Its name.
    pub name: String,
    /// Its devices.
    #[serde(deserialize_with = "or_default")]
    pub devices: BTreeMap<String, Device>,
}
