//! Destroying: never without a word, and known to be impossible before anything is touched.

use crate::support::Folder;

#[test]
fn what_a_service_cannot_destroy_is_refused_before_anything_is_touched() {
    let folder = Folder::with_local_node("{ directory = \"@/app\" }");
    for arguments in [
        &["destroy", "web"][..],
        &["destroy", "--all", "--yes"],
        &["converge", "web=0", "--yes"],
        &["converge", "web=0", "--dry-run"],
        &["plan", "web=0"],
    ] {
        let ran = folder.pallet(arguments).code(2);
        let ran = ran.says(&["error: service `here`: ", "cannot destroy web-1", "help: "]);
        assert_eq!(ran.stdout, "");
    }
    assert!(!folder.path("app").exists());
}

#[test]
fn refused_for_programs_too() {
    let ran = Folder::with_local_node("").pallet(&["destroy", "web", "--output", "json"]).code(2);
    assert_eq!(ran.json()["error"]["kind"], "input");
}
