//! The `limits` action.

use pallet_core::action::{Action, ActionError, Decision, Preparation, ProbeSet, View};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::drop_in::DropIn;
use crate::values::{DropInName, Ensure};

/// Limits for those who log in: a file in `/etc/security/limits.d`.
///
/// They hold from the next login on. Services of systemd do not log in: their limits stand in
/// their units (`LimitNOFILE=`).
///
/// ```
/// use pallet_crates::Limits;
/// let files = Limits::new("app", ["app soft nofile 65536", "app hard nofile 65536"])?;
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Limits {
    /// The name of the file.
    name: DropInName,
    /// The rules, one line each: who, `soft`, `hard` or `-` for both, what, and how much.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    rules: Vec<String>,
    /// Whether the file shall be there. Default: present.
    #[serde(default)]
    ensure: Ensure,
}

/// What can be limited, as limits.conf(5) has it.
const ITEMS: [&str; 19] = [
    "core",
    "data",
    "fsize",
    "memlock",
    "nofile",
    "rss",
    "stack",
    "cpu",
    "nproc",
    "as",
    "maxlogins",
    "maxsyslogins",
    "nonewprivs",
    "priority",
    "locks",
    "sigpending",
    "msgqueue",
    "nice",
    "rtprio",
];

impl Limits {
    /// Limits that shall hold.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the name.
    pub fn new<R: Into<String>>(
        name: &str,
        rules: impl IntoIterator<Item = R>,
    ) -> Result<Self, String> {
        let rules = rules.into_iter().map(Into::into).collect();
        Ok(Self { name: name.parse()?, rules, ensure: Ensure::Present })
    }

    /// A file that shall not be there.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the name.
    pub fn absent(name: &str) -> Result<Self, String> {
        Ok(Self { name: name.parse()?, rules: Vec::new(), ensure: Ensure::Absent })
    }

    fn drop_in(&self) -> DropIn {
        let text = self.rules.iter().map(|rule| format!("{rule}\n")).collect();
        let text = Some(text).filter(|_| self.ensure == Ensure::Present);
        let name = format!("{}.conf", self.name);
        DropIn::new("/etc/security/limits.d", &name, text).of_package("libpam-modules")
    }
}

/// Nobody tells of a mistake in these files, so it is looked for here.
fn check(rule: &str) -> Result<(), ActionError> {
    let words: Vec<&str> = rule.split_whitespace().collect();
    let is_fine = match words.as_slice() {
        [_, "soft" | "hard" | "-", item, value] => {
            let is_value = ["unlimited", "infinity", "-1"].contains(value)
                || value.strip_prefix('-').unwrap_or(value).bytes().all(|it| it.is_ascii_digit());
            ITEMS.contains(item) && is_value
        }
        _ => false,
    };
    if is_fine && !rule.contains(['\n', '\0', '#']) {
        return Ok(());
    }
    Err(ActionError::new(format!("`{}` is no limit", rule.escape_debug()))
        .help("write who, soft, hard or -, what, and how much: www-data soft nofile 65536"))
}

impl Action for Limits {
    const NAME: &'static str = "limits";
    const SUMMARY: &'static str = "Limits for those who log in.";
    const EXAMPLE: &'static str =
        r#"{ limits = { name = "app", rules = ["app - nofile 65536"] } }"#;

    fn subject(&self) -> String {
        self.name.to_string()
    }

    fn prepare(&self, _: &Preparation<'_>) -> Result<Option<Self>, ActionError> {
        match (self.ensure, self.rules.is_empty()) {
            (Ensure::Present, true) => Err(ActionError::new("there are no `rules`")
                .help("give them, or remove the file with ensure = \"absent\"")),
            (Ensure::Absent, false) => Err(ActionError::new("what shall be absent has no `rules`")
                .help("remove them, or remove ensure = \"absent\"")),
            _ => self.rules.iter().try_for_each(|rule| check(rule)).map(|()| None),
        }
    }

    fn probe(&self, view: &View<'_>, wanted: &mut ProbeSet) {
        self.drop_in().probe(view, wanted);
    }

    fn decide(&self, view: &View<'_>) -> Result<Decision, ActionError> {
        let change = self.drop_in().decide(view)?;
        Ok(change.map_or(Decision::Unchanged, Decision::Change))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules() {
        for good in ["www-data soft nofile 65536", "@staff\t-  nice -5", "* hard core unlimited"] {
            assert!(check(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "a soft nofile",
            "a both nofile 1",
            "a soft files 1",
            "a - nofile x",
            "a - nofile 1\n",
        ] {
            assert!(check(bad).is_err(), "{bad:?}");
        }
    }
}
