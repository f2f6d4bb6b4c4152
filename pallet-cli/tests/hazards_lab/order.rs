//! Hazard 10: declared order is execution order, across files, packages, accounts and scripts.

use std::fs;

use xtask::lab::{NodeKind, State};

use crate::{failure, listed, pallet};

/// What dpkg runs before it changes packages notes which files were written before. The package is
/// removed, since that needs no network.
#[test]
fn hazard_10_files_packages_accounts_and_scripts_come_as_they_are_declared() {
    let lab = State::load().unwrap();
    let nodes = lab.claim(NodeKind::Plain, 1).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let document = listed(&nodes, &nodes[0].user)
        + r##"[group-spec.rack.phases]
configure = [
  { exec-script = { script = "echo 1 script >>/srv/order; ! getent passwd ordered" } },
  { remote-file = { path = "/etc/apt/apt.conf.d/99order", content = "DPkg::Pre-Invoke { \"echo 3 packages >>/srv/order; cat /srv/before >>/srv/order\"; };\n" } },
  { remote-file = { path = "/srv/before", content = "2 file\n" } },
  { package = { name = "tzdata", ensure = "absent" } },
  { remote-file = { path = "/srv/before", content = "4 file\n" } },
  { user = { name = "ordered", system = true } },
  { exec-script = { script = "cat /srv/before >>/srv/order; getent passwd ordered >/dev/null && echo 5 user >>/srv/order" } },
  { remote-file = { path = "/srv/before", content = "6 file\n", owner = "ordered" } },
]
"##;
    fs::write(folder.path().join("pallet.toml"), document).unwrap();
    let (code, report) = pallet(folder.path(), &["lift"], &[]);
    assert_eq!(code, 0, "{:#?}", failure(&report, &nodes[0].name));
    let gone = nodes[0].run(&["sh", "-c", "dpkg-query -W -f '${db:Status-Abbrev}' tzdata; true"]);
    assert!(!gone.unwrap().starts_with("ii"));
    let order = nodes[0].run(&["cat", "/srv/order"]).unwrap();
    assert_eq!(order, "1 script\n3 packages\n2 file\n4 file\n5 user\n");
    let last = nodes[0].run(&["sh", "-c", "cat /srv/before; stat -c %U /srv/before"]).unwrap();
    assert_eq!(last, "6 file\nordered\n");
}
