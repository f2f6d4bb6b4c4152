//! `cargo xtask`: see `cargo xtask --help`.

use std::process::ExitCode;

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
    /// Measure, against something in the same run: a bar that is missed is an error.
    Bench(xtask::bench::Args),
    /// Generate vbox-soap's bindings from the committed API model.
    Codegen(xtask::codegen::Args),
    /// Write the reference in docs/reference from the code that it is about.
    Docs(xtask::docs::Args),
    /// Build `pallet` as one static file, and check that it is one.
    Dist,
    /// Start, stop and inspect the lab: a real VirtualBox and real Linux nodes.
    Lab(xtask::lab::Args),
    /// Create, configure, repair and destroy nodes, checking every step.
    Demo(xtask::demo::Args),
    /// Make things happen very often, to see that nothing grows.
    Soak(xtask::soak::Args),
    /// Run every check and every test, the lab and the demo included.
    Test(xtask::test::Args),
}

fn main() -> ExitCode {
    let done = match Cli::parse().task {
        Task::Bench(args) => xtask::bench::run(args),
        Task::Codegen(args) => xtask::codegen::run(args),
        Task::Docs(args) => xtask::docs::run(&args),
        Task::Dist => xtask::dist::run(),
        Task::Lab(args) => xtask::lab::run(args),
        Task::Demo(args) => xtask::demo::run(&args),
        Task::Soak(args) => xtask::soak::run(args),
        Task::Test(args) => xtask::test::run(args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
