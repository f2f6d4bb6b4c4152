//! The folder that the contestants work from: the role, the inventories, the scripts.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};

use super::floor;
use super::targets::Targets;
use crate::lab::{Listed, rack};
use crate::process::workspace;

const PYINFRA: &str = include_str!("pyinfra.py");
/// What a host does when only the connection is measured.
const NOTHING: &str = "[server-spec.role.phases]\nconfigure = [{ exec-script = { script = 'true', affects = [] } }]\n";

/// The folder. It is removed when this value is dropped.
pub(super) struct Project {
    folder: PathBuf,
}

impl Project {
    /// Writes everything for these targets into `folder`, which must not exist.
    pub(super) fn write(folder: PathBuf, targets: &Targets) -> anyhow::Result<Self> {
        let role = workspace().join("examples/role");
        for name in ["nothing", "scripts", "files", "templates"] {
            fs::create_dir_all(folder.join(name))?;
        }
        let project = Self { folder };
        for name in ["files", "templates"] {
            for entry in fs::read_dir(role.join(name))? {
                let entry = entry?;
                let copy = project.path(name).join(entry.file_name());
                fs::copy(entry.path(), &copy)?;
                if name == "templates" {
                    // `{{node.name}}` is Jinja's spelling, too.
                    fs::copy(entry.path(), copy.with_extension("j2"))?;
                }
            }
        }
        let example = fs::read_to_string(role.join("pallet.toml"))?;
        let (_, described) = example
            .split_once("[environment]")
            .context("examples/role/pallet.toml has no [environment]")?;
        let hosts = hosts(targets)?;
        project.put("pallet.toml", &format!("{hosts}\n[environment]{described}"))?;
        let nothing = format!("{hosts}\n{NOTHING}\n[group-spec.role]\nextends = ['role']\n");
        project.put("nothing/pallet.toml", &nothing)?;
        project.put("known_hosts", &targets.known_hosts()?)?;
        project.scripts(targets, &role)?;
        project.peers(targets)?;
        Ok(project)
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn put(&self, name: &str, text: &str) -> anyhow::Result<()> {
        let path = self.path(name);
        fs::write(&path, text).with_context(|| format!("could not write {}", path.display()))
    }

    /// The hand-written scripts, and the lists of hosts for the program that runs them.
    fn scripts(&self, targets: &Targets, role: &Path) -> anyhow::Result<()> {
        self.put("scripts/nothing", "true\n")?;
        let (mut inventory, mut nothing) = (String::new(), String::new());
        for (node, address) in targets.iter() {
            let name = format!("scripts/{}", node.name);
            self.put(&name, &floor::script(role, &node.name, sha256)?)?;
            for (list, script) in
                [(&mut inventory, name.as_str()), (&mut nothing, "scripts/nothing")]
            {
                writeln!(
                    list,
                    "{}\t{}\t{}\t{}\t{}\t{}",
                    address.ip(),
                    address.port(),
                    node.user,
                    node.key.display(),
                    node.host_key,
                    self.path(script).display()
                )?;
            }
        }
        self.put("inventory", &inventory)?;
        self.put("inventory-nothing", &nothing)
    }

    /// What the tools that `pallet` is compared with read.
    fn peers(&self, targets: &Targets) -> anyhow::Result<()> {
        let mut config = String::new();
        let mut pyinfra = "hosts = [\n".to_owned();
        for (node, address) in targets.iter() {
            writeln!(
                config,
                "Host {name}\n  HostName {}\n  Port {}\n  User {}\n  IdentityFile {}\n  IdentitiesOnly yes\n  UserKnownHostsFile {}\n  StrictHostKeyChecking yes\n  LogLevel ERROR",
                address.ip(),
                address.port(),
                node.user,
                node.key.display(),
                self.path("known_hosts").display(),
                name = node.name,
            )?;
            writeln!(pyinfra, "    {:?},", node.name)?;
        }
        let ssh = self.path("ssh_config");
        writeln!(
            pyinfra,
            "]\nhosts = (hosts, {{'ssh_config_file': {ssh:?}, 'ssh_known_hosts_file': {:?}, '_sudo': True}})",
            self.path("known_hosts")
        )?;
        self.put("ssh_config", &config)?;
        self.put("inventory.py", &pyinfra)?;
        self.put("deploy.py", PYINFRA)
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.folder).ok();
    }
}

/// The service and the admin user for `pallet.toml`.
fn hosts(targets: &Targets) -> anyhow::Result<String> {
    let (first, _) = targets.iter().next().context("no hosts")?;
    let listed = targets.iter().map(|(node, address)| Listed {
        host: address.ip(),
        port: address.port(),
        ..node.listed("role")
    });
    Ok(rack(listed, &first.user, &first.key))
}

/// Digests by the system's own tool, which is a check of ours.
pub(in crate::bench) fn sha256(contents: &[String]) -> anyhow::Result<Vec<String>> {
    contents
        .iter()
        .map(|content| {
            let mut child = Command::new("sha256sum")
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .context("could not run sha256sum")?;
            child.stdin.take().context("no stdin")?.write_all(content.as_bytes())?;
            let output = child.wait_with_output()?;
            ensure!(output.status.success(), "sha256sum failed");
            let text = String::from_utf8(output.stdout)?;
            Ok(text.split(' ').next().unwrap_or_default().to_owned())
        })
        .collect()
}
