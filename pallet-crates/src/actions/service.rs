//! The `service` action.

use pallet_core::action::{
    Action, ActionError, Change, Decision, Fragment, Key, Preparation, ProbeSet, View,
};
use pallet_core::facts::Init;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::CLOSE_THE_REST;
use crate::probes::{Service as ServiceProbe, ServiceState};
use crate::values::ServiceName;
use crate::values::shorthand::{Shorthand, or_string, shorthand_serde};

/// A service: systemd's where systemd runs, else one with a script in `/etc/init.d`.
///
/// A name alone says that the service shall run. `state = "restarted"` and `"reloaded"` act each
/// time, so they are meant for steps with `when-changed`; either starts a service that does not
/// run, and a service that cannot reload is restarted. With `enabled` the service is, or is not,
/// started with the machine; without it, that is left alone.
///
/// ```
/// use pallet_crates::Service;
/// let running = Service::new("nginx")?.enabled(true);
/// let reload = Service::reloaded("nginx")?;
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(remote = "Self", deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Service", transform = or_string)]
pub struct Service {
    /// Its name.
    name: ServiceName,
    /// Whether it shall run, or what is done to it. Default: started; left alone if only
    /// `enabled` is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    state: Option<Wanted>,
    /// Whether it starts with the machine. Default: left alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    enabled: Option<bool>,
}

/// What a service shall do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Wanted {
    /// It runs.
    Started,
    /// It does not run.
    Stopped,
    /// It is restarted each time.
    Restarted,
    /// It reads its configuration again each time.
    Reloaded,
}

shorthand_serde!(Service);

impl Shorthand for Service {
    const EXPECTING: &'static str = "a name, or a table with name and more";

    fn from_table<'de, D: Deserializer<'de>>(table: D) -> Result<Self, D::Error> {
        Self::deserialize(table)
    }

    fn from_text(name: &str) -> Result<Self, String> {
        Self::new(name)
    }
}

impl Service {
    fn with(name: &str, state: Wanted) -> Result<Self, String> {
        Ok(Self { name: name.parse()?, state: Some(state), enabled: None })
    }

    /// A service that shall run.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the name.
    pub fn new(name: &str) -> Result<Self, String> {
        Self::with(name, Wanted::Started)
    }

    /// A service that shall not run.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the name.
    pub fn stopped(name: &str) -> Result<Self, String> {
        Self::with(name, Wanted::Stopped)
    }

    /// A service that is restarted each time: a step for `when-changed`.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the name.
    pub fn restarted(name: &str) -> Result<Self, String> {
        Self::with(name, Wanted::Restarted)
    }

    /// A service that reads its configuration again each time: a step for `when-changed`.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the name.
    pub fn reloaded(name: &str) -> Result<Self, String> {
        Self::with(name, Wanted::Reloaded)
    }

    /// Whether it starts with the machine.
    #[must_use]
    pub fn enabled(mut self, enabled: bool) -> Self {
        self.enabled = Some(enabled);
        self
    }

    fn wanted(&self) -> Option<Wanted> {
        self.state.or(self.enabled.is_none().then_some(Wanted::Started))
    }

