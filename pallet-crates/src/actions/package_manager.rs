//! The `package-manager` action.

use pallet_core::action::{
    Action, ActionError, Change, Decision, Fragment, Key, Preparation, ProbeSet, View,
};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::apt::{define_apt, require_apt};
use crate::probes::apt_lists::STAMP;
use crate::probes::{AptLists, AptUpgrade, ListsState};
use crate::values::Seconds;
use crate::values::shorthand::{Shorthand, or_string, shorthand_serde};

/// The package manager: its lists of packages, and upgrades of all that is installed.
///
/// `"update"` fetches the lists unless they are younger than `max-age` and no source of packages
/// has changed since. `"upgrade"` upgrades everything without removing anything; `"full-upgrade"`
/// may remove packages. An upgrade does not update the lists first: that is a step of its own.
///
/// ```
/// use pallet_crates::PackageManager;
/// let update = PackageManager::update().max_age("12h")?;
/// let upgrade = PackageManager::upgrade();
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(remote = "Self", deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "PackageManager", transform = or_string)]
pub struct PackageManager {
    /// What is done.
    run: Task,
    /// How old the lists may be. Default: 1h.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_age: Option<Seconds>,
}

/// What a package manager can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Task {
    /// Fetches the lists of packages.
    Update,
    /// Upgrades what is installed and removes nothing.
    Upgrade,
    /// Upgrades what is installed, and removes what is in the way.
    FullUpgrade,
}

shorthand_serde!(PackageManager);

impl Shorthand for PackageManager {
    const EXPECTING: &'static str =
        "`update`, `upgrade` or `full-upgrade`, or a table with run and more";

    fn from_table<'de, D: Deserializer<'de>>(table: D) -> Result<Self, D::Error> {
        Self::deserialize(table)
    }

    fn from_text(text: &str) -> Result<Self, String> {
        match text {
            "update" => Ok(Self::update()),
            "upgrade" => Ok(Self::upgrade()),
            "full-upgrade" => Ok(Self::full_upgrade()),
            other => Err(format!("`{other}` is none of update, upgrade and full-upgrade")),
        }
    }
}

const MAX_AGE: Seconds = Seconds::new(60 * 60);

impl PackageManager {
    /// Fetches the lists of packages if they are old.
    pub fn update() -> Self {
        Self { run: Task::Update, max_age: None }
    }

    /// Upgrades what is installed and removes nothing.
    pub fn upgrade() -> Self {
        Self { run: Task::Upgrade, max_age: None }
    }

    /// Upgrades what is installed, and removes what is in the way.
    pub fn full_upgrade() -> Self {
        Self { run: Task::FullUpgrade, max_age: None }
    }

    /// Says how old the lists may be: `"12h"`.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the length of time.
    pub fn max_age(mut self, age: &str) -> Result<Self, String> {
        self.max_age = Some(age.parse()?);
        Ok(self)
    }

    fn decide_update(&self, lists: ListsState) -> Decision {
        let most = self.max_age.unwrap_or(MAX_AGE);
        let detail = match lists.age {
            None => "lists fetched for the first time".to_owned(),
            Some(_) if lists.sources_are_newer => {
                "sources have changed since the last time".to_owned()
            }
            Some(age) if age >= u64::from(most.count()) => format!("lists are older than {most}"),
            Some(_) => return Decision::Unchanged,
        };
        let mut fragment = Fragment::new();
        define_apt(&mut fragment);
        // Without this, apt-get calls it a success when a source cannot be fetched.
        fragment.line("apt -o APT::Update::Error-Mode=any update");
        fragment.line("(umask 077; mkdir -p -- /var/lib/pallet)");
        fragment.line(&format!(": > {STAMP}"));
        // With apt's folder, since that is what the age of the lists is known by.
        let writes = ["/var/lib/apt", "/var/lib/pallet", "/etc/apt"].map(Key::tree);
        let after = ListsState { age: Some(0), sources_are_newer: false };
        Decision::Change(
            Change::new(fragment, writes).detail(detail).predict::<AptLists>((), after),
        )
    }

    fn decide_upgrade(&self, (upgraded, removed): (usize, usize)) -> Decision {
        if upgraded == 0 && removed == 0 {
            return Decision::Unchanged;
        }
        let verb = if self.run == Task::FullUpgrade { "dist-upgrade" } else { "upgrade" };
        let mut fragment = Fragment::new();
        define_apt(&mut fragment);
        fragment.run(["apt", verb]);
        let mut detail = format!("{upgraded} packages upgraded");
        if removed > 0 {
            detail.push_str(&format!(", {removed} removed"));
        }
        Decision::Change(Change::new(fragment, [Key::Everything]).detail(detail))
    }
}

impl Action for PackageManager {
    const NAME: &'static str = "package-manager";
    const SUMMARY: &'static str = "Lists of packages, and upgrades of all that is installed.";
    const EXAMPLE: &'static str = r#"{ package-manager = { run = "update", max-age = "12h" } }"#;

    fn subject(&self) -> String {
        match self.run {
            Task::Update => "update",
            Task::Upgrade => "upgrade",
            Task::FullUpgrade => "full-upgrade",
        }
        .to_owned()
    }

    fn prepare(&self, _: &Preparation<'_>) -> Result<Option<Self>, ActionError> {
        match (self.run, self.max_age) {
            (Task::Upgrade | Task::FullUpgrade, Some(_)) => {
                Err(ActionError::new("`max-age` is for update")
                    .help("update in a step before: { package-manager = \"update\" }"))
            }
            _ => Ok(None),
        }
    }

    fn may_write(&self) -> Vec<Key> {
        vec![Key::Everything]
    }

    fn probe(&self, view: &View<'_>, wanted: &mut ProbeSet) {
        if require_apt(view).is_err() {
            return;
        }
        match self.run {
            Task::Update => wanted.ask::<AptLists>(()),
            Task::Upgrade => wanted.ask::<AptUpgrade>(false),
            Task::FullUpgrade => wanted.ask::<AptUpgrade>(true),
        }
    }

    fn decide(&self, view: &View<'_>) -> Result<Decision, ActionError> {
        require_apt(view)?;
        Ok(match self.run {
            Task::Update => self.decide_update(*view.get::<AptLists>(&())?),
            Task::Upgrade => self.decide_upgrade(*view.get::<AptUpgrade>(&false)?),
            Task::FullUpgrade => self.decide_upgrade(*view.get::<AptUpgrade>(&true)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::outcome;
    use super::*;

    #[test]
    fn decision_table() {
        let lists = |age, sources_are_newer| ListsState { age, sources_are_newer };
        let update = PackageManager::update().max_age("10m").unwrap();
        let cases = [
            (lists(None, false), "lists fetched for the first time"),
            (lists(Some(599), false), "unchanged"),
            (lists(Some(600), false), "lists are older than 10m"),
            (lists(Some(1), true), "sources have changed since the last time"),
        ];
        for (found, expected) in cases {
            assert_eq!(outcome(Ok(update.decide_update(found))), expected, "{found:?}");
        }
        let upgrade = |counts| outcome(Ok(PackageManager::full_upgrade().decide_upgrade(counts)));
        assert_eq!(upgrade((0, 0)), "unchanged");
        assert_eq!(upgrade((3, 0)), "3 packages upgraded");
        assert_eq!(upgrade((3, 1)), "3 packages upgraded, 1 removed");
    }
}
