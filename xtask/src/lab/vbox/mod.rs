//! A real VirtualBox with its web service, in a root of its own.

mod instance;
mod root;

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};

pub(crate) use instance::INSTANCES;
pub(crate) use root::make as make_root;

use super::layout::Lab;
use super::system::holder::Holder;
use super::system::tool::Tool;
use instance::PROGRAMS;

/// The lab's VirtualBox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vbox {
    /// Address of the web service. It takes every user name and password.
    pub url: String,
    /// Address of the web service of a second VirtualBox that really asks for a login: it refuses
    /// every user name and password, as no user has any there.
    pub auth_url: String,
    /// The folder that has the same path for VirtualBox and for its clients: models, VM folders
    /// and serial port files belong below it. The folder of guest disks is shared likewise.
    pub shared: PathBuf,
    /// The settings folder (`VBOX_USER_HOME`) of the VirtualBox behind [`url`](Self::url): thrown
    /// away with every `lab down`.
    pub home: PathBuf,
    /// First process of its namespaces.
    pub(crate) holder: Holder,
}

impl Vbox {
    /// Runs `VBoxManage` in the VirtualBox behind [`url`](Self::url) and returns what it prints.
    pub fn vboxmanage(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let program = format!("{PROGRAMS}/VBoxManage");
        let mut command = vec![program.as_str()];
        command.extend(arguments);
        self.run(&command)
    }

    /// Runs a program in VirtualBox's namespaces, where process ids are those that VirtualBox
    /// tells, and returns what it prints.
    pub fn run(&self, command: &[&str]) -> anyhow::Result<String> {
        if !self.holder.is_alive() {
            bail!("the lab's VirtualBox does not run any more: run `cargo xtask lab up --vbox`");
        }
        Tool::new("nsenter")
            .arg(format!("--target={}", self.holder.pid()))
            .args(["--mount", "--pid", "--ipc", "--root", "--wdns=/", "env"])
            .args(super::system::namespace::CLEAN_ENVIRONMENT)
            .arg(instance::home_variable(&self.home))
            .args(command)
            .run()
    }

    /// A new, empty folder below [`shared`](Self::shared) whose name begins with `name`: for the
    /// models and machines of one test. `lab down` removes it, if the test does not.
    pub fn scratch_dir(&self, name: &str) -> anyhow::Result<PathBuf> {
        // VirtualBox may still know disks of an earlier run under the path that they had.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        for number in 1..=u32::MAX {
            let folder = self.shared.join(format!("{name}-{now}-{number}"));
            match fs::create_dir(&folder) {
                Ok(()) => return Ok(folder),
                // Another test's, or an earlier run's.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => {
                    return Err(error)
                        .with_context(|| format!("could not make {}", folder.display()));
                }
            }
        }
        bail!("all names for a scratch folder are taken")
    }

    /// Starts what does not run yet.
    pub(crate) fn up(lab: &Lab) -> anyhow::Result<Self> {
        // Before the minutes that a missing root takes.
        for instance in INSTANCES {
            instance.check_port(lab)?;
        }
        root::make(lab)?;
        for instance in INSTANCES {
            instance.up(lab)?;
        }
        let [open, refusing] = INSTANCES;
        match Holder::running(&open.holder_file(lab)) {
            Some(holder) => Ok(Self {
                url: open.url(lab),
                auth_url: refusing.url(lab),
                shared: lab.shared_dir(),
                home: open.home(lab),
                holder,
            }),
            None => {
                bail!("VirtualBox ended right after its start: see {}", open.log(lab).display())
            }
        }
    }
}
