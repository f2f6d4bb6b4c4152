//! Where the plain text of secrets can be seen: nowhere but in the places that they are for.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use xtask::lab::{ClaimedNode, NodeKind, PWSUDO_PASSWORD, State};

/// Asked for by sudo; in a file.
const SUDO: &str = PWSUDO_PASSWORD;
/// The content of a file; encrypted with age.
const CONTENT: &str = "content's $(secret) \"no 2\"\nof two lines\n";
/// In a template; from a command.
const TEMPLATE: &str = "template-secret-no-3";
/// The password of an account; in a file.
const ACCOUNT: &str = "account secret no 4 \\ ü";
/// In a script's environment; from a variable.
const SCRIPT: &str = "script-secret-no-5";

/// What shows a secret: a piece that no encoding of it would still have is not looked for.
const TRACES: [&str; 6] = [SUDO, "content's $(secret)", "of two lines", TEMPLATE, ACCOUNT, SCRIPT];

/// A number that no other process sleeps.
const NAP: &str = "0.71234";

fn project(node: &ClaimedNode) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    fs::create_dir(folder.path().join("private")).unwrap();
    write("private/sudo", &format!("{SUDO}\n"));
    write("private/template", TEMPLATE);
    write("private/account", ACCOUNT);
    write("private/content", CONTENT);
    let run = |line: &str| {
        let ran = Command::new("sh").args(["-ec", line]).current_dir(folder.path()).output();
        String::from_utf8(ran.unwrap().stdout).unwrap()
    };
    run("age-keygen -o private/age.key 2>&1");
    let recipient = run("age-keygen -y private/age.key");
    run(&format!("age -r {} -o content.age private/content", recipient.trim()));
    write("app.hbs", "token = {{ environment.token }}\n");
    write(
        "pallet.toml",
        &format!(
            r#"
[service.rack]
provider = "node-list"
nodes = [{{ name = "{}", group = "web", host = "{}", port = {}, host-key = "{}" }}]

[admin-user]
username         = "pwsudo"
private-key-path = "{}"
sudo-password    = {{ file = "private/sudo" }}

[environment]
token = {{ secret = {{ command = "cat private/template" }} }}

[group-spec.web.phases]
configure = [
  {{ remote-file = {{ path = "/etc/app.secret", content = {{ age = "content.age", identity = "private/age.key" }} }} }},
  {{ remote-file = {{ path = "/etc/app.conf", template = "app.hbs" }} }},
  {{ exec-script = {{ script = "printf 'nosudo:%s\\n' \"$PASSWORD\" | chpasswd", env = {{ PASSWORD = {{ file = "private/account" }} }} }} }},
  {{ exec-script = {{ script = """
echo "the token is $TOKEN"; printf %s "x$TOKEN" | base64; cat /etc/app.secret /etc/app.conf
sleep {NAP}""", env = {{ TOKEN = {{ env = "SCRIPT_TOKEN" }} }} }} }},
]
fail = [
  {{ exec-script = {{ script = "cat /etc/app.secret >&2; echo $TOKEN; exit 3", env = {{ TOKEN = {{ env = "SCRIPT_TOKEN" }} }} }} }},
]
"#,
            node.name,
            node.address,
            node.port,
            node.host_key,
            node.key.display()
        ),
    );
    folder
}

fn pallet(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pallet"))
        .args(arguments)
        .current_dir(folder)
        .env("SCRIPT_TOKEN", SCRIPT)
        .env("HOME", folder.join("home"))
        .env("PALLET_HOME", folder.join("home/.pallet"))
        .env("XDG_STATE_HOME", folder.join("home/state"))
        .output()
        .unwrap()
}

/// Looks at all processes of this machine, and so of its nodes, again and again.
struct Snooper {
    stop: Arc<AtomicBool>,
    seen: JoinHandle<Seen>,
}

#[derive(Default)]
struct Seen {
    leaks: BTreeSet<String>,
    nap: bool,
    sudo: bool,
    passes: usize,
}

impl Snooper {
    fn start() -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let seen = thread::spawn(move || {
            let mut seen = Seen::default();
            while !stopped.load(Ordering::Relaxed) {
                seen.pass();
            }
            seen
        });
        Self { stop, seen }
    }

    fn stop(self) -> Seen {
        self.stop.store(true, Ordering::Relaxed);
        self.seen.join().unwrap()
    }
}

