//! The `package-manager` action.

use pallet_core::action::{
    Action, ActionError, Change, Decision, Fragment, Key, Preparation, ProbeSet, View,
};
use pallet_core::facts::PackageManager as Kind;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::drop_in::DropIn;
use crate::packagers::{self, Packager, mark};
use crate::probes::{ListsState, PackageLists, Upgrades};
use crate::values::Seconds;
use crate::values::shorthand::{Shorthand, or_string, shorthand_serde};

/// The package manager: its lists of packages, upgrades of all that is installed, and its proxy.
///
/// `"update"` fetches the lists unless they are younger than `max-age` and no source of packages
/// has changed since. `"upgrade"` upgrades everything without removing anything; `"full-upgrade"`
/// may remove packages. An upgrade does not update the lists first: that is a step of its own.
///
/// `proxy` is the address of a server through which everything is fetched, such as apt-cacher-ng;
/// `proxy = "none"` takes it away again. It is for apt; other package managers have no file of its
/// own for that, and the error says what to write instead.
///
/// ```
/// use pallet_crates::PackageManager;
/// let cache = PackageManager::proxy("http://cache.example.com:3142");
/// let update = PackageManager::update().max_age("12h")?;
/// let upgrade = PackageManager::upgrade();
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(remote = "Self", deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "PackageManager", transform = or_string)]
pub struct PackageManager {
    /// What is done. Default: nothing, where `proxy` is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    run: Option<Task>,
    /// How old the lists may be. Default: 1h.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_age: Option<Seconds>,
    /// The address of a proxy, or `none`. Default: as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    proxy: Option<String>,
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
    const fn of(task: Task) -> Self {
        Self { run: Some(task), max_age: None, proxy: None }
    }

    /// Fetches the lists of packages if they are old.
    pub fn update() -> Self {
        Self::of(Task::Update)
    }

    /// Upgrades what is installed and removes nothing.
    pub fn upgrade() -> Self {
        Self::of(Task::Upgrade)
    }

    /// Upgrades what is installed, and removes what is in the way.
    pub fn full_upgrade() -> Self {
        Self::of(Task::FullUpgrade)
    }

    /// Has everything fetched through the proxy at this address; `"none"`: through none.
    pub fn proxy(url: impl Into<String>) -> Self {
        Self { run: None, max_age: None, proxy: Some(url.into()) }
    }

    /// Says how old the lists may be: `"12h"`.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the length of time.
    pub fn max_age(mut self, age: &str) -> Result<Self, String> {
        self.max_age = Some(age.parse()?);
        Ok(self)
    }

    fn decide_update(&self, kind: Kind, lists: ListsState) -> Decision {
        let most = self.max_age.unwrap_or(MAX_AGE);
        let detail = match lists.age {
            None => "lists fetched for the first time".to_owned(),
            Some(_) if lists.sources_are_newer => {
                "sources have changed since the last time".to_owned()
            }
            Some(age) if age >= u64::from(most.count()) => format!("lists are older than {most}"),
            Some(_) => return Decision::Unchanged,
        };
        let manager = packagers::of(kind);
        let mut fragment = Fragment::new();
        manager.define(&mut fragment);
        manager.update(&mut fragment);
        fragment.line(&mark(&manager.lists()));
        // With the folder of the sources, since that is what the age of the lists is known by.
        let below = manager.lists().below;
        let writes = ["/var", below].map(Key::tree);
        let after = ListsState { age: Some(0), sources_are_newer: false };
        Decision::Change(
            Change::new(fragment, writes).detail(detail).predict::<PackageLists>(kind, after),
        )
    }

    fn decide_upgrade(&self, manager: &dyn Packager, counts: (usize, usize)) -> Decision {
        let (upgraded, removed) = counts;
        if upgraded == 0 && removed == 0 {
            return Decision::Unchanged;
        }
        let mut fragment = Fragment::new();
        manager.define(&mut fragment);
        manager.upgrade(&mut fragment, self.is_full());
        let mut detail = format!("{upgraded} packages upgraded");
        if removed > 0 {
            detail.push_str(&format!(", {removed} removed"));
        }
        Decision::Change(Change::new(fragment, [Key::Everything]).detail(detail))
    }

