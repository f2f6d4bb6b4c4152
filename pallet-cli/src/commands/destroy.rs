//! `pallet destroy`: destroy all nodes of groups.

use pallet_core::action::Mode;

use super::Ended;
use crate::args::{Global, Limits};
use crate::complete;
use crate::confirm;
use crate::error::CliError;
use crate::interrupt::unless_stopped;
use crate::output::Output;
use crate::project::Project;
use crate::run::{self, Job};
use crate::selection::{self, Wanted};

/// What `pallet destroy` is told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Groups or clusters
    #[arg(
        value_name = "GROUP",
        value_parser = Wanted::parse_name,
        add = complete::groups(),
        required_unless_present = "all",
        conflicts_with = "all"
    )]
    groups: Vec<Wanted>,
    /// All groups of the file
    #[arg(long)]
    all: bool,
    /// Destroy without asking
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    limits: Limits,
}

/// Carries it out.
pub async fn run(global: &Global, args: &Args, output: &Output) -> Result<Ended, CliError> {
    let project = Project::load_with_secrets_late(global)?;
    let mut groups = selection::select(&args.groups, &project)?;
    if args.all {
        // Groups of existing nodes have none of their own.
        groups.retain(|group| group.filter.is_none());
    }
    for group in &mut groups {
        group.count = Some(0);
    }
    let job = Job {
        groups: &groups,
        limits: args.limits,
        mode: Mode::Apply,
        keep_failed: false,
        verb: "destroy",
        page: None,
    };
    run::run(project, job, args.limits.control(), output, async |fleet| {
        let preview = unless_stopped(&fleet.control, fleet.preview(&groups, &[])).await?;
        if !args.yes {
            unless_stopped(&fleet.control, confirm::destroy(&preview)).await?;
        }
        Ok(fleet.carry_out(preview).await)
    })
    .await
}
