//! `cargo xtask soak soap`.

use crate::process::{cargo, check};

/// Makes the calls and opens the sessions, optimised, in a VirtualBox of their own.
pub(super) fn run() -> anyhow::Result<()> {
    check(&mut cargo(&[
        "bench",
        "--quiet",
        "--package",
        "vbox-soap",
        "--features",
        "lab-tests",
        "--bench",
        "soak",
    ]))
}
