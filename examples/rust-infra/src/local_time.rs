//! An action of our own.

use pallet_core::action::{
    Action, ActionError, Change, Decision, Fragment, Preparation, ProbeSet, View,
};
use pallet_crates::probes::LinkTarget;
use pallet_crates::values::RemotePath;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which time zone the node's clocks show.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LocalTime {
    /// The zone, as the time zone database calls it: `Europe/Berlin`.
    zone: String,
}

impl LocalTime {
    /// The zone of this name.
    pub fn new(zone: impl Into<String>) -> Self {
        Self { zone: zone.into() }
    }

    fn file(&self) -> String {
        format!("/usr/share/zoneinfo/{}", self.zone)
    }
}

/// The link that says which zone it is.
fn link() -> Result<RemotePath, ActionError> {
    "/etc/localtime".parse().map_err(ActionError::new)
}

impl Action for LocalTime {
    const NAME: &'static str = "local-time";
    const SUMMARY: &'static str = "The time zone of the node.";
    const EXAMPLE: &'static str = r#"{ local-time = { zone = "Europe/Berlin" } }"#;

    fn subject(&self) -> String {
        self.zone.clone()
    }

    fn prepare(&self, _: &Preparation<'_>) -> Result<Option<Self>, ActionError> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/_+-".contains(&byte);
        if !self.zone.is_empty() && self.zone.bytes().all(is_plain) {
            return Ok(None);
        }
        Err(ActionError::new(format!("`{}` cannot be a time zone", self.zone.escape_debug()))
            .help("zones are called as in /usr/share/zoneinfo: Europe/Berlin, Etc/UTC"))
    }

    fn probe(&self, _: &View<'_>, wanted: &mut ProbeSet) {
        link().into_iter().for_each(|path| wanted.ask::<LinkTarget>(path));
    }

    fn decide(&self, view: &View<'_>) -> Result<Decision, ActionError> {
        let (link, file) = (link()?, self.file());
        let now = view.get::<LinkTarget>(&link)?.clone();
        if now.as_deref() == Some(&file) {
            return Ok(Decision::Unchanged);
        }
        let mut fragment = Fragment::new();
        fragment.run(["ln", "-sfn", "--", &file, link.as_str()]);
        let detail = format!("{} → {file}", now.as_deref().unwrap_or("no link"));
        let change = Change::new(fragment, [link.key()]).detail(detail);
        Ok(Decision::Change(change.predict::<LinkTarget>(link, Some(file))))
    }
}
