//! Host ports for forwards.
//!
//! VirtualBox starts a VM even if the port of a forward is taken, and connections then end up at
//! whoever has the port. So ports are chosen with care: claimed in the node path, which no other
//! instance can do then, even one that is stopped; and tried on the host.

use std::collections::hash_map::RandomState;
use std::fs;
use std::hash::{BuildHasher, Hasher};
use std::io::ErrorKind;
use std::net::{IpAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::models::{NatProtocol, NatRule};

/// Name of the forward to the guest's SSH port.
pub(crate) const SSH_RULE: &str = "ssh";

/// Ports for forwards: above the registered services that people run, below the ranges from which
/// operating systems take ports for outgoing connections.
const FIRST: u16 = 20_000;
const LAST: u16 = 32_000;

/// A port that belongs to one machine until it is given back.
#[derive(Debug)]
pub(crate) struct PortClaim {
    pub(crate) port: u16,
    file: PathBuf,
}

impl PortClaim {
    /// Claims a free port for the machine with this id.
    pub(crate) fn new(folder: &Path, machine: &str) -> Result<Self, Error> {
        fs::create_dir_all(folder).map_err(|e| Error::io("create the folder", folder, e))?;
        let owner = OwnerFile::new(folder, machine)?;
        let count = LAST - FIRST + 1;
        // A random start keeps processes that work side by side from trying the same ports.
        let random = RandomState::new().build_hasher().finish();
        let start = u16::try_from(random % u64::from(count)).unwrap_or(0);
        for step in 0..count {
            let port = FIRST + (start + step) % count;
            let file = folder.join(port.to_string());
            match fs::hard_link(&owner.0, &file) {
                Ok(()) => {
                    let claimed = Self { port, file };
                    if is_free(NatProtocol::Tcp, "127.0.0.1", port) {
                        return Ok(claimed);
                    }
                    claimed.give_back();
                }
                Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
                Err(e) => return Err(Error::io("create the file", file, e)),
            }
        }
        Err(Error::NoFreePort { first: FIRST, last: LAST })
    }

    /// Gives the port back.
    pub(crate) fn give_back(&self) {
        remove(&self.file);
    }
}

/// A file that names a machine. It is linked to the names of ports, so that there is no moment at
/// which a claim does not say whose it is.
struct OwnerFile(PathBuf);

impl OwnerFile {
    fn new(folder: &Path, machine: &str) -> Result<Self, Error> {
        let file = folder.join(format!("{machine}.owner"));
        fs::write(&file, machine).map_err(|e| Error::io("write the file", &file, e))?;
        Ok(Self(file))
    }
}

impl Drop for OwnerFile {
    fn drop(&mut self) {
        remove(&self.0);
    }
}

/// Gives back all ports that the machine with this id has claimed.
pub(crate) fn give_back_all(folder: &Path, machine: &str) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        if fs::read_to_string(entry.path()).is_ok_and(|owner| owner == machine) {
            remove(&entry.path());
        }
    }
}

/// Gives back one port, if the machine with this id has claimed it.
pub(crate) fn give_back(folder: &Path, machine: &str, port: u16) {
    let file = folder.join(port.to_string());
    if fs::read_to_string(&file).is_ok_and(|owner| owner == machine) {
        remove(&file);
    }
}

fn remove(file: &Path) {
    if let Err(error) = fs::remove_file(file)
        && error.kind() != ErrorKind::NotFound
    {
        tracing::warn!(file = %file.display(), %error, "cannot give a port back");
    }
}

/// Whether nobody on this host listens there. Addresses of other hosts count as free: it cannot
/// be tried.
pub(crate) fn is_free(protocol: NatProtocol, address: &str, port: u16) -> bool {
    let address = if address.is_empty() { "0.0.0.0" } else { address };
    let Ok(ip) = address.parse::<IpAddr>() else { return true };
    let tried = match protocol {
        NatProtocol::Tcp => TcpListener::bind((ip, port)).map(drop),
        NatProtocol::Udp => UdpSocket::bind((ip, port)).map(drop),
    };
    !tried.is_err_and(|e| e.kind() == ErrorKind::AddrInUse)
}

