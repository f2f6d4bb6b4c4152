//! Preparing a guest, in a Debian with systemd: a copy of the lab's own that is gone afterwards.

use std::path::Path;
use std::process::{Command, Stdio};

use vmfest::HostKey;
use vmfest::prepare::{Finding, Outcome, Prepare, read_findings};

/// Makes a throw-away copy of a root and runs the script on its standard input in it. In its `/dev`
/// is a serial port, which is a file.
const ENTER: &str = r#"
set -eu
mount -t tmpfs tmpfs "$2"
mkdir "$2/upper" "$2/work" "$2/root"
mount -t overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" overlay "$2/root"
mount -t proc proc "$2/root/proc"
mount -t tmpfs tmpfs "$2/root/dev"
for device in null zero full random urandom tty; do
    touch "$2/root/dev/$device"
    mount --bind "/dev/$device" "$2/root/dev/$device"
done
: >"$2/root/dev/ttyS0"
exec chroot "$2/root" env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin sh -s
"#;

/// What an installation by hand leaves: no sudo rule, a card's name, a lease, an identity.
const AS_FOUND: &str = r#"
rm -f /etc/sudoers.d/* /etc/ssh/sshd_config.d/*
mkdir -p /etc/udev/rules.d /var/lib/dhcp /run/sshd
echo 'SUBSYSTEM=="net", ATTR{address}=="08:00:27:00:00:01", NAME="eth0"' >/etc/udev/rules.d/70-persistent-net.rules
echo lease >/var/lib/dhcp/dhclient.eth0.leases
echo 0123456789abcdef0123456789abcdef >/etc/machine-id
echo secret >/root/.bash_history
ssh-keygen -qA
systemctl disable --quiet ssh
"#;

/// Logs in over a pipe, as somebody who has the key would over the network.
const LOG_IN: &str = r#"
mkdir -p /run/sshd
printf '%s\n' "$KEY" >/tmp/key; chmod 600 /tmp/key
ssh -i /tmp/key -o BatchMode=yes -o StrictHostKeyChecking=accept-new -o LogLevel=ERROR \
    -o ProxyCommand='/usr/sbin/sshd -i' admin@guest sudo -n id -u </dev/null
"#;

fn run(lab: &Path, folder: &Path, script: &str) -> String {
    let root = lab.join("nodes/systemd");
    assert!(
        root.exists(),
        "{} is missing: `cargo xtask lab up --systemd 1` makes it",
        root.display()
    );
    let mut child = Command::new("unshare")
        .args(["--mount", "--pid", "--fork", "--kill-child", "sh", "-c", ENTER, "enter"])
        .args([&root, folder])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts");
    let mut input = child.stdin.take().expect("a pipe");
    std::io::Write::write_all(&mut input, script.as_bytes()).expect("written");
    drop(input);
    let output = child.wait_with_output().expect("ends");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    String::from_utf8(output.stdout).expect("text")
}

fn outcomes(findings: &[Finding], outcome: Outcome) -> Vec<&'static str> {
    findings.iter().filter(|f| f.outcome == outcome).map(|f| f.step.name).collect()
}

#[test]
fn a_guest_is_prepared_and_what_is_its_own_is_gone() {
    let lab = xtask::lab::State::load().expect("the lab is up");
    let folder = tempfile::tempdir().expect("a folder");
    let key = folder.path().join("key");
    let made =
        Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key).status();
    assert!(made.expect("ssh-keygen runs").success());
    let public = std::fs::read_to_string(key.with_extension("pub")).expect("reads");
    let private = std::fs::read_to_string(&key).expect("reads");
    let root = folder.path().join("root");
    std::fs::create_dir(&root).expect("made");

    // The kernel is this machine's, whatever console it has.
    let prepare = Prepare::new("admin", [&public]).expect("can be");
    let prepare = prepare.without("serial-console").expect("known");
    let (check, apply) = (prepare.check_script(), prepare.apply_script());
    // Each script is a program of its own, as it would come by SSH.
    let own = |script: &str| format!("sh <<'END_OF_SCRIPT'\n{script}END_OF_SCRIPT\necho @@@\n");
    let printed = run(
        &lab.dir,
        &root,
        &[
            AS_FOUND,
            &own(&check),
            &own(&apply),
            "cat /etc/machine-id /root/.bash_history /etc/ssh/ssh_host_* 2>/dev/null; \
             ls /etc/udev/rules.d; ls /var/lib/dhcp; echo @@@\n",
            "systemctl is-enabled ssh vmfest-host-keys; systemd-analyze verify \
             /etc/systemd/system/vmfest-host-keys.service; echo @@@\n",
            // The next boots.
            "for boot in 1 2; do /usr/local/sbin/vmfest-host-keys >/dev/null; cat /dev/ttyS0; done; echo @@@\n",
            &format!("KEY='{private}'\n{LOG_IN} echo @@@\n"),
            &own(&check),
            &own(&apply),
        ]
        .concat(),
    );
    let parts: Vec<&str> = printed.split("@@@\n").collect();
    let [as_found, done, left, services, console, login, checked, again, ""] = parts.as_slice()
    else {
        panic!("{printed}");
    };

    let as_found = read_findings(as_found);
    let open = ["sshd", "user", "key", "sudoers", "card-names", "host-key-lines"];
    assert_eq!(outcomes(&as_found, Outcome::Open), open);
    assert_eq!(outcomes(&as_found, Outcome::Ready), ["root", "sudo", "login"]);
    assert!(!prepare.is_done(&as_found));

    let seals = ["logs", "cloud-init", "leases", "identity", "host-keys"];
    let done = read_findings(done);
    assert_eq!(outcomes(&done, Outcome::Changed), [&open[..], &seals].concat(), "{done:?}");
    assert!(prepare.is_done(&done), "{done:?}");
    assert_eq!(*left, "", "id, history, keys, rules and leases are gone");
    assert_eq!(*services, "enabled\nenabled\n");

    let lines: Vec<&str> = console.lines().filter(|line| !line.is_empty()).collect();
    let keys: Vec<HostKey> = lines
        .iter()
        .map(|line| HostKey::parse(line.strip_prefix("ssh-host-key: ").expect(line)).expect(line))
        .collect();
    assert!(keys.iter().any(|key| key.algorithm() == "ssh-ed25519"), "{console}");
    let (first, second) = keys.split_at(keys.len() / 2);
    assert_eq!(first, second, "the keys are made once, and printed at every boot");

    assert_eq!(*login, "0\n", "the administrator logs in with the key and becomes root");

    let checked = read_findings(checked);
    assert_eq!(outcomes(&checked, Outcome::Open), Vec::<&str>::new(), "{checked:?}");
    assert_eq!(outcomes(&checked, Outcome::Later), seals);
    let again = read_findings(again);
    assert_eq!(outcomes(&again, Outcome::Changed), seals, "the rest was done before");
}

/// As long as something is missing, the guest keeps its identity: somebody has to log in once more.
#[test]
fn what_cannot_be_done_keeps_the_guest_as_it_is() {
    let lab = xtask::lab::State::load().expect("the lab is up");
    let folder = tempfile::tempdir().expect("a folder");
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f";
    let prepare =
        Prepare::new("admin", [key]).expect("can be").without("interfaces").expect("known");
    let script = format!(
        "{AS_FOUND}
         useradd --no-create-home admin
         echo 'AllowUsers somebody' >/etc/ssh/sshd_config.d/only.conf
         sh <<'END_OF_SCRIPT'\n{}END_OF_SCRIPT
         echo @@@; ls /etc/ssh/*_key /root/.bash_history | wc -l; echo @@@
         exec setpriv --reuid 65534 sh <<'END_OF_SCRIPT'\n(\n{}\n) || true\nEND_OF_SCRIPT\n",
        prepare.apply_script(),
        prepare.check_script(),
    );
    let printed = run(&lab.dir, folder.path(), &script);
    let parts: Vec<&str> = printed.split("@@@\n").collect();
    let [applied, left, nobody] = parts.as_slice() else { panic!("{printed}") };
    let applied = read_findings(applied);
    let failed = outcomes(&applied, Outcome::Failed);
    assert_eq!(failed, ["user", "key", "login"], "{applied:?}");
    let user = applied.iter().find(|finding| finding.step.name == "user").expect("told");
    assert!(user.to_string().contains("no home folder"), "{user}");
    let login = applied.iter().find(|finding| finding.step.name == "login").expect("told");
    assert!(login.to_string().contains("AllowUsers"), "{login}");
    assert_eq!(outcomes(&applied, Outcome::Later).len(), 5);
    assert_eq!(left.trim(), "4", "three host keys and the history");
    assert!(!prepare.is_done(&applied));
    let nobody = read_findings(nobody);
    assert_eq!(outcomes(&nobody, Outcome::Open), ["root"], "the others are not even tried");
    assert_eq!(nobody.len(), 1);
}
