//! The list of nodes.

use std::net::TcpListener;

use serde_json::json;

use crate::support::Folder;

const DOCUMENT: &str = r#"
[service.here]
provider = "node-list"
nodes = [{ name = "web-1", group = "web" }]
[service.rack]
provider = "node-list"
nodes = [{ name = "db-1", group = "db", host = "192.0.2.7" }, { name = "old", group = "gone", host = "::1", port = 2222 }]
"#;

#[test]
fn a_table() {
    let expected = "\
service  group  name   state    address
here     web    web-1  running  -
rack     db     db-1   running  192.0.2.7:22
rack     gone   old    running  [::1]:2222
";
    assert_eq!(Folder::with(DOCUMENT).pallet(&["nodes"]).code(0).stdout, expected);
    assert_eq!(Folder::with("").pallet(&["nodes"]).code(0).stdout, "no nodes\n");
}

#[test]
fn for_programs() {
    let json = Folder::with(DOCUMENT).pallet(&["nodes", "--output", "json"]).code(0).json();
    let second = json!({
        "service": "rack", "group": "db", "name": "db-1", "state": "running",
        "address": "192.0.2.7:22",
    });
    assert_eq!(json["nodes"][1], second);
    assert_eq!(json["nodes"].as_array().unwrap().len(), 3);
    assert_eq!(json["errors"], json!([]));
}

#[test]
fn a_service_that_fails_hides_no_other() {
    let twice = "[service.twice]\nprovider = \"node-list\"\n\
                 nodes = [{ name = \"a\", group = \"g\" }, { name = \"a\", group = \"g\" }]\n";
    let folder = Folder::with(&format!("{DOCUMENT}{twice}"));
    let ran = folder.pallet(&["nodes"]).code(2);
    ran.prints(&["web-1", "db-1"]).says(&["service `twice`", "two nodes called `a`", "help: "]);
    let json = folder.pallet(&["nodes", "--output", "json"]).code(2).json();
    assert_eq!(json["errors"][0]["service"], "twice");
    assert_eq!(json["nodes"].as_array().unwrap().len(), 3);
}

#[test]
fn a_service_that_is_named_is_asked_alone() {
    let fails = "[service.twice]\nprovider = \"node-list\"\n\
                 nodes = [{ name = \"a\", group = \"g\" }, { name = \"a\", group = \"g\" }]\n";
    let folder = Folder::with(&format!("{DOCUMENT}{fails}"));
    let ran = folder.pallet(&["nodes", "--service", "rack"]).code(0);
    assert_eq!(ran.stdout.lines().count(), 3, "{}", ran.stdout);
    folder.pallet(&["nodes", "--service", "rak"]).code(2).says(&["`rak`", "rack"]);
}

#[test]
fn a_virtualbox_that_does_not_run() {
    // A port that was free a moment ago refuses connections.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let folder = Folder::with(&format!(
        "[service.vbox]\nprovider = \"virtualbox\"\nurl = \"http://127.0.0.1:{port}\"\n\
         [group-spec.web]\ncount = 1\n[group-spec.web.node-spec]\nservice = \"vbox\"\n"
    ));
    for command in ["nodes", "converge"] {
        let ran = folder.pallet(&[command]).code(1);
        ran.says(&["error: service `vbox`: ", "no vboxwebsrv is running at", &port.to_string()]);
    }
}
