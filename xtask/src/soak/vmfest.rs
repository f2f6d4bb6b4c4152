//! `cargo xtask soak vmfest`.

use crate::process::{cargo, check};

/// How often the client is killed, each time once on the way up and once on the way down.
const KILLS: &str = "50";
const TEST: &str = "kill::a_killed_client_leaves_nothing_behind";

/// The test of `cargo xtask test`, at its full count.
pub(super) fn run() -> anyhow::Result<()> {
    let test = ["test", "--package", "vmfest", "--features", "lab-tests", "--test", "lab"];
    check(cargo(&test).args(["--", "--exact", TEST, "--nocapture"]).env("VMFEST_KILLS", KILLS))
}
