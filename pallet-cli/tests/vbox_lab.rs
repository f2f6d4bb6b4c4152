//! Wrong input and a silent guest, against the real VirtualBox: each is told where it is and what
//! to do, in bounded time, and leaves nothing behind.

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
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use xtask::lab::{State, Vbox};

const META: &str = r#"{:empty
 {:uuid        "empty.vdi"
  :os-type-id  "Linux_64"
  :os-family   :debian
  :description "A disk with nothing on it."}
 :hardware-models {:tiny {:memory-size 32 :cpu-count 1}}}
"#;

/// A folder with a description of one machine whose disk is empty.
struct Project {
    folder: PathBuf,
    url: String,
    group: &'static str,
}

impl Project {
    fn new(vbox: &Vbox, group: &'static str) -> Self {
        let folder = vbox.scratch_dir("cli").unwrap();
        fs::create_dir(folder.join("models")).unwrap();
        let project = Self { folder, url: vbox.url.clone(), group };
        project.write("models/empty.meta", META);
        project.describe("tiny");
        project
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.folder.join(name), text).unwrap();
    }

    /// Writes pallet.toml for one machine with this hardware.
    fn describe(&self, hardware: &str) {
        let text = format!(
            r#"
[service.vbox]
provider = "virtualbox"
url = "{}"
model-path = "models"
node-path = "nodes"

[group-spec.{}]
node-spec = {{ image = {{ image-id = "empty" }}, hardware = {{ hardware-id = "{hardware}" }}, network = "nat" }}
count = 1
"#,
            self.url, self.group
        );
        self.write("pallet.toml", &text);
    }

    /// Runs `pallet converge`, and gives the exit code and all that it wrote.
    fn converge(&self, arguments: &[&str]) -> (i32, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_pallet"))
            .arg("converge")
            .args(arguments)
            .current_dir(&self.folder)
            .output()
            .unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap(), String::from_utf8(text).unwrap())
    }

    /// Runs `pallet models`: the exit code, and what it writes for programs.
    fn models(&self, arguments: &[&str]) -> (i32, Value) {
        let output = Command::new(env!("CARGO_BIN_EXE_pallet"))
            .args(["--output", "json", "models"])
            .args(arguments)
            .current_dir(&self.folder)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        let written: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{arguments:?}: {error}: {said}"));
        let of = match written.get("error") {
            Some(_) => vec!["error"],
            None => vec!["models", arguments[0]],
        };
        let schema = schema_check::published(&of);
        assert_eq!(schema_check::mistake(&schema, &written), None, "{arguments:?}: {written:#}");
        (output.status.code().unwrap(), written)
    }

    /// What VirtualBox and the folder know of the group's machines.
    fn traces(&self, vbox: &Vbox) -> String {
        let folder = self.folder.to_str().unwrap();
        let machine = format!("\"{}-1\"", self.group);
        let machines = vbox.vboxmanage(&["list", "vms"]).unwrap();
        let media = vbox.vboxmanage(&["list", "hdds"]).unwrap();
        let mut found: Vec<&str> =
            machines.lines().filter(|line| line.contains(&machine)).collect();
        found.extend(media.lines().filter(|line| line.contains(folder)));
        let nodes = fs::read_dir(self.folder.join("nodes")).into_iter().flatten().flatten();
        let nodes = nodes.map(|entry| entry.file_name());
        // The folders of locks and holders stay, empty.
        let nodes: Vec<_> =
            nodes.filter(|name| !name.as_encoded_bytes().starts_with(b".")).collect();
        format!("{found:?} {nodes:?}")
    }

    fn expect(&self, code: i32, words: &[&str]) {
        let (found, text) = self.converge(&[]);
        for word in words {
            assert!(text.contains(word), "`{word}` is missing: {text}");
        }
        assert_eq!(found, code, "{text}");
    }
}

#[test]
fn wrong_input_is_told_with_its_place_and_leaves_nothing() {
    let lab = State::load().unwrap();
    let vbox = lab.vbox().unwrap();
    let mut project = Project::new(vbox, "wrong");

    // The disk that the meta file names is missing.
    project.expect(2, &["empty.vdi"]);

    project.write("models/empty.meta", "{:empty\n  {:uuid \"empty.vdi\"\n");
    project.expect(2, &["empty.meta:", "2:3"]);
    project.write("models/empty.meta", &META.replace(":os-family ", ":os-famly "));
    project.expect(2, &["empty.meta:4:3", "os-famly", "os-family"]);
    project.write("models/empty.meta", &META.replace(":memory-size 32", ":memory-size \"much\""));
    project.expect(2, &["empty.meta:6:", "memory-size"]);
    project.write("models/empty.meta", META);

    project.describe("tinny");
    project.expect(2, &["tinny", "tiny"]);
    let text = fs::read_to_string(project.folder.join("pallet.toml")).unwrap();
    project.write("pallet.toml", &text.replace("node-path", "node-paths"));
    project.expect(2, &["node-paths", "node-path"]);
    let step = "phases.configure = [ { remote-fil = { path = '/x' } } ]\n";
    project.write("pallet.toml", &format!("{text}{step}"));
    project.expect(2, &["pallet.toml:", "remote-fil", "remote-file"]);

    project.url = vbox.auth_url.clone();
    project.describe("tiny");
    project.expect(1, &["refused", "websrvauthlibrary"]);
    project.url = "http://127.0.0.1:9".to_owned();
    project.describe("tiny");
    project.expect(1, &["http://127.0.0.1:9", "vboxwebsrv"]);

    assert_eq!(project.traces(vbox), "[] []");
    fs::remove_dir_all(&project.folder).unwrap();
}

