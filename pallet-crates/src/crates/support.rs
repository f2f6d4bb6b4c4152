//! What crates have in common.

use std::net::IpAddr;

use pallet_core::plan::{Handle, Plan, PlanError, Target};
use pallet_core::secret::{MaybeSecret, Secret};
use pallet_core::shell;
use pallet_core::spec::{Phase, ServerSpec};

use crate::actions::{ExecScript, PackageManager, Packages, Service};

/// How old the lists of packages may be before something is installed.
const LISTS_MAX_AGE: &str = "1d";
/// What was done last: root's alone, one file for each crate.
const MEMORY: &str = "/var/lib/pallet/crates";

/// A sentence that says what is wrong, as an error of a plan function.
pub(super) trait OrWrong<T> {
    fn or_wrong(self, plan: &Plan<'_>) -> Result<T, PlanError>;
}

impl<T> OrWrong<T> for Result<T, String> {
    fn or_wrong(self, plan: &Plan<'_>) -> Result<T, PlanError> {
        self.map_err(|message| plan.error(message))
    }
}

/// A phase of one plan function.
pub(super) fn phase(
    function: impl Fn(&mut Plan<'_>) -> Result<(), PlanError> + Send + Sync + 'static,
) -> Phase {
    Phase::new().plan(function)
}

/// Refuses nodes that are neither Debian nor derived from it. Of a node that does not exist yet
/// perhaps nothing is known.
pub(super) fn needs_debian(plan: &Plan<'_>, name: &str) -> Result<(), PlanError> {
    let facts = &plan.target().facts;
    if facts.os.is_empty() || facts.is_of_family("debian") {
        return Ok(());
    }
    let message = format!("the crate `{name}` knows Debian and Ubuntu, the node is {}", facts.os);
    Err(plan.error(message).help("write steps of your own for it, with only-on"))
}

/// Installs packages, with lists that are not older than a day.
pub(super) fn install<'n>(
    plan: &mut Plan<'_>,
    names: impl IntoIterator<Item = &'n str>,
) -> Result<(), PlanError> {
    let names: Vec<&str> = names.into_iter().collect();
    if names.is_empty() {
        return Ok(());
    }
    let update = PackageManager::update().max_age(LISTS_MAX_AGE).or_wrong(plan)?;
    plan.action(update);
    let packages = Packages::new(names).or_wrong(plan)?;
    plan.action(packages);
    Ok(())
}

/// Where other nodes reach a node: its address as it is known here, if it is one that means the
/// same everywhere, else the first of its interfaces.
pub(super) fn address_of(node: &Target) -> String {
    let is_local = |address: &IpAddr| address.is_loopback() || address.is_unspecified();
    let is_general = match node.address.parse::<IpAddr>() {
        Ok(address) => !is_local(&address),
        Err(_) => !node.address.is_empty() && node.address != "localhost",
    };
    match node.facts.primary_address() {
        Some(address) if !is_general => address.to_string(),
        _ => node.address.clone(),
    }
}

/// A text that must not be shown, whatever it comes from.
pub(super) fn secret(text: &MaybeSecret) -> Secret {
    match text {
        MaybeSecret::Plain(text) => Secret::new(text),
        MaybeSecret::Secret(secret) => secret.clone(),
    }
}

/// The value of a secret, for a plan function that makes another secret of it.
pub(super) fn reveal<'s>(plan: &Plan<'_>, text: &'s MaybeSecret) -> Result<&'s str, PlanError> {
    text.reveal().map_err(|error| plan.error(error.to_string()).help(error.help()))
}

/// The phases that act on services when they are asked for.
pub(super) fn service_phases(
    spec: ServerSpec,
    name: impl Fn(&Plan<'_>) -> Result<String, PlanError> + Clone + Send + Sync + 'static,
) -> ServerSpec {
    type Make = fn(&str) -> Result<Service, String>;
    let verbs: [(&str, Make); 4] = [
        ("start", Service::new),
        ("stop", Service::stopped),
        ("restart", Service::restarted),
        ("reload", Service::reloaded),
    ];
    verbs.into_iter().fold(spec, |spec, (verb, make)| {
        let name = name.clone();
        let act = move |plan: &mut Plan<'_>| {
            let name = name(plan)?;
            let service = make(&name).or_wrong(plan)?;
            plan.action(service);
            Ok(())
        };
        spec.phase(verb, phase(act))
    })
}

/// A service and the configuration that it reads.
pub(super) struct Daemon<'a> {
    /// The crate.
    pub krate: &'a str,
    /// The service that is told about changes.
    pub service: &'a str,
    /// The directory or file that it reads.
    pub reads: &'a str,
    /// Checks the configuration as it is.
    pub check: &'a str,
    /// Whether it has to be restarted to read it.
    pub restarts: bool,
    /// Whether it is for us to say that it starts with the machine.
    pub starts_with_machine: bool,
}