/// What VirtualBox logs when it cannot listen on a forward's port, and starts the VM regardless.
const FORWARD_FAILED: &str = "failed to set up redirection of ";

/// Whether VirtualBox has logged that it could not listen for some forward.
pub(crate) fn any_forward_failed(log: &str) -> bool {
    log.contains(FORWARD_FAILED)
}

/// Whether VirtualBox has logged that it could not listen on this port.
pub(crate) fn forward_failed(log: &str, port: u16) -> bool {
    log.contains(&format!("{FORWARD_FAILED}{port} to "))
}

/// Reads a forward as VirtualBox tells it: `name,protocol,host address,host port,guest address,
/// guest port`.
pub(crate) fn parse_redirect(text: &str) -> Option<NatRule> {
    let fields: Vec<&str> = text.split(',').collect();
    let [name, protocol, host_ip, host_port, guest_ip, guest_port] = fields.as_slice() else {
        return None;
    };
    Some(NatRule {
        name: (*name).to_owned(),
        protocol: if *protocol == "0" { NatProtocol::Udp } else { NatProtocol::Tcp },
        host_ip: (*host_ip).to_owned(),
        host_port: host_port.parse().ok()?,
        guest_ip: (*guest_ip).to_owned(),
        guest_port: guest_port.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claimed_port_is_claimed_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let ports = folder.path().join("ports");
        let claims: Vec<_> =
            (0..50).map(|_| PortClaim::new(&ports, "a").expect("a port")).collect();
        let mut numbers: Vec<_> = claims.iter().map(|c| c.port).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), 50);
        let other = PortClaim::new(&ports, "b").expect("a port");
        give_back(&ports, "a", other.port);
        assert!(other.file.exists(), "only the owner gives back");
        give_back_all(&ports, "a");
        assert_eq!(fs::read_dir(&ports).expect("reads").count(), 1);
        other.give_back();
        assert_eq!(fs::read_dir(&ports).expect("reads").count(), 0);
    }

    #[test]
    fn a_port_that_is_listened_on_is_not_free() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        assert!(!is_free(NatProtocol::Tcp, "127.0.0.1", port));
        assert!(!is_free(NatProtocol::Tcp, "", port));
        drop(listener);
        assert!(is_free(NatProtocol::Tcp, "127.0.0.1", port));
        assert!(is_free(NatProtocol::Tcp, "192.0.2.1", port), "not an address of this host");
    }

    #[test]
    fn the_log_tells_which_forward_failed() {
        let log = "00:00:00.865273 VMSetError: NAT#0: configuration error: failed to set up redirection of 57445 to \
                   22. Probably a conflict with existing services or other rules\n";
        assert!(any_forward_failed(log) && forward_failed(log, 57_445));
        assert!(
            !forward_failed(log, 5_744) && !forward_failed(log, 7_445) && !forward_failed(log, 22)
        );
        assert!(!any_forward_failed("NAT: DNS settings changed, triggering update\n"));
    }

    #[test]
    fn redirects() {
        let rule = parse_redirect("ssh,1,127.0.0.1,20022,,22").expect("parses");
        assert_eq!((rule.name.as_str(), rule.host_port, rule.guest_port), ("ssh", 20022, 22));
        assert_eq!(rule.protocol, NatProtocol::Tcp);
        assert_eq!(
            parse_redirect("dns,0,,53,10.0.2.15,53").map(|r| r.protocol),
            Some(NatProtocol::Udp)
        );
        for bad in ["", "ssh,1,127.0.0.1,20022,", "a,1,,x,,22", "a,1,,99999,,22"] {
            assert!(parse_redirect(bad).is_none(), "{bad}");
        }
    }
}
