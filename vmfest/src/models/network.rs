//! Network: the ready-made layouts and explicit adapters.

use std::collections::BTreeMap;

use serde::Deserialize;

/// A ready-made network layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NetworkType {
    /// One adapter behind VirtualBox's NAT, with a forward from a free host port to the guest's
    /// port 22.
    Nat,
    /// A host-only adapter first, then one behind NAT, with the forward of [`NetworkType::Nat`].
    /// The host-only interface and its DHCP server are made where they are missing.
    Local,
    /// One adapter bridged to a host interface: the one named, or the one that the host itself
    /// reaches the world by.
    Bridged,
}

/// One network adapter of a VM.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Adapter {
    /// What the adapter is connected to. Default: NAT.
    pub attachment_type: Option<AttachmentType>,
    /// The emulated card. Default: VirtualBox's choice for the guest's operating system.
    pub adapter_type: Option<AdapterType>,
    /// Host interface of a bridged adapter, by VirtualBox's full name for it; also
    /// `:bridged-interface`.
    #[serde(alias = "bridged-interface")]
    pub host_interface: Option<String>,
    /// Host-only interface, such as `vboxnet0`.
    pub host_only_interface: Option<String>,
    /// Host-only network (VirtualBox 7 and newer).
    pub host_only_network: Option<String>,
    /// Name of the internal network.
    pub internal_network: Option<String>,
    /// Name of the NAT network that several VMs share.
    pub nat_network: Option<String>,
    /// Driver of a `:generic` adapter, such as `UDPTunnel`; also `:network`.
    #[serde(alias = "network")]
    pub generic_driver: Option<String>,
    /// What the driver of a `:generic` adapter is told, by VirtualBox's names; in EDN the names
    /// are strings: `{"dport" "10001"}`.
    pub generic_properties: BTreeMap<String, String>,
    /// Whether the guest has the adapter. Default: true.
    pub enabled: Option<bool>,
    /// Whether the cable is plugged in. Default: true.
    pub cable_connected: Option<bool>,
    /// Twelve hexadecimal digits, with or without `:` or `-` between the bytes. Default:
    /// VirtualBox makes one.
    #[serde(deserialize_with = "mac_digits")]
    pub mac_address: Option<String>,
    /// Reported speed in kbit/s.
    pub line_speed: Option<u32>,
    /// Whether the guest may see what is not meant for it. Default: `:deny`.
    pub promiscuous_mode: Option<PromiscuousMode>,
    /// Port forwards of a NAT adapter.
    pub nat_rules: Vec<NatRule>,
}

/// Takes the separators out of a hardware address; VirtualBox wants none.
fn mac_digits<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<String>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.map(|text| text.replace([':', '-'], "")))
}

/// What an adapter is connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AttachmentType {
    /// Nothing.
    Null,
    /// VirtualBox's NAT.
    Nat,
    /// A NAT network, which several VMs share.
    NatNetwork,
    /// A host interface.
    Bridged,
    /// A network between VMs only.
    Internal,
    /// A network between the VMs and the host, by its interface.
    HostOnly,
    /// A network between the VMs and the host, by its name (VirtualBox 7 and newer).
    HostOnlyNetwork,
    /// A driver that somebody added to VirtualBox.
    Generic,
}

impl AttachmentType {
    /// All there are.
    pub(crate) const ALL: [Self; 8] = [
        Self::Null,
        Self::Nat,
        Self::NatNetwork,
        Self::Bridged,
        Self::Internal,
        Self::HostOnly,
        Self::HostOnlyNetwork,
        Self::Generic,
    ];
}

/// Emulated network cards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AdapterType {
    /// VirtualBox's choice, as if the key were left out.
    Null,
    /// AMD PCNet-PCI II
    Am79c970a,
    /// AMD PCNet-FAST III
    Am79c973,
    /// AMD PCNet-ISA
    Am79c960,
    /// Intel PRO/1000 MT Desktop
    I82540em,
    /// Intel PRO/1000 T Server
    I82543gc,
    /// Intel PRO/1000 MT Server
    I82545em,
    /// Intel 82583V Gigabit
    I82583v,
    /// Paravirtualised; also under the original's spelling `:vitrio`.
    #[serde(alias = "vitrio")]
    Virtio,
}

/// Whether a guest may see what is not meant for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PromiscuousMode {
    /// No.
    Deny,
    /// What other VMs on the same network send.
    AllowNetwork,
    /// Everything, the host's traffic included.
    AllowAll,
}

/// A port forward from the host to the guest.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct NatRule {
    /// Name, unique on the adapter.
    pub name: String,
    /// Default: TCP.
    #[serde(default)]
    pub protocol: NatProtocol,
    /// Host address to listen on. Default: 127.0.0.1, so that nobody else reaches the guest; an
    /// empty string listens on all addresses.
    #[serde(default = "loopback")]
    pub host_ip: String,
    /// Host port.
    pub host_port: u16,
    /// Guest address. Default: the guest's first one.
    #[serde(default)]
    pub guest_ip: String,
    /// Guest port.
    pub guest_port: u16,
}

fn loopback() -> String {
    "127.0.0.1".to_owned()
}

/// Protocol of a port forward.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NatProtocol {
    /// TCP
    #[default]
    Tcp,
    /// UDP
    Udp,
}
