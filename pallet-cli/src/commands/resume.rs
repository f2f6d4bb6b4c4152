//! `pallet resume`: finish a run that broke off.

use pallet_core::action::Mode;
use pallet_core::engine::{Control, RunId};
use pallet_core::journal::Journals;

use super::Ended;
use crate::args::{Global, Keep, Limits};
use crate::confirm;
use crate::error::{CliError, Kind};
use crate::interrupt::unless_stopped;
use crate::output::Output;
use crate::project::Project;
use crate::recorded::{self, Recorded, Verb};
use crate::run::{self, Job};
use crate::selection::{self, Wanted};

/// What `pallet resume` is told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The run [default: the latest one of this file]
    #[arg(value_name = "RUN")]
    run: Option<RunId>,
    /// Carry out again what was begun and is not known to have been finished
    #[arg(long)]
    again: bool,
    /// Destroy nodes that are too many without asking
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    keep: Keep,
    #[command(flatten)]
    limits: Limits,
}

/// Carries it out.
pub async fn run(global: &Global, args: &Args, output: &Output) -> Result<Ended, CliError> {
    let project = Project::load(global)?;
    let journals = Journals::usual()?;
    let run = match &args.run {
        Some(run) => run.clone(),
        None => journals.broken(&recorded::name(&project.file))?,
    };
    let limits = args.limits.control();
    let journal = journals.resume(&run, &limits.holder)?;
    let heading = journal.before().map(|story| story.heading.clone());
    let asked: Recorded = heading
        .filter(|heading| heading.project == recorded::name(&project.file))
        .and_then(|heading| serde_json::from_value(heading.command).ok())
        .ok_or_else(|| {
            CliError::input(format!("run {run} is not of {}", project.file.display()))
                .hint("name its file with --config FILE")
        })?;
    if asked.verb == Verb::Plan {
        return Err(CliError::new(
            Kind::Refused,
            format!(
                "run {run} carried out a plan, and the nodes are no longer as that one was made for"
            ),
        )
        .hint("make a new plan: what was done is not in it any more"));
    }
    let mut control = Control::resuming(run, journal);
    control.again = args.again;
    control.limits = limits.limits;
    control.fail_fast = limits.fail_fast;

    let read =
        |text: &String| Wanted::parse(text).map_err(|error| CliError::new(Kind::Failed, error));
    let wanted = asked.groups.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let groups = selection::select(&wanted, &project)?;
    let read = |text: &String| {
        text.parse()
            .map_err(|error| CliError::new(Kind::Failed, format!("phase `{text}`: {error}")))
    };
    let phases = asked.phases.iter().map(read).collect::<Result<Vec<_>, CliError>>()?;
    let (mode, keep_failed) = (Mode::Apply, asked.keep_failed);
    let (verb, page) = ("resume", args.keep.report.as_deref());
    let job = Job { groups: &groups, limits: args.limits, mode, keep_failed, verb, page };
    run::run(project, job, control, output, async |fleet| match asked.verb {
        Verb::Lift => Ok(fleet.lift(&groups, &phases).await?),
        Verb::Converge | Verb::Plan => {
            let preview = unless_stopped(&fleet.control, fleet.preview(&groups, &phases)).await?;
            if !args.yes {
                unless_stopped(&fleet.control, confirm::destroy(&preview)).await?;
            }
            Ok(fleet.carry_out(preview).await)
        }
    })
    .await
}
