//! Which addresses host-only networks may have.
//!
//! Since 6.1.28 VirtualBox refuses addresses outside of 192.168.56.0/21 unless a file of the
//! administrator's allows others.

use std::net::Ipv4Addr;
use std::path::Path;

/// Where the administrator allows other ranges, on systems that have this file.
const CONFIGURATION: &str = "/etc/vbox/networks.conf";

/// A range of IPv4 addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Network {
    first: u32,
    bits: u32,
}

impl Network {
    /// The network that a host with this address and mask is in; nothing for no address.
    pub(super) fn of(address: &str, mask: &str) -> Option<Self> {
        let address: Ipv4Addr = address.parse().ok().filter(|a: &Ipv4Addr| !a.is_unspecified())?;
        let mask: Ipv4Addr = mask.parse().ok()?;
        Some(Self::new(address, mask.to_bits().leading_ones()))
    }

    fn new(address: Ipv4Addr, bits: u32) -> Self {
        Self { first: address.to_bits() & mask_of(bits), bits }
    }

    fn parse(text: &str) -> Option<Self> {
        let (address, bits) = text.split_once('/')?;
        let bits = bits.parse().ok().filter(|bits| *bits <= 32)?;
        Some(Self::new(address.parse().ok()?, bits))
    }

    /// Whether the two have addresses in common.
    pub(super) fn overlaps(self, other: Self) -> bool {
        let bits = self.bits.min(other.bits);
        (self.first ^ other.first) & mask_of(bits) == 0
    }

    /// The address with this number in the network.
    pub(super) fn address(self, number: u32) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.first | (number & !mask_of(self.bits)))
    }

    /// The mask as VirtualBox writes it.
    pub(super) fn mask(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(mask_of(self.bits))
    }

    /// How many addresses it has.
    pub(super) fn size(self) -> u64 {
        1 << (32 - self.bits)
    }
}

fn mask_of(bits: u32) -> u32 {
    u32::MAX.checked_shl(32 - bits).unwrap_or(0)
}

/// The ranges that VirtualBox allows on this host.
pub(super) fn allowed() -> Vec<Network> {
    allowed_by(Path::new(CONFIGURATION))
}

fn allowed_by(file: &Path) -> Vec<Network> {
    match std::fs::read_to_string(file) {
        Ok(text) => read_configuration(&text),
        Err(_) => vec![Network::new(Ipv4Addr::new(192, 168, 56, 0), 21)],
    }
}

/// Lines such as `* 10.0.0.0/8 192.168.0.0/16 2001::/64`; anything else is a comment.
fn read_configuration(text: &str) -> Vec<Network> {
    let lines = text.lines().filter_map(|line| line.trim().strip_prefix('*'));
    lines.flat_map(str::split_whitespace).filter_map(Network::parse).collect()
}

/// A /24 in an allowed range that has nothing in common with the networks in use.
pub(super) fn free(allowed: &[Network], used: &[Network]) -> Option<Network> {
    let candidates = allowed.iter().flat_map(|range| {
        // A range smaller than that is one candidate as it is.
        let bits = range.bits.max(24);
        let step = 1_u32.checked_shl(32 - bits).unwrap_or(0);
        let count = 1_u32.checked_shl(bits - range.bits).unwrap_or(u32::MAX);
        (0..count).map(move |n| Network { first: range.first.wrapping_add(n * step), bits })
    });
    // Smaller than /28, there would be no addresses to give away.
    candidates
        .filter(|candidate| candidate.bits <= 28)
        .find(|candidate| used.iter().all(|used| !candidate.overlaps(*used)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        Network::parse(text).expect("a network")
    }

    #[test]
    fn the_administrators_ranges_count() {
        let text = "# comment\n* 10.0.0.0/8 172.16.0.0/12\n  * 2001::/64\n192.168.0.0/16\n";
        assert_eq!(read_configuration(text), [network("10.0.0.0/8"), network("172.16.0.0/12")]);
        let nowhere = Path::new("/nowhere/networks.conf");
        assert_eq!(allowed_by(nowhere), [network("192.168.56.0/21")]);
    }

    #[test]
    fn a_network_that_is_in_use_is_not_taken() {
        let allowed = [network("192.168.56.0/23")];
        let first = free(&allowed, &[]).expect("free");
        assert_eq!(first, network("192.168.56.0/24"));
        assert_eq!(first.address(1), Ipv4Addr::new(192, 168, 56, 1));
        assert_eq!(first.mask(), Ipv4Addr::new(255, 255, 255, 0));
        let used = Network::of("192.168.56.7", "255.255.255.128").expect("a network");
        assert_eq!(free(&allowed, &[used]), Some(network("192.168.57.0/24")));
        assert_eq!(free(&allowed, &[network("192.168.0.0/16")]), None);
        assert_eq!(free(&[network("10.1.2.0/26")], &[]), Some(network("10.1.2.0/26")));
        assert_eq!(free(&[network("10.1.2.0/30")], &[]), None);
    }

    #[test]
    fn no_address_is_no_network() {
        for (address, mask) in [("", ""), ("0.0.0.0", "0.0.0.0"), ("fe80::1", "")] {
            assert_eq!(Network::of(address, mask), None);
        }
    }
}
