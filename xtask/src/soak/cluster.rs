//! `cargo xtask soak cluster`.

use std::process::Command;

use anyhow::Context as _;

use crate::lab::Product;
use crate::process::{cargo, check};

/// How many nodes.
const NODES: &str = "20";

/// Starts what is needed and runs the tests that `cargo xtask test` runs on a few nodes of the LXD
/// cluster, and with a sandbox in the place of VirtualBox: on both clusters.
pub(super) fn run() -> anyhow::Result<()> {
    let up = ["lab", "up", "--cluster", "--incus", "--vbox", "--guest", "--nodes", "1"];
    check(Command::new(std::env::current_exe()?).args(up)).context("the lab did not start")?;
    let test = ["test", "--package", "pallet-cli", "--features", "lab-tests"];
    let chosen = ["--test", "cluster_lab", "--", "--nocapture", "--test-threads", "1"];
    for product in Product::ALL {
        println!("\n=== {}", product.name());
        let mut command = cargo(&test);
        command.args(chosen).env("CLUSTER_NODES", NODES).env("CLUSTER_VBOX", "1");
        check(command.env("CLUSTER_PRODUCT", product.name()))?;
    }
    Ok(())
}
