//! Destroying: never without a word. A list of nodes destroys nothing, so that what would be
//! destroyed is seen to be tried, and to fail.

use crate::support::Folder;

#[test]
fn refused_on_a_pipe_without_yes() {
    let folder = Folder::with_local_node("{ directory = \"@/app\" }");
    for arguments in [["destroy", "web"], ["destroy", "--all"], ["converge", "web=0"]] {
        let ran = folder.pallet(&arguments).code(3).says(&[
            "error: 1 node would be destroyed: web-1; nothing was done",
            "help: ",
            "--yes",
        ]);
        assert_eq!(ran.stdout, "");
    }
    assert!(!folder.path("app").exists());
}

#[test]
fn refused_for_programs_too() {
    let ran = Folder::with_local_node("").pallet(&["destroy", "web", "--output", "json"]).code(3);
    assert_eq!(ran.json()["error"]["kind"], "refused");
}

#[test]
fn tried_with_yes() {
    let folder = Folder::with_local_node("");
    for arguments in [["destroy", "web", "--yes"], ["converge", "web=0", "--yes"]] {
        let ran = folder.pallet(&arguments).code(1);
        ran.prints(&["failed: web-1, destroy\n", "cannot destroy web-1", "1 node · "]);
    }
}

#[test]
fn a_dry_run_needs_no_yes() {
    let ran = Folder::with_local_node("").pallet(&["converge", "web=0", "--dry-run"]).code(0);
    ran.prints(&["would be destroyed: web-1"]);
}

#[test]
#[cfg(target_os = "linux")]
fn asked_on_a_terminal() {
    let folder = Folder::with_local_node("");
    let no = folder.pallet_on_terminal(&["destroy", "web"], "n\n", "").code(3);
    no.prints(&["1 node would be destroyed: web-1", "Destroy? [y/N]", "nothing was done"]);
    let yes = folder.pallet_on_terminal(&["destroy", "web"], "y\n", "").code(1);
    yes.prints(&["Destroy? [y/N]", "cannot destroy web-1"]);
}
