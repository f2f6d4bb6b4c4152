//! The `pallet` command.

mod app;
mod args;
mod commands;
mod confirm;
mod error;
mod excerpt;
mod interrupt;
mod output;
mod plan_file;
mod plan_text;
mod progress;
mod project;
mod recorded;
mod registry;
mod run;
mod selection;
mod services;
mod settings;
mod summary;
mod text;

use std::process::ExitCode;

fn main() -> ExitCode {
    app::main()
}
