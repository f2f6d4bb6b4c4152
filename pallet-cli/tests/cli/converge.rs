//! Real actions on this machine, in a temporary folder.

use std::net::TcpListener;

use pallet_core::report::{Report, Status};

use crate::support::{Folder, admin_user};

const THREE_STEPS: &str = r#"
  { directory = "@/app" },
  { remote-file = { path = "@/app/motd", content = "hello\n" }, id = "motd" },
  { exec-script = "echo ran >> @/log", when-changed = "motd" },
"#;

/// The last line without its time.
fn last_line(stdout: &str) -> &str {
    let line = stdout.lines().last().unwrap();
    line.rsplit_once(" · ").unwrap().0
}

#[test]
fn changed_then_unchanged_then_repaired() {
    let folder = Folder::with_local_node(THREE_STEPS);

    let first = folder.pallet(&["converge"]).code(0);
    assert_eq!(last_line(&first.stdout), "1 node · 3 changed · 0 unchanged · 0 failed");
    assert_eq!(folder.read("app/motd"), "hello\n");
    assert_eq!(folder.read("log"), "ran\n");
    let first = first.says(&["web-1  configure  directory /", "/app  changed  ", " ms\n"]);
    first.prints(&["node   phase      changed  unchanged  failed  skipped", "web-1  configure"]);

    let second = folder.pallet(&["converge"]).code(0);
    let nothing = "1 node · 0 changed · 2 unchanged · 0 failed · 1 skipped";
    assert_eq!(last_line(&second.stdout), nothing);
    assert_eq!(second.stderr, "", "nothing happened, so nothing is told");
    assert_eq!(folder.read("log"), "ran\n");

    folder.write("app/motd", "goodbye\n");
    let third = folder.pallet(&["lift", "web"]).code(0);
    assert_eq!(last_line(&third.stdout), "1 node · 2 changed · 1 unchanged · 0 failed");
    assert_eq!(folder.read("app/motd"), "hello\n");
    assert_eq!(folder.read("log"), "ran\nran\n");
    third.says(&["remote-file", "/app/motd  changed"]);
}

#[test]
fn a_dry_run_shows_the_difference_and_changes_nothing() {
    let folder = Folder::with_local_node(THREE_STEPS);
    folder.pallet(&["converge"]).code(0);
    folder.write("app/motd", "goodbye\n");
    let ran = folder.pallet(&["converge", "--dry-run"]).code(0);
    assert_eq!(folder.read("app/motd"), "goodbye\n");
    assert_eq!(folder.read("log"), "ran\n");
    assert_eq!(last_line(&ran.stdout), "1 node · 2 would change · 1 unchanged · 0 failed");
    ran.says(&["/app/motd  would change", "    -goodbye", "    +hello"]);
}

#[test]
fn verbose_tells_of_what_is_unchanged_too() {
    let folder = Folder::with_local_node(THREE_STEPS);
    folder.pallet(&["converge"]).code(0);
    let ran = folder.pallet(&["converge", "-v"]).code(0);
    ran.says(&["connecting to this machine", "/app/motd  unchanged", "skipped: "]);
}

#[test]
fn a_failing_script_is_reported_with_its_output() {
    let folder = Folder::with_local_node(
        "\n  { exec-script = \"echo to stdout; echo to stderr >&2; exit 7\" },\n\
         \n  { directory = \"@/never\" },\n",
    );
    let ran = folder.pallet(&["converge"]).code(1);
    assert!(!folder.path("never").exists());
    let line = folder.read("pallet.toml").lines().position(|line| line.contains("exec-script"));
    let place = format!("  at pallet.toml:{}:", line.unwrap() + 1);
    let ran = ran.says(&["web-1  configure  exec-script ", "failed: "]);
    let ran = ran.prints(&[
        "failed: web-1, configure, exec-script echo to stdout",
        &place,
        "exit status 7",
        "    | to stdout\n",
        "    | to stderr\n",
    ]);
    assert_eq!(last_line(&ran.stdout), "1 node · 0 changed · 0 unchanged · 1 failed · 1 skipped");
}

