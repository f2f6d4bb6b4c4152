//! The `pallet` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    pallet_cli::App::new().main()
}
