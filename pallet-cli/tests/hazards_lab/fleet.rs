//! Hazards 14 to 16: many nodes, five of them broken, each in its own way.

use std::fs;
use std::time::{Duration, Instant};

use xtask::lab::{NodeKind, State};

use crate::{failure, listed, pallet};

/// How many nodes, where nobody says otherwise; `cargo xtask soak fleet` says 100.
const NODES: usize = 10;

/// What is done to a node, in which phase that shows, and what is said of it.
const FAULTS: [(&str, &str, &str); 5] = [
    ("ip route add blackhole $GATEWAY/32", "connect", "within"),
    (
        // A login shell that ends its session. sshd itself need not start anew for that, and always
        // listens.
        "printf '#!/bin/sh\\nkill -KILL $PPID\\n' >/bin/dies && chmod 755 /bin/dies && usermod -s /bin/dies pallet-admin",
        "connect",
        "closed the connection",
    ),
    (
        "mount -t tmpfs -o size=64k full /srv && head -c 64k /dev/zero >/srv/fill",
        "configure",
        "No space left on device",
    ),
    ("mount -t tmpfs -o ro fixed /srv", "configure", "Read-only file system"),
    ("rm /etc/sudoers.d/lab", "connect", "sudo refused pallet-admin"),
];

#[test]
fn hazards_14_15_16_broken_nodes_do_not_stop_the_others() {
    let count = std::env::var("PALLET_FLEET").map_or(NODES, |count| count.parse().unwrap());
    let lab = State::load().unwrap();
    let nodes = lab.claim(NodeKind::Plain, count).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let document = listed(&nodes, &nodes[0].user)
        + r#"[group-spec.rack.phases]
configure = [
  { directory = "/srv/app" },
  { remote-file = { path = "/srv/app/config", content = "listen = 8080\n" } },
  { user = { name = "app", system = true } },
]
"#;
    fs::write(folder.path().join("pallet.toml"), document).unwrap();

    // Spread among the others, so that neither the first nor the last decide.
    let place = |fault: usize| fault * count / FAULTS.len() + 1;
    let [one, two, three, _] = nodes[0].address.octets();
    for (fault, (damage, _, _)) in FAULTS.iter().enumerate() {
        let damage = damage.replace("$GATEWAY", &format!("{one}.{two}.{three}.1"));
        nodes[place(fault)].run(&["sh", "-ec", &damage]).unwrap();
    }

    let begun = Instant::now();
    let (code, report) = pallet(folder.path(), &["lift", "--connect-timeout", "10"], &[]);
    let taken = begun.elapsed();
    assert_eq!(code, 1);
    // The time-outs of one node, and some for the work: not the sum of the nodes.
    assert!(taken < Duration::from_secs(60), "{taken:?}");

    let broken: Vec<&str> =
        (0..FAULTS.len()).map(|fault| nodes[place(fault)].name.as_str()).collect();
    for node in &nodes {
        let is_broken = broken.contains(&node.name.as_str());
        assert_eq!(
            failure(&report, &node.name).is_some(),
            is_broken,
            "{}: {:#?}",
            node.name,
            failure(&report, &node.name)
        );
        if !is_broken {
            assert_eq!(node.run(&["cat", "/srv/app/config"]).unwrap(), "listen = 8080\n");
        }
    }
    for (node, (_, phase, reason)) in broken.iter().zip(FAULTS) {
        let failure = failure(&report, node).unwrap();
        assert_eq!(failure["node"], *node);
        assert_eq!(failure["phase"], phase, "{failure:#}");
        assert!(failure.to_string().contains(reason), "{failure:#}");
        if phase == "configure" {
            assert!(failure["action"].as_str().unwrap().contains("/srv/app"), "{failure:#}");
        }
    }
}
