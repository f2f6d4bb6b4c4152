//! Starting a sandbox: namespaces around a root that is an overlay of this machine's.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::net::Ipv4Addr;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

use super::layer::{below, copy_folders};
use super::machine::{Network, system_mounts};
use super::network::{self, Subnet};
use super::process::Holder;
use super::store::{Place, Record, Scope};
use super::tool::{failed, program, run};
use crate::compute::ComputeError;

const BOOT: &str = include_str!("boot.sh");
/// How long each step of a start may take.
const STEP: Duration = Duration::from_secs(30);

/// What processes of a sandbox may do besides what every user may: what services in a container
/// usually need. Mounting, devices, kernel modules, other processes' memory, the clock and the
/// machine's power are not among it, even for root.
const CAPABILITIES: &str = "-all,+chown,+dac_override,+fowner,+fsetid,+kill,+setgid,+setuid,+setpcap,\
                            +net_bind_service,+sys_chroot,+setfcap,+audit_write,+ipc_lock,+ipc_owner,+sys_nice";
/// And what is harmless where the network is its own.
const NETWORK_CAPABILITIES: &str = ",+net_admin,+net_raw";

/// Files of the kernel that must not be seen or written, where they are files.
const HIDDEN: [&str; 6] =
    ["kcore", "keys", "latency_stats", "sched_debug", "sysrq-trigger", "timer_list"];
/// Folders of the kernel that are there and cannot be changed.
const READ_ONLY: [&str; 5] = ["acpi", "bus", "fs", "irq", "sys"];

/// The bounding set of a sandbox's processes, as setpriv takes it.
pub(crate) fn capabilities(owns_network: bool) -> String {
    let more = if owns_network { NETWORK_CAPABILITIES } else { "" };
    format!("{CAPABILITIES}{more}")
}

/// Makes the disk of a new sandbox and writes what tells it from its siblings. `size` in MiB.
pub(super) fn make_disk(place: &Place, record: &Record, size: u64) -> Result<(), ComputeError> {
    let disk = place.disk();
    let context = |error: io::Error| failed(disk.display(), &error);
    fs::create_dir_all(&disk).map_err(context)?;
    let path = disk.to_string_lossy().into_owned();
    let options = format!("mode=700,size={size}m");
    run("mount", ["-t", "tmpfs", "-o", &options, &format!("pallet-{}", record.name), &path], "")?;
    fs::create_dir(disk.join("root")).map_err(context)?;
    for (number, mount) in system_mounts().iter().enumerate() {
        let upper = disk.join(format!("upper{number}"));
        fs::create_dir(&upper).map_err(context)?;
        fs::create_dir(disk.join(format!("work{number}"))).map_err(context)?;
        // The uppermost layer's owner and mode are those of the folder that it is mounted on.
        let like = fs::metadata(mount).map_err(context)?;
        chown(&upper, Some(like.uid()), Some(like.gid())).map_err(context)?;
        fs::set_permissions(&upper, fs::Permissions::from_mode(like.mode() & 0o7777))
            .map_err(context)?;
    }
    Ok(())
}

/// Writes what tells a sandbox from its siblings.
fn write_identity(place: &Place, record: &Record, address: Option<Ipv4Addr>) -> io::Result<()> {
    let name = &record.name;
    let upper = place.disk().join("upper0");
    if upper.join("etc/machine-id").exists() {
        return Ok(());
    }
    copy_folders(&upper, Path::new("/etc"))?;
    let own = address.map_or("127.0.1.1".to_owned(), |address| address.to_string());
    let hosts =
        format!("127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n{own} {name}\n");
    let id = fs::read_to_string("/proc/sys/kernel/random/uuid")?.replace('-', "");
    let mut files = vec![
        ("/etc/hostname", format!("{name}\n")),
        ("/etc/hosts", hosts),
        ("/etc/machine-id", id),
    ];
    if record.network == Network::Host {
        // What it is a link to is not there in a sandbox.
        files
            .push(("/etc/resolv.conf", fs::read_to_string("/etc/resolv.conf").unwrap_or_default()));
    }
    for (path, content) in files {
        let file = below(&upper, Path::new(path));
        fs::write(&file, content)?;
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644))?;
    }
    Ok(())
}

/// The file systems besides the layers, for `mount --all`.
fn fstab(root: &Path, owns_network: bool) -> String {
    let escape = |path: PathBuf| path.to_string_lossy().replace(' ', "\\040");
    let at = |name: &str| escape(root.join(name));
    let mut lines = vec![
        format!("proc {} proc nosuid,nodev,noexec 0 0", at("proc")),
        format!("sysfs {} sysfs ro,nosuid,nodev,noexec 0 0", at("sys")),
        format!(
            "devpts {} devpts newinstance,ptmxmode=0666,mode=620,gid=5,nosuid,noexec 0 0",
            at("dev/pts")
        ),
        format!("shm {} tmpfs mode=1777,size=64m,nosuid,nodev 0 0", at("dev/shm")),
        format!("run {} tmpfs mode=755,size=64m,nosuid,nodev 0 0", at("run")),
    ];
    for name in READ_ONLY {
        if Path::new("/proc").join(name).is_dir() {
            lines.push(format!("/proc/{name} {} none bind,ro 0 0", at(&format!("proc/{name}"))));
        }
    }
    // The kernel's settings of the network are the sandbox's own where the network is.
    if owns_network {
        lines.push(format!("/proc/sys/net {} none bind 0 0", at("proc/sys/net")));
    }
    for name in HIDDEN {
        if Path::new("/proc").join(name).is_file() {
            lines.push(format!("/dev/null {} none bind 0 0", at(&format!("proc/{name}"))));
        }
    }
    lines.join("\n") + "\n"
}

