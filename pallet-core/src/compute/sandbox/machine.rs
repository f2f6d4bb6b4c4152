//! What this machine is, and whether sandboxes can be made on it.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::tool;
use crate::compute::ComputeError;
use crate::facts::Facts;
use crate::spec::NodeSpec;

/// The programs that are called, with the package that brings each on most systems.
const PROGRAMS: [(&str, &str); 13] = [
    ("bash", "bash"),
    ("cp", "coreutils"),
    ("env", "coreutils"),
    ("install", "coreutils"),
    ("mknod", "coreutils"),
    ("kill", "procps"),
    ("mount", "mount"),
    ("umount", "mount"),
    ("nsenter", "util-linux"),
    ("pivot_root", "util-linux"),
    ("setpriv", "util-linux"),
    ("setsid", "util-linux"),
    ("unshare", "util-linux"),
];

/// The bit of CAP_SYS_ADMIN in `/proc/self/status`.
const SYS_ADMIN: u64 = 1 << 21;

/// Refuses where sandboxes cannot work, with the reason and the remedy.
pub(super) fn check() -> Result<(), ComputeError> {
    if !cfg!(target_os = "linux") {
        let message = "sandboxes are made of Linux namespaces, and this machine does not run Linux";
        return Err(ComputeError::failed(message)
            .help("use a service that makes virtual machines, or run pallet on a Linux machine"));
    }
    refuse(&fs::read_to_string("/proc/self/status").unwrap_or_default())?;
    let missing: Vec<String> = PROGRAMS
        .iter()
        .filter(|(program, _)| !tool::is_there(program))
        .map(|(program, package)| format!("{program} (package {package})"))
        .collect();
    if !missing.is_empty() {
        return Err(ComputeError::failed(format!(
            "sandboxes need programs that this machine does not have: {}",
            missing.join(", ")
        ))
        .help("install them with the machine's package manager"));
    }
    for kind in ["mnt", "pid", "uts", "ipc", "net"] {
        if !Path::new("/proc/self/ns").join(kind).exists() {
            return Err(ComputeError::failed(format!(
                "this machine's kernel has no {kind} namespaces"
            ))
            .help("boot a kernel with namespaces; every distribution's has them"));
        }
    }
    let has_overlay = || {
        let known = fs::read_to_string("/proc/filesystems").unwrap_or_default();
        known.lines().any(|line| line.trim_end().ends_with("\toverlay"))
    };
    // The module may have to be loaded; that this fails is seen by what is there then.
    if !has_overlay() && tool::attempt("modprobe", ["overlay"], "").is_ok() && !has_overlay() {
        return Err(ComputeError::failed("this machine's kernel has no overlay file system")
            .help("load the module `overlay`, or boot a kernel that has it"));
    }
    Ok(())
}

/// Looks at the rights in `/proc/self/status`.
fn refuse(status: &str) -> Result<(), ComputeError> {
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.map(|rest| rest.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    };
    let is_root = field("Uid:").is_some_and(|ids| ids.get(1).is_some_and(|id| id == "0"));
    if !is_root {
        return Err(ComputeError::failed("sandboxes need root, for mounts and namespaces")
            .help("run the same command with sudo: `sudo pallet …`"));
    }
    let rights = field("CapEff:").and_then(|words| u64::from_str_radix(words.first()?, 16).ok());
    if rights.is_some_and(|rights| rights & SYS_ADMIN == 0) {
        return Err(ComputeError::failed(
            "sandboxes need the right to mount (CAP_SYS_ADMIN), which root does not have here; \
             this looks like the inside of a container",
        )
        .help("run pallet on the machine itself, or give the container that right"));
    }
    Ok(())
}

/// This machine's system, which is that of every sandbox.
#[derive(Debug, Clone)]
pub(super) struct System {
    /// `ID` of os-release, then `ID_LIKE`.
    pub families: Vec<String>,
    /// `VERSION_ID` of os-release.
    pub version: String,
    /// Processors.
    cpus: u32,
    /// Memory in MiB.
    memory: u64,
}

