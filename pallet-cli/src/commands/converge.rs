//! `pallet converge`: make nodes exist, and be as described.

use pallet_core::action::Mode;

use super::Ended;
use crate::args::{Global, Limits, Work};
use crate::confirm;
use crate::error::CliError;
use crate::output::Output;
use crate::project::Project;
use crate::run::{self, Job};
use crate::selection::{self, Wanted};

/// What `pallet converge` is told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Groups, with a count for this run or without [default: all groups, with their counts]
    #[arg(value_name = "GROUP[=COUNT]", value_parser = Wanted::parse)]
    groups: Vec<Wanted>,
    #[command(flatten)]
    work: Work,
    /// Destroy nodes that are too many without asking
    #[arg(long)]
    yes: bool,
    /// Leave created nodes that never answered for a look, in place of destroying them again
    #[arg(long)]
    keep_failed: bool,
    #[command(flatten)]
    limits: Limits,
}

/// Carries it out.
pub async fn run(global: &Global, args: &Args, output: &Output) -> Result<Ended, CliError> {
    let project = Project::load(global.config.as_deref())?;
    let groups = selection::select(&args.groups, &project)?;
    let mode = if args.work.dry_run { Mode::Check } else { Mode::Apply };
    let job = Job { groups: &groups, limits: args.limits, mode, keep_failed: args.keep_failed };
    run::run(project, job, output, async |fleet| {
        let preview = fleet.preview(&groups, &args.work.phases).await?;
        if mode == Mode::Apply && !args.yes {
            confirm::destroy(&preview).await?;
        }
        Ok(fleet.carry_out(preview).await)
    })
    .await
}
