//! Sandboxes through the `pallet` command: the quick start, and commands that are killed. Needs
//! root.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "cli/schema_check.rs"]
mod schema_check;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

const QUICK_START: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/sandbox");

/// A folder with a description of sandboxes, which are gone after the test.
struct Project(tempfile::TempDir);

impl Project {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for entry in fs::read_dir(QUICK_START).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
        }
        Self(folder)
    }

    fn folder(&self) -> &Path {
        self.0.path()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pallet"));
        command.args(arguments).current_dir(self.folder()).stdin(Stdio::null());
        command
    }

    fn pallet(&self, arguments: &[&str]) -> (i32, String) {
        let Output { status, stdout, stderr } = self.command(arguments).output().unwrap();
        let text = String::from_utf8_lossy(&stdout) + String::from_utf8_lossy(&stderr);
        (status.code().unwrap(), text.into_owned())
    }

    /// Runs `pallet` on a terminal where somebody types `answer`.
    fn on_terminal(&self, arguments: &[&str], answer: &str) -> (i32, String) {
        let line = format!("'{}' {}", env!("CARGO_BIN_EXE_pallet"), arguments.join(" "));
        let mut child = Command::new("script")
            .args(["-qec", &line, "/dev/null"])
            .current_dir(self.folder())
            .env("TERM", "xterm")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.as_mut().unwrap().write_all(answer.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.code().unwrap(), text)
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let output = self.command(&[&["--output", "json"], arguments].concat()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let written = serde_json::from_slice(&output.stdout).unwrap();
        let schema = schema_check::published(&arguments[..1]);
        assert_eq!(schema_check::mistake(&schema, &written), None, "{arguments:?}: {written:#}");
        written
    }

    /// The folder of this project's sandboxes, if there are any.
    fn scope(&self) -> Option<String> {
        let own = fs::canonicalize(self.folder()).unwrap();
        let listing = fs::read_dir("/run/pallet/sandbox").into_iter().flatten().flatten();
        let mut scopes = listing.map(|entry| entry.path());
        scopes.find_map(|scope| {
            let owner = fs::read_to_string(scope.join("owner.json")).unwrap_or_default();
            let is_own = owner.contains(own.to_str().unwrap());
            is_own.then(|| scope.file_name().unwrap().to_str().unwrap().to_owned())
        })
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        self.command(&["destroy", "--all", "--yes"]).output().unwrap();
    }
}

/// Processes that have a file system of this scope mounted, and its network devices.
fn traces(scope: &str) -> usize {
    let tag = scope.rsplit_once('-').unwrap().1;
    let mounts = |process: fs::DirEntry| fs::read_to_string(process.path().join("mountinfo"));
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let processes = processes.filter_map(|process| mounts(process).ok());
    let devices = fs::read_dir("/sys/class/net").unwrap().flatten();
    processes.filter(|mounts| mounts.contains(scope)).count()
        + devices.filter(|device| device.file_name().to_str().unwrap().contains(tag)).count()
}

