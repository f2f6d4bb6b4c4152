//! `pallet completions`: what makes a shell complete commands, options, and names of groups and
//! nodes.

use clap_complete::env::Shells;
use schemars::JsonSchema;
use serde::Serialize;

use super::Ended;
use crate::args::Global;
use crate::error::{CliError, Kind};
use crate::output::Output;

/// The variable in which a completing shell says which one it is.
pub const VARIABLE: &str = "PALLET_COMPLETE";

/// What `pallet completions` is told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The shell
    #[arg(value_name = "SHELL", value_parser = ["bash", "elvish", "fish", "powershell", "zsh"])]
    shell: String,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Script {
    shell: String,
    script: String,
}

/// Carries it out.
pub fn run(global: &Global, args: &Args, output: &Output) -> Result<Ended, CliError> {
    let failed = |why: String| CliError::new(Kind::Failed, format!("no completions: {why}"));
    let shells = Shells::builtins();
    let shell = shells.completer(&args.shell).ok_or_else(|| failed("unknown shell".to_owned()))?;
    let program = std::env::current_exe().map_err(|error| failed(error.to_string()))?;
    let name = global.app.command().get_name().to_owned();
    let mut script = Vec::new();
    shell
        .write_registration(VARIABLE, &name, &name, &program.to_string_lossy(), &mut script)
        .map_err(|error| failed(error.to_string()))?;
    let script = String::from_utf8_lossy(&script).into_owned();
    let script = Script { shell: args.shell.clone(), script };
    output.result(&script, || script.script.clone());
    Ok(Ended::Done)
}

/// The schema of what programs read.
pub(super) fn schema() -> serde_json::Value {
    crate::commands::outputs::of::<Script>()
}
