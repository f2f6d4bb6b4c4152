//! Nodes of the lab as a `pallet.toml` has them.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::Path;

use super::state::Node;

/// An entry of a node-list. A test may have something stand in another way than it is.
#[derive(Debug, Clone)]
pub struct Listed<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its group.
    pub group: &'a str,
    /// Where it is reached.
    pub host: IpAddr,
    /// At which port.
    pub port: u16,
    /// Its host key.
    pub host_key: &'a str,
}

impl Node {
    /// The node as it is.
    pub fn listed<'a>(&'a self, group: &'a str) -> Listed<'a> {
        let (host, port) = (self.address.into(), self.port);
        Listed { name: &self.name, group, host, port, host_key: &self.host_key }
    }
}

/// The service `rack` with these nodes, and who logs in to them.
pub fn rack<'a>(nodes: impl IntoIterator<Item = Listed<'a>>, user: &str, key: &Path) -> String {
    let mut text = String::from("[service.rack]\nprovider = 'node-list'\nnodes = [\n");
    for Listed { name, group, host, port, host_key } in nodes {
        let _ = writeln!(
            text,
            "  {{ name = '{name}', group = '{group}', host = '{host}', port = {port}, host-key = '{host_key}' }},"
        );
    }
    let key = key.display();
    text + &format!("]\n[admin-user]\nusername = '{user}'\nprivate-key-path = '{key}'\n\n")
}
