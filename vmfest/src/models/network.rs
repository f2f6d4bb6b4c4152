//! Network: the ready-made layouts and explicit adapters.

use serde::Deserialize;

/// A ready-made network layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NetworkType {
    /// One adapter behind VirtualBox's NAT, with a forward from a free host port to the guest's
    /// port 22.
    Nat,
    /// A host-only adapter first, then one behind NAT.
    Local,
    /// One adapter bridged to a host interface.
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
    /// Host interface of a bridged adapter, by VirtualBox's full name for it.
    #[serde(alias = "bridged-interface")]
    pub host_interface: Option<String>,
    /// Host-only interface, such as `vboxnet0`.
    pub host_only_interface: Option<String>,
    /// Name of the internal network.
    pub internal_network: Option<String>,
    /// Whether the guest has the adapter. Default: true.
    pub enabled: Option<bool>,
    /// Whether the cable is plugged in. Default: true.
    pub cable_connected: Option<bool>,
    /// Twelve hexadecimal digits. Default: VirtualBox makes one.
    pub mac_address: Option<String>,
    /// Reported speed in kbit/s.
    pub line_speed: Option<u32>,
    /// Port forwards of a NAT adapter.
    pub nat_rules: Vec<NatRule>,
}

/// What an adapter is connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AttachmentType {
    /// Nothing.
    Null,
    /// VirtualBox's NAT.
    Nat,
    /// A host interface.
    Bridged,
    /// A network between VMs only.
    Internal,
    /// A network between the VMs and the host.
    HostOnly,
}

/// Emulated network cards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AdapterType {
    /// AMD PCNet-PCI II
    Am79c970a,
    /// AMD PCNet-FAST III
    Am79c973,
    /// Intel PRO/1000 MT Desktop
    I82540em,
    /// Intel PRO/1000 T Server
    I82543gc,
    /// Intel PRO/1000 MT Server
    I82545em,
    /// Paravirtualised; also under the original's spelling `:vitrio`.
    #[serde(alias = "vitrio")]
    Virtio,
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
