//! `cargo xtask soak durable`.

use crate::process::{cargo, check};

/// Runs the tests of runs that break off at their full counts.
pub(super) fn run() -> anyhow::Result<()> {
    let test = ["test", "--package", "pallet-cli", "--features", "lab-tests"];
    let chosen = ["--test", "durable_lab", "--", "--nocapture", "--test-threads", "1"];
    let mut command = cargo(&test);
    command.args(chosen).env("PALLET_TEST_ROUNDS", "50").env("PALLET_TEST_UPLOAD", "300");
    check(&mut command)
}
