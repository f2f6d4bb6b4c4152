//! The `reboot` action.

use pallet_core::action::{
    Action, ActionError, Change, Decision, Fragment, Key, Preparation, ProbeSet, View,
};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use crate::probes::Stat;
use crate::values::shorthand::{Shorthand, or_string, shorthand_serde};
use crate::values::{RemotePath, Seconds};

/// Starts the node anew, and waits until it is there again.
///
/// With `when = "always"` it does so each time: mostly that stands beside `when-changed`. With
/// `when = "required"` it does so only if the system asks for it, by the file
/// `/run/reboot-required`, as Debian's packages do. Steps after it run on the newly started node.
///
/// ```
/// use pallet_crates::{Reboot, RebootWhen};
/// let after_upgrades = Reboot::new(RebootWhen::Required).timeout("15m")?;
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(remote = "Self", deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Reboot", transform = or_string)]
pub struct Reboot {
    /// When it is done: `always`, or `required`.
    when: RebootWhen,
    /// How long the node may take until it is there again. Default: 10m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    timeout: Option<Seconds>,
}

/// When a node is started anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RebootWhen {
    /// Each time.
    Always,
    /// If there is `/run/reboot-required`.
    Required,
}

const TIMEOUT: Seconds = Seconds::new(10 * 60);
const REQUIRED: &str = "/run/reboot-required";

shorthand_serde!(Reboot);

impl Shorthand for Reboot {
    const EXPECTING: &'static str = "`always` or `required`, or a table with when and more";

    fn from_table<'de, D: Deserializer<'de>>(table: D) -> Result<Self, D::Error> {
        Self::deserialize(table)
    }

    fn from_text(when: &str) -> Result<Self, String> {
        match when {
            "always" => Ok(Self::new(RebootWhen::Always)),
            "required" => Ok(Self::new(RebootWhen::Required)),
            other => Err(format!("`{}` is neither `always` nor `required`", other.escape_debug())),
        }
    }
}

impl Reboot {
    /// Starts the node anew then.
    pub fn new(when: RebootWhen) -> Self {
        Self { when, timeout: None }
    }

    /// Says how long the node may take until it is there again: `"15m"`.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the length of time.
    pub fn timeout(mut self, time: &str) -> Result<Self, String> {
        self.timeout = Some(time.parse()?);
        Ok(self)
    }

    fn change(&self) -> Change {
        let mut fragment = Fragment::new();
        // Both return at once; the node goes down a moment later.
        fragment.line("if [ -d /run/systemd/system ]; then systemctl reboot; else reboot; fi");
        fragment.restarts(self.timeout.unwrap_or(TIMEOUT).into());
        Change::new(fragment, [Key::Everything])
    }
}

fn required() -> Result<RemotePath, ActionError> {
    REQUIRED.parse().map_err(|error: String| ActionError::new(error))
}

impl Action for Reboot {
    const NAME: &'static str = "reboot";
    const SUMMARY: &'static str = "Starts the node anew, and waits until it is there again.";
    const EXAMPLE: &'static str = r#"{ reboot = { when = "always", timeout = "15m" } }"#;

    fn subject(&self) -> String {
        match self.when {
            RebootWhen::Always => "always".to_owned(),
            RebootWhen::Required => "if required".to_owned(),
        }
    }

    fn prepare(&self, _: &Preparation<'_>) -> Result<Option<Self>, ActionError> {
        match self.timeout {
            Some(timeout) if timeout.count() == 0 => {
                Err(ActionError::new("no node starts anew in no time").help("leave out `timeout`"))
            }
            _ => Ok(None),
        }
    }

    /// A node that has started anew need not do so again when its run is resumed.
    fn is_repeatable(&self) -> bool {
        false
    }

    fn may_write(&self) -> Vec<Key> {
        vec![Key::Everything]
    }

    fn probe(&self, _: &View<'_>, wanted: &mut ProbeSet) {
        if self.when == RebootWhen::Required
            && let Ok(path) = required()
        {
            wanted.ask::<Stat>(path);
        }
    }

    fn decide(&self, view: &View<'_>) -> Result<Decision, ActionError> {
        Ok(match self.when {
            RebootWhen::Always => Decision::Change(self.change().detail("starts anew")),
            RebootWhen::Required if view.get::<Stat>(&required()?)?.is_some() => {
                Decision::Change(self.change().detail(format!("starts anew: {REQUIRED} is there")))
            }
            RebootWhen::Required => Decision::Unchanged,
        })
    }
}

#[cfg(test)]
mod tests {
    use pallet_core::action::{Knowledge, Mode};
    use pallet_core::facts::Facts;

    use super::super::testing::{change, entry, outcome};
    use super::*;
    use crate::probes::EntryKind;

    #[test]
    fn it_starts_anew_always_or_where_the_system_asks() {
        let facts = Facts::default();
        let decide = |reboot: &Reboot, asks: bool| {
            let mut known = Knowledge::new();
            let file = asks.then(|| entry(EntryKind::File, 0o644));
            known.insert::<Stat>(required().unwrap(), file);
            reboot.decide(&View::new(&facts, Mode::Apply, &known))
        };
        let (always, needed) = (Reboot::new(RebootWhen::Always), Reboot::new(RebootWhen::Required));
        assert_eq!(outcome(decide(&always, false)), "starts anew");
        assert_eq!(outcome(decide(&needed, false)), "unchanged");
        let asked = outcome(decide(&needed, true));
        assert_eq!(asked, "starts anew: /run/reboot-required is there");

        let fragment = change(decide(&always.timeout("90s").unwrap(), false)).fragment;
        assert_eq!(fragment.restart(), Some(std::time::Duration::from_secs(90)));
    }
}
