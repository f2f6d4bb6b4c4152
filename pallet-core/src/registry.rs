//! The registry: which names a document may use, said explicitly.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeValue, Error as TomlError, ValueDeserializer};

use crate::action::{Action, ActionBox, ActionInfo};
use crate::compute::{Provider, ProviderBox};
use crate::crates::{Crate, CrateEntry};
use crate::plan::{Plan, PlanError, PlanFn};

/// The actions, crates, plan functions and providers that documents can name.
///
/// Nothing registers itself behind the scenes: what is not put in here does not exist.
///
/// ```
/// use pallet_core::registry::Registry;
/// let registry = Registry::new().plan_fn("nothing", |_plan| Ok(()));
/// assert!(registry.find_plan_fn("nothing").is_some());
/// ```
#[derive(Default, Clone)]
pub struct Registry {
    actions: BTreeMap<&'static str, ActionEntry>,
    crates: BTreeMap<&'static str, CrateEntry>,
    plan_fns: BTreeMap<String, PlanFn>,
    providers: BTreeMap<&'static str, ProviderBox>,
}

/// One action of a registry.
#[derive(Clone, Copy)]
pub struct ActionEntry {
    info: fn() -> ActionInfo,
    read: fn(Spanned<DeValue<'_>>) -> Result<ActionBox, TomlError>,
}

impl ActionEntry {
    /// Describes the action.
    pub fn info(&self) -> ActionInfo {
        (self.info)()
    }

    /// Reads the action's parameters from a document.
    ///
    /// # Errors
    /// The TOML error, with the place of the mistake.
    pub fn read(&self, parameters: Spanned<DeValue<'_>>) -> Result<ActionBox, TomlError> {
        (self.read)(parameters)
    }
}

impl Registry {
    /// An empty registry.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds everything of another registry; the later entry wins where names are equal.
    #[must_use]
    pub fn with(mut self, other: Registry) -> Self {
        self.actions.extend(other.actions);
        self.crates.extend(other.crates);
        self.plan_fns.extend(other.plan_fns);
        self.providers.extend(other.providers);
        self
    }

    /// Adds an action.
    #[must_use]
    pub fn action<A: Action>(mut self) -> Self {
        let entry = ActionEntry {
            info: ActionInfo::of::<A>,
            read: |value| A::deserialize(ValueDeserializer::from(value)).map(ActionBox::new),
        };
        self.actions.insert(A::NAME, entry);
        self
    }

    /// Adds a crate: a server-spec that documents can extend, with its settings. (`crate` is a word
    /// of the language.)
    #[must_use]
    pub fn krate<C: Crate>(mut self) -> Self {
        self.crates.insert(C::NAME, CrateEntry::of::<C>());
        self
    }

    /// Adds a plan function under a name that documents can use: `{ plan-fn = "name" }`.
    #[must_use]
    pub fn plan_fn<F>(mut self, name: impl Into<String>, function: F) -> Self
    where
        F: Fn(&mut Plan<'_>) -> Result<(), PlanError> + Send + Sync + 'static,
    {
        self.plan_fns.insert(name.into(), Arc::new(function));
        self
    }

    /// Adds a provider of nodes.
    #[must_use]
    pub fn provider<P: Provider>(mut self) -> Self {
        for name in std::iter::once(&P::NAME).chain(P::ALIASES) {
            self.providers.insert(name, ProviderBox::of::<P>());
        }
        self
    }

    /// Finds an action by name.
    pub fn find_action(&self, name: &str) -> Option<&ActionEntry> {
        self.actions.get(name)
    }

    /// Finds a crate by name.
    pub fn find_crate(&self, name: &str) -> Option<&CrateEntry> {
        self.crates.get(name)
    }

    /// Finds a plan function by name.
    pub fn find_plan_fn(&self, name: &str) -> Option<&PlanFn> {
        self.plan_fns.get(name)
    }

    /// Finds a provider by name.
    pub fn find_provider(&self, name: &str) -> Option<&ProviderBox> {
        self.providers.get(name)
    }

    /// All actions, by name.
    pub fn actions(&self) -> impl Iterator<Item = (&'static str, &ActionEntry)> {
        self.actions.iter().map(|(name, entry)| (*name, entry))
    }

    /// All crates, by name.
    pub fn crates(&self) -> impl Iterator<Item = (&'static str, &CrateEntry)> {
        self.crates.iter().map(|(name, entry)| (*name, entry))
    }

    /// The names of all plan functions.
    pub fn plan_fn_names(&self) -> impl Iterator<Item = &str> {
        self.plan_fns.keys().map(String::as_str)
    }

    /// The names of all providers, aliases included.
    pub fn provider_names(&self) -> impl Iterator<Item = &'static str> {
        self.providers.keys().copied()
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("actions", &self.actions.keys())
            .field("crates", &self.crates.keys())
            .field("plan_fns", &self.plan_fns.keys())
            .field("providers", &self.providers.keys())
            .finish()
    }
}