#[test]
fn a_guest_that_never_answers_is_given_up_and_destroyed() {
    let lab = State::load().unwrap();
    let vbox = lab.vbox().unwrap();
    let project = Project::new(vbox, "silent");
    let disk = project.folder.join("models/empty.vdi");
    let disk_text = disk.to_str().unwrap();
    vbox.vboxmanage(&["createmedium", "disk", "--filename", disk_text, "--size", "16"]).unwrap();
    vbox.vboxmanage(&["closemedium", "disk", disk_text]).unwrap();
    let before = fs::read(&disk).unwrap();

    let started = Instant::now();
    let (code, text) = project.converge(&["--ready-timeout", "8"]);
    assert_eq!(code, 1, "{text}");
    assert!(started.elapsed() < Duration::from_secs(120), "{:?}", started.elapsed());
    assert!(text.contains("silent-1"), "{text}");
    assert!(text.contains("gave no SSH host key in "), "{text}");
    assert!(!project.traces(vbox).contains("silent-1"), "{}", project.traces(vbox));
    assert!(fs::read(&disk).unwrap() == before, "the model has changed");

    // What is left is the model's holder; forgetting the model takes it away.
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let location =
            vmfest::Location::new(project.folder.join("models"), project.folder.join("nodes"));
        let manager =
            vmfest::Manager::connect(&vmfest::Server::new(&vbox.url), location).await.unwrap();
        let image = manager.images().unwrap().remove("empty").unwrap();
        manager.remove_model(&image, vmfest::ImageFile::Keep).await.unwrap();
        manager.close().await.unwrap();
    });
    assert_eq!(project.traces(vbox), "[] []");
    fs::remove_dir_all(&project.folder).unwrap();
}

#[test]
fn models_are_imported_listed_checked_and_removed() {
    let lab = State::load().unwrap();
    let vbox = lab.vbox().unwrap();
    let project = Project::new(vbox, "models");
    project.write("models/empty.meta", "{}");
    fs::write(project.folder.join("blank.bin"), vec![0; 4 << 20]).unwrap();

    let wrong = "0".repeat(64);
    let import = ["import", "blank.bin", "--raw", "--name", "blank", "--os-type-id", "Linux_64"];
    let (code, refused) = project.models(&[&import[..], &["--sha256", &wrong]].concat());
    assert_eq!(code, 1, "{refused:#}");
    let (code, list) = project.models(&["list"]);
    assert_eq!((code, &list["models"], &list["unfinished"]), (0, &json!([]), &json!([])));
    let (code, refused) = project.models(&["import", "blank.bin", "--os-type-id", "Linux_64"]);
    assert_eq!(code, 2, "a file of zeros is no disk: {refused:#}");

    let (code, made) = project.models(&import);
    assert_eq!((code, &made["model"]), (0, &json!("blank")), "{made:#}");
    let (code, list) = project.models(&["list"]);
    assert_eq!((code, &list["models"][0]["os-type-id"]), (0, &json!("Linux_64")), "{list:#}");
    let (code, checked) = project.models(&["check"]);
    let row = &checked["models"][0];
    assert_eq!((code, &row["problems"], &row["sha256"]), (0, &json!([]), &made["sha256"]));

    // Somebody writes to it.
    let disk = project.folder.join("models/blank.vdi");
    fs::OpenOptions::new().append(true).open(&disk).unwrap().write_all(b"x").unwrap();
    let (code, checked) = project.models(&["check", "blank"]);
    assert_eq!(code, 1, "{checked:#}");
    assert_ne!(checked["models"][0]["problems"], json!([]));
    assert_eq!(project.models(&["check", "blank", "--quick"]).0, 0);

    let (code, unknown) = project.models(&["remove", "blnk", "--yes"]);
    assert_eq!(code, 2, "{unknown:#}");
    let (code, removed) = project.models(&["remove", "blank", "--yes"]);
    assert_eq!((code, &removed["models"][0]["model"]), (0, &json!("blank")), "{removed:#}");
    assert!(!disk.exists());
    assert_eq!(project.traces(vbox), "[] []");
    fs::remove_dir_all(&project.folder).unwrap();
}