#[test]
fn the_report_for_programs() {
    let folder = Folder::with_local_node(
        "\n{ directory = \"@/app\" },\n{ exec-script = \"echo oh; exit 7\" },\n",
    );
    let ran = folder.pallet(&["converge", "--output", "json"]).code(1);
    assert_eq!(ran.stderr, "");
    let json = ran.json();
    let report: Report = serde_json::from_value(json.clone()).unwrap();
    let node = &report.nodes[0];
    assert_eq!((node.node.as_str(), node.group.as_str()), ("web-1", "web"));
    let phase = &node.phases[0];
    let statuses: Vec<&Status> = phase.actions.iter().map(|action| &action.status).collect();
    assert_eq!(statuses, [&Status::Changed, &Status::Failed]);
    let failure = phase.failure.as_ref().unwrap();
    assert_eq!(failure.phase, "configure");
    assert_eq!(failure.output.trim(), "oh");
    assert_eq!(failure.origin.as_ref().unwrap().file.to_str(), Some("pallet.toml"));

    let summary = &json["summary"];
    assert_eq!(summary["nodes"], 1);
    assert_eq!(summary["changed"], 1);
    assert_eq!(summary["failed"], 1);
    assert_eq!(summary["dry-run"], false);
    assert!(summary["millis"].is_u64());
}

#[test]
fn a_node_that_cannot_be_reached_does_not_hold_up_the_other() {
    // A port that was free a moment ago refuses connections.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let folder = Folder::with(&format!(
        "{}[service.here]\nprovider = \"node-list\"\nnodes = [\n  \
         {{ name = \"web-1\", group = \"web\" }},\n  \
         {{ name = \"web-2\", group = \"web\", host = \"127.0.0.1\", port = {port} }},\n]\n\
         [group-spec.web.phases]\nconfigure = [{{ directory = \"@/app\" }}]\n",
        admin_user()
    ));
    let ran = folder.pallet(&["converge", "--connect-timeout", "5"]).code(1);
    assert!(folder.path("app").is_dir());
    let ran = ran.prints(&["failed: web-2, connect\n", "refused", "  help: "]);
    assert_eq!(last_line(&ran.stdout), "2 nodes · 1 changed · 0 unchanged · 1 failed");
}

#[test]
fn a_phase_that_was_asked_for_runs_after_the_default_ones() {
    let folder = Folder::with_local_node(
        "{ exec-script = \"echo configure >> @/log\" }]\ntidy = [{ exec-script = \"echo tidy >> @/log\" }",
    );
    folder.pallet(&["lift"]).code(0);
    folder.pallet(&["lift", "--phase", "tidy"]).code(0);
    assert_eq!(folder.read("log"), "configure\nconfigure\ntidy\n");
}

#[test]
fn colours_only_where_they_are_wanted() {
    let folder = Folder::with_local_node(THREE_STEPS);
    let plain = folder.pallet(&["converge"]).code(0);
    assert!(!plain.stdout.contains('\u{1b}') && !plain.stderr.contains('\u{1b}'));
    let colored = folder.pallet(&["converge", "--color", "always"]).code(0);
    assert!(colored.stdout.contains("\u{1b}["));
}

#[test]
#[cfg(target_os = "linux")]
fn no_color_is_heeded_on_a_terminal() {
    let folder = Folder::with_local_node(THREE_STEPS);
    let colored = folder.pallet_on_terminal(&["converge"], "", "").code(0);
    assert!(colored.stdout.contains("\u{1b}[33mchanged"), "{colored:#?}");
    folder.write("app/motd", "goodbye\n");
    let plain = folder.pallet_on_terminal(&["converge"], "", "1").code(0);
    assert!(plain.stdout.contains("changed") && !plain.stdout.contains('\u{1b}'), "{plain:#?}");
}

/// The kernel's own words, not made up ones.
#[test]
fn common_failures_on_nodes_have_a_hint() {
    let full = "{ exec-script = { name = 'fill', script = 'echo x >/dev/full' } }";
    let ran = Folder::with_local_node(full).pallet(&["lift"]).code(1);
    ran.prints(&["fill", "No space left on device", "help: make room on the node"]);
    let missing = "{ exec-script = { name = 'call', script = 'frobnicate' } }";
    let ran = Folder::with_local_node(missing).pallet(&["lift"]).code(1);
    ran.prints(&["exit status 127", "help: the node has no such program"]);
}