impl Daemon<'_> {
    /// Has the service run with the configuration as it is: after `changed` steps, and also where
    /// an earlier run wrote it and came no further.
    pub(super) fn settle(&self, plan: &mut Plan<'_>, changed: &[&Handle]) -> Result<(), PlanError> {
        let (check, service) = (self.check, shell::quote(self.service));
        let (verb, old) = match self.restarts {
            true => ("restart", format!("service {service} restart")),
            false => (
                "reload-or-restart",
                format!("{{ service {service} reload || service {service} restart; }}"),
            ),
        };
        let (memory, digest) = (self.memory(), self.digest());
        let script = format!(
            "set -e\n{check}\n\
             if [ -d /run/systemd/system ]; then systemctl {verb} -- {service}; else {old}; fi\n\
             umask 077; mkdir -p {MEMORY}; {digest} >{memory}\n",
        );
        let is_loaded = format!("{digest} | cmp -s - {memory}");
        let load = |name: String| {
            ExecScript::new(script.clone())
                .name(name)
                .affects(MEMORY)?
                .affects("/etc/systemd/system")?
                .affects("/run")
        };
        let told = format!("check the configuration of {}, then {verb} it", self.service);
        if !changed.is_empty() {
            let action = load(told.clone()).or_wrong(plan)?;
            plan.action_when_changed(changed, action);
        }
        let action = load(format!("{told}, if an earlier run could not"))
            .and_then(|it| it.unless(is_loaded).read_only_guards().guards_read(self.reads))
            .or_wrong(plan)?;
        plan.action(action);
        let running = Service::new(self.service).or_wrong(plan)?;
        plan.action(match self.starts_with_machine {
            true => running.enabled(true),
            false => running,
        });
        Ok(())
    }

    /// The file that says which configuration was loaded last.
    fn memory(&self) -> String {
        shell::quote(&format!("{MEMORY}/{}", self.krate)).into_owned()
    }

    /// Code that prints what tells one configuration from another.
    fn digest(&self) -> String {
        format!(
            "find -L {} -type f -print0 2>/dev/null | LC_ALL=C sort -z | xargs -0r sha256sum",
            shell::quote(self.reads)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_nodes_get_an_address_that_means_something_to_them() {
        let node = |address: &str| Target { address: address.to_owned(), ..Target::new("a", "b") };
        let mut local = node("127.0.0.1");
        assert_eq!(address_of(&local), "127.0.0.1");
        local.facts.addresses = vec![pallet_core::facts::InterfaceAddress {
            interface: "eth0".to_owned(),
            address: IpAddr::from([192, 0, 2, 7]),
            prefix: None,
        }];
        assert_eq!(address_of(&local), "192.0.2.7");
        assert_eq!(
            address_of(&Target { address: "192.0.2.9".to_owned(), ..local.clone() }),
            "192.0.2.9"
        );
        assert_eq!(address_of(&Target { address: String::new(), ..local }), "192.0.2.7");
        assert_eq!(address_of(&node("known after create")), "known after create");
    }
}
