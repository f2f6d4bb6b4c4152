//! `cargo xtask soak soap`.

use crate::process::measure;

/// Makes the calls and opens the sessions, optimised, in a VirtualBox of their own.
pub(super) fn run() -> anyhow::Result<()> {
    measure("vbox-soap", "soak", &[])
}
