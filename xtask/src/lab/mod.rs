//! The lab: real servers for integration tests.

/// Arguments of `cargo xtask lab`.
#[derive(clap::Args)]
pub struct Args {}

/// Runs `cargo xtask lab`.
pub fn run(_args: Args) -> anyhow::Result<()> {
    Ok(())
}
