//! `cargo xtask soak soap`.

use crate::process::measure_vbox_soap;

/// Makes the calls and opens the sessions, optimised, in a VirtualBox of their own.
pub(super) fn run() -> anyhow::Result<()> {
    measure_vbox_soap("soak")
}
