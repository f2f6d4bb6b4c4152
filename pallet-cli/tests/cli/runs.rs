//! `pallet report`, and `--report`.

use crate::support::Folder;

const STEPS: &str = "{ remote-file = { path = '@/made', content = 'hi' } }, \
                     { exec-script = { name = 'fail', script = 'echo <b>; exit 7' } }";

#[test]
fn runs_are_listed_and_told() {
    let folder = Folder::with_local_node(STEPS);
    folder.pallet(&["report"]).code(0).prints(&["no runs"]);
    folder.pallet(&["report", "latest"]).code(2).says(&["no run has been written down yet"]);
    let ran = folder.pallet(&["lift", "web", "--report", "page.html"]).code(1);
    let page = folder.read("page.html");
    assert!(page.contains("<title>lift of pallet.toml</title>"), "{page}");
    assert!(page.contains("&lt;b&gt;") && page.contains("id=\"timeline\""), "{page}");

    let list = folder.pallet(&["report", "--output", "json"]).code(0).json();
    let run = &list["runs"][0];
    assert_eq!((&run["command"], &run["state"]), (&"lift web".into(), &"failed".into()));
    assert_eq!((&run["changed"], &run["failed"]), (&1.into(), &1.into()));
    let name = run["run"].as_str().unwrap();
    folder.pallet(&["report"]).code(0).prints(&[name, "lift web", "failed"]);

    // The same table as at its end, by a part of its name.
    let part = name.rsplit('-').next().unwrap();
    let told = folder.pallet(&["report", part]).code(0).prints(&[name, "by "]);
    let table = ran.stdout.split("\n\n").next().unwrap();
    assert!(told.stdout.contains(table), "{told:#?}");
    let json = folder.pallet(&["report", "latest", "--output", "json"]).code(0).json();
    assert_eq!(json["report"]["nodes"][0]["phases"][0]["actions"][0]["status"], "changed");
    folder.pallet(&["report", "--html", "later.html"]).code(0).prints(&["written to later.html"]);
    assert!(folder.read("later.html").contains("&lt;b&gt;"));

    folder.pallet(&["report", "2099"]).code(2).says(&["there is no run `2099`"]);
    folder.pallet(&["report", "2"]).code(0);
}

#[test]
fn runs_of_other_files_only_when_asked_for() {
    let folder = Folder::with_local_node("{ exec-script = 'true' }");
    folder.pallet(&["lift"]).code(0);
    folder.write("other.toml", "");
    let other = ["report", "--config", "other.toml"];
    folder.pallet(&other).code(0).prints(&["no runs"]);
    folder.pallet(&[&other[..], &["--all"]].concat()).code(0).prints(&["lift of /", "pallet.toml"]);
}

#[test]
fn a_page_that_could_not_be_written_is_refused_before_anything_is_done() {
    let folder = Folder::with_local_node("{ file = { path = '@/made' } }");
    for command in ["lift", "plan", "converge"] {
        let ran = folder.pallet(&[command, "--report", "nowhere/page.html"]).code(2);
        ran.says(&["there is no folder nowhere for the report"]);
    }
    assert!(!folder.path("made").exists());
    folder.pallet(&["report"]).code(0).prints(&["no runs"]);
    folder.pallet(&["lift", "--report", "."]).code(2).says(&["is a folder"]);
}

#[test]
fn a_plan_shows_differences_on_its_page() {
    let folder =
        Folder::with_local_node("{ remote-file = { path = '@/made', content = \"new\\n\" } }");
    folder.write("made", "old\n");
    folder.pallet(&["plan", "--report", "page.html"]).code(0);
    let page = folder.read("page.html");
    for part in ["plan: nothing was touched", "<span class=\"added\">+new</span>", "-old"] {
        assert!(page.contains(part), "{part}: {page}");
    }
}