/// Starts a sandbox whose disk is there. It ends by itself should this program end before the
/// start is complete.
pub(super) fn boot(
    scope: &Scope,
    place: &Place,
    record: &Record,
    subnet: Option<Subnet>,
) -> Result<Holder, ComputeError> {
    let owns_network = record.network != Network::Host;
    let subnet = subnet.filter(|_| record.network == Network::Private);
    let address = subnet.map(|subnet| subnet.address(record.number));
    let context = |error: io::Error| failed(place.folder.display(), &error);
    write_identity(place, record, address).map_err(context)?;
    fs::write(place.fstab(), fstab(&place.disk().join("root"), owns_network)).map_err(context)?;

    let mut conversation = Conversation::start(scope, place, record, address, subnet)?;
    let pid = conversation.expect("pid")?;
    let holder = pid.parse().ok().and_then(Holder::of).ok_or_else(|| conversation.ended())?;
    if subnet.is_some() {
        network::plug(scope, record.number, holder.pid())?;
    }
    conversation.say("go")?;
    conversation.expect("ready")?;
    // From here on the sandbox is found by whoever comes after us.
    place.write_holder(holder)?;
    conversation.say("commit")?;
    Ok(holder)
}

/// The talk with a starting sandbox.
struct Conversation {
    stdin: ChildStdin,
    lines: Receiver<String>,
    log: PathBuf,
    name: String,
}

impl Conversation {
    fn start(
        scope: &Scope,
        place: &Place,
        record: &Record,
        address: Option<Ipv4Addr>,
        subnet: Option<Subnet>,
    ) -> Result<Self, ComputeError> {
        let log = place.log();
        let file = File::create(&log).map_err(|error| failed(log.display(), &error))?;
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let own = record.network != Network::Host;
        // Its parent is the machine's first process, which takes note of its end.
        let mut command = program("setsid");
        command.args(["--fork", "unshare", "--mount", "--pid", "--uts", "--ipc", "--fork"]);
        command.args(own.then_some("--net"));
        command.args(["sh", "-c", BOOT, "boot", &record.name]);
        command.args([text(&place.disk()), text(&place.fstab())]);
        command.arg(address.map(|address| address.to_string()).unwrap_or_default());
        command.arg(subnet.map(|subnet| subnet.gateway().to_string()).unwrap_or_default());
        command.args([capabilities(own), "--".to_owned()]);
        let layer = scope.layers().join(&record.layer);
        for mount in system_mounts() {
            let over = below(&layer, &mount);
            let lower = if over.is_dir() {
                format!("{}:{}", text(&over), text(&mount))
            } else {
                text(&mount)
            };
            // `/` is nothing after the path of the root.
            command.arg(text(&mount).trim_end_matches('/')).arg(lower);
        }
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(file)
            .spawn()
            .map_err(|error| failed("setsid", &error))?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        child.wait().map_err(|error| failed("setsid", &error))?;
        let (Some(stdin), Some(stdout)) = (stdin, stdout) else {
            return Err(ComputeError::failed("a pipe to a sandbox is missing"));
        };
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let is_last = line == "ready";
                if sender.send(line).is_err() || is_last {
                    break;
                }
            }
        });
        Ok(Self { stdin, lines, log, name: record.name.clone() })
    }

    /// Waits for a line that begins with `word`, and returns the rest of it.
    fn expect(&self, word: &str) -> Result<String, ComputeError> {
        match self.lines.recv_timeout(STEP) {
            Ok(line) => match line.strip_prefix(word) {
                Some(rest) => Ok(rest.trim().to_owned()),
                None => Err(self.ended()),
            },
            Err(RecvTimeoutError::Disconnected) => Err(self.ended()),
            Err(RecvTimeoutError::Timeout) => Err(ComputeError::failed(format!(
                "the sandbox {} did not start within {} s",
                self.name,
                STEP.as_secs()
            ))),
        }
    }

    fn say(&mut self, word: &str) -> Result<(), ComputeError> {
        writeln!(self.stdin, "{word}").map_err(|_| self.ended())
    }

    /// The sandbox's last words.
    fn ended(&self) -> ComputeError {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let words = log.trim();
        let error =
            ComputeError::failed(format!("the sandbox {} did not start: {words}", self.name));
        if words.contains("unshare") && words.contains("No space left on device") {
            return error.help(
                "raise the limits in /proc/sys/user/max_*_namespaces: `sysctl user.max_mnt_namespaces`",
            );
        }
        error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_settings_are_read_only_but_for_an_own_network() {
        let own = fstab(Path::new("/s p/root"), true);
        assert!(own.contains("/proc/sys /s\\040p/root/proc/sys none bind,ro 0 0\n"), "{own}");
        assert!(own.contains("/proc/sys/net /s\\040p/root/proc/sys/net none bind 0 0\n"), "{own}");
        let shared = fstab(Path::new("/root"), false);
        assert!(!shared.contains("sys/net"), "{shared}");
    }

    #[test]
    fn a_sandbox_may_not_mount_or_make_devices() {
        for own in [true, false] {
            let set = capabilities(own);
            assert!(set.starts_with("-all,"), "{set}");
            for dangerous in ["sys_admin", "mknod", "sys_module", "sys_ptrace", "dac_read_search"] {
                assert!(!set.contains(dangerous), "{set}");
            }
            assert_eq!(set.contains("net_admin"), own);
        }
    }
}
