//! A machine for a page: namespaces in which `pallet` is installed, and somebody new sits down who
//! may use sudo. When it is dropped, everything that was started in it ends.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use tempfile::TempDir;

/// The reader's account in the machine.
pub const READER: u32 = 1999;
/// The reader's home in the machine.
pub const HOME: &str = "/home/reader";

/// What a command did.
pub struct Ran {
    pub code: i32,
    pub written: String,
}

pub struct Machine {
    folder: TempDir,
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    /// Exit code of the command before.
    before: i32,
    /// The reader's home, as this test sees it.
    home: PathBuf,
    count: usize,
}

/// Makes the machine, waits until its network is there, and becomes its shell.
const BOOT: &str = r#"
set -eu
folder=$1 home=$2 user=$3
mount --make-rprivate /
cp -a /etc "$folder/etc"
echo 'reader:x:1999:1999::/home/reader:/bin/bash' >>"$folder/etc/passwd"
echo 'reader:x:1999:' >>"$folder/etc/group"
echo 'reader:*:20000:0:99999:7:::' >>"$folder/etc/shadow"
echo 'reader ALL=(ALL) NOPASSWD: ALL' >"$folder/etc/sudoers.d/reader"
echo 'workstation' >"$folder/etc/hostname"
echo '127.0.0.1 localhost workstation' >"$folder/etc/hosts"
hostname workstation
mount --bind "$folder/etc" /etc
mount --bind "$folder/bin" /usr/local/bin
mount -t tmpfs -o mode=755 run /run
mount -t tmpfs -o mode=1777 tmp /tmp
if [ "$user" = reader ]; then
  mount --bind "$folder" /mnt
  mount --bind "$folder/root" /root
  mount -t tmpfs -o mode=755 home /home
  mkdir /home/reader
  mount --bind /mnt/home /home/reader
  mount -t sysfs sys /sys
  ip link set lo up
fi
echo booted
read -r network
cd "$home"
run='before=0; while read -r number; do (exit $before); . "$STEPS/$number" >"$STEPS/$number.out" 2>&1 </dev/null; before=$?; printf "%s\n" "$before" "$PWD" >"$STEPS/$number.end"; echo "$number"; done'
if [ "$user" = reader ]; then
  exec setpriv --reuid=1999 --regid=1999 --clear-groups env -i HOME="$home" USER=reader LOGNAME=reader SHELL=/bin/bash STEPS=/mnt/steps LANG=C.UTF-8 PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin bash -c "$run"
fi
exec env -i HOME="$home" USER=root LOGNAME=root SHELL=/bin/bash STEPS="$folder/steps" LANG=C.UTF-8 PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin bash -c "$run"
"#;

impl Machine {
    /// A machine of its own, without any network but what is plugged in.
    pub fn new() -> Self {
        Self::boot(None)
    }

    /// One in this machine's network, for a user in whose home VirtualBox can read.
    pub fn with_home(home: &Path) -> Self {
        Self::boot(Some(home))
    }

    fn boot(given: Option<&Path>) -> Self {
        let folder = tempfile::tempdir_in("/var/tmp").unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in ["bin", "home", "root", "steps"] {
            fs::create_dir(path(name)).unwrap();
        }
        let program = Path::new(env!("CARGO_BIN_EXE_pallet"));
        if fs::hard_link(program, path("bin/pallet")).is_err() {
            fs::copy(program, path("bin/pallet")).unwrap();
        }
        for name in ["", "home", "steps"] {
            chown(path(name), Some(READER), Some(READER)).unwrap();
        }
        let mut command = Command::new("unshare");
        command.args(["--mount", "--pid", "--uts", "--ipc", "--fork", "--kill-child"]);
        command.arg("--mount-proc");
        if given.is_none() {
            command.arg("--net");
        }
        let home = given.map_or_else(|| path("home"), Path::to_owned);
        command.args(["bash", "-c", BOOT, "boot"]).arg(folder.path());
        command.arg(if given.is_none() { Path::new(HOME) } else { &home });
        command.arg(if given.is_none() { "reader" } else { "root" });
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let mut machine = Self { folder, child, input, output, before: 0, home, count: 0 };
        machine.expect("booted");
        machine
    }

    /// The process whose namespaces are the machine's.
    pub fn pid(&self) -> u32 {
        let children = format!("/proc/{0}/task/{0}/children", self.child.id());
        fs::read_to_string(children).unwrap().trim().parse().unwrap()
    }

    /// Everything outside is ready: from now on commands are taken.
    pub fn go(&mut self) {
        writeln!(self.input, "ready").unwrap();
    }

    pub fn home(&self) -> &Path {
        &self.home
    }

    /// Types a command into the machine's shell.
    pub fn run(&mut self, command: &str) -> Ran {
        self.count += 1;
        let number = self.count.to_string();
        let step = self.folder.path().join("steps").join(&number);
        // What `$?` of the command before was.
        fs::write(&step, format!("(exit {})\n{command}\n", self.before)).unwrap();
        writeln!(self.input, "{number}").unwrap();
        self.expect(&number);
        let end = fs::read_to_string(step.with_extension("end")).unwrap();
        let written = fs::read(step.with_extension("out")).unwrap();
        self.before = end.lines().next().unwrap().parse().unwrap();
        Ran { code: self.before, written: String::from_utf8_lossy(&written).into_owned() }
    }

    /// The shell's folder, as this test sees it.
    pub fn current(&self) -> PathBuf {
        let end = self.folder.path().join(format!("steps/{}.end", self.count));
        let text = fs::read_to_string(end).unwrap_or_default();
        match text.lines().nth(1).map(|folder| Path::new(folder).strip_prefix(HOME)) {
            Some(Ok(inside)) => self.home.join(inside),
            Some(Err(_)) => PathBuf::from(text.lines().nth(1).unwrap()),
            None => self.home.clone(),
        }
    }

    fn expect(&mut self, word: &str) {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        assert_eq!(line.trim(), word, "the page's machine has ended: see above");
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // Its first process goes with it, and with that all others.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