#[test]
fn the_quick_start_does_what_it_says() {
    let project = Project::new();
    let (code, text) = project.pallet(&["converge"]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("created: db-1, web-1, web-2"), "{text}");
    let (code, text) = project.pallet(&["converge"]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("3 nodes · 0 changed"), "{text}");

    let nodes = project.json(&["nodes"])["nodes"].as_array().unwrap().clone();
    let names: Vec<&str> = nodes.iter().map(|node| node["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["db-1", "web-1", "web-2"]);
    assert!(nodes.iter().all(|node| node["state"] == "running"), "{nodes:?}");

    let (code, text) = project.pallet(&["converge", "web=1", "--yes"]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("destroyed: web-2"), "{text}");
    let scope = project.scope().unwrap();
    let (code, text) = project.pallet(&["destroy", "--all", "--yes"]);
    assert_eq!(code, 0, "{text}");
    assert_eq!((project.scope(), traces(&scope)), (None, 0));
}

#[test]
fn destroying_is_asked_about() {
    let project = Project::new();
    let (code, text) = project.pallet(&["converge", "web"]);
    assert_eq!(code, 0, "{text}");
    for arguments in [["destroy", "web"], ["destroy", "--all"], ["converge", "web=0"]] {
        let (code, text) = project.pallet(&arguments);
        assert_eq!(code, 3, "{text}");
        let refused = "2 nodes would be destroyed: web-1, web-2; nothing was done";
        assert!(text.contains(refused) && text.contains("--yes"), "{text}");
    }
    let (code, text) = project.pallet(&["converge", "web=0", "--dry-run"]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("would be destroyed: web-1, web-2"), "{text}");
    let (code, text) = project.on_terminal(&["destroy", "web"], "n\n");
    assert_eq!(code, 3, "{text}");
    assert!(text.contains("Destroy? [y/N]") && text.contains("nothing was done"), "{text}");
    assert_eq!(project.json(&["nodes"])["nodes"].as_array().unwrap().len(), 2);
    let (code, text) = project.on_terminal(&["destroy", "web"], "y\n");
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("destroyed: web-1, web-2"), "{text}");
}

#[test]
fn a_plan_makes_the_nodes_that_it_shows_and_is_refused_when_they_have_moved_on() {
    let project = Project::new();
    let (code, text) = project.pallet(&["plan", "--out", "the.plan", "--detailed-exitcode"]);
    assert_eq!(code, 4, "{text}");
    assert!(text.contains("+ create db-1, web-1, web-2"), "{text}");
    assert_eq!(project.scope(), None, "a plan makes nothing");
    let (code, text) = project.pallet(&["converge", "the.plan"]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("created: db-1, web-1, web-2"), "{text}");
    // It was for nodes that were not there.
    let (code, text) = project.pallet(&["converge", "the.plan"]);
    assert_eq!(code, 3, "{text}");
    assert!(text.contains("web-1: the plan lets it be created; now it would stay"), "{text}");

    let (code, text) = project.pallet(&["plan", "web=1", "--out", "less.plan"]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("- destroy web-2"), "{text}");
    let (code, text) = project.pallet(&["converge", "less.plan"]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("destroyed: web-2"), "{text}");
}

#[test]
fn who_is_not_root_is_told_to_use_sudo() {
    let project = Project::new();
    // The command is in a folder that others may not enter: it is shown to them elsewhere.
    let public = tempfile::tempdir_in("/var/tmp").unwrap();
    let program = public.path().join("pallet");
    fs::copy(env!("CARGO_BIN_EXE_pallet"), &program).unwrap();
    for folder in [public.path(), project.folder()] {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    }
    // It is their home as well: `pallet` keeps its journals there.
    std::os::unix::fs::chown(public.path(), Some(65534), Some(65534)).unwrap();
    let output = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"])
        .arg(&program)
        .arg("converge")
        .current_dir(project.folder())
        .env("HOME", public.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert_ne!(output.status.code(), Some(0));
    assert!(text.contains("sandboxes need root") && text.contains("sudo pallet"), "{text}");
}

#[test]
fn what_is_written_for_programs_is_as_published() {
    let project = Project::new();
    let text = fs::read_to_string(project.folder().join("pallet.toml")).unwrap();
    let failing = "\n[group-spec.odd]\ncount = 1\n[group-spec.odd.phases]\n\
                   configure = [{ exec-script = \"test -e /srv/repaired\" }]\n";
    fs::write(project.folder().join("pallet.toml"), text + failing).unwrap();
    project.json(&["plan"]);
    let (code, told) = project.pallet(&["converge"]);
    assert_eq!(code, 1, "{told}");
    project.json(&["run", "odd", "--root", "--", "touch", "/srv/repaired"]);
    assert_eq!(project.json(&["resume"])["summary"]["failed"], 0);
    project.json(&["report", "latest"]);
    project.json(&["converge", "odd=0", "--yes"]);
    let destroyed = project.json(&["destroy", "--all", "--yes"]);
    assert_eq!(destroyed["summary"]["nodes"], 0, "{destroyed:#}");
    assert!(destroyed["summary"]["destroyed"].as_u64().is_some_and(|nodes| nodes > 0));
}

#[test]
fn after_a_kill_at_any_moment_the_next_converge_finishes() {
    let project = Project::new();
    // From the very start to when all is done, in an order that lets leftovers meet whole nodes.
    for step in 0..16_u64 {
        let moment = Duration::from_millis(step * 7 % 16 * 25);
        let mut killed = project
            .command(&["converge", "web=5"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(moment);
        killed.kill().unwrap();
        killed.wait().unwrap();

        let (code, text) = project.pallet(&["converge", "web=5"]);
        assert_eq!(code, 0, "after {moment:?}: {text}");
        assert!(text.contains("5 nodes"), "after {moment:?}: {text}");
        let (code, text) = project.pallet(&["converge", "web=5"]);
        assert!(code == 0 && text.contains("5 nodes · 0 changed"), "after {moment:?}: {text}");

        // Every other time the next one meets what is there.
        if step % 2 == 0 {
            let scope = project.scope().unwrap();
            let (code, text) = project.pallet(&["destroy", "--all", "--yes"]);
            assert_eq!(code, 0, "{text}");
            assert_eq!(project.scope(), None);
            // What the killed one had begun ends by itself.
            let deadline = Instant::now() + Duration::from_secs(10);
            while traces(&scope) > 0 {
                assert!(Instant::now() < deadline, "after {moment:?}: {} are left", traces(&scope));
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }
}
