//! `pallet plan`: show what converge would do.

use std::path::PathBuf;

use pallet_core::action::Mode;
use pallet_core::spec::PhaseCall;

use super::Ended;
use crate::args::{Global, Keep, Limits};
use crate::complete;
use crate::error::CliError;
use crate::interrupt::unless_stopped;
use crate::output::Output;
use crate::page_file;
use crate::plan_file::{self, PlanFile};
use crate::plan_text;
use crate::project::Project;
use crate::run::{self, Job, Told};
use crate::selection::{self, Wanted};

/// What `pallet plan` is told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Groups or clusters, with a count for this run or without [default: all groups, with their
    /// counts]
    #[arg(value_name = "GROUP[=COUNT]", value_parser = Wanted::parse, add = complete::groups())]
    groups: Vec<Wanted>,
    /// A phase to run after the default ones, with arguments or without: `deploy:version=1.2`; may
    /// be given several times
    #[arg(long = "phase", value_name = "PHASE[:KEY=VALUE,...]")]
    phases: Vec<PhaseCall>,
    /// Keep the plan in this file, for `pallet converge FILE`
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
    /// End with exit code 4 if something would or may be changed
    #[arg(long)]
    detailed_exitcode: bool,
    #[command(flatten)]
    keep: Keep,
    #[command(flatten)]
    limits: Limits,
}

/// Carries it out.
pub async fn run(global: &Global, args: &Args, output: &Output) -> Result<Ended, CliError> {
    let project = Project::load(global)?;
    let groups = selection::select(&args.groups, &project)?;
    let file = project.has_file.then(|| project.file.clone());
    let page = args.keep.report.as_deref();
    page.map_or(Ok(()), page_file::check)?;
    let (mode, keep_failed, verb) = (Mode::Check, false, "plan");
    let job = Job { groups: &groups, limits: args.limits, mode, keep_failed, verb, page };
    let control = args.limits.control();
    let told = Told::new(&project, job, &control);
    let quiet = output.without_changes();
    let plan = run::with_fleet(project, job, control, &quiet, async |fleet| {
        unless_stopped(&fleet.control, fleet.plan(&groups, &args.phases)).await
    })
    .await?;
    let plan = PlanFile::new(file.as_deref(), plan)?;
    if let Some(out) = &args.out {
        plan_file::write(out, &plan)?;
    }
    told.write(&plan.plan.report)?;
    output.result(&plan, || plan_text::text(&plan.plan, args.out.as_deref(), output.out));
    Ok(if plan.plan.report.failed() {
        Ended::Failed
    } else if args.detailed_exitcode && plan.plan.has_changes() {
        Ended::Pending
    } else {
        Ended::Done
    })
}