    fn decide_from(&self, found: &ServiceState, init: Init) -> Result<Decision, ActionError> {
        self.check(found)?;
        let wanted = self.wanted();
        let verb = match (wanted, found.is_running) {
            (None, _) | (Some(Wanted::Started), true) | (Some(Wanted::Stopped), false) => None,
            (Some(Wanted::Stopped), true) => Some(("stop", "stopped")),
            (Some(_), false) => Some(("start", "started")),
            (Some(Wanted::Restarted), true) => Some(("restart", "restarted")),
            (Some(_), true) => Some(("reload", "reloaded")),
        };
        let enable =
            self.enabled.filter(|enabled| found.is_enabled.is_some_and(|is| is != *enabled));
        if verb.is_none() && enable.is_none() {
            return Ok(Decision::Unchanged);
        }
        let mut fragment = Fragment::new();
        let mut details = Vec::new();
        let mut after = found.clone();
        if init == Init::Systemd && found.is_outdated {
            fragment.run(["systemctl", "daemon-reload"]);
            after.is_outdated = false;
        }
        if let Some(enabled) = enable {
            self.enable(&mut fragment, enabled, init);
            details.push(if enabled { "enabled" } else { "disabled" });
            after.is_enabled = Some(enabled);
        }
        // A service that ran needs no file of /run or /var changed to be enabled.
        let mut writes = vec![Key::unit(self.name.as_str()), Key::tree("/etc/systemd/system")];
        if let Some((verb, detail)) = verb {
            self.act(&mut fragment, verb, init);
            details.push(detail);
            after.is_running = verb != "stop";
            writes.extend([Key::tree("/run"), Key::tree("/var")]);
        }
        let change = details.into_iter().fold(Change::new(fragment, writes), Change::detail);
        Ok(Decision::Change(change.predict::<ServiceProbe>(self.name.clone(), after)))
    }

    fn check(&self, found: &ServiceState) -> Result<(), ActionError> {
        let name = &self.name;
        let starts = !matches!(self.wanted(), None | Some(Wanted::Stopped));
        let enables = self.enabled == Some(true);
        if !found.exists && (starts || enables) {
            return Err(ActionError::new(format!("there is no service `{name}` on the node"))
                .help("install its package, or write its unit, in an earlier step"));
        }
        if found.is_masked && (starts || enables) {
            return Err(ActionError::new(format!("the service `{name}` is masked"))
                .help(format!("somebody forbade it: `systemctl unmask {name}` allows it again")));
        }
        if found.exists && enables && found.is_enabled.is_none() {
            return Err(ActionError::new(format!("the service `{name}` cannot be enabled"))
                .help("its unit does not say when it starts: it has no [Install] section"));
        }
        Ok(())
    }

    fn enable(&self, fragment: &mut Fragment, enabled: bool, init: Init) {
        let verb = if enabled { "enable" } else { "disable" };
        match init {
            Init::Systemd => fragment.run(["systemctl", "--quiet", verb, "--", self.name.as_str()]),
            Init::Other => {
                let run = |words: &[&str]| pallet_core::shell::command(words);
                let (name, verbs) = match enabled {
                    true => (self.script(), ("on", "add")),
                    false => (self.script(), ("off", "del")),
                };
                // A script that was never enabled has no links that could be turned.
                let defaults = format!("{}\n", run(&["update-rc.d", name, "defaults"]));
                fragment.line(&format!(
                    "if type -P update-rc.d >/dev/null; then {}{}\n\
                     elif type -P chkconfig >/dev/null; then {}\n\
                     elif type -P rc-update >/dev/null; then {}\n\
                     else echo 'the node has none of update-rc.d, chkconfig and rc-update' >&2; exit 1; fi",
                    if enabled { defaults.as_str() } else { "" },
                    run(&["update-rc.d", name, verb]),
                    run(&["chkconfig", name, verbs.0]),
                    run(&["rc-update", verbs.1, name, "default"]),
                ))
            }
        };
    }

    /// What an init script starts must hold nothing of the session open.
    fn act(&self, fragment: &mut Fragment, verb: &str, init: Init) {
        let name = self.name.as_str();
        match (init, verb) {
            (Init::Systemd, "reload") => {
                fragment.run(["systemctl", "reload-or-restart", "--", name])
            }
            (Init::Systemd, verb) => fragment.run(["systemctl", verb, "--", name]),
            (Init::Other, verb) => {
                let script = format!("/etc/init.d/{}", self.script());
                let run = |verb: &str| {
                    let command = pallet_core::shell::command([script.as_str(), verb]);
                    format!("{command} {CLOSE_THE_REST}")
                };
                fragment.line(&match verb {
                    "reload" => format!("{} || {}", run("reload"), run("restart")),
                    verb => run(verb),
                })
            }
        };
    }

