//! Where the guest can be reached: its network adapters, and what the guest says about them.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use vbox_soap::api::{IMachine, NetworkAttachmentType};

use super::Instance;
use super::ready::Attempt;
use crate::error::{Doing, Error};
use crate::wait::poll;

/// Where the Guest Additions tell about the guest's interfaces.
const REPORTS: &str = "/VirtualBox/GuestInfo/Net/";

/// A network adapter of a VM, with what its guest says about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// The slot that the adapter is in, from 0.
    pub slot: u32,
    /// What it is attached to, in VirtualBox's words: `NAT`, `HostOnly`, `Bridged`, …
    pub attachment: String,
    /// Its MAC address: twelve hexadecimal digits in capitals.
    pub mac: String,
    /// Whether its cable is plugged in.
    pub cable_connected: bool,
    /// What the guest says: only a guest with the Guest Additions says anything.
    pub guest: Option<InterfaceAddress>,
}

/// What a guest says about one of its interfaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InterfaceAddress {
    /// The address that it has, if it has one by now.
    pub ip: Option<IpAddr>,
    /// Whether it is up.
    pub up: bool,
}

impl Interface {
    /// Whether the host can reach the guest directly by this adapter.
    fn is_reachable(&self) -> bool {
        ["HostOnly", "HostOnlyNetwork", "Bridged"].contains(&self.attachment.as_str())
    }

    fn usable_address(&self) -> Option<IpAddr> {
        let guest = self.guest.as_ref().filter(|guest| guest.up)?;
        guest.ip.filter(|_| self.is_reachable())
    }
}

impl fmt::Display for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "adapter {} ({}, MAC {}", self.slot + 1, self.attachment, self.mac)?;
        if !self.cable_connected {
            f.write_str(", cable not plugged in")?;
        }
        f.write_str("): ")?;
        match &self.guest {
            None => f.write_str("the guest says nothing about it"),
            Some(InterfaceAddress { up: false, .. }) => f.write_str("down in the guest"),
            Some(InterfaceAddress { ip: None, .. }) => f.write_str("up, without an address"),
            Some(InterfaceAddress { ip: Some(ip), .. }) => write!(f, "up, {ip}"),
        }
    }
}

impl Instance {
    /// The VM's network adapters, each with what the guest says about the interface that has its
    /// MAC address: the guest counts its interfaces in an order of its own.
    ///
    /// # Errors
    /// When VirtualBox cannot be asked.
    pub async fn interfaces(&self) -> Result<Vec<Interface>, Error> {
        let doing = || format!("read the network of the VM {}", self.name());
        if !self.machine.accessible {
            return Ok(Vec::new());
        }
        let slots = self.manager.adapter_slots(&self.machine.handle).await?;
        let mut interfaces = adapters(&self.machine.handle, slots).await.doing(doing)?;
        let reported = self.guest_properties(&format!("{REPORTS}*")).await?;
        let pairs = reported.iter().map(|p| (p.name.as_str(), p.value.as_str()));
        let reported = by_mac(pairs);
        for interface in &mut interfaces {
            interface.guest = reported.get(&interface.mac).cloned();
        }
        Ok(interfaces)
    }

    /// Whether the guest can have an address that the host reaches.
    pub(super) async fn has_reachable_adapter(&self) -> Result<bool, Error> {
        Ok(self.interfaces().await?.iter().any(Interface::is_reachable))
    }

    /// The guest's address on the first host-only or bridged adapter that has one; nothing as long
    /// as the guest tells none.
    ///
    /// # Errors
    /// When VirtualBox cannot be asked.
    pub async fn address(&self) -> Result<Option<IpAddr>, Error> {
        Ok(self.interfaces().await?.iter().find_map(Interface::usable_address))
    }

    /// Waits until the guest tells its address, see [`Instance::address`].
    ///
    /// # Errors
    /// [`Error::GuestSilent`] after `timeout`, or as soon as the VM has ended, with what is known
    /// of each adapter.
    pub async fn wait_for_address(&self, timeout: Duration) -> Result<IpAddr, Error> {
        let started = Instant::now();
        let found = poll(timeout, || async {
            if let Some(address) = self.address().await? {
                return Ok(Some(Some(address)));
            }
            Ok((!self.state().await?.is_online()).then_some(None))
        });
        match found.await?.flatten() {
            Some(address) => Ok(address),
            None => Err(self.silent(Attempt::new("address", started)).await),
        }
    }
}

