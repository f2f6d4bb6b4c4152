//! The `timezone` action.

use pallet_core::action::{
    Action, ActionError, Change, Decision, Fragment, Preparation, ProbeSet, View,
};
use pallet_core::shell;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::drop_in::DropIn;
use crate::probes::{Entry, LinkTarget, Stat};
use crate::values::RemotePath;
use crate::values::shorthand::{Shorthand, or_string, shorthand_serde};

/// The time zone of a node: where `/etc/localtime` leads, and `/etc/timezone` where there is one.
///
/// Programs that run already may go on with the old one until they are started anew. The zones are
/// in the package `tzdata`.
///
/// ```
/// use pallet_crates::Timezone;
/// let here = Timezone::new("Europe/Berlin");
/// ```
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(remote = "Self", deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Timezone", transform = or_string)]
pub struct Timezone {
    /// The zone: `Europe/Berlin`, `UTC`.
    zone: String,
}

shorthand_serde!(Timezone);

impl Shorthand for Timezone {
    const EXPECTING: &'static str = "a time zone, or a table with zone";

    fn from_table<'de, D: Deserializer<'de>>(table: D) -> Result<Self, D::Error> {
        Self::deserialize(table)
    }

    fn from_text(zone: &str) -> Result<Self, String> {
        Ok(Self::new(zone))
    }
}

const ZONES: &str = "/usr/share/zoneinfo";

/// What there is on a node, and where.
struct Places {
    link: RemotePath,
    zone: RemotePath,
    name: RemotePath,
}

impl Timezone {
    /// The zone that the node shall be in.
    pub fn new(zone: impl Into<String>) -> Self {
        Self { zone: zone.into() }
    }

    fn places(&self) -> Result<Places, ActionError> {
        let parse = |path: &str| path.parse().map_err(|error: String| ActionError::new(error));
        Ok(Places {
            link: parse("/etc/localtime")?,
            zone: parse(&format!("{ZONES}/{}", self.zone))?,
            name: parse("/etc/timezone")?,
        })
    }

    fn name_file(&self) -> DropIn {
        DropIn::new("/etc", "timezone", Some(format!("{}\n", self.zone)))
    }

    /// The change of the link, if it leads elsewhere.
    fn link(&self, places: &Places, entry: Option<&Entry>, target: Option<&str>) -> Option<Change> {
        let wanted = format!("{ZONES}/{}", self.zone);
        // Debian's own link is absolute, systemd's is relative.
        let leads = target.map(|target| target.replacen("../usr/", "/usr/", 1));
        if leads.as_deref() == Some(wanted.as_str()) {
            return None;
        }
        let before = match (&leads, entry) {
            (Some(leads), _) => leads.trim_start_matches(ZONES).trim_start_matches('/').to_owned(),
            (None, Some(_)) => "a file".to_owned(),
            (None, None) => "nothing".to_owned(),
        };
        let mut fragment = Fragment::new();
        let link = shell::quote(places.link.as_str());
        let new = fragment.temporary_beside(places.link.as_str());
        fragment.line(&format!("ln -sT -- {} {new}", shell::quote(&wanted)));
        fragment.last(&format!("mv -fT -- {new} {link}"));
        let change = Change::new(fragment, [places.link.key()]);
        let change = change.detail(format!("{before} → {}", self.zone));
        Some(change.predict::<LinkTarget>(places.link.clone(), Some(wanted)))
    }
}

impl Action for Timezone {
    const NAME: &'static str = "timezone";
    const SUMMARY: &'static str = "The time zone of a node.";
    const EXAMPLE: &'static str = r#"{ timezone = "Europe/Berlin" }"#;

    fn subject(&self) -> String {
        self.zone.clone()
    }

    fn prepare(&self, _: &Preparation<'_>) -> Result<Option<Self>, ActionError> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/_+-".contains(&byte);
        let parts_are_fit = self.zone.split('/').all(|part| !part.is_empty());
        if self.zone.bytes().all(is_plain) && parts_are_fit {
            return Ok(None);
        }
        Err(ActionError::new(format!("`{}` is no time zone", self.zone.escape_debug()))
            .help("write it like Europe/Berlin: `timedatectl list-timezones` lists them"))
    }

    fn probe(&self, view: &View<'_>, wanted: &mut ProbeSet) {
        if let Ok(places) = self.places() {
            wanted.ask::<Stat>(places.link.clone());
            wanted.ask::<LinkTarget>(places.link);
            wanted.ask::<Stat>(places.zone);
            wanted.ask::<Stat>(places.name);
            self.name_file().probe(view, wanted);
        }
    }

    fn decide(&self, view: &View<'_>) -> Result<Decision, ActionError> {
        let places = self.places()?;
        if view.get::<Stat>(&places.zone)?.is_none() {
            return Err(ActionError::new(format!("the node knows no time zone {}", self.zone))
                .help("install them in an earlier step: { package = \"tzdata\" }"));
        }
        let entry = view.get::<Stat>(&places.link)?.as_ref();
        let target = view.get::<LinkTarget>(&places.link)?.as_deref();
        let link = self.link(&places, entry, target);
        // Newer systems have no such file, and need none.
        let name = match view.get::<Stat>(&places.name)? {
            Some(_) => self.name_file().decide(view)?,
            None => None,
        };
        let Some(mut change) = name else {
            return Ok(link.map_or(Decision::Unchanged, Decision::Change));
        };
        change.details = vec!["/etc/timezone differs".to_owned()];
        let Some(link) = link else { return Ok(Decision::Change(change)) };
        let mut fragment = link.fragment;
        fragment.append(&change.fragment);
        let writes = [places.link.key(), places.name.key()];
        Ok(Decision::Change(
            link.details.into_iter().fold(Change::new(fragment, writes), Change::detail),
        ))
    }
}
