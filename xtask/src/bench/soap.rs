//! `cargo xtask bench soap`.

use crate::process::{cargo, check};

/// Measures the cost of a call against a bare loop on a socket, and of a list of machines against VBoxManage's.
pub(super) fn run() -> anyhow::Result<()> {
    // The programs stand beside the crate that they measure, so that this one needs not be built with it.
    for bench in ["calls", "listing"] {
        println!("\n=== {bench}");
        check(&mut cargo(&[
            "bench",
            "--quiet",
            "--package",
            "vbox-soap",
            "--features",
            "lab-tests",
            "--bench",
            bench,
        ]))?;
    }
    Ok(())
}