impl System {
    /// Reads it.
    pub fn read() -> Self {
        let release = fs::read_to_string("/etc/os-release")
            .or_else(|_| fs::read_to_string("/usr/lib/os-release"))
            .unwrap_or_default();
        let value = |name: &str| {
            let line = release.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
            line.unwrap_or_default().trim_matches(['"', '\'']).to_owned()
        };
        let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let total = memory.lines().find_map(|line| line.strip_prefix("MemTotal:"));
        let kib = total.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
        let mut families = vec![value("ID")];
        families.extend(value("ID_LIKE").split_whitespace().map(str::to_owned));
        let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            families,
            version: value("VERSION_ID"),
            cpus: u32::try_from(cpus).unwrap_or(u32::MAX),
            memory: kib.unwrap_or(u64::MAX) / 1024,
        }
    }

    /// What is known of every sandbox.
    pub fn facts(&self) -> Facts {
        Facts {
            os: self.families.first().cloned().unwrap_or_default(),
            os_families: self.families.clone(),
            os_version: self.version.clone(),
            arch: std::env::consts::ARCH.to_owned(),
            cpus: self.cpus,
            memory_mib: self.memory,
            ..Facts::default()
        }
    }

    /// What the spec wants and this machine is not.
    pub fn check(&self, spec: &NodeSpec) -> Result<(), ComputeError> {
        let own = self.families.first().map_or("unknown", String::as_str);
        let wrong = |what: String| {
            Err(ComputeError::input(what).help(format!(
                "a sandbox is a copy of this machine: {own} {}, {} processors, {} MiB memory",
                self.version, self.cpus, self.memory
            )))
        };
        let image = &spec.image;
        if let Some(id) = &image.image_id {
            return wrong(format!("sandboxes have no images, so there is no `{id}`"));
        }
        if let Some(family) = &image.os_family
            && !self.families.contains(family)
        {
            return wrong(format!("a sandbox cannot run {family}"));
        }
        if let Some(version) = &image.os_version
            && *version != self.version
        {
            return wrong(format!("a sandbox cannot run version {version}"));
        }
        if image.os_64_bit.is_some_and(|wanted| wanted != cfg!(target_pointer_width = "64")) {
            return wrong("a sandbox has this machine's word size".to_owned());
        }
        let hardware = &spec.hardware;
        if let Some(id) = &hardware.hardware_id {
            return wrong(format!("sandboxes have no hardware models, so there is no `{id}`"));
        }
        if hardware.min_ram.is_some_and(|least| least > self.memory) {
            return wrong("a sandbox cannot have more memory than this machine".to_owned());
        }
        if hardware.min_cores.is_some_and(|least| least > self.cpus) {
            return wrong("a sandbox cannot have more processors than this machine".to_owned());
        }
        disk_size(spec)?;
        Network::of(spec)?;
        Ok(())
    }
}

/// How large a sandbox's disk may grow, in MiB, where the spec says it.
pub(super) fn disk_size(spec: &NodeSpec) -> Result<Option<u64>, ComputeError> {
    let Some(model) = &spec.hardware.hardware_model else { return Ok(None) };
    if let Some(odd) = model.keys().find(|key| *key != "disk-size") {
        return Err(ComputeError::input(format!("a sandbox's hardware-model has no key `{odd}`"))
            .help("it has `disk-size`: how many MiB it may write"));
    }
    match model.get("disk-size").map(Value::as_u64) {
        None => Ok(None),
        Some(Some(size)) if size >= 1 => Ok(Some(size)),
        Some(_) => {
            Err(ComputeError::input("a sandbox's `disk-size` is a number of MiB, from 1 on"))
        }
    }
}

/// What a sandbox is connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Network {
    /// The other sandboxes of its service, and this machine.
    Private,
    /// Nothing but itself.
    None,
    /// It uses the machine's own network: packages can be fetched, and ports are shared.
    Host,
}

impl Network {
    /// The network that a spec asks for.
    pub fn of(spec: &NodeSpec) -> Result<Self, ComputeError> {
        let Some(value) = &spec.network else { return Ok(Self::Private) };
        serde_json::from_value(value.clone()).map_err(|_| {
            ComputeError::input(format!("{value} is no network of a sandbox")).help(
                "`private` connects the sandboxes of a service, `host` uses this machine's own network, `none` has no other than itself",
            )
        })
    }
}

/// File systems that hold parts of the system, each of which a sandbox needs a layer over: the
/// root, and what is mounted below its folders.
pub(super) fn system_mounts() -> Vec<PathBuf> {
    mounts_of_system(&fs::read_to_string("/proc/self/mountinfo").unwrap_or_default())
}

