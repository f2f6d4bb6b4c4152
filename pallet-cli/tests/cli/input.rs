//! What is wrong with the file or the arguments: exit code 2, the place, and what to do.

use crate::support::Folder;

const TWO_GROUPS: &str = "[group-spec.web]\n[group-spec.database]\n";

#[test]
fn no_file_anywhere() {
    // Temporary folders are below `/tmp`; nobody keeps a pallet.toml in there or above.
    let folder = Folder::new();
    for command in ["converge", "lift", "nodes"] {
        folder.pallet(&[command]).code(2).says(&[
            "error: there is no pallet.toml in /",
            "help: ",
            "--config FILE",
        ]);
    }
}

#[test]
fn a_named_file_that_is_missing() {
    let ran = Folder::new().pallet(&["converge", "--config", "other.toml"]);
    ran.code(2).says(&["error: other.toml: cannot be read: No such file", "help: check the path"]);
}

#[test]
fn all_mistakes_of_a_file_with_line_and_column() {
    let folder = Folder::with(
        "[group-spec.web]\nextends = [\"bse\"]\ncunt = 2\n[server-spec.base.phases]\n\
         configure = [\n  { remotefile = \"x\" },\n]\n",
    );
    let ran = folder.pallet(&["converge"]).code(2).says(&[
        "pallet.toml:2:12",
        "there is no server-spec or crate `bse`",
        "2 | extends = [\"bse\"]",
        "did you mean `base`?",
        "pallet.toml:3:1",
        "unknown key `cunt`",
        "did you mean `count`?",
        "pallet.toml:6:5",
        "unknown action `remotefile`",
        "did you mean `remote-file`?",
        "error: pallet.toml has 3 mistakes",
    ]);
    assert_eq!(ran.stdout, "");
}

#[test]
fn a_syntax_error_with_line_and_column() {
    let ran = Folder::with("[group-spec.web]\ncount = = 2\n").pallet(&["lift"]);
    ran.code(2).says(&["pallet.toml:2:9"]);
}

#[test]
fn errors_for_programs() {
    let folder = Folder::with("[group-spec.web]\ncunt = 2\n");
    let ran = folder.pallet(&["converge", "--output", "json"]).code(2);
    let error = ran.json()["error"].clone();
    assert_eq!(error["kind"], "input");
    assert_eq!(error["diagnostics"][0]["file"], "pallet.toml");
    assert_eq!(error["diagnostics"][0]["line"], 2);
    assert_eq!(error["diagnostics"][0]["column"], 1);
}

#[test]
fn the_nearest_file_above_is_found() {
    let folder = Folder::with("[group-spec.web]\ncunt = 2\n");
    let below = folder.path("one/two");
    std::fs::create_dir_all(&below).unwrap();
    let mut command = folder.command(&["converge"]);
    let output = command.current_dir(below).output().unwrap();
    crate::support::Ran::from(output).code(2).says(&["../../pallet.toml:2:1"]);
}

#[test]
fn an_unknown_group() {
    let folder = Folder::with(TWO_GROUPS);
    folder.pallet(&["converge", "databse=2"]).code(2).says(&[
        "error: pallet.toml has no group `databse`",
        "help: did you mean `database`?",
        "help: groups: database, web",
    ]);
    folder.pallet(&["destroy", "cache"]).code(2).says(&["has no group `cache`"]);
}

#[test]
fn groups_that_are_no_groups() {
    let folder = Folder::with(TWO_GROUPS);
    folder.pallet(&["converge", "web=many"]).code(2).says(&["`many` is no count"]);
    folder.pallet(&["lift", "web=2"]).code(2).says(&["only `converge` takes a count"]);
    folder.pallet(&["lift", "web", "web"]).code(2).says(&["group `web` is given twice"]);
    folder.pallet(&["destroy"]).code(2).says(&["<GROUP>"]);
    folder.pallet(&["destroy", "web", "--all"]).code(2).says(&["cannot be used with"]);
    Folder::with("").pallet(&["converge"]).code(2).says(&["describes no groups", "[group-spec."]);
}

#[test]
fn limits_that_are_no_limits() {
    let folder = Folder::with(TWO_GROUPS);
    folder.pallet(&["lift", "--parallel", "0"]).code(2);
    folder.pallet(&["lift", "--ready-timeout", "0"]).code(2).says(&["whole number of seconds"]);
    folder.pallet(&["lift", "--connect-timeout", "soon"]).code(2);
}

#[test]
fn an_unknown_phase() {
    let folder = Folder::with_local_node("");
    folder.pallet(&["lift", "--phase", "tidy"]).code(2).says(&["phase `tidy` does not exist"]);
    folder.pallet(&["lift", "--phase", "bootstrap"]).code(2).says(&["cannot be asked for"]);
}

#[test]
fn no_service_to_get_nodes_from() {
    let folder = Folder::with("[group-spec.web]\ncount = 1\n");
    folder.pallet(&["converge"]).code(2).says(&["`web` names no service", "[service.NAME]"]);
}

#[test]
fn a_list_of_nodes_cannot_grow() {
    let folder = Folder::with_local_node("");
    let ran = folder.pallet(&["converge", "web=3"]).code(2);
    ran.says(&["service `here`", "it is a list of nodes", "help: "]);
}
