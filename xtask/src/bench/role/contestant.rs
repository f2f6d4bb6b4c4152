//! Who is measured.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Context as _;
use serde_json::Value;

use super::project::Project;
use crate::process::{cargo, check, workspace};

/// What is measured of a contestant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// The role on pristine hosts.
    Cold,
    /// The same again, when nothing has to change.
    Warm,
    /// Only to connect, become root and run `true`.
    Nothing,
}

/// A way to apply the role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::bench) enum Contestant {
    /// One connection and one hand-written script per host, in one process.
    Floor(PathBuf),
    /// `pallet lift`.
    Pallet(PathBuf),
    /// The same hand-written script through OpenSSH's client.
    OpenSsh,
    /// pyinfra, as it was found on PATH.
    Pyinfra,
}

impl Contestant {
    /// Builds what is ours, optimised. The floor comes first, then we.
    pub(in crate::bench) fn ours() -> anyhow::Result<Vec<Self>> {
        check(&mut cargo(&["build", "--quiet", "--release", "--package", "pallet-cli"]))?;
        let arguments = [
            "bench",
            "--no-run",
            "--message-format=json",
            "--package",
            "pallet-core",
            "--bench",
            "floor",
        ];
        let output = cargo(&arguments).stderr(std::process::Stdio::inherit()).output()?;
        let floor = String::from_utf8_lossy(&output.stdout)
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .filter(|message| message["target"]["name"] == "floor")
            .find_map(|message| message["executable"].as_str().map(PathBuf::from))
            .context("cargo did not build the floor")?;
        let target = match std::env::var_os("CARGO_TARGET_DIR") {
            Some(folder) => workspace().join(folder),
            None => workspace().join("target"),
        };
        Ok(vec![Self::Floor(floor), Self::Pallet(target.join("release/pallet")), Self::OpenSsh])
    }

    /// The peer, if it is installed; says so if it is not.
    pub(super) fn peer() -> Option<Self> {
        match Command::new("pyinfra").arg("--version").output() {
            Ok(output) => {
                println!("{}", String::from_utf8_lossy(&output.stdout).trim());
                Some(Self::Pyinfra)
            }
            Err(_) => {
                println!("NOT COMPARED with pyinfra: it is not on PATH (`pip install pyinfra`)");
                None
            }
        }
    }

    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Floor(_) => "floor",
            Self::Pallet(_) => "pallet",
            Self::OpenSsh => "openssh",
            Self::Pyinfra => "pyinfra",
        }
    }

    /// The command, for up to `parallel` hosts at a time; `None` where it makes no sense.
    pub(super) fn command(
        &self,
        project: &Project,
        what: What,
        parallel: usize,
    ) -> anyhow::Result<Option<Command>> {
        let nothing = what == What::Nothing;
        let mut command;
        match self {
            Self::Floor(program) => {
                command = Command::new(program);
                command.arg(project.path(if nothing { "inventory-nothing" } else { "inventory" }));
                command.arg(parallel.to_string());
            }
            Self::Pallet(program) => {
                command = Command::new(program);
                command.arg("lift");
                command.current_dir(project.path(if nothing { "nothing" } else { "" }));
            }
            Self::OpenSsh => {
                command = Command::new("bash");
                command.args(["-c", OPENSSH, "bash", &parallel.min(32).to_string()]);
                command.args([&project.path("ssh_config"), &project.path("scripts")]);
                command.args(nothing.then_some("nothing"));
            }
            Self::Pyinfra if !nothing => {
                command = Command::new("pyinfra");
                command.args(["-y", "--no-wait", "--parallel", &parallel.min(50).to_string()]);
                command.args(["inventory.py", "deploy.py"]).current_dir(project.path(""));
            }
            Self::Pyinfra => return Ok(None),
        }
        Ok(Some(command))
    }
}

/// `PARALLEL SSH-CONFIG SCRIPTS [SCRIPT]`: one `ssh` per host.
const OPENSSH: &str = r#"
sed -n 's/^Host //p' "$2" | xargs -P "$1" -I{} bash -c '
  exec ssh -F "$1" "$3" sudo -n bash -s <"$2/${4:-$3}"' bash "$2" "$3" {} "${4:-}""#;
