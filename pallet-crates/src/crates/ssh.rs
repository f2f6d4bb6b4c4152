//! The crate `ssh`.

use std::collections::BTreeMap;

use pallet_core::crates::Crate;
use pallet_core::plan::{Plan, PlanError};
use pallet_core::spec::ServerSpec;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::support::{Daemon, OrWrong, install, needs_debian, phase, service_phases};
use crate::actions::RemoteFile;

/// The SSH server: a file of its own in `/etc/ssh/sshd_config.d`, which wins over the
/// distribution's configuration.
///
/// `sshd -t` looks at the whole configuration with the new file before that is put in place, and
/// once more before the server reads it; connections stay.
///
/// ```toml
/// [server-spec.base]
/// extends = ["ssh"]
///
/// [server-spec.base.settings.ssh]
/// password-authentication = false
/// options = { MaxAuthTries = 3, AllowGroups = ["ops", "deploy"], X11Forwarding = false }
/// ```
#[derive(Debug)]
pub struct Ssh;

/// What the crate `ssh` can be told.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// Ports that are listened on. Default: what the distribution says, 22.
    pub ports: Vec<u16>,
    /// Whether root may log in: `no`, `prohibit-password`, `yes`. Default: what the distribution
    /// says.
    pub permit_root_login: Option<String>,
    /// Whether passwords are good for logging in. Default: what the distribution says.
    pub password_authentication: Option<bool>,
    /// Whatever else sshd_config knows, under its own names; of a list one line for each element.
    /// Default: nothing.
    pub options: BTreeMap<String, OptionValue>,
}

/// The value of an option of sshd.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum OptionValue {
    /// Yes or no.
    Flag(bool),
    /// A number.
    Number(i64),
    /// A text.
    Text(String),
    /// Several lines.
    List(Vec<String>),
}

/// Digits come first in a folder: of several lines for one option sshd takes the first.
const FILE: &str = "/etc/ssh/sshd_config.d/00-pallet.conf";

impl Crate for Ssh {
    const NAME: &'static str = "ssh";
    const SUMMARY: &'static str = "The SSH server's configuration, checked before it holds.";
    const EXAMPLE: &'static str = r#"[server-spec.base]
extends = ["ssh"]

[server-spec.base.settings.ssh]
password-authentication = false
options = { MaxAuthTries = 3, AllowGroups = ["ops", "deploy"], X11Forwarding = false }
"#;
    type Settings = Settings;

    fn server_spec() -> ServerSpec {
        let spec = ServerSpec::new()
            .phase("install", phase(install_server))
            .phase("configure", phase(configure));
        service_phases(spec, |_| Ok("ssh".to_owned()))
    }
}

fn install_server(plan: &mut Plan<'_>) -> Result<(), PlanError> {
    needs_debian(plan, Ssh::NAME)?;
    install(plan, ["openssh-server"])
}

fn configure(plan: &mut Plan<'_>) -> Result<(), PlanError> {
    let text = plan.settings_of::<Ssh>()?.text().or_wrong(plan)?;
    // The new file comes before everything else, as it will in its place.
    let check = "cat %s /etc/ssh/sshd_config >\"${TMPDIR:-/tmp}/pallet-sshd.$$\" && \
                 sshd -t -f \"${TMPDIR:-/tmp}/pallet-sshd.$$\"; status=$?; \
                 rm -f \"${TMPDIR:-/tmp}/pallet-sshd.$$\"; exit $status";
    let file = RemoteFile::new(FILE)
        .and_then(|file| file.content(text).owner("root")?.mode("0644"))
        .or_wrong(plan)?
        .verify(check);
    let file = plan.action(file);
    let daemon = Daemon {
        krate: Ssh::NAME,
        service: "ssh",
        reads: "/etc/ssh",
        check: "sshd -t",
        restarts: false,
        // Where systemd's socket starts it, nothing else should.
        starts_with_machine: false,
    };
    daemon.settle(plan, &[&file])
}

impl Settings {
    fn text(&self) -> Result<String, String> {
        let mut text = String::from("# Written by Pallet; changes made here are lost.\n");
        let mut add = |name: &str, value: &str| {
            let is_word = !name.is_empty() && name.bytes().all(|it| it.is_ascii_alphanumeric());
            if !is_word || value.contains(['\n', '\0']) {
                return Err(format!("`{name} {value}` is no option of sshd"));
            }
            text.push_str(&format!("{name} {value}\n"));
            Ok(())
        };
        let yes_no = |flag: bool| if flag { "yes" } else { "no" };
        for port in &self.ports {
            add("Port", &port.to_string())?;
        }
        if let Some(value) = &self.permit_root_login {
            add("PermitRootLogin", value)?;
        }
        if let Some(flag) = self.password_authentication {
            add("PasswordAuthentication", yes_no(flag))?;
        }
        for (name, value) in &self.options {
            match value {
                OptionValue::Flag(flag) => add(name, yes_no(*flag))?,
                OptionValue::Number(number) => add(name, &number.to_string())?,
                OptionValue::Text(value) => add(name, value)?,
                OptionValue::List(values) => values.iter().try_for_each(|it| add(name, it))?,
            }
        }
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_lines() {
        let settings: Settings = serde_json::from_value(serde_json::json!({
            "ports": [22, 2222], "password-authentication": false,
            "options": { "MaxAuthTries": 3, "AcceptEnv": ["LANG", "LC_*"], "X11Forwarding": true },
        }))
        .unwrap();
        let text = settings.text().unwrap();
        let lines: Vec<&str> = text.lines().skip(1).collect();
        assert_eq!(
            lines.join("; "),
            "Port 22; Port 2222; PasswordAuthentication no; AcceptEnv LANG; AcceptEnv LC_*; \
             MaxAuthTries 3; X11Forwarding yes"
        );
        let broken = BTreeMap::from([("Banner".to_owned(), OptionValue::Text("a\nb".to_owned()))]);
        assert!(Settings { options: broken, ..Settings::default() }.text().is_err());
    }
}
