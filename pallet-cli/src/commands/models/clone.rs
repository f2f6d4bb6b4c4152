//! `pallet models clone`.

use vmfest::images::CloneModel;

use super::import::Described;
use super::watch::watch;
use super::{Made, failed, with_manager};
use crate::args::Global;
use crate::commands::Ended;
use crate::error::CliError;
use crate::output::Output;

/// What `pallet models clone` is told.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The machine, by its name or id in VirtualBox, whoever made it
    #[arg(value_name = "MACHINE")]
    machine: String,
    /// What the model is called
    #[arg(value_name = "MODEL")]
    model: String,
    /// Take the disk as it was when this snapshot was taken; the machine may run then
    #[arg(long, value_name = "NAME")]
    snapshot: Option<String>,
    #[command(flatten)]
    described: Described,
}

/// Carries it out.
pub(super) async fn run(global: &Global, args: &Args, output: &Output) -> Result<Ended, CliError> {
    let mut clone = CloneModel::new(&args.machine, &args.model)
        .describe(args.described.description())
        .on_event(watch(*output));
    if let Some(snapshot) = &args.snapshot {
        clone = clone.snapshot(snapshot);
    }
    let made = with_manager(global, async |manager| {
        manager.clone_model(clone).await.map_err(|error| failed(&error))
    })
    .await?;
    crate::screen::clear();
    let made = Made::from(made);
    output.result(&made, || made.text());
    Ok(Ended::Done)
}
