//! `pallet man`: manual pages of all commands.

use std::path::{Path, PathBuf};

use clap::Command;
use schemars::JsonSchema;
use serde::Serialize;

use super::Ended;
use crate::args::Global;
use crate::error::{CliError, Kind};
use crate::output::Output;

/// What `pallet man` is told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The folder that the pages are written to; it is made if it is not there
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Written {
    pages: Vec<PathBuf>,
}

/// Carries it out.
pub fn run(global: &Global, args: &Args, output: &Output) -> Result<Ended, CliError> {
    std::fs::create_dir_all(&args.folder).map_err(|error| failed(&args.folder, &error))?;
    let mut command = global.app.command().disable_help_subcommand(true);
    command.build();
    let mut pages = Vec::new();
    write(&command, &args.folder, &mut pages)?;
    pages.sort();
    let written = Written { pages };
    output.result(&written, || {
        let pages = written.pages.iter().map(|page| format!("{}\n", page.display()));
        pages.collect()
    });
    Ok(Ended::Done)
}

/// Writes the page of a command, and those of its subcommands: `pallet-models-import.1`.
fn write(command: &Command, folder: &Path, pages: &mut Vec<PathBuf>) -> Result<(), CliError> {
    let name = command.get_display_name().unwrap_or(command.get_name()).to_owned();
    let page = folder.join(format!("{name}.1"));
    let mut text = Vec::new();
    let rendered = clap_mangen::Man::new(command.clone()).title(name).render(&mut text);
    rendered.and_then(|()| std::fs::write(&page, text)).map_err(|error| failed(&page, &error))?;
    pages.push(page);
    let shown = command.get_subcommands().filter(|command| !command.is_hide_set());
    shown.into_iter().try_for_each(|command| write(command, folder, pages))
}

fn failed(path: &Path, error: &std::io::Error) -> CliError {
    CliError::new(Kind::Failed, format!("cannot write {}: {error}", path.display()))
}

/// The schema of what programs read.
pub(super) fn schema() -> serde_json::Value {
    crate::commands::outputs::of::<Written>()
}
