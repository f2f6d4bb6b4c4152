//! `pallet lift`: configure nodes that are there.

use pallet_core::action::Mode;

use super::Ended;
use crate::args::{Global, Keep, Limits, Work};
use crate::complete;
use crate::error::CliError;
use crate::output::Output;
use crate::project::Project;
use crate::recorded::{Recorded, Verb};
use crate::run::{self, Job};
use crate::selection::{self, Wanted};

/// What `pallet lift` is told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Groups or clusters [default: all]
    #[arg(value_name = "GROUP", value_parser = Wanted::parse_name, add = complete::groups())]
    groups: Vec<Wanted>,
    #[command(flatten)]
    work: Work,
    #[command(flatten)]
    keep: Keep,
    #[command(flatten)]
    limits: Limits,
}

/// Carries it out.
pub async fn run(global: &Global, args: &Args, output: &Output) -> Result<Ended, CliError> {
    let project = Project::load(global)?;
    let groups = selection::select(&args.groups, &project)?;
    let mode = if args.work.dry_run { Mode::Check } else { Mode::Apply };
    let page = args.keep.report.as_deref();
    let (keep_failed, verb) = (false, "lift");
    let job = Job { groups: &groups, limits: args.limits, mode, keep_failed, verb, page };
    let control = match mode {
        Mode::Apply => {
            let asked = Recorded::new(Verb::Lift, &args.groups, &args.work.phases);
            asked.begin(&project, &args.limits)?
        }
        Mode::Check => args.limits.control(),
    };
    run::run(project, job, control, output, async |fleet| {
        Ok(fleet.lift(&groups, &args.work.phases).await?)
    })
    .await
}