/// The enabled adapters among so many.
async fn adapters(machine: &IMachine, slots: u32) -> Result<Vec<Interface>, vbox_soap::Error> {
    let mut found = Vec::new();
    for slot in 0..slots {
        let adapter = machine.get_network_adapter(slot).await?;
        if !adapter.get_enabled().await? {
            continue;
        }
        let attachment = adapter.get_attachment_type().await?;
        if attachment == NetworkAttachmentType::Null {
            continue;
        }
        found.push(Interface {
            slot,
            attachment: attachment.as_str().to_owned(),
            mac: adapter.get_mac_address().await?.to_ascii_uppercase(),
            cable_connected: adapter.get_cable_connected().await?,
            guest: None,
        });
    }
    Ok(found)
}

/// The guest's reports, `…/Net/0/MAC`, `…/Net/0/V4/IP` and `…/Net/0/Status`, by MAC address.
fn by_mac<'a>(
    properties: impl Iterator<Item = (&'a str, &'a str)>,
) -> BTreeMap<String, InterfaceAddress> {
    let mut reports: BTreeMap<&str, BTreeMap<&str, &str>> = BTreeMap::new();
    for (name, value) in properties {
        if let Some((number, key)) =
            name.strip_prefix(REPORTS).and_then(|rest| rest.split_once('/'))
        {
            reports.entry(number).or_default().insert(key, value);
        }
    }
    let interfaces = reports.into_values().filter_map(|report| {
        let mac = report.get("MAC")?.replace([':', '-'], "").to_ascii_uppercase();
        let ip = report.get("V4/IP").and_then(|text| text.parse().ok());
        let ip = ip.filter(|ip: &IpAddr| !ip.is_unspecified());
        let up = report.get("Status").is_none_or(|status| status.eq_ignore_ascii_case("up"));
        Some((mac, InterfaceAddress { ip, up }))
    });
    interfaces.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interfaces_are_told_apart_by_their_mac_address() {
        let reports = by_mac(
            [
                ("/VirtualBox/GuestInfo/Net/Count", "3"),
                ("/VirtualBox/GuestInfo/Net/0/MAC", "080027aabbcc"),
                ("/VirtualBox/GuestInfo/Net/0/V4/IP", "10.0.2.15"),
                ("/VirtualBox/GuestInfo/Net/0/Status", "Up"),
                ("/VirtualBox/GuestInfo/Net/1/MAC", "08:00:27:AA:BB:DD"),
                ("/VirtualBox/GuestInfo/Net/1/Status", "Down"),
                ("/VirtualBox/GuestInfo/Net/2/V4/IP", "1.2.3.4"),
                ("/VirtualBox/GuestInfo/Net/3/MAC", "080027AABBEE"),
                ("/VirtualBox/GuestInfo/Net/3/V4/IP", "0.0.0.0"),
            ]
            .into_iter(),
        );
        let ip = "10.0.2.15".parse().expect("an address");
        assert_eq!(reports["080027AABBCC"], InterfaceAddress { ip: Some(ip), up: true });
        assert_eq!(reports["080027AABBDD"], InterfaceAddress { ip: None, up: false });
        assert_eq!(reports["080027AABBEE"], InterfaceAddress { ip: None, up: true });
        assert_eq!(reports.len(), 3, "one without a MAC address cannot be matched");
    }

    #[test]
    fn only_an_adapter_that_the_host_can_reach_counts() {
        let interface = |attachment: &str, up| Interface {
            slot: 0,
            attachment: attachment.to_owned(),
            mac: "080027AABBCC".to_owned(),
            cable_connected: true,
            guest: Some(InterfaceAddress { ip: "10.0.2.15".parse().ok(), up }),
        };
        assert!(interface("HostOnly", true).usable_address().is_some());
        assert!(interface("Bridged", true).usable_address().is_some());
        assert!(interface("HostOnly", false).usable_address().is_none());
        assert!(interface("NAT", true).usable_address().is_none());
        assert_eq!(
            interface("NAT", true).to_string(),
            "adapter 1 (NAT, MAC 080027AABBCC): up, 10.0.2.15"
        );
    }
}
