//! `pallet config`: which settings count, and where each comes from.

use pallet_core::config::Setting;
use schemars::JsonSchema;
use serde::Serialize;

use super::Ended;
use crate::args::Global;
use crate::error::CliError;
use crate::output::Output;
use crate::project::Project;
use crate::text::{Table, visible};

/// What `pallet config` is told: nothing so far.
#[derive(Debug, clap::Args)]
pub struct Args {}

#[derive(Debug, Serialize, JsonSchema)]
struct Listing {
    settings: Vec<Setting>,
}

/// Carries it out.
pub fn run(global: &Global, _args: &Args, output: &Output) -> Result<Ended, CliError> {
    let listing =
        Listing { settings: Project::load_with_secrets_late(global)?.infrastructure.settings };
    output.result(&listing, || table(&listing.settings));
    Ok(Ended::Done)
}

fn table(settings: &[Setting]) -> String {
    if settings.is_empty() {
        return "no settings\n".to_owned();
    }
    let mut table = Table::new(&["setting", "value", "from"], 3);
    for setting in settings {
        let origin = setting.origin.to_string();
        let cells = [&setting.key, &setting.value, &origin];
        table.row(cells.map(|cell| visible(cell).into_owned()));
    }
    table.to_string()
}

/// The schema of what programs read.
pub(super) fn schema() -> serde_json::Value {
    crate::commands::outputs::of::<Listing>()
}