    fn is_full(&self) -> bool {
        self.run == Some(Task::FullUpgrade)
    }

    /// The file of the proxy, if there shall be one or none.
    fn proxy_file(&self, manager: &dyn Packager) -> Result<Option<DropIn>, ActionError> {
        let Some(url) = &self.proxy else { return Ok(None) };
        let file = manager.proxy(url).map_err(|help| {
            let name = manager.name();
            ActionError::new(format!("{name} has no file of its own for a proxy")).help(help)
        })?;
        let text = Some(file.text).filter(|_| url != "none");
        Ok(Some(DropIn::new(file.folder, file.name, text)))
    }
}

impl Action for PackageManager {
    const NAME: &'static str = "package-manager";
    const SUMMARY: &'static str =
        "Lists of packages, upgrades of all that is installed, and the proxy for both.";
    const EXAMPLE: &'static str = r#"{ package-manager = { run = "update", max-age = "12h" } }"#;

    fn subject(&self) -> String {
        match (self.run, &self.proxy) {
            (Some(Task::Update), _) => "update".to_owned(),
            (Some(Task::Upgrade), _) => "upgrade".to_owned(),
            (Some(Task::FullUpgrade), _) => "full-upgrade".to_owned(),
            (None, proxy) => format!("proxy {}", proxy.as_deref().unwrap_or_default()),
        }
    }

    fn prepare(&self, _: &Preparation<'_>) -> Result<Option<Self>, ActionError> {
        if self.run.is_some() == self.proxy.is_some() {
            return Err(ActionError::new("a step either runs something or sets the proxy")
                .help("give one of `run` and `proxy`"));
        }
        if self.run != Some(Task::Update) && self.max_age.is_some() {
            return Err(ActionError::new("`max-age` is for update")
                .help("update in a step before: { package-manager = \"update\" }"));
        }
        let is_url = |text: &String| {
            let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"\"';\\".contains(&byte);
            text == "none" || (text.contains("://") && text.bytes().all(is_plain))
        };
        match &self.proxy {
            Some(url) if !is_url(url) => {
                Err(ActionError::new(format!("`{}` is no proxy", url.escape_debug()))
                    .help("write http://host:port, or none"))
            }
            _ => Ok(None),
        }
    }

    fn may_write(&self) -> Vec<Key> {
        vec![Key::Everything]
    }

    fn probe(&self, view: &View<'_>, wanted: &mut ProbeSet) {
        let Some((kind, manager)) = packagers::seen_by(view) else { return };
        match self.run {
            Some(Task::Update) => wanted.ask::<PackageLists>(kind),
            Some(Task::Upgrade | Task::FullUpgrade) => {
                wanted.ask::<Upgrades>((kind, self.is_full()));
            }
            None => {
                if let Ok(Some(file)) = self.proxy_file(manager) {
                    file.probe(view, wanted);
                }
            }
        }
    }

    fn decide(&self, view: &View<'_>) -> Result<Decision, ActionError> {
        let (kind, manager) = packagers::on(view.facts())?;
        Ok(match self.run {
            Some(Task::Update) => self.decide_update(kind, *view.get::<PackageLists>(&kind)?),
            Some(Task::Upgrade | Task::FullUpgrade) => {
                let request = (kind, self.is_full());
                self.decide_upgrade(manager, *view.get::<Upgrades>(&request)?)
            }
            None => {
                let change = match self.proxy_file(manager)? {
                    Some(file) => file.decide(view)?,
                    None => None,
                };
                change.map_or(Decision::Unchanged, Decision::Change)
            }
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
            assert_eq!(outcome(Ok(update.decide_update(Kind::Apt, found))), expected, "{found:?}");
        }
        let apt = packagers::of(Kind::Apt);
        let upgrade =
            |counts| outcome(Ok(PackageManager::full_upgrade().decide_upgrade(apt, counts)));
        assert_eq!(upgrade((0, 0)), "unchanged");
        assert_eq!(upgrade((3, 0)), "3 packages upgraded");
        assert_eq!(upgrade((3, 1)), "3 packages upgraded, 1 removed");
    }
}
