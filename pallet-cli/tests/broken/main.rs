//! Broken inputs: what `pallet` says to them, word for word, and that it sends nothing.
//!
//! Each file of `cases/` is one of them: what it is about, a command line, the files that are
//! there, and all that comes of it. `PALLET_UPDATE_EXPECTED=1 cargo test -p pallet-cli --test
//! broken` writes the last part anew; read the difference before you commit it.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Fewer would mean that some were lost.
const AT_LEAST: usize = 60;

/// What separates the parts of a case.
const MARK: &str = "\n-- ";

/// A broken input.
struct Case {
    path: PathBuf,
    /// Everything up to what comes of it.
    head: String,
    arguments: Vec<String>,
    files: Vec<(String, String)>,
    expected: String,
}

impl Case {
    fn read(path: PathBuf) -> Self {
        let text = fs::read_to_string(&path).unwrap();
        let (head, expected) = text.split_once("\n-- result --\n").unwrap_or((&text, ""));
        let mut parts = head.split(MARK);
        let about = parts.next().unwrap();
        let line = about.lines().find_map(|line| line.strip_prefix("$ pallet ")).unwrap();
        let files = parts.map(|part| {
            let (name, text) = part.split_once(" --\n").unwrap();
            (name.to_owned(), text.to_owned() + "\n")
        });
        Self {
            arguments: line.split_whitespace().map(str::to_owned).collect(),
            files: files.collect(),
            head: head.to_owned(),
            expected: expected.to_owned(),
            path,
        }
    }

    /// A folder with its files.
    fn folder(&self) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in &self.files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        folder
    }

    /// All that comes of it in a folder; the folder itself is called `@`.
    fn result(folder: &Path, mut command: Command) -> String {
        command.current_dir(folder).stdin(Stdio::null());
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("HOME", folder);
        command
            .env("PALLET_HOME", folder.join("home"))
            .env("PALLET_STATE_DIR", folder.join("state"));
        let Output { status, stdout, stderr } = command.output().unwrap();
        let told = |bytes: &[u8]| {
            let text = String::from_utf8(bytes.to_vec()).unwrap();
            let text = text.replace(&*folder.canonicalize().unwrap().to_string_lossy(), "@");
            text.replace(&*folder.to_string_lossy(), "@")
        };
        let code = status.code().unwrap();
        format!("exit {code}\n{}{}", told(&stdout), told(&stderr))
    }
}

fn cases() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/broken/cases");
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(Case::read).collect()
}

#[test]
fn each_is_told_where_it_is_and_what_to_do() {
    let cases = cases();
    assert!(cases.len() >= AT_LEAST, "there are only {}", cases.len());
    let mut wrong = Vec::new();
    for case in &cases {
        let folder = case.folder();
        let mut command = Command::new(env!("CARGO_BIN_EXE_pallet"));
        command.args(&case.arguments);
        let result = Case::result(folder.path(), command);
        if std::env::var_os("PALLET_UPDATE_EXPECTED").is_some() {
            fs::write(&case.path, format!("{}\n-- result --\n{result}", case.head)).unwrap();
        } else if result != case.expected {
            wrong.push(format!("{}: now it is\n{result}", case.path.display()));
        }
        // Whatever is expected: bad input it is, nothing was begun, and it says what to do.
        let helps = [
            "help:",
            "tip:",
            "Usage:",
            "[possible values:",
            "did you mean",
            "expected",
            "use ",
            // These say it by themselves.
            "this is no TOML",
            "is not set",
            "is missing",
            "say `",
            "they look like",
            "would be zero",
            "must be",
        ];
        if !result.starts_with("exit 2\n") || !helps.iter().any(|help| result.contains(help)) {
            wrong.push(format!("{}: of no help:\n{result}", case.path.display()));
        }
        let is_about_a_file = !case.head.contains("\n# Nowhere: ");
        if is_about_a_file && !has_place(&result) {
            wrong.push(format!("{}: it has no place:\n{result}", case.path.display()));
        }
        if folder.path().join("state/runs").read_dir().is_ok_and(|mut runs| runs.next().is_some()) {
            wrong.push(format!("{}: it was written down as a run", case.path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// Whether something like `pallet.toml:3:7` is said.
fn has_place(text: &str) -> bool {
    text.split(|c: char| c.is_whitespace() || "[]".contains(c)).any(|word| {
        let mut parts = word.trim_end_matches(':').rsplit(':');
        let numbers = [parts.next(), parts.next()];
        let is_number = |part: Option<&str>| part.is_some_and(|it| it.parse::<u32>().is_ok());
        numbers.into_iter().all(is_number) && parts.next().is_some_and(|file| file.contains('.'))
    })
}

/// A network of its own, of which each packet is counted.
#[cfg(feature = "lab-tests")]
const COUNTED: &str = r#"
    set -e
    ip link set lo up
    ip link add out type veth peer name in
    ip link set out addrgenmode none up
    ip link set in addrgenmode none up
    ip address add 192.0.2.200/24 dev out
    ip route add default via 192.0.2.254
    sent() { awk '/ (lo|out):/ { sum += $11 } END { print sum }' /proc/net/dev; }
    before=$(sent)
    "$@" || code=$?
    echo $(($(sent) - before)) >packets
    exit ${code:-0}
"#;

#[cfg(feature = "lab-tests")]
fn counted(folder: &Path, case: Option<&Case>, arguments: &[&str]) -> (String, u32) {
    let mut command = Command::new("unshare");
    command.args(["--net", "bash", "-c", COUNTED, "bash"]).args(arguments);
    let result = match case {
        Some(case) => {
            command.args(&case.arguments);
            Case::result(folder, command)
        }
        None => format!("{:?}", command.current_dir(folder).output().unwrap()),
    };
    let packets = fs::read_to_string(folder.join("packets")).expect("root, unshare and ip");
    (result, packets.trim().parse().unwrap())
}

#[cfg(feature = "lab-tests")]
#[test]
fn no_packet_is_sent() {
    // The count counts, here and to the outside.
    for address in ["127.0.0.1", "192.0.2.7", "198.51.100.7"] {
        let folder = tempfile::tempdir().unwrap();
        let send = format!("echo >/dev/udp/{address}/9");
        let (told, packets) = counted(folder.path(), None, &["bash", "-c", &send]);
        assert!(packets > 0, "a datagram to {address} was not counted: {told}");
    }
    for case in cases() {
        let folder = case.folder();
        let (result, packets) =
            counted(folder.path(), Some(&case), &[env!("CARGO_BIN_EXE_pallet")]);
        assert_eq!(packets, 0, "{} has sent packets:\n{result}", case.path.display());
        assert!(result.starts_with("exit 2\n"), "{}:\n{result}", case.path.display());
    }
}
