//! What is on a node.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::order::merge_orders;
use super::phase::Phases;
use super::{NodeSpec, Phase, Step};
use crate::crates::{Crate, full_spec};
use crate::facts::PackageManager;

/// The phases that run without being asked for, where specs do not say which ones.
pub const DEFAULT_PHASES: [&str; 2] = ["install", "configure"];

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
    /// The package manager, in place of the one that is found on the node.
    pub packager: Option<PackageManager>,
    /// What the nodes are made of, as far as their group does not say otherwise.
    pub node: NodeSpec,
    /// Orders of phases that run without being asked for: one list for each spec that gives one.
    /// None at all: `install`, `configure`.
    pub default_phases: Vec<Vec<String>>,
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

    /// Builds on a crate, as a document that names it in `extends` does.
    #[must_use]
    pub fn extends_crate<C: Crate>(self) -> Self {
        self.extends(&full_spec::<C>())
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

    /// Sets the package manager, in place of the one that is found on the node.
    #[must_use]
    pub fn packager(mut self, packager: PackageManager) -> Self {
        self.packager = Some(packager);
        self
    }

    /// Says what the nodes are made of, as far as their group does not say otherwise.
    #[must_use]
    pub fn node(mut self, node: NodeSpec) -> Self {
        self.node = node;
        self
    }

    /// Says which phases run without being asked for, in their order.
    #[must_use]
    pub fn default_phases<S: Into<String>>(mut self, phases: impl IntoIterator<Item = S>) -> Self {
        self.default_phases.push(phases.into_iter().map(Into::into).collect());
        self
    }

    /// The phases that run without being asked for: all that are in one of the lists, in an order
    /// that agrees with each list.
    ///
    /// # Errors
    /// Phases that contradict each other: each shall come before the next, and the last before
    /// the first.
    pub fn default_order(&self) -> Result<Vec<String>, Vec<String>> {
        if self.default_phases.is_empty() {
            return Ok(DEFAULT_PHASES.map(str::to_owned).to_vec());
        }
        merge_orders(self.default_phases.iter().map(Vec::as_slice))
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
        self.packager = self.packager.or(base.packager);
        self.node = base.node.clone().overlaid_with(&self.node);
        let own = std::mem::replace(&mut self.default_phases, base.default_phases.clone());
        self.default_phases.extend(own);
        self
    }

    /// Leaves out steps that are there already, as those of a base are which two specs share. The
    /// first of them stays.
    pub(crate) fn without_repetitions(mut self) -> Self {
        for phase in self.phases.values_mut() {
            let mut steps: Vec<Step> = Vec::with_capacity(phase.steps.len());
            for step in std::mem::take(&mut phase.steps) {
                if !steps.iter().any(|known| known.is_same(&step)) {
                    steps.push(step);
                }
            }
            phase.steps = steps;
        }
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

    #[test]
    fn default_phases_keep_every_order_or_are_refused() {
        let spec = |text: &str| ServerSpec::new().default_phases(text.split(' '));
        let order = |spec: ServerSpec| spec.default_order().map(|order| order.join(" "));
        assert_eq!(order(ServerSpec::new()).as_deref(), Ok("install configure"));
        let merged = spec("build test").extends_all([&spec("install build"), &spec("test run")]);
        assert_eq!(order(merged).as_deref(), Ok("install build test run"));
        let contradiction = spec("a b").extends(&spec("b a")).default_order();
        assert_eq!(contradiction.map_err(|cycle| cycle.len()), Err(2));
    }
}
