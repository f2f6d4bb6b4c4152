//! The help texts, word for word. `PALLET_UPDATE_EXPECTED=1` writes them anew.

use std::path::Path;

use crate::support::Folder;

#[track_caller]
fn check(name: &str, arguments: &[&str]) {
    let help = Folder::new().pallet(arguments).code(0).stdout;
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/expected").join(name);
    if std::env::var_os("PALLET_UPDATE_EXPECTED").is_some() {
        std::fs::write(&file, &help).unwrap();
    }
    let expected = std::fs::read_to_string(&file).unwrap();
    assert!(help == expected, "{} says otherwise; now it is:\n{help}", file.display());
}

#[test]
fn overview() {
    check("pallet.txt", &["--help"]);
}

#[test]
fn converge() {
    check("converge.txt", &["converge", "--help"]);
}

#[test]
fn plan() {
    check("plan.txt", &["plan", "--help"]);
}

#[test]
fn lift() {
    check("lift.txt", &["lift", "--help"]);
}

#[test]
fn resume() {
    check("resume.txt", &["resume", "--help"]);
}

#[test]
fn nodes() {
    check("nodes.txt", &["nodes", "--help"]);
}

#[test]
fn destroy() {
    check("destroy.txt", &["destroy", "--help"]);
}

#[test]
fn config() {
    check("config.txt", &["config", "--help"]);
}

#[test]
fn explain() {
    check("explain.txt", &["explain", "--help"]);
}

#[test]
fn report() {
    check("report.txt", &["report", "--help"]);
}

#[test]
fn without_a_command_help_is_shown_as_an_error() {
    Folder::new().pallet(&[]).code(2).says(&["Usage: pallet", "converge"]);
}

#[test]
fn the_others() {
    let others = [
        "completions",
        "doctor",
        "hardware",
        "images",
        "init",
        "man",
        "models",
        "report",
        "run",
        "schema",
        "services",
        "ssh",
    ];
    for command in others {
        check(&format!("{command}.txt"), &[command, "--help"]);
    }
}
