//! `pallet schema`: what may stand in a pallet.toml, and what commands write for programs, as JSON
//! schemas.

mod document;
mod hoist;

use serde_json::Value;

use super::Ended;
use crate::args::Global;
use crate::error::CliError;
use crate::output::Output;
use crate::text::{closest, names};

/// What `pallet schema` is told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Of what this command writes with --output json; `error` is what all write when they cannot
    /// do what they are asked for [default: the schema of pallet.toml]
    #[arg(long, value_name = "COMMAND", num_args = 1..=2)]
    of: Vec<String>,
}

/// Carries it out. A schema is JSON in either format.
pub fn run(global: &Global, args: &Args, output: &Output) -> Result<Ended, CliError> {
    let schema = match args.of.as_slice() {
        [] => document::schema(global.app.all()),
        words => of_command(&words.join(" "))?,
    };
    output.result(&schema, || format!("{schema:#}\n"));
    Ok(Ended::Done)
}

fn of_command(name: &str) -> Result<Value, CliError> {
    let all = super::outputs::all();
    if let Some((_, schema)) = all.iter().find(|(known, _)| *known == name) {
        return Ok(schema());
    }
    let known: Vec<&str> = all.iter().map(|(known, _)| *known).collect();
    let error = CliError::input(format!("there is no command `{name}` that writes something"));
    let error = match closest(name, known.iter().copied()) {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None => error,
    };
    Err(error.hint(format!("commands: {}", names(&known))))
}