impl Seen {
    fn pass(&mut self) {
        let own = fs::read_link("/proc/self/ns/pid").unwrap();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let process = entry.path();
            let text = |name: &str| {
                let bytes = fs::read(process.join(name)).unwrap_or_default();
                String::from_utf8_lossy(&bytes).replace('\0', " ")
            };
            let arguments = text("cmdline");
            self.nap |= arguments.contains(&format!("sleep {NAP}"));
            self.sudo |= arguments.contains("sudo -k -S");
            self.note("the arguments", &arguments, &arguments);
            let name = text("comm");
            let is_shell = ["sh", "bash", "dash", "sudo"].contains(&name.trim());
            let is_on_node =
                fs::read_link(process.join("ns/pid")).is_ok_and(|namespace| namespace != own);
            if is_shell {
                let environment = text("environ");
                // The variable that a secret is given in is there for whatever this side starts.
                let hidden = environment.replace(&format!("SCRIPT_TOKEN={SCRIPT}"), "");
                let shown = if is_on_node { environment } else { hidden };
                self.note("the environment", &shown, &arguments);
            }
        }
        self.passes += 1;
    }

    fn note(&mut self, what: &str, text: &str, of: &str) {
        let found = TRACES.iter().filter(|trace| text.contains(**trace));
        self.leaks.extend(found.map(|trace| format!("`{trace}` in {what} of `{of}`")));
    }
}

/// The secrets that are in a text, as they are or in base64.
fn traces(text: &str) -> Vec<&'static str> {
    // `printf %s "x$TOKEN" | base64`, without its first digits.
    const ENCODED: &str = "cmlwdC1zZWNyZXQtbm8tN";
    TRACES.into_iter().chain([ENCODED]).filter(|trace| text.contains(trace)).collect()
}

fn check_output(what: &str, output: &Output) {
    for stream in [&output.stdout, &output.stderr] {
        let text = String::from_utf8_lossy(stream);
        assert_eq!(traces(&text), Vec::<&str>::new(), "{what} shows secrets:\n{text}");
    }
}

/// All that a run may leave on this side.
fn check_files(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            check_files(&path);
        } else {
            let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
            assert_eq!(traces(&text), Vec::<&str>::new(), "{} has secrets", path.display());
        }
    }
}

#[test]
fn secrets_are_seen_by_nobody() {
    let lab = State::load().unwrap();
    let node = lab.claim(NodeKind::Plain, 1).unwrap().remove(0);
    let folder = project(&node);
    let snooper = Snooper::start();

    let shown = pallet(folder.path(), &["lift", "--dry-run", "-vvv"]);
    assert_eq!(shown.status.code(), Some(0), "{shown:?}");
    let done = pallet(folder.path(), &["lift", "-vvv"]);
    assert_eq!(done.status.code(), Some(0), "{done:?}");
    let again = pallet(folder.path(), &["lift", "--output", "json"]);
    assert_eq!(again.status.code(), Some(0), "{again:?}");
    let failed = pallet(folder.path(), &["lift", "--phase", "fail", "-vvv"]);
    assert_eq!(failed.status.code(), Some(1), "{failed:?}");
    let settings = pallet(folder.path(), &["config"]);

    let seen = snooper.stop();
    assert!(seen.passes > 20 && seen.nap && seen.sudo, "the snooper saw {} times", seen.passes);
    assert!(seen.leaks.is_empty(), "{:#?}", seen.leaks);

    for (what, output) in [
        ("the plan", &shown),
        ("the log", &done),
        ("the report", &again),
        ("the failure", &failed),
        ("the list of settings", &settings),
    ] {
        check_output(what, output);
    }
    let report = String::from_utf8(again.stdout).unwrap();
    assert!(report.contains("the token is (secret)"), "{report}");
    let log = String::from_utf8(done.stderr).unwrap();
    for span in ["run{", "node{", "phase{", "action{", "exchange:"] {
        assert!(log.contains(span), "{span} is not in the log:\n{log}");
    }
    fs::remove_dir_all(folder.path().join("private")).unwrap();
    check_files(folder.path());

    let on_node = |script: &str| {
        let text = node.run(&["sh", "-c", script]).unwrap();
        text.trim_end().to_owned()
    };
    // One line end at the end of a secret's file is left out.
    assert_eq!(on_node("cat /etc/app.secret; echo ."), format!("{}.", CONTENT.trim_end()));
    assert_eq!(on_node("cat /etc/app.conf"), format!("token = {TEMPLATE}"));
    assert_eq!(on_node("stat -c %a /etc/app.secret /etc/app.conf"), "600\n600");
    let kept = on_node("cat $(find /var/lib/pallet /var/log /tmp /root -type f) </dev/null");
    assert_eq!(traces(&kept), Vec::<&str>::new(), "what the node keeps shows secrets:\n{kept}");
}
