//! `pallet converge`: make nodes exist, and be as described.

use std::path::PathBuf;

use pallet_core::action::Mode;

use super::Ended;
use crate::args::{Global, Keep, Limits, Work};
use crate::complete;
use crate::confirm;
use crate::error::CliError;
use crate::interrupt::unless_stopped;
use crate::output::Output;
use crate::plan_file;
use crate::project::Project;
use crate::recorded::{Recorded, Verb};
use crate::run::{self, Job};
use crate::selection::{self, Wanted};

/// What `pallet converge` is told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Groups or clusters, with a count for this run or without [default: all groups, with their
    /// counts]; or the file of a plan
    #[arg(value_name = "GROUP[=COUNT]|PLAN", value_parser = What::parse, add = complete::groups())]
    what: Vec<What>,
    #[command(flatten)]
    work: Work,
    /// Destroy nodes that are too many without asking
    #[arg(long)]
    yes: bool,
    /// Leave created nodes that never answered for a look, in place of destroying them again
    #[arg(long)]
    keep_failed: bool,
    #[command(flatten)]
    keep: Keep,
    #[command(flatten)]
    limits: Limits,
}

/// A group or a plan.
#[derive(Debug, Clone)]
enum What {
    Group(Wanted),
    Plan(PathBuf),
}

impl What {
    /// Neither a dot nor a slash can stand in a group's name.
    fn parse(text: &str) -> Result<Self, String> {
        if text.contains(['.', '/']) {
            return Ok(Self::Plan(text.into()));
        }
        Wanted::parse(text).map(Self::Group)
    }
}

/// Carries it out.
pub async fn run(global: &Global, args: &Args, output: &Output) -> Result<Ended, CliError> {
    let mut wanted = Vec::new();
    for what in &args.what {
        match what {
            What::Plan(path) if args.what.len() == 1 => {
                return carry_out(path.clone(), global, args, output).await;
            }
            What::Plan(path) => {
                let message = format!("the plan {} stands for itself", path.display());
                return Err(CliError::input(message).hint("name either one plan, or groups"));
            }
            What::Group(one) => wanted.push(one.clone()),
        }
    }
    let project = Project::load(global)?;
    let groups = selection::select(&wanted, &project)?;
    let mode = if args.work.dry_run { Mode::Check } else { Mode::Apply };
    let (keep_failed, page) = (args.keep_failed, args.keep.report.as_deref());
    let verb = "converge";
    let job = Job { groups: &groups, limits: args.limits, mode, keep_failed, verb, page };
    let asked = Recorded::new(Verb::Converge, &wanted, &args.work.phases);
    let asked = Recorded { keep_failed: args.keep_failed, ..asked };
    let control = match mode {
        Mode::Apply => asked.begin(&project, &args.limits)?,
        Mode::Check => args.limits.control(),
    };
    run::run(project, job, control, output, async |fleet| {
        let phases = &args.work.phases;
        let preview = unless_stopped(&fleet.control, fleet.preview(&groups, phases)).await?;
        if mode == Mode::Apply && !args.yes {
            unless_stopped(&fleet.control, confirm::destroy(&preview)).await?;
        }
        Ok(fleet.carry_out(preview).await)
    })
    .await
}

/// Carries out a plan. It was looked at: what it destroys is not asked about again.
async fn carry_out(
    path: PathBuf,
    global: &Global,
    args: &Args,
    output: &Output,
) -> Result<Ended, CliError> {
    if !args.work.phases.is_empty() || args.work.dry_run {
        let message = "a plan says itself which phases are run, and was looked at already";
        return Err(CliError::input(message).hint("leave --phase and --dry-run out"));
    }
    let plan = plan_file::read(&path)?;
    let project = plan.project(global)?;
    let groups = plan.groups(&project)?;
    let job = Job {
        groups: &groups,
        limits: args.limits,
        mode: Mode::Apply,
        keep_failed: args.keep_failed,
        verb: "converge",
        page: args.keep.report.as_deref(),
    };
    let control = Recorded::new::<String>(Verb::Plan, &[], &[]).begin(&project, &args.limits)?;
    run::run(project, job, control, output, async |fleet| {
        let rechecked = fleet.recheck(&plan.plan, &groups);
        let preview = unless_stopped(&fleet.control, rechecked).await?;
        Ok(fleet.carry_out(preview).await)
    })
    .await
}
