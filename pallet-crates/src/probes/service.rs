//! Services.

use pallet_core::action::{Key, ProbeKind};
use pallet_core::shell;

use super::words::command_lines;
use crate::values::ServiceName;

/// Asks for a service: systemd where it runs, init scripts where it does not.
#[derive(Debug)]
pub struct Service;

/// What is known of a service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServiceState {
    /// Whether there is such a service.
    pub exists: bool,
    /// Whether it was masked: it can neither be started nor enabled.
    pub is_masked: bool,
    /// Whether it runs, or is about to.
    pub is_running: bool,
    /// Whether it starts with the machine. `None`: that is not for us to say.
    pub is_enabled: Option<bool>,
    /// Whether its files have changed since systemd has read them.
    pub is_outdated: bool,
}

impl ProbeKind for Service {
    const NAME: &'static str = "service";
    type Request = ServiceName;
    type Answer = ServiceState;

    /// Where people write units; those of packages come with a package, which writes everything.
    fn key(_: &ServiceName) -> Key {
        Key::tree("/etc/systemd/system")
    }

    fn script(names: &[ServiceName]) -> String {
        let properties = "LoadState,ActiveState,UnitFileState,NeedDaemonReload";
        let mut script = String::from("if [ -d /run/systemd/system ]; then\n");
        let show = format!("systemctl show -p {properties} --");
        for line in command_lines(&show, names.iter().map(ServiceName::as_str)) {
            script.push_str(&format!("{line} || exit 1\necho\n"));
        }
        script.push_str("else\nfor name in");
        for name in names {
            script.push(' ');
            script.push_str(&shell::quote(name.as_str()));
        }
        script.push_str(
            "; do\n\
             name=${name%.service}\n\
             if [ -x /etc/init.d/\"$name\" ]; then\n\
             echo LoadState=loaded\n\
             if /etc/init.d/\"$name\" status >/dev/null 2>&1; then echo ActiveState=active; fi\n\
             if compgen -G '/etc/rc[2-5].d/S[0-9][0-9]'\"$name\" >/dev/null || [ -e /etc/runlevels/default/\"$name\" ]\n\
             then echo UnitFileState=enabled\n\
             else echo UnitFileState=disabled; fi\n\
             else echo LoadState=not-found; fi\n\
             echo\n\
             done\nfi\n",
        );
        script
    }

    fn parse(names: &[ServiceName], output: &[u8]) -> Result<Vec<ServiceState>, String> {
        let output = String::from_utf8_lossy(output);
        let blocks = output.split("\n\n").map(str::trim).filter(|block| !block.is_empty());
        let states: Vec<ServiceState> = blocks.map(state).collect();
        if states.len() == names.len() {
            Ok(states)
        } else {
            Err(format!("{} services asked for, {} told of", names.len(), states.len()))
        }
    }
}

fn state(block: &str) -> ServiceState {
    let value = |name: &str| {
        let pairs = block.lines().filter_map(|line| line.split_once('='));
        pairs.filter(|(key, _)| *key == name).map(|(_, value)| value).next().unwrap_or_default()
    };
    ServiceState {
        exists: !["not-found", "error", "bad-setting"].contains(&value("LoadState")),
        is_masked: value("LoadState") == "masked",
        is_running: ["active", "activating", "reloading"].contains(&value("ActiveState")),
        is_enabled: match value("UnitFileState") {
            "enabled" | "enabled-runtime" => Some(true),
            "disabled" | "linked" | "indirect" => Some(false),
            _ => None,
        },
        is_outdated: value("NeedDaemonReload") == "yes",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_of_systemd() {
        let names = ["ssh", "gone", "off"].map(|name| name.parse().unwrap());
        let output = b"LoadState=loaded\nActiveState=active\nUnitFileState=enabled\nNeedDaemonReload=yes\n\n\
            ActiveState=inactive\nLoadState=not-found\nUnitFileState=\n\n\
            LoadState=masked\nActiveState=inactive\nUnitFileState=masked\n\n";
        let running = ServiceState {
            exists: true,
            is_running: true,
            is_enabled: Some(true),
            is_outdated: true,
            ..ServiceState::default()
        };
        let masked = ServiceState { exists: true, is_masked: true, ..ServiceState::default() };
        let answers = Service::parse(&names, output).unwrap();
        assert_eq!(answers, [running, ServiceState::default(), masked]);
        assert!(Service::parse(&names, b"LoadState=loaded\n").is_err());
    }
}
