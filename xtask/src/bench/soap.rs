//! `cargo xtask bench soap`.

use crate::process::measure_vbox_soap;

/// Measures the cost of a call against a bare loop on a socket, and of a list of machines against VBoxManage's.
pub(super) fn run() -> anyhow::Result<()> {
    for bench in ["calls", "listing"] {
        println!("\n=== {bench}");
        measure_vbox_soap(bench)?;
    }
    Ok(())
}
