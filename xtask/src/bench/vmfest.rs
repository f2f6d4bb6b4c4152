//! `cargo xtask bench vmfest`.

use crate::process::measure;

/// Arguments of `cargo xtask bench vmfest`.
#[derive(clap::Args)]
pub(super) struct Args {
    /// 50 VMs only, and not the growth up to 400.
    #[arg(long)]
    quick: bool,
}

/// Measures creating VMs against a script of VBoxManage calls, and against the bare calls one after
/// the other.
pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    measure("vmfest", "create", if args.quick { &["--quick"] } else { &[] })
}