    fn script(&self) -> &str {
        self.name.as_str().strip_suffix(".service").unwrap_or(self.name.as_str())
    }
}

impl Action for Service {
    const NAME: &'static str = "service";
    const SUMMARY: &'static str = "A service that runs or not, and starts with the machine or not.";
    const EXAMPLE: &'static str =
        r#"{ service = { name = "nginx", state = "started", enabled = true } }"#;

    fn subject(&self) -> String {
        self.name.to_string()
    }

    fn prepare(&self, _: &Preparation<'_>) -> Result<Option<Self>, ActionError> {
        Ok(None)
    }

    fn may_write(&self) -> Vec<Key> {
        ["/etc/systemd/system", "/run", "/var"].map(Key::tree).into()
    }

    fn probe(&self, _: &View<'_>, wanted: &mut ProbeSet) {
        wanted.ask::<ServiceProbe>(self.name.clone());
    }

    fn decide(&self, view: &View<'_>) -> Result<Decision, ActionError> {
        self.decide_from(view.get::<ServiceProbe>(&self.name)?, view.facts().init)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{change, outcome};
    use super::*;

    #[test]
    fn decision_table() {
        let new = |state, enabled| Service { name: "x".parse().unwrap(), state, enabled };
        let state = |is_running, is_enabled| ServiceState {
            exists: true,
            is_running,
            is_enabled,
            ..ServiceState::default()
        };
        let off = || state(false, Some(false));
        let on = || state(true, Some(true));
        let gone = ServiceState::default;
        use Wanted::{Reloaded, Restarted, Started, Stopped};
        let cases = [
            (new(None, None), on(), "unchanged"),
            (new(None, None), off(), "started"),
            (new(None, Some(true)), off(), "enabled"),
            (new(Some(Started), Some(true)), off(), "enabled; started"),
            (new(Some(Started), Some(true)), on(), "unchanged"),
            (new(Some(Stopped), Some(false)), on(), "disabled; stopped"),
            (new(Some(Stopped), None), gone(), "unchanged"),
            (new(Some(Restarted), None), on(), "restarted"),
            (new(Some(Restarted), None), off(), "started"),
            (new(Some(Reloaded), None), on(), "reloaded"),
            (new(Some(Started), None), gone(), "error: there is no service `x` on the node"),
            (new(None, Some(true)), state(true, None), "error: the service `x` cannot be enabled"),
            (
                new(None, None),
                ServiceState { is_masked: true, ..off() },
                "error: the service `x` is masked",
            ),
        ];
        for (service, found, expected) in cases {
            for init in [Init::Systemd, Init::Other] {
                let told = outcome(service.decide_from(&found, init));
                assert_eq!(told, expected, "{service:?}");
            }
        }
    }

    #[test]
    fn commands() {
        let service = Service::reloaded("x.service").unwrap().enabled(true);
        let found = ServiceState {
            exists: true,
            is_running: true,
            is_enabled: Some(false),
            is_outdated: true,
            ..ServiceState::default()
        };
        let code = |init| change(service.decide_from(&found, init)).fragment.code().to_owned();
        assert_eq!(
            code(Init::Systemd),
            "systemctl daemon-reload\nsystemctl --quiet enable -- x.service\n\
             systemctl reload-or-restart -- x.service\n"
        );
        let script = code(Init::Other);
        assert!(
            script.starts_with(
                "if type -P update-rc.d >/dev/null; then update-rc.d x defaults\nupdate-rc.d x enable\n\
                 elif type -P chkconfig >/dev/null; then chkconfig x on\n\
                 elif type -P rc-update >/dev/null; then rc-update add x default\n"
            ),
            "{script}"
        );
        assert!(script.contains("\n/etc/init.d/x reload 3<&-"), "{script}");
        assert!(script.contains("|| /etc/init.d/x restart"), "{script}");
    }
}
