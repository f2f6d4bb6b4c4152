//! The `cron` action.

use std::collections::BTreeMap;

use pallet_core::action::{Action, ActionError, Decision, Preparation, ProbeSet, View};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::drop_in::DropIn;
use crate::values::{AccountName, DropInName, Ensure};

/// A command that cron runs at certain times: a file in `/etc/cron.d`.
///
/// The command is a line of shell code as one would write it anywhere else: `%`, which means
/// something to cron, is escaped. Output of the command is mailed, as cron does.
///
/// ```
/// use pallet_crates::Cron;
/// let backup = Cron::new("backup", "30 3 * * *", "/usr/local/bin/backup --date $(date +%F)")?;
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Cron {
    /// The name of the file.
    name: DropInName,
    /// When: five fields, or `@daily` and the like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    schedule: Option<String>,
    /// What: a line of shell code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    command: Option<String>,
    /// Who runs it. Default: root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user: Option<AccountName>,
    /// Environment variables of the command, such as `MAILTO`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    environment: BTreeMap<String, String>,
    /// Whether the file shall be there. Default: present.
    #[serde(default)]
    ensure: Ensure,
}

impl Cron {
    /// A command that root runs.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the name.
    pub fn new(
        name: &str,
        schedule: impl Into<String>,
        command: impl Into<String>,
    ) -> Result<Self, String> {
        let (schedule, command) = (Some(schedule.into()), Some(command.into()));
        Ok(Self { schedule, command, ensure: Ensure::Present, ..Self::absent(name)? })
    }

    /// A file that shall not be there.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the name.
    pub fn absent(name: &str) -> Result<Self, String> {
        Ok(Self {
            name: name.parse()?,
            schedule: None,
            command: None,
            user: None,
            environment: BTreeMap::new(),
            ensure: Ensure::Absent,
        })
    }

    /// Sets who runs it.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the name.
    pub fn user(mut self, name: &str) -> Result<Self, String> {
        self.user = Some(name.parse()?);
        Ok(self)
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn environment(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.environment.insert(name.into(), value.into());
        self
    }

    fn text(&self) -> Option<String> {
        let (schedule, command) = (self.schedule.as_ref()?, self.command.as_ref()?);
        let mut text = String::new();
        for (name, value) in &self.environment {
            text.push_str(&format!("{name}=\"{value}\"\n"));
        }
        let user = self.user.as_ref().map_or("root", AccountName::as_str);
        let command = command.replace('%', "\\%");
        text.push_str(&format!("{} {user} {command}\n", schedule.trim()));
        Some(text)
    }

    fn drop_in(&self) -> DropIn {
        let text = self.text().filter(|_| self.ensure == Ensure::Present);
        DropIn::new("/etc/cron.d", self.name.as_str(), text).of_package("cron")
    }

    fn check(&self) -> Result<(), ActionError> {
        let wrong = |message: &str| Err(ActionError::new(message));
        let (schedule, command) = match (self.ensure, &self.schedule, &self.command) {
            (Ensure::Present, Some(schedule), Some(command)) => (schedule, command),
            (Ensure::Present, ..) => return wrong("`schedule` and `command` are both needed"),
            (Ensure::Absent, None, None) if self.user.is_none() && self.environment.is_empty() => {
                return Ok(());
            }
            (Ensure::Absent, ..) => {
                return wrong("what shall be absent is not described: give the name alone");
            }
        };
        let breaks = |text: &String| text.contains(['\n', '\0']);
        if breaks(command) || command.trim().is_empty() {
            return Err(ActionError::new("`command` is empty, or more than one line")
                .help("write a script with remote-file, and let cron run that"));
        }
        let named = ["@reboot", "@yearly", "@annually", "@monthly", "@weekly", "@daily", "@hourly"];
        let is_field = |field: &str| {
            field.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"*,-/".contains(&byte))
        };
        let fields: Vec<&str> = schedule.split_whitespace().collect();
        let is_named = matches!(fields.as_slice(), [name] if named.contains(name));
        let is_timed = fields.len() == 5 && fields.iter().all(|field| is_field(field));
        if breaks(schedule) || !(is_named || is_timed) {
            return Err(ActionError::new(format!("`{}` is no schedule", schedule.escape_debug()))
                .help("give minute, hour, day, month and weekday: \"30 3 * * *\", or @daily"));
        }
        let is_name = |name: &String| {
            name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
                && !name.is_empty()
        };
        let is_fit = |(name, value): (&String, &String)| {
            is_name(name) && !breaks(value) && !value.contains('"')
        };
        if !self.environment.iter().all(is_fit) {
            return wrong(
                "`environment` has a name that is none, or a quote or line break in a value",
            );
        }
        Ok(())
    }
}

impl Action for Cron {
    const NAME: &'static str = "cron";
    const SUMMARY: &'static str = "A command that cron runs at certain times.";
    const EXAMPLE: &'static str = r#"{ cron = { name = "backup", schedule = "30 3 * * *", command = "/usr/local/bin/backup" } }"#;

    fn subject(&self) -> String {
        self.name.to_string()
    }

    fn prepare(&self, _: &Preparation<'_>) -> Result<Option<Self>, ActionError> {
        self.check().map(|()| None)
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
    fn files() {
        let cron = Cron::new("backup", " 30 3 * * *", "backup $(date +%F)").unwrap();
        assert_eq!(cron.text().unwrap(), "30 3 * * * root backup $(date +\\%F)\n");
        let cron = cron.user("app").unwrap().environment("MAILTO", "ops@example.com");
        assert_eq!(
            cron.text().unwrap(),
            "MAILTO=\"ops@example.com\"\n30 3 * * * app backup $(date +\\%F)\n"
        );
        assert!(cron.check().is_ok());
    }

    #[test]
    fn mistakes() {
        let new = |schedule: &str| Cron::new("x", schedule, "true").unwrap();
        for good in ["@daily", "*/5 0-6 1,15 jan mon-fri"] {
            assert!(new(good).check().is_ok(), "{good}");
        }
        for bad in ["", "* * * *", "* * * * * root", "@never", "* * * * *\n", "a;b * * * *"] {
            assert!(new(bad).check().is_err(), "{bad:?}");
        }
        assert!(Cron::new("x", "@daily", "a\nb").unwrap().check().is_err());
        assert!(new("@daily").environment("A B", "x").check().is_err());
        assert!(new("@daily").environment("A", "x\n").check().is_err());
        assert!(Cron::absent("x").unwrap().check().is_ok());
        assert!(Cron { ensure: Ensure::Absent, ..new("@daily") }.check().is_err());
    }
}
