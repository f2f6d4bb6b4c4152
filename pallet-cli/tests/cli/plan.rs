//! Plans: shown, kept, carried out as they were shown, and refused when something has moved on.

use pallet_core::run::RunPlan;

use crate::support::Folder;

const STEPS: &str = r#"
  { directory = "@/app" },
  { remote-file = { path = "@/app/motd", content = "hello\n" }, id = "motd" },
  { exec-script = { script = "echo ran >> @/log", affects = ["@/log"] }, when-changed = "motd" },
"#;

#[test]
fn a_plan_shows_what_would_change_and_changes_nothing() {
    let folder = Folder::with_local_node(STEPS);
    let ran = folder.pallet(&["plan"]).code(0);
    let ran = ran.prints(&["web-1\n  configure\n    ~ directory /", "    ~ remote-file /"]);
    ran.prints(&["3 will change\n"]);
    assert!(!folder.path("app").exists() && !folder.path("log").exists());
    folder.pallet(&["plan", "--detailed-exitcode"]).code(4);
    folder.pallet(&["converge"]).code(0);
    let ran = folder.pallet(&["plan", "--detailed-exitcode"]).code(0);
    assert_eq!(ran.stdout, "nothing to change\n");
    folder.write("app/motd", "goodbye\n");
    let ran = folder.pallet(&["plan", "--detailed-exitcode"]).code(4);
    ran.prints(&["        -goodbye\n", "        +hello\n", "2 will change\n"]);
}

#[test]
fn a_kept_plan_is_carried_out_as_it_was_shown() {
    let folder = Folder::with_local_node(STEPS);
    let ran = folder.pallet(&["plan", "-o", "the.plan"]).code(0);
    ran.prints(&["kept for: pallet converge the.plan\n"]);
    let plan: RunPlan = serde_json::from_str(&folder.read("the.plan")).unwrap();
    assert!(plan.has_changes());
    let ran = folder.pallet(&["converge", "the.plan"]).code(0);
    ran.prints(&["1 node · 3 changed · 0 unchanged · 0 failed"]);
    assert_eq!(folder.read("log"), "ran\n");
    // What it shows has been done: it does not hold any more.
    folder.pallet(&["converge", "./the.plan"]).code(3).says(&["now it is unchanged"]);
    assert_eq!(folder.read("log"), "ran\n");
}

#[test]
fn a_plan_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::with_local_node(STEPS);
    folder.pallet(&["plan", "--out", "the.plan"]).code(0);
    let mode = std::fs::metadata(folder.path("the.plan")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_node_that_has_moved_on_is_left_alone() {
    let folder = Folder::with_local_node(STEPS);
    folder.pallet(&["converge"]).code(0);
    folder.write("app/motd", "one\n");
    folder.pallet(&["plan", "-o", "the.plan"]).code(0);
    // It differs from the description all the same, but in another way than was shown.
    folder.write("app/motd", "two\n");
    let ran = folder.pallet(&["converge", "the.plan"]).code(3);
    ran.says(&[
        "error: the plan does not hold any more: one thing has changed since it was made",
        "web-1, configure, remote-file /",
        "/app/motd (",
        ") is not what it was",
        "help: nothing was done",
    ]);
    assert_eq!(folder.read("app/motd"), "two\n");
    assert_eq!(folder.read("log"), "ran\n");
}

#[test]
fn a_description_that_has_moved_on_is_not_carried_out() {
    let folder = Folder::with_local_node(STEPS);
    folder.pallet(&["plan", "-o", "the.plan"]).code(0);
    let changed = folder.read("pallet.toml").replace("hello", "hullo");
    folder.write("pallet.toml", &changed);
    let ran = folder.pallet(&["converge", "the.plan"]).code(3);
    ran.says(&["remote-file /", "/app/motd: its description has changed"]);
    let changed = changed.replace("{ directory", "{ exec-script = \"true\" }, { directory");
    folder.write("pallet.toml", &changed);
    let ran = folder.pallet(&["converge", "the.plan"]).code(3);
    ran.says(&["web-1, configure: other actions are described now"]);
    folder.write("pallet.toml", &changed.replace("group-spec.web", "group-spec.www"));
    folder.pallet(&["converge", "the.plan"]).code(3).says(&["does not describe any more"]);
    assert!(!folder.path("app").exists());
}

#[test]
fn nodes_that_come_and_go_are_told() {
    let folder = Folder::with_local_node(STEPS);
    folder.pallet(&["plan", "-o", "the.plan"]).code(0);
    let one = "{ name = \"web-1\", group = \"web\" }";
    let two = "{ name = \"web-2\", group = \"web\" }";
    let changed = folder.read("pallet.toml").replace(one, two);
    folder.write("pallet.toml", &changed);
    folder.pallet(&["converge", "the.plan"]).code(3).says(&[
        "2 things have changed",
        "web-1: the plan lets it stay; now it is not there",
        "web-2: the plan does not know it; now it would stay",
    ]);
}

#[test]
fn what_is_no_plan_is_told() {
    let folder = Folder::with_local_node(STEPS);
    folder.pallet(&["converge", "missing.plan"]).code(2).says(&["cannot read missing.plan"]);
    folder.write("no.plan", "{}");
    let ran = folder.pallet(&["converge", "no.plan"]).code(2);
    ran.says(&["no.plan:1:2: this is no plan: missing field `format`", "pallet plan --out FILE"]);
    folder.write("old.plan", "{ \"format\": 0 }");
    folder.pallet(&["converge", "old.plan"]).code(2).says(&["another version of pallet"]);
    folder.pallet(&["converge", "no.plan", "web"]).code(2).says(&["stands for itself"]);
    folder.pallet(&["converge", "no.plan", "--dry-run"]).code(2);
}
