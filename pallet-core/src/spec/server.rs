//! What is on a node.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::Phase;
use super::phase::Phases;

/// Phases, roles and settings that make a kind of server; composed with others by `extends`.
///
/// ```
/// use pallet_core::spec::{Phase, ServerSpec};
/// let base = ServerSpec::new().phase("configure", Phase::new()).role("managed");
/// let web = ServerSpec::new().role("web").extends(&base);
/// assert!(web.roles.contains("managed") && web.roles.contains("web"));
/// ```
#[derive(Debug, Clone, Default)]
pub struct ServerSpec {
    /// Phases by name.
    pub phases: Phases,
    /// Roles the server plays.
    pub roles: BTreeSet<String>,
    /// Settings by facility, for plan functions and templates.
    pub settings: Map<String, Value>,
}

impl ServerSpec {
    /// A server with nothing on it.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a phase; steps are appended where the phase exists.
    #[must_use]
    pub fn phase(mut self, name: impl Into<String>, phase: Phase) -> Self {
        self.phases.entry(name.into()).or_default().steps.extend(phase.steps);
        self
    }

    /// Adds a role.
    #[must_use]
    pub fn role(mut self, role: impl Into<String>) -> Self {
        self.roles.insert(role.into());
        self
    }

    /// Sets a facility's settings.
    #[must_use]
    pub fn setting(mut self, facility: impl Into<String>, value: Value) -> Self {
        self.settings.insert(facility.into(), value);
        self
    }

    /// Builds on another spec: its steps run before those that are here, roles are united, and
    /// of settings those that are here win, key by key. Of several extended specs the first one
    /// called runs last, so a list is folded from its end; see [`extends_all`](Self::extends_all).
    #[must_use]
    pub fn extends(mut self, base: &ServerSpec) -> Self {
        for (name, phase) in &base.phases {
            let own = self.phases.entry(name.clone()).or_default();
            own.steps.splice(0..0, phase.steps.iter().cloned());
        }
        self.roles.extend(base.roles.iter().cloned());
        let own = std::mem::replace(&mut self.settings, base.settings.clone());
        merge(&mut self.settings, own);
        self
    }

    /// Builds on several specs: they run in the listed order, what is here last.
    #[must_use]
    pub fn extends_all<'a, I>(self, bases: I) -> Self
    where
        I: IntoIterator<Item = &'a ServerSpec>,
        I::IntoIter: DoubleEndedIterator,
    {
        bases.into_iter().rev().fold(self, ServerSpec::extends)
    }
}

/// Merges `over` into `under`: tables key by key, everything else replaced.
pub(crate) fn merge(under: &mut Map<String, Value>, over: Map<String, Value>) {
    for (key, value) in over {
        match (under.get_mut(&key), value) {
            (Some(Value::Object(under)), Value::Object(over)) => merge(under, over),
            (_, value) => {
                under.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn settings_of_several_bases_merge_in_listed_order_own_last() {
        let one = ServerSpec::new().setting("nginx", json!({ "port": 1, "user": "a" }));
        let two = ServerSpec::new().setting("nginx", json!({ "port": 2, "tls": true }));
        let own = ServerSpec::new().setting("nginx", json!({ "user": "own" }));
        let merged = own.extends_all([&one, &two]);
        assert_eq!(
            Value::Object(merged.settings),
            json!({ "nginx": { "port": 2, "user": "own", "tls": true } })
        );
    }
}
