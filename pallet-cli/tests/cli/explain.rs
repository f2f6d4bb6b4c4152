//! `pallet explain`.

use crate::support::Folder;

const STEPS: &str = "{ remote-file = { path = '@/made', content = 'hi' } }, \
                     { exec-script = { name = 'look', script = 'cat @made' } }";

fn folder() -> Folder {
    let folder = Folder::with_local_node(STEPS);
    let toml = folder.read("pallet.toml");
    folder.write(
        "pallet.toml",
        &toml.replace("[group-spec.web.phases]", "[server-spec.base.phases]"),
    );
    let toml = folder.read("pallet.toml") + "[group-spec.web]\nextends = ['base']\n";
    folder.write("pallet.toml", &toml);
    folder
}

#[test]
fn an_action_with_its_parameters() {
    let folder = Folder::new();
    folder.pallet(&["explain", "remote-file"]).code(0).prints(&[
        "action remote-file\nA file with its content",
        "{ remote-file = { path = ",
        "  path  text, required",
        "  ensure  \"present\" or \"absent\"",
    ]);
    let json = folder.pallet(&["explain", "action", "user", "--output", "json"]).code(0).json();
    assert_eq!(json["explained"][0]["kind"], "action");
    assert_eq!(json["explained"][0]["parameters"][0]["name"], "name");
    assert_eq!(json["explained"][0]["parameters"][0]["is-required"], true);
}

#[test]
fn a_crate_with_its_settings() {
    let ran = Folder::new().pallet(&["explain", "crate", "nginx"]).code(0);
    ran.prints(&["crate nginx\n", "extends = [", "phases\n", "settings\n", "Default: "]);
    let json = Folder::new().pallet(&["explain", "nginx", "--output", "json"]).code(0).json();
    assert_eq!(json["explained"][0]["kind"], "crate");
}

#[test]
fn who_set_a_path_and_what_became_of_it() {
    let folder = folder();
    let path = folder.path("made");
    let path = path.to_str().unwrap();
    let origin = "server-spec.base, pallet.toml:9:14";
    let before = folder.pallet(&["explain", path]).code(0);
    let before = before.prints(&["set by group web, configure", origin, "named by group web"]);
    before.prints(&["no run that is written down has changed it"]);
    folder.pallet(&["lift"]).code(0);
    let after = folder.pallet(&["explain", path]).code(0);
    after.prints(&["changed by", "on web-1", "created with mode 0644"]);
    let node = folder.pallet(&["explain", "node", "web-1"]).code(0);
    node.prints(&["node web-1", "group      web", origin, " by run 2"]);
    folder.pallet(&["explain", "configure"]).code(0).prints(&["on group web", "exec-script look"]);
    folder.pallet(&["explain", "group", "web"]).code(0).prints(&["service    here"]);
}

#[test]
fn names_that_nothing_has() {
    let folder = folder();
    let unknown = |arguments: &[&str]| folder.pallet(arguments).code(2);
    unknown(&["explain", "remotefile"]).says(&[
        "there is no action, crate, phase, group or node `remotefile`",
        "did you mean the action `remote-file`?",
    ]);
    unknown(&["explain", "node", "wbe-1"]).says(&["there is no node `wbe-1`"]);
    unknown(&["explain", "phase", "confgure"]).says(&["did you mean the phase `configure`?"]);
    unknown(&["explain", "acton", "user"]).says(&["`acton` is no kind", "did you mean `action`?"]);
    unknown(&["explain", "/nowhere"]).says(&["there is no managed path `/nowhere`"]);
    Folder::new()
        .pallet(&["explain", "web-1"])
        .code(2)
        .says(&["only actions and crates can be explained"]);
    // A file with mistakes hides no action, and nothing else is guessed from it.
    let mistaken = Folder::with("[group-spec.web]\ncunt = 2\n");
    mistaken.pallet(&["explain", "user"]).code(0).prints(&["action user"]);
    mistaken.pallet(&["explain", "web-1"]).code(2).says(&["pallet.toml:2:1"]);
}

#[test]
fn all_that_can_be_explained_is_listed() {
    let folder = folder();
    let ran = folder.pallet(&["explain"]).code(0);
    ran.prints(&[
        "actions\n",
        "  remote-file",
        "crates\n",
        "phases\n  configure\n",
        "nodes\n  web-1\n",
    ]);
    let ran = folder.pallet(&["explain", "action"]).code(0);
    assert!(ran.stdout.contains("  user ") && !ran.stdout.contains("crates"), "{}", ran.stdout);
    let json = folder.pallet(&["explain", "group", "--output", "json"]).code(0).json();
    assert_eq!(json["known"], serde_json::json!([{ "kind": "group", "name": "web" }]));
    // Without a file there are actions and crates; nodes it alone could tell.
    Folder::new().pallet(&["explain"]).code(0).prints(&["actions", "crates"]);
    Folder::new().pallet(&["explain", "node"]).code(2).says(&["there is no pallet.toml"]);
}
