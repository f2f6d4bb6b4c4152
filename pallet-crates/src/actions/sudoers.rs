//! The `sudoers` action.

use pallet_core::action::{Action, ActionError, Decision, Preparation, ProbeSet, View};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::drop_in::DropIn;
use crate::values::{DropInName, Ensure};

/// Rules for sudo: a file in `/etc/sudoers.d`.
///
/// `visudo` looks at the rules before they are put in place; if they are wrong, what was there
/// before stays, so that a mistake does not lock anybody out. The file belongs to root, mode 0440.
///
/// ```
/// use pallet_crates::Sudoers;
/// let deploy = Sudoers::new("deploy", ["deploy ALL=(ALL) NOPASSWD: ALL"])?;
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Sudoers {
    /// The name of the file.
    name: DropInName,
    /// The rules, one line each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    rules: Vec<String>,
    /// Whether the file shall be there. Default: present.
    #[serde(default)]
    ensure: Ensure,
}

impl Sudoers {
    /// Rules that shall hold.
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
        let drop_in = DropIn::new("/etc/sudoers.d", self.name.as_str(), text);
        drop_in.mode(0o440).verify("visudo -c -f %s >/dev/null").of_package("sudo")
    }
}

impl Action for Sudoers {
    const NAME: &'static str = "sudoers";
    const SUMMARY: &'static str = "Rules for sudo, checked before they hold.";
    const EXAMPLE: &'static str =
        r#"{ sudoers = { name = "deploy", rules = ["deploy ALL=(ALL) NOPASSWD: ALL"] } }"#;

    fn subject(&self) -> String {
        self.name.to_string()
    }

    fn prepare(&self, _: &Preparation<'_>) -> Result<Option<Self>, ActionError> {
        let breaks = |rule: &String| rule.contains(['\n', '\0']);
        match self.ensure {
            Ensure::Present if self.rules.is_empty() => {
                Err(ActionError::new("there are no `rules`")
                    .help("give them, or remove the file with ensure = \"absent\""))
            }
            Ensure::Present if self.rules.iter().any(breaks) => {
                Err(ActionError::new("a rule contains a line break or a NUL byte")
                    .help("each element of `rules` is one line"))
            }
            Ensure::Absent if !self.rules.is_empty() => {
                Err(ActionError::new("what shall be absent has no `rules`")
                    .help("remove them, or remove ensure = \"absent\""))
            }
            _ => Ok(None),
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
    use super::super::testing::apply;
    use super::*;

    #[test]
    #[should_panic(expected = "there are no `rules`")]
    fn rules_are_needed() {
        apply(&Sudoers::new("x", [""; 0]).unwrap());
    }

    #[test]
    #[should_panic(expected = "a rule contains a line break")]
    fn a_rule_is_one_line() {
        apply(&Sudoers::new("x", ["a\nb"]).unwrap());
    }
}
