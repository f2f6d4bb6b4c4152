//! The `sysctl` action.

use pallet_core::action::{
    Action, ActionError, Change, Decision, Fragment, Preparation, ProbeSet, View,
};
use pallet_core::shell;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::drop_in::DropIn;
use crate::probes::Sysctl as SysctlProbe;
use crate::values::{Ensure, RemotePath};

/// A setting of the kernel, now and after each start of the machine.
///
/// It is kept in a file of its own, `/etc/sysctl.d/60-<name>.conf`, and put in force at once.
/// Removing it removes the file; the kernel keeps its value until the machine starts anew.
///
/// ```
/// use pallet_crates::Sysctl;
/// let forward = Sysctl::new("net.ipv4.ip_forward", 1);
/// ```
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Sysctl {
    /// The name: `net.ipv4.ip_forward`. A dot within a part is written as a slash, as sysctl does:
    /// `net.ipv4.conf.eth0/100.rp_filter`.
    name: String,
    /// The value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    value: Option<SysctlValue>,
    /// Whether the setting shall be kept. Default: present.
    #[serde(default)]
    ensure: Ensure,
}

/// The value of a setting: a number, or a text.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum SysctlValue {
    /// A number.
    Number(i64),
    /// A text; several numbers are separated by spaces.
    Text(String),
}

impl From<i64> for SysctlValue {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<&str> for SysctlValue {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl SysctlValue {
    fn words(&self) -> Vec<String> {
        match self {
            Self::Number(number) => vec![number.to_string()],
            Self::Text(text) => text.split_whitespace().map(str::to_owned).collect(),
        }
    }
}

impl Sysctl {
    /// A setting with its value.
    pub fn new(name: impl Into<String>, value: impl Into<SysctlValue>) -> Self {
        Self { name: name.into(), value: Some(value.into()), ensure: Ensure::Present }
    }

    /// A setting that is not kept.
    pub fn absent(name: impl Into<String>) -> Self {
        Self { name: name.into(), value: None, ensure: Ensure::Absent }
    }

    /// The value as the kernel takes it.
    fn value(&self) -> Option<String> {
        self.value.as_ref().map(|value| value.words().join(" "))
    }

    /// Where the kernel has it.
    fn live(&self) -> Option<RemotePath> {
        let swap = |character| match character {
            '.' => '/',
            '/' => '.',
            other => other,
        };
        let path: String = self.name.chars().map(swap).collect();
        format!("/proc/sys/{path}").parse().ok()
    }

    fn drop_in(&self) -> DropIn {
        let text = self.value().map(|value| format!("{} = {value}\n", self.name));
        let file = format!("60-{}.conf", self.name.replace('/', "-"));
        DropIn::new("/etc/sysctl.d", &file, text).also_writes(self.live().map(|path| path.key()))
    }
}

impl Action for Sysctl {
    const NAME: &'static str = "sysctl";
    const SUMMARY: &'static str = "A setting of the kernel, now and after each start.";
    const EXAMPLE: &'static str = r#"{ sysctl = { name = "net.ipv4.ip_forward", value = 1 } }"#;

    fn subject(&self) -> String {
        self.name.clone()
    }

    fn prepare(&self, _: &Preparation<'_>) -> Result<Option<Self>, ActionError> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/".contains(&byte);
        let parts_are_fit = self.name.split('.').all(|part| !part.is_empty());
        if !self.name.bytes().all(is_plain) || !parts_are_fit || self.name.contains("..") {
            return Err(ActionError::new(format!(
                "`{}` cannot be the name of a setting",
                self.name.escape_debug()
            ))
            .help("names look like net.ipv4.ip_forward"));
        }
        match (self.ensure, self.value()) {
            (Ensure::Present, None) => {
                Err(ActionError::new("there is no `value`")
                    .help("give it, or say ensure = \"absent\""))
            }
            (Ensure::Present, Some(value)) if value.is_empty() || value.contains('\0') => {
                Err(ActionError::new("`value` is empty or contains a NUL byte"))
            }
            (Ensure::Absent, Some(_)) => {
                Err(ActionError::new("a setting that shall be absent has no `value`"))
            }
            _ => Ok(None),
        }
    }

    fn probe(&self, view: &View<'_>, wanted: &mut ProbeSet) {
        self.drop_in().probe(view, wanted);
        if self.value.is_some() {
            self.live().into_iter().for_each(|path| wanted.ask::<SysctlProbe>(path));
        }
    }

    fn decide(&self, view: &View<'_>) -> Result<Decision, ActionError> {
        let file = self.drop_in().decide(view)?;
        let (Some(value), Some(path)) = (self.value(), self.live()) else {
            return Ok(file.map_or(Decision::Unchanged, Decision::Change));
        };
        let Some(now) = view.get::<SysctlProbe>(&path)? else {
            return Err(ActionError::new(format!(
                "the node's kernel has no setting {}",
                self.name
            ))
            .help("look for it below /proc/sys: a module may have to be loaded first"));
        };
        let now = now.split_whitespace().collect::<Vec<_>>().join(" ");
        if now == value {
            return Ok(file.map_or(Decision::Unchanged, Decision::Change));
        }
        Ok(Decision::Change(put_in_force(file, path, &now, value)))
    }
}

/// Adds to the change of the file, if there is one, that the kernel takes the value.
fn put_in_force(file: Option<Change>, path: RemotePath, now: &str, value: String) -> Change {
    let detail = format!("{now} → {value}");
    let take = format!(
        "printf '%s\\n' {} >{path}",
        shell::quote(&value),
        path = shell::quote(path.as_str())
    );
    let mut change = match file {
        Some(change) => change,
        None => Change::new(Fragment::new(), [path.key()]),
    };
    change.fragment.line(&take);
    change.detail(detail).predict::<SysctlProbe>(path, Some(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_files() {
        let live = |name: &str| Sysctl::new(name, 1).live().map(|path| path.to_string());
        assert_eq!(live("net.ipv4.ip_forward").unwrap(), "/proc/sys/net/ipv4/ip_forward");
        assert_eq!(
            live("net.ipv4.conf.eth0/100.rp_filter").unwrap(),
            "/proc/sys/net/ipv4/conf/eth0.100/rp_filter"
        );
        assert_eq!(Sysctl::new("a", " 1\t 2  3 ").value().unwrap(), "1 2 3");
    }
}
