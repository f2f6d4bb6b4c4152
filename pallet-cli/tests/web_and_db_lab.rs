//! `examples/web-and-db` on three real nodes with systemd, through the `pallet` command: packages
//! are really installed, and services really answer.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use xtask::lab::{ClaimedNode, Listed, NodeKind, State, rack};

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/web-and-db");
const PASSWORD: &str = "s3cret-of-the-shop";

/// The example with the lab's nodes in place of those of its list.
fn project(nodes: &[ClaimedNode]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(EXAMPLE).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
    }
    let example = fs::read_to_string(format!("{EXAMPLE}/pallet.toml")).unwrap();
    let (_, rest) = example.split_once("[environment]").unwrap();
    let names = [("cache-1", "cache"), ("web-1", "web"), ("db-1", "database")];
    let listed = nodes.iter().zip(names);
    let listed = listed.map(|(node, (name, group))| Listed { name, ..node.listed(group) });
    let text = rack(listed, &nodes[0].user, &nodes[0].key) + &format!("[environment]{rest}");
    fs::write(folder.path().join("pallet.toml"), text).unwrap();
    folder
}

/// Runs `pallet --output json`, and gives the report of a run that has to succeed.
fn pallet(folder: &Path, arguments: &[&str]) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_pallet"))
        .args(arguments)
        .args(["--output", "json"])
        .current_dir(folder)
        .env("SHOP_DB_PASSWORD", PASSWORD)
        .output()
        .unwrap();
    let (stdout, stderr) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{arguments:?}: {stdout}{stderr}");
    assert!(!stdout.contains(PASSWORD) && !stderr.contains(PASSWORD), "{stdout}{stderr}");
    serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{error}: {stdout}{stderr}"))
}

/// All actions that ended in one of some ways, wherever reports and plans have them.
fn actions(report: &Value, statuses: &[&str]) -> BTreeSet<String> {
    let nodes = report["nodes"].as_array().or(report["report"]["nodes"].as_array());
    let mut found = BTreeSet::new();
    for node in nodes.unwrap_or_else(|| panic!("{report:#}")) {
        for phase in node["phases"].as_array().unwrap() {
            for action in phase["actions"].as_array().unwrap() {
                let status = action["status"].as_str().unwrap();
                if statuses.contains(&status) {
                    let text = |key: &str| action[key].as_str().unwrap().to_owned();
                    let node = node["node"].as_str().unwrap();
                    found.insert(format!("{node} {} {}", text("action"), text("subject")));
                }
            }
        }
    }
    found
}

fn sh(node: &ClaimedNode, script: &str) -> String {
    node.run(&["bash", "-c", script]).unwrap()
}

#[test]
fn the_shop_opens_stays_and_is_repaired() {
    let nodes = State::load().unwrap().claim(NodeKind::Systemd, 3).unwrap();
    let [cache, web, database] = nodes.as_slice() else { panic!("three nodes") };
    let folder = project(&nodes);
    let folder = folder.path();

    let shown = pallet(folder, &["plan"]);
    let shown = actions(&shown, &["will-change", "may-change"]);
    // Whoever is on a node while it is configured may look at all argument lists.
    let look = "systemd-run -q --unit watch sh -c 'while :; do \
                grep -aho \"s3cret-of-the-sho[p]\" /proc/[0-9]*/cmdline; sleep 0.05; done >/run/seen'";
    for node in [web, database] {
        sh(node, look);
    }
    let changed = actions(&pallet(folder, &["converge", "--yes"]), &["changed"]);
    let surprising: Vec<_> = changed.difference(&shown).collect();
    assert!(surprising.is_empty(), "changed, and not shown: {surprising:#?}");

    for node in [web, database] {
        assert_eq!(sh(node, "systemctl stop watch; cat /run/seen"), "", "{}", node.name);
    }

    // What is served, as another node sees it.
    let get = |path: &str| {
        let fetch = format!(
            "exec 3<>/dev/tcp/{}/80; printf 'GET {path} HTTP/1.0\\r\\n\\r\\n' >&3; cat <&3",
            web.address
        );
        let answer = sh(cache, &fetch);
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        body.to_owned()
    };
    let page = get("/");
    let line = format!("The database is db-1, at {}, port 3306.", database.address);
    assert!(page.contains(&line), "{page}");
    assert_eq!(get("/offer.txt"), "Fresh bread, every morning.\n");
    // Packages came through the cache.
    let cached =
        sh(cache, "find /var/cache/apt-cacher-ng -name 'nginx*.deb' -o -name 'mariadb*.deb'");
    assert!(cached.contains("nginx") && cached.contains("mariadb-server"), "{cached}");
    // The password is nowhere where it could be read by others.
    let found = "grep -rl 's3cret-of-the-sho[p]' /etc /srv /var/log /tmp /home /root || true";
    for node in &nodes {
        assert_eq!(sh(node, found), "", "{}", node.name);
    }

    let shown = actions(&pallet(folder, &["plan"]), &["will-change", "may-change"]);
    assert_eq!(shown, BTreeSet::new());
    let changed = actions(&pallet(folder, &["converge", "--yes"]), &["changed"]);
    assert_eq!(changed, BTreeSet::new());

    // Somebody was here.
    sh(web, "sed -i 's/Corner/Other/' /srv/shop/public/index.html; systemctl stop nginx");
    sh(database, "systemctl stop mariadb");
    sh(cache, "systemctl stop apt-cacher-ng");
    let shown = actions(&pallet(folder, &["plan"]), &["will-change"]);
    let expected = [
        "cache-1 service apt-cacher-ng",
        "db-1 service mariadb",
        "web-1 remote-file /srv/shop/public/index.html",
        "web-1 service nginx",
    ];
    for expected in expected {
        assert!(shown.contains(expected), "{expected}: {shown:#?}");
    }
    let changed = actions(&pallet(folder, &["converge", "--yes"]), &["changed"]);
    assert!(expected.iter().all(|it| changed.contains(*it)), "{changed:#?}");
    assert_eq!(get("/"), page, "as it was");
    let changed = actions(&pallet(folder, &["converge", "--yes"]), &["changed"]);
    assert_eq!(changed, BTreeSet::new());
}
