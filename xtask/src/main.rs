//! `cargo xtask`: see `cargo xtask --help`.

use clap::{Parser, Subcommand};

/// Developer tasks of the Pallet workspace.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Generate vbox-soap's bindings from the committed API model.
    Codegen(xtask::codegen::Args),
    /// Start, stop and inspect the lab: a real VirtualBox and real Linux nodes.
    Lab(xtask::lab::Args),
    /// Create, configure and destroy two machines in the lab's VirtualBox, checking every step.
    Demo,
    /// Run every check and every test, the lab and the demo included.
    Test(xtask::test::Args),
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().task {
        Task::Codegen(args) => xtask::codegen::run(args),
        Task::Lab(args) => xtask::lab::run(args),
        Task::Demo => xtask::demo::run(),
        Task::Test(args) => xtask::test::run(args),
    }
}