fn mounts_of_system(table: &str) -> Vec<PathBuf> {
    const FOLDERS: [&str; 7] = ["/usr", "/etc", "/var", "/lib", "/lib64", "/nix", "/gnu"];
    // Not below folders that sandboxes show empty: var only where it holds the system.
    const HIDDEN: [&str; 4] = ["/var/log", "/var/tmp", "/var/spool", "/var/run"];
    let mut found = vec![PathBuf::from("/")];
    for line in table.lines() {
        let (Some(point), Some(kind)) = (
            line.split(' ').nth(4),
            line.split_once(" - ").and_then(|(_, rest)| rest.split(' ').next()),
        ) else {
            continue;
        };
        let point = PathBuf::from(point);
        let is_system = FOLDERS.iter().any(|folder| point.starts_with(folder))
            && !HIDDEN.iter().any(|folder| point.starts_with(folder))
            && !(point.starts_with("/var/lib") && point != Path::new("/var/lib"));
        let is_folder = point.is_dir();
        let holds_files = !matches!(
            kind,
            "proc"
                | "sysfs"
                | "tmpfs"
                | "devtmpfs"
                | "devpts"
                | "autofs"
                | "cgroup"
                | "cgroup2"
                | "mqueue"
                | "debugfs"
                | "tracefs"
                | "securityfs"
                | "bpf"
                | "fusectl"
                | "nsfs"
                | "binfmt_misc"
                | "pstore"
                | "configfs"
                | "efivarfs"
                | "hugetlbfs"
                | "rpc_pipefs"
        );
        if is_system && is_folder && holds_files && !found.contains(&point) {
            found.push(point);
        }
    }
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn who_may_not_make_sandboxes_is_told_what_to_do() {
        let status = |uid: &str, rights: &str| {
            format!("Name:\tx\nUid:\t{uid}\t{uid}\t{uid}\t{uid}\nCapEff:\t{rights}\n")
        };
        let user = refuse(&status("1000", "0")).unwrap_err();
        assert!(user.message.contains("need root") && user.help.unwrap().contains("sudo pallet"));
        let container = refuse(&status("0", "00000000a80425fb")).unwrap_err();
        assert!(container.message.contains("CAP_SYS_ADMIN"), "{container}");
        assert!(refuse(&status("0", "000001ffffffffff")).is_ok());
    }

    fn spec(value: Value) -> NodeSpec {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_sandbox_is_what_the_machine_is() {
        let system = System {
            families: vec!["ubuntu".into(), "debian".into()],
            version: "24.04".into(),
            cpus: 2,
            memory: 4096,
        };
        for good in [
            json!({}),
            json!({"image": {"os-family": "debian"}}),
            json!({"image": {"os-family": "ubuntu", "os-version": "24.04"}}),
            json!({"hardware": {"min-ram": 4096, "min-cores": 2, "hardware-model": {"disk-size": 8}}}),
            json!({"network": "none"}),
        ] {
            assert!(system.check(&spec(good.clone())).is_ok(), "{good}");
        }
        for (bad, part) in [
            (json!({"image": {"os-family": "fedora"}}), "cannot run fedora"),
            (json!({"image": {"os-version": "22.04"}}), "version 22.04"),
            (json!({"image": {"image-id": "web"}}), "no `web`"),
            (json!({"hardware": {"hardware-id": "small"}}), "no `small`"),
            (json!({"hardware": {"min-ram": 9000}}), "more memory"),
            (json!({"hardware": {"min-cores": 3}}), "more processors"),
            (json!({"hardware": {"hardware-model": {"cpus": 2}}}), "no key `cpus`"),
            (json!({"hardware": {"hardware-model": {"disk-size": 0}}}), "from 1 on"),
            (json!({"network": "bridged"}), "no network of a sandbox"),
        ] {
            let error = system.check(&spec(bad)).unwrap_err();
            assert!(error.is_input && error.message.contains(part), "{error}");
        }
    }

    #[test]
    fn each_file_system_with_parts_of_the_system_is_found() {
        let table = "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n\
                     23 22 0:5 / /usr rw - ext4 /dev/sda2 rw\n\
                     24 22 0:6 / /home rw - ext4 /dev/sda3 rw\n\
                     25 22 0:7 / /var rw - btrfs /dev/sda4 rw\n\
                     26 25 0:8 / /var/log rw - ext4 /dev/sda5 rw\n\
                     27 22 0:9 / /etc rw - proc proc rw\n";
        let expected = ["/", "/usr", "/var"].map(PathBuf::from);
        assert_eq!(mounts_of_system(table), expected);
    }
}
