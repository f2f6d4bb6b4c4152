//! Completions in a real bash.

use std::process::Command;

use crate::support::Folder;

const HOSTS: &str = "
    [service.rack]
    provider = 'node-list'
    nodes = [
      { name = 'web-1', group = 'web', host = '127.0.0.1', port = 1 },
      { name = 'web-2', group = 'web', host = '127.0.0.1', port = 1 },
    ]
    [group-spec.web]
    [group-spec.db]
    [cluster-spec.site]
    groups = ['db']
";

/// What bash offers after these words, of which the last is being typed.
fn offers(folder: &Folder, words: &[&str]) -> Vec<String> {
    let script = r#"
        source <("$PALLET" completions bash) || exit 1
        function=$(complete -p pallet | sed 's/.*-F \([^ ]*\).*/\1/')
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_TYPE=9
        COMP_LINE="$*" COMP_POINT=${#COMP_LINE}
        "$function" pallet "${@: -1}" "${@: -2:1}"
        printf '%s\n' "${COMPREPLY[@]}"
    "#;
    let output = Command::new("bash")
        .args(["-c", script, "bash"])
        .args(words)
        .current_dir(folder.path(""))
        .env("PALLET", env!("CARGO_BIN_EXE_pallet"))
        .env("PALLET_HOME", folder.path(".pallet"))
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && stderr.is_empty(), "{stderr}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| line.trim_end().to_owned()).filter(|line| !line.is_empty()).collect()
}

#[test]
fn groups_and_nodes_are_offered_where_they_fit() {
    let folder = Folder::with(HOSTS);
    assert_eq!(offers(&folder, &["pallet", "conv"]), ["converge"]);
    assert_eq!(offers(&folder, &["pallet", "destroy", "w"]), ["web"]);
    assert_eq!(offers(&folder, &["pallet", "destroy", "s"]), ["site-db", "site"]);
    assert_eq!(offers(&folder, &["pallet", "ssh", "we"]), ["web-1", "web-2", "web"]);
    assert_eq!(offers(&folder, &["pallet", "run", "web-"]), ["web-1", "web-2"]);
}

#[test]
fn a_file_that_is_named_counts_and_a_mistaken_one_offers_nothing() {
    let folder = Folder::new();
    folder.write("other.toml", HOSTS);
    assert_eq!(offers(&folder, &["pallet", "-c", "other.toml", "destroy", "w"]), ["web"]);
    folder.write("other.toml", "[group-spec.web\n");
    assert!(offers(&folder, &["pallet", "-c", "other.toml", "destroy", "w"]).is_empty());
}
