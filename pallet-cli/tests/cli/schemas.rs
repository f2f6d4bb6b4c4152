//! What commands write for programs is what `pallet schema --of COMMAND` says.

use serde_json::Value;

use crate::schema_check::{mistake, published};
use crate::support::Folder;

const HOSTS: &str = "
    [service.rack]
    provider = 'node-list'
    nodes = [{ name = 'web-1', group = 'web', host = '127.0.0.1', port = 1 }]

    [server-spec.base.phases]
    configure = [{ directory = '/srv/app' }]

    [group-spec.web]
    extends = ['base']
";

/// Every command that needs neither nodes that answer nor VirtualBox.
const COMMANDS: [(&str, &[&str]); 18] = [
    ("completions", &["completions", "bash"]),
    ("config", &["config"]),
    ("converge", &["converge"]),
    ("doctor", &["doctor", "--timeout", "2"]),
    ("explain", &["explain"]),
    ("explain", &["explain", "crate"]),
    ("explain", &["explain", "directory"]),
    ("explain", &["explain", "node", "web-1"]),
    ("explain", &["explain", "/srv/app"]),
    ("hardware", &["hardware"]),
    ("images", &["images"]),
    ("lift", &["lift"]),
    ("man", &["man", "."]),
    ("nodes", &["nodes"]),
    ("plan", &["plan"]),
    ("run", &["run", "web", "--", "true"]),
    ("services", &["services"]),
    ("ssh", &["ssh", "web-1"]),
];

#[test]
fn results_are_as_their_schemas_say() {
    let folder = Folder::with(HOSTS);
    for (name, arguments) in COMMANDS {
        check(&folder, name, arguments);
    }
    // What these runs have left behind.
    check(&folder, "report", &["report"]);
    check(&folder, "report", &["report", "latest"]);
    check(&Folder::new(), "init", &["init", "--yes", "--provider", "sandbox"]);
}

#[test]
fn errors_are_as_their_schema_says() {
    check(&Folder::with("[group-spec.web]\ncuont = 2\n"), "error", &["plan"]);
    check(&Folder::new(), "error", &["nodes"]);
}

#[test]
fn a_checker_that_finds_nothing_would_be_no_test() {
    for (name, wrong) in [
        ("nodes", r#"{ "nodes": [] }"#),
        ("nodes", r#"{ "nodes": [{ "service": 1 }], "errors": [] }"#),
        ("error", r#"{ "error": { "kind": "odd" } }"#),
        ("plan", "[]"),
        ("report", r#"{ "odd": true }"#),
    ] {
        let schema = published(&[name]);
        let wrong: Value = serde_json::from_str(wrong).unwrap();
        assert!(mistake(&schema, &wrong).is_some(), "{name}: {wrong}");
    }
}

#[track_caller]
fn check(folder: &Folder, name: &str, arguments: &[&str]) {
    let run = folder.pallet(&[&["--output", "json"], arguments].concat());
    let written: Value = serde_json::from_str(&run.stdout).unwrap_or_else(|error| {
        panic!("{arguments:?} wrote no JSON ({error}):\n{}\n{}", run.stdout, run.stderr)
    });
    let schema = published(&[name]);
    if let Some(mistake) = mistake(&schema, &written) {
        panic!("{arguments:?}: {mistake}, in:\n{written:#}");
    }
}
