//! Looking whether VirtualBox can do its work here: for `pallet doctor`.

use std::fs;
use std::path::Path;

use vbox_soap::api::HostNetworkInterfaceType;

use super::VirtualBoxConfig;
use crate::error::{Doing, Error};
use crate::images::ModelList;
use crate::location::{Location, Server};
use crate::manager::Manager;
use crate::models::Secret;

/// Something that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What, and what it is: `vboxwebsrv: VirtualBox 7.0.20 at http://127.0.0.1:18083`.
    pub what: String,
    /// What is wrong with it, and what to do.
    pub problem: Option<Problem>,
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What.
    pub reason: String,
    /// What to do about it.
    pub help: String,
    /// Whether nodes cannot be made because of it; else it may do harm one day.
    pub is_fatal: bool,
}

/// Less free room than this is soon used up by differencing disks.
const LITTLE_ROOM: u64 = 2 << 30;

fn good(what: impl Into<String>) -> Finding {
    Finding { what: what.into(), problem: None }
}

fn bad(is_fatal: bool, what: &str, reason: impl Into<String>, help: impl Into<String>) -> Finding {
    let problem = Problem { reason: reason.into(), help: help.into(), is_fatal };
    Finding { what: what.to_owned(), problem: Some(problem) }
}

/// Looks at what can be seen without the web service: folders, models, the host's drivers.
/// Relative paths in `config` start at `base`.
#[must_use]
pub fn look_around(config: &VirtualBoxConfig, base: &Path) -> Vec<Finding> {
    let location = config.location(base);
    let location = location.clone().absolute().unwrap_or(location);
    let mut findings = Vec::new();
    if config.server().is_ok_and(|server| is_here(&server.url)) {
        findings.extend(drivers());
    }
    findings.push(room("model path", &location.model_path));
    findings.push(room("node path", &location.node_path));
    findings.push(models(&location, config));
    findings
}

/// Asks the web service: whether it runs, which VirtualBox it is of, who may use it.
pub async fn ask(config: &VirtualBoxConfig, base: &Path) -> Vec<Finding> {
    let manager = match config.connect(base).await {
        Ok(manager) => manager,
        Err(error) => {
            let help = error.help.unwrap_or_else(|| {
                "start it as the user that VirtualBox's machines belong to: `vboxwebsrv -t 0`; \
                 without passwords on a machine of your own: `VBoxManage setproperty \
                 websrvauthlibrary null`"
                    .to_owned()
            });
            return vec![bad(true, "vboxwebsrv", error.message, help)];
        }
    };
    let asked = ask_manager(&manager, config).await;
    // Whoever cannot be told goodbye forgets us by itself.
    let _ = manager.close().await;
    asked.unwrap_or_else(|error| {
        vec![bad(true, "vboxwebsrv", error.to_string(), "restart vboxwebsrv")]
    })
}

async fn ask_manager(manager: &Manager, config: &VirtualBoxConfig) -> Result<Vec<Finding>, Error> {
    let doing = || "ask VirtualBox what it is".to_owned();
    let server = config.server().unwrap_or_default();
    let version = manager.vbox().get_version().await.doing(doing)?;
    let mut findings = vec![good(format!("vboxwebsrv: VirtualBox {version} at {}", server.url))];
    findings.push(authentication(&server, manager.location()).await);
    let host = manager.vbox().get_host().await.doing(doing)?;
    let all = host.find_host_network_interfaces_of_type(HostNetworkInterfaceType::HostOnly);
    let mut names = Vec::new();
    for interface in all.await.doing(doing)? {
        names.push(interface.get_name().await.doing(doing)?);
    }
    findings.push(good(match names.is_empty() {
        true => "host-only interfaces: none yet; the network `local` makes one".to_owned(),
        false => format!("host-only interfaces: {}", names.join(", ")),
    }));
    Ok(findings)
}

/// Whether anybody may log on: then whoever reaches the port commands VirtualBox.
async fn authentication(server: &Server, location: &Location) -> Finding {
    let nobody = Server::new(&server.url).with_login("nobody", Secret::new("no password"));
    let Ok(manager) = Manager::connect(&nobody, location.clone()).await else {
        return good("authentication: asks for a password");
    };
    let _ = manager.close().await;
    if is_here(&server.url) {
        return good("authentication: off, on this machine alone");
    }
    bad(
        false,
        "authentication",
        format!("whoever reaches {} commands VirtualBox without a password", server.url),
        "let it ask for passwords: `VBoxManage setproperty websrvauthlibrary default`",
    )
}

