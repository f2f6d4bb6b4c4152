//! The `host-entry` action.

use std::net::IpAddr;

use pallet_core::action::{
    Action, ActionError, Decision, Fragment, Mode, Preparation, ProbeSet, View,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::attributes::Ids;
use super::hostname::is_host_name;
use super::lines::Lines;
use super::whole_file::{WholeFile, check_kind};
use crate::probes::{Entry, FileContent, Seen, Stat};
use crate::values::{Ensure, RemotePath};

/// Names of a host that the node knows without asking anybody: a line of `/etc/hosts`.
///
/// The line of the same address is replaced, and further ones removed. Other lines stay, but for
/// the names: of two addresses of one kind (IPv4 or IPv6) only this one has them afterwards.
///
/// ```
/// use pallet_crates::HostEntry;
/// let database = HostEntry::new("192.0.2.5", ["db.example.com", "db"])?;
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct HostEntry {
    /// The address.
    address: IpAddr,
    /// Names of the host, the whole one first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    names: Vec<String>,
    /// Whether the line shall be there. Default: present.
    #[serde(default)]
    ensure: Ensure,
}

const HOSTS: &str = "/etc/hosts";

/// The address and the names in a line, without its comment.
fn read(line: &[u8]) -> Option<(IpAddr, Vec<String>)> {
    let line = std::str::from_utf8(line).ok()?;
    let mut words = line.split('#').next()?.split_whitespace();
    let address = words.next()?.parse().ok()?;
    Some((address, words.map(str::to_owned).collect()))
}

impl HostEntry {
    /// Names that an address shall have.
    ///
    /// # Errors
    /// A sentence that says that the address is none.
    pub fn new<N: Into<String>>(
        address: &str,
        names: impl IntoIterator<Item = N>,
    ) -> Result<Self, String> {
        let names = names.into_iter().map(Into::into).collect();
        Ok(Self { names, ensure: Ensure::Present, ..Self::absent(address)? })
    }

    /// An address that shall have no names.
    ///
    /// # Errors
    /// A sentence that says that the address is none.
    pub fn absent(address: &str) -> Result<Self, String> {
        let address =
            address.parse().map_err(|_| format!("`{}` is no address", address.escape_debug()))?;
        Ok(Self { address, names: Vec::new(), ensure: Ensure::Absent })
    }

    fn edit(&self, lines: &mut Lines) -> Option<String> {
        let is_own = |line: &[u8]| read(line).is_some_and(|(address, _)| address == self.address);
        let before = lines.clone();
        if self.ensure == Ensure::Absent {
            lines.remove(is_own);
            return (*lines != before).then(|| "removed".to_owned());
        }
        let own = lines.find(is_own).and_then(read).map(|(_, names)| names);
        let line = format!("{} {}", self.address, self.names.join(" "));
        // A line that says the same in another layout stays as it is.
        let mut found = 0;
        lines.edit(|text| match read(text) {
            Some((address, names)) if address == self.address => {
                found += 1;
                match (found, names == self.names) {
                    (1, true) => Some(text.to_vec()),
                    (1, false) => Some(line.clone().into_bytes()),
                    _ => None,
                }
            }
            Some((address, names)) if address.is_ipv4() == self.address.is_ipv4() => {
                let kept: Vec<&String> =
                    names.iter().filter(|name| !self.names.contains(name)).collect();
                match (kept.len() == names.len(), kept.is_empty()) {
                    (true, _) => Some(text.to_vec()),
                    (false, true) => None,
                    (false, false) => {
                        let kept: Vec<&str> = kept.into_iter().map(String::as_str).collect();
                        Some(format!("{address} {}", kept.join(" ")).into_bytes())
                    }
                }
            }
            _ => Some(text.to_vec()),
        });
        if found == 0 {
            lines.push(line.as_bytes());
        }
        match own {
            _ if *lines == before => None,
            None => Some("added".to_owned()),
            Some(names) if names == self.names => Some("other lines differ".to_owned()),
            Some(names) => Some(format!("{} → {}", names.join(" "), self.names.join(" "))),
        }
    }

    fn decide_from(
        &self,
        path: &RemotePath,
        (entry, seen): (Option<&Entry>, &Seen),
        mode: Mode,
    ) -> Result<Decision, ActionError> {
        check_kind(path, entry)?;
        let text: &[u8] = match (entry, seen) {
            (None, _) => b"",
            (Some(_), Seen::Text(text)) => text,
            (Some(_), _) => {
                return Err(ActionError::new(format!("{HOSTS} is no text that can be edited")));
            }
        };
        let mut lines = Lines::of(text);
        let Some(detail) = self.edit(&mut lines) else { return Ok(Decision::Unchanged) };
        let bytes = lines.text();
        let file = WholeFile::new(path, &bytes);
        let mut fragment = Fragment::new();
        file.replace(&mut fragment, Ids::default(), entry.is_some());
        fragment.brief();
        let seen = Some(seen).filter(|_| mode == Mode::Check);
        let change = file.change(fragment, Ids::default(), entry, seen, vec![detail]);
        Ok(Decision::Change(change))
    }
}

fn hosts() -> Result<RemotePath, ActionError> {
    HOSTS.parse().map_err(|error: String| ActionError::new(error))
}

impl Action for HostEntry {
    const NAME: &'static str = "host-entry";
    const SUMMARY: &'static str = "Names of a host that the node knows without asking anybody.";
    const EXAMPLE: &'static str =
        r#"{ host-entry = { address = "192.0.2.5", names = ["db.example.com", "db"] } }"#;

    fn subject(&self) -> String {
        self.address.to_string()
    }

    fn prepare(&self, _: &Preparation<'_>) -> Result<Option<Self>, ActionError> {
        if let Some(name) = self.names.iter().find(|name| !is_host_name(name)) {
            let name = name.escape_debug();
            return Err(ActionError::new(format!("`{name}` cannot be the name of a host")));
        }
        match (self.ensure, self.names.is_empty()) {
            (Ensure::Present, true) => Err(ActionError::new("there are no `names`")
                .help("give them, or remove the line with ensure = \"absent\"")),
            (Ensure::Absent, false) => Err(ActionError::new("what shall be absent has no `names`")
                .help("remove them, or remove ensure = \"absent\"")),
            _ => Ok(None),
        }
    }

    fn probe(&self, _: &View<'_>, wanted: &mut ProbeSet) {
        if let Ok(path) = hosts() {
            wanted.ask::<Stat>(path.clone());
            wanted.ask::<FileContent>(path);
        }
    }

    fn decide(&self, view: &View<'_>) -> Result<Decision, ActionError> {
        let path = hosts()?;
        let found = (view.get::<Stat>(&path)?.as_ref(), view.get::<FileContent>(&path)?);
        self.decide_from(&path, found, view.mode())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edit_table() {
        let db = HostEntry::new("192.0.2.5", ["db.x", "db"]).unwrap();
        let absent = HostEntry::absent("192.0.2.5").unwrap();
        let cases = [
            (&db, "", "192.0.2.5 db.x db\n", Some("added")),
            (&db, "192.0.2.5\tdb.x  db # mine\n", "192.0.2.5\tdb.x  db # mine\n", None),
            (&db, "192.0.2.5 old\n# c\n", "192.0.2.5 db.x db\n# c\n", Some("old → db.x db")),
            (
                &db,
                "192.0.2.5 db.x db\n192.0.2.5 more\n",
                "192.0.2.5 db.x db\n",
                Some("other lines differ"),
            ),
            (
                &db,
                "127.0.0.1 localhost db\n::1 db\n192.0.2.6 db\n",
                "127.0.0.1 localhost\n::1 db\n192.0.2.5 db.x db\n",
                Some("added"),
            ),
            (&absent, "192.0.2.5 a\n192.0.2.50 b\n", "192.0.2.50 b\n", Some("removed")),
            (&absent, "# 192.0.2.5 a\n", "# 192.0.2.5 a\n", None),
        ];
        for (entry, before, after, told) in cases {
            let mut lines = Lines::of(before.as_bytes());
            assert_eq!(entry.edit(&mut lines).as_deref(), told, "{before}");
            assert_eq!(String::from_utf8(lines.text()).unwrap(), after);
            assert_eq!(entry.edit(&mut lines), None, "a second time changes nothing");
        }
    }
}
