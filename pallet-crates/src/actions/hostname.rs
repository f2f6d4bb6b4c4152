//! The `hostname` action.

use pallet_core::action::{
    Action, ActionError, Change, Decision, Fragment, Key, Preparation, ProbeSet, View,
};
use pallet_core::shell;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::drop_in::DropIn;
use crate::probes::Sysctl;
use crate::values::RemotePath;
use crate::values::shorthand::{Shorthand, or_string, shorthand_serde};

/// The node's own name, now and after each start: `/etc/hostname`.
///
/// That the name leads to an address is another matter: see [`HostEntry`](super::HostEntry).
///
/// ```
/// use pallet_crates::Hostname;
/// let name = Hostname::new("web-1.example.com");
/// ```
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(remote = "Self", deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Hostname", transform = or_string)]
pub struct Hostname {
    /// The name.
    name: String,
}

shorthand_serde!(Hostname);

impl Shorthand for Hostname {
    const EXPECTING: &'static str = "a name, or a table with name";

    fn from_table<'de, D: Deserializer<'de>>(table: D) -> Result<Self, D::Error> {
        Self::deserialize(table)
    }

    fn from_text(name: &str) -> Result<Self, String> {
        Ok(Self::new(name))
    }
}

const LIVE: &str = "/proc/sys/kernel/hostname";

impl Hostname {
    /// The name that the node shall have.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into() }
    }

    fn file(&self) -> DropIn {
        let file = DropIn::new("/etc", "hostname", Some(format!("{}\n", self.name)));
        file.also_writes([Key::path(LIVE)])
    }
}

fn live() -> Result<RemotePath, ActionError> {
    LIVE.parse().map_err(|error: String| ActionError::new(error))
}

/// Whether a name can be the name of a host.
pub(super) fn is_host_name(name: &str) -> bool {
    let is_label = |label: &str| {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(is_plain)
    };
    name.len() <= 253 && name.split('.').all(is_label)
}

impl Action for Hostname {
    const NAME: &'static str = "hostname";
    const SUMMARY: &'static str = "The node's own name, now and after each start.";
    const EXAMPLE: &'static str = r#"{ hostname = "web-1" }"#;

    fn subject(&self) -> String {
        self.name.clone()
    }

    fn prepare(&self, _: &Preparation<'_>) -> Result<Option<Self>, ActionError> {
        // The kernel has room for 64 bytes.
        if is_host_name(&self.name) && self.name.len() <= 64 {
            return Ok(None);
        }
        Err(ActionError::new(format!(
            "`{}` cannot be the name of a host",
            self.name.escape_debug()
        ))
        .help("use letters, digits and hyphens, with dots between the parts, 64 at most in all"))
    }

    fn probe(&self, view: &View<'_>, wanted: &mut ProbeSet) {
        self.file().probe(view, wanted);
        live().into_iter().for_each(|path| wanted.ask::<Sysctl>(path));
    }

    fn decide(&self, view: &View<'_>) -> Result<Decision, ActionError> {
        let file = self.file().decide(view)?;
        let path = live()?;
        let now = view.get::<Sysctl>(&path)?.clone().unwrap_or_default();
        if now == self.name {
            return Ok(file.map_or(Decision::Unchanged, Decision::Change));
        }
        let mut change = match file {
            Some(change) => change,
            None => Change::new(Fragment::new(), [Key::path(LIVE)]),
        };
        // Where systemd runs, it wants to know.
        let name = shell::quote(&self.name);
        change.fragment.line(&format!(
            "if [ -d /run/systemd/system ] && hostnamectl set-hostname -- {name} 2>/dev/null; then :; \
             else hostname -- {name}; fi"
        ));
        let detail = format!("{now} → {}", self.name);
        let change = change.detail(detail);
        Ok(Decision::Change(change.predict::<Sysctl>(path, Some(self.name.clone()))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for good in ["web-1", "a", "db.example.com", "1"] {
            assert!(is_host_name(good), "{good}");
        }
        for bad in ["", "-a", "a-", "a..b", ".a", "a_b", "a b", "é", "a\n"] {
            assert!(!is_host_name(bad), "{bad:?}");
        }
    }
}
