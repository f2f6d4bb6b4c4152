//! `cargo xtask soak fleet`.

use std::process::Command;

use anyhow::Context as _;

use crate::process::{cargo, check};

/// How many nodes.
const NODES: &str = "100";

/// Starts the nodes and runs the test that `cargo xtask test` runs on ten of them.
pub(super) fn run() -> anyhow::Result<()> {
    check(Command::new(std::env::current_exe()?).args(["lab", "up", "--nodes", NODES]))
        .context("the lab did not start")?;
    let test = ["test", "--package", "pallet-cli", "--features", "lab-tests", "--test"];
    check(cargo(&test).args(["hazards_lab", "fleet::"]).env("PALLET_FLEET", NODES))
}
