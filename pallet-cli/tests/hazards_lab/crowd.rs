//! Hazard 16: more nodes at once than anybody has connections for, in sandboxes of this machine,
//! and two people who want the same ones.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::pallet;

/// Projects with sandboxes, which are gone after the test.
struct Project(tempfile::TempDir);

impl Project {
    fn new(document: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let service = "[service.box]\nprovider = 'sandbox'\n[admin-user]\nusername = 'root'\n";
        fs::write(folder.path().join("pallet.toml"), format!("{service}{document}")).unwrap();
        Self(folder)
    }

    fn folder(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        pallet(self.folder(), &["destroy", "--all", "--yes"], &[]);
    }
}

#[test]
fn hazard_16_thirty_nodes_at_once_of_which_three_fail() {
    let project = Project::new(
        r#"[group-spec.box]
count = 30
[group-spec.box.phases]
configure = [
  { exec-script = { script = "case $HOSTNAME in *0) echo no >&2; exit 9 ;; esac" } },
  { remote-file = { path = "/srv/name", content = "in a sandbox\n" } },
]
"#,
    );
    let (code, report) = pallet(project.folder(), &["converge"], &[]);
    assert_eq!(code, 1);
    let nodes = report["nodes"].as_array().unwrap();
    assert_eq!((nodes.len(), report["created"].as_array().unwrap().len()), (30, 30));
    for node in nodes {
        let name = node["node"].as_str().unwrap();
        let phase = &node["phases"][0];
        let statuses: Vec<&str> = phase["actions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|action| action["status"].as_str().unwrap())
            .collect();
        if !name.ends_with('0') {
            assert_eq!(statuses, ["changed", "changed"], "{name}");
            continue;
        }
        assert_eq!(statuses, ["failed", "skipped"], "{name}");
        // Hazard 14: which node, phase and action, and what it wrote.
        let failure = &phase["failure"];
        assert_eq!((&failure["node"], &failure["phase"]), (&name.into(), &"configure".into()));
        assert!(failure["action"].as_str().unwrap().starts_with("exec-script case $HOSTNAME"));
        assert_eq!(failure["output"], "no");
        assert!(failure["message"].as_str().unwrap().contains("exit status 9"), "{failure}");
    }
}

#[test]
fn of_two_converges_of_one_group_at_once_one_is_refused() {
    let project = Project::new(
        r#"[group-spec.box]
count = 2
[group-spec.other]
count = 1
[group-spec.box.phases]
configure = [
  { exec-script = { script = "touch /srv/begun; until [ -e /srv/go ]; do sleep 0.05; done" } },
]
"#,
    );
    let mut first = Command::new(env!("CARGO_BIN_EXE_pallet"))
        .args(["converge", "box"])
        .current_dir(project.folder())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    let disk = |path: &str| crate::sandbox_file(project.folder(), "box-1", path);
    while !disk("/srv/begun").is_some_and(|path| path.exists()) {
        assert!(begun.elapsed() < Duration::from_secs(60), "it does not begin");
        std::thread::sleep(Duration::from_millis(20));
    }
    let second = Command::new(env!("CARGO_BIN_EXE_pallet"))
        .args(["converge", "box=4"])
        .current_dir(project.folder())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&second.stderr);
    assert_eq!(second.status.code(), Some(3), "{said}");
    let holder = format!("process {} of", first.id());
    assert!(said.contains("is being converged by") && said.contains(&holder), "{said}");
    // To look, and to work on another group, is free.
    let (code, plan) = pallet(project.folder(), &["plan", "box"], &[]);
    assert_eq!(code, 0, "{plan:#}");
    let (code, report) = pallet(project.folder(), &["converge", "other"], &[]);
    assert_eq!(code, 0, "{report:#}");

    for node in ["box-1", "box-2"] {
        let path = crate::sandbox_file(project.folder(), node, "/srv/go").unwrap();
        fs::write(path, "").unwrap();
    }
    assert!(first.wait().unwrap().success());
    let (_, nodes) = pallet(project.folder(), &["nodes"], &[]);
    assert_eq!(nodes["nodes"].as_array().unwrap().len(), 3);
}