fn is_here(url: &str) -> bool {
    let host = url.split_once("://").map_or(url, |(_, rest)| rest);
    ["127.", "localhost", "[::1]"].iter().any(|own| host.starts_with(own))
}

/// The kernel's driver, and whether this user may use it.
fn drivers() -> Vec<Finding> {
    let what = "VirtualBox's kernel driver";
    if !Path::new("/dev/vboxdrv").exists() {
        return vec![bad(
            false,
            what,
            "it is not loaded: there is no /dev/vboxdrv",
            "`sudo modprobe vboxdrv`; after an update of the kernel, `sudo /sbin/vboxconfig`",
        )];
    }
    let mut findings = vec![good(format!("{what}: loaded"))];
    let groups = fs::read_to_string("/etc/group").unwrap_or_default();
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    findings.push(match is_member(&groups, &status) {
        None => good("group vboxusers: not needed here"),
        Some(true) => good("group vboxusers: you are in it"),
        Some(false) => bad(
            false,
            "group vboxusers",
            "you are not in it: machines cannot use USB devices, and on some systems not start",
            "`sudo usermod -aG vboxusers $USER`, then log in anew",
        ),
    });
    findings
}

/// Whether this process is of the group `vboxusers`, or root's; `None` where there is no such
/// group.
fn is_member(groups: &str, status: &str) -> Option<bool> {
    let line = groups.lines().find(|line| line.starts_with("vboxusers:"))?;
    let id = line.split(':').nth(2)?;
    let of = |field: &str| status.lines().find_map(|line| line.strip_prefix(field));
    let is_root = of("Uid:").and_then(|ids| ids.split_whitespace().nth(1)) == Some("0");
    let mut own = of("Groups:").into_iter().chain(of("Gid:")).flat_map(str::split_whitespace);
    Some(is_root || own.any(|own| own == id))
}

/// How much room a folder's disk has; that of the nearest folder above it which is there.
fn room(what: &str, folder: &Path) -> Finding {
    let there = folder.ancestors().find(|folder| folder.is_dir()).unwrap_or(Path::new("/"));
    let free = match rustix::fs::statvfs(there) {
        Ok(found) => found.f_bavail.saturating_mul(found.f_frsize),
        Err(error) => {
            let reason = format!("{}: {error}", folder.display());
            return bad(true, what, reason, "choose another folder");
        }
    };
    let text = format!("{}, {:.1} GiB free", folder.display(), free as f64 / f64::from(1 << 30));
    if free >= LITTLE_ROOM {
        return good(format!("{what}: {text}"));
    }
    bad(false, what, text, "make room: every node's disk grows there")
}

fn models(location: &Location, config: &VirtualBoxConfig) -> Finding {
    match ModelList::read(location) {
        Ok(list) => {
            let count = list.models.len() + config.images.len();
            let unfinished = list.unfinished.len();
            if count == 0 {
                return bad(
                    true,
                    "image models",
                    format!("there is none in {}", location.model_path.display()),
                    "`pallet models import FILE|URL` makes one of a disk image",
                );
            }
            let rest = match unfinished {
                0 => String::new(),
                some => format!(", {some} unfinished imports"),
            };
            good(format!("image models: {count}{rest}"))
        }
        Err(error) => bad(true, "image models", error.to_string(), "mend that file"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_of_the_group() {
        let groups = "root:x:0:\nvboxusers:x:120:me\n";
        let user = |groups: &str| format!("Uid:\t1000\t1000\t1000\t1000\nGroups:\t{groups}\n");
        assert_eq!(is_member(groups, &user("7 120 ")), Some(true));
        assert_eq!(is_member(groups, &user("7 1200 ")), Some(false));
        assert_eq!(is_member(groups, "Uid:\t0\t0\t0\t0\n"), Some(true));
        assert_eq!(is_member("root:x:0:\n", &user("7")), None);
    }

    #[test]
    fn which_addresses_are_of_this_machine() {
        assert!(is_here("http://127.0.0.1:18083") && is_here("https://[::1]:1"));
        assert!(!is_here("http://192.0.2.1:18083"));
    }
}
