//! Code generation for `vbox-soap`.

/// Arguments of `cargo xtask codegen`.
#[derive(clap::Args)]
pub struct Args {}

/// Runs `cargo xtask codegen`.
pub fn run(_args: Args) -> anyhow::Result<()> {
    Ok(())
}
