//! The example converges on sandbox nodes. Needs root.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// A folder of its own: sandboxes belong to the folder in which they were made.
struct Project(tempfile::TempDir);

impl Project {
    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_rust-infra"))
            .args(arguments)
            .current_dir(self.0.path())
            .env("PALLET_HOME", self.0.path().join("home"))
            .env("PALLET_STATE_DIR", self.0.path().join("state"))
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    #[track_caller]
    fn text(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {text}{told}");
        text
    }

    #[track_caller]
    fn json(&self, arguments: &[&str]) -> Value {
        let arguments = [arguments, &["--output", "json"]].concat();
        serde_json::from_str(&self.text(&arguments)).unwrap()
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        self.run(&["destroy", "--all", "--yes"]);
    }
}

#[test]
fn a_program_describes_machines_and_has_all_commands() {
    let project = Project(tempfile::tempdir().unwrap());
    let help = project.text(&["--help"]);
    assert!(help.contains("A small site") && help.contains("Usage: rust-infra"), "{help}");

    let plan = project.text(&["plan"]);
    assert!(plan.contains("+ create proxy-1, web-1, web-2"), "{plan}");
    assert!(plan.contains("local-time Etc/UTC"), "{plan}");

    let first = project.json(&["converge"]);
    assert_eq!(first["summary"]["failed"], 0, "{first:#}");
    assert_eq!(first["created"].as_array().unwrap().len(), 3);
    let proxy = &first["nodes"][0];
    assert_eq!(proxy["node"], "proxy-1");
    let configure = proxy["phases"].as_array().unwrap().last().unwrap();
    let backends = &configure["actions"].as_array().unwrap()[3];
    assert_eq!(backends["subject"], "/etc/proxy/backends.conf", "{configure:#}");
    assert!(backends["origin"]["file"].as_str().unwrap().ends_with("src/site.rs"));

    let second = project.json(&["converge"]);
    assert_eq!(second["summary"]["changed"], 0, "{second:#}");

    // A file beside it adds to what the program describes, with the program's own actions.
    let toml = "[group-spec.db.phases]\nconfigure = [{ local-time = { zone = 'Europe/Oslo' } }]\n";
    std::fs::write(project.0.path().join("pallet.toml"), toml).unwrap();
    let plan = project.text(&["plan", "db=1"]);
    assert!(plan.contains("local-time Europe/Oslo"), "{plan}");
    std::fs::write(project.0.path().join("pallet.toml"), "[group-spec.web]\n").unwrap();
    let twice = project.run(&["plan"]);
    let told = String::from_utf8_lossy(&twice.stderr).into_owned();
    assert_eq!(twice.status.code(), Some(2), "{told}");
    assert!(told.contains("group `web` is described twice"), "{told}");
}
