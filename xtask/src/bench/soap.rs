//! `cargo xtask bench soap`.

use crate::process::measure;

/// Measures the cost of a call against a bare loop on a socket, and of a list of machines against VBoxManage's.
pub(super) fn run() -> anyhow::Result<()> {
    for bench in ["calls", "listing"] {
        println!("\n=== {bench}");
        measure("vbox-soap", bench, &[])?;
    }
    Ok(())
}
