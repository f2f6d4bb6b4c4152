//! `pallet hardware`: which hardware models there are, and which one a node-spec chooses.

use schemars::JsonSchema;
use serde::Serialize;

use super::Ended;
use super::offers::{self, Offers, ServiceFailure};
use crate::args::Global;
use crate::complete;
use crate::error::CliError;
use crate::interrupt::Interrupts;
use crate::output::Output;
use crate::project::Project;
use crate::text::{Table, visible};

/// What `pallet hardware` is told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Tell which model nodes of this group or node-spec have
    #[arg(value_name = "GROUP|NODE-SPEC", add = complete::groups())]
    name: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Listing {
    hardware: Vec<Row>,
    errors: Vec<ServiceFailure>,
}

/// A hardware model.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
struct Row {
    service: String,
    hardware: String,
    /// MiB of memory.
    memory: Option<u32>,
    processors: Option<u32>,
    remarks: Vec<String>,
    /// Whether it is the one that is chosen.
    #[serde(skip_serializing_if = "Option::is_none")]
    is_chosen: Option<bool>,
}

/// Carries it out. A service that fails does not hide the models of the others.
pub async fn run(global: &Global, args: &Args, output: &Output) -> Result<Ended, CliError> {
    let project = Project::load_with_secrets_late(global)?;
    let asked = Interrupts::new()?.race(offers::ask(project, args.name.as_deref())).await;
    let mut offers = asked.ok_or_else(CliError::interrupted)??;
    let hardware = rows(&offers);
    let listing = Listing { hardware, errors: std::mem::take(&mut offers.errors) };
    output.result(&listing, || table(&listing.hardware));
    offers.failures.iter().for_each(|failure| output.complain(failure));
    Ok(offers.failures.first().map_or(Ended::Done, |failure| Ended::from(failure.kind)))
}

fn rows(offers: &Offers) -> Vec<Row> {
    let mut rows = Vec::new();
    for service in &offers.services {
        let chosen = service
            .chosen
            .as_ref()
            .map(|chosen| chosen.as_ref().ok().and_then(|chosen| chosen.hardware.as_deref()));
        rows.extend(service.offer.hardware.iter().map(|model| Row {
            service: service.service.clone(),
            hardware: model.name.clone(),
            memory: model.memory,
            processors: model.processors,
            remarks: model.remarks.clone(),
            is_chosen: chosen.map(|chosen| chosen == Some(model.name.as_str())),
        }));
    }
    rows
}

fn table(rows: &[Row]) -> String {
    if rows.is_empty() {
        return "no hardware models\n".to_owned();
    }
    let mut table = Table::new(&["service", "hardware", "memory", "processors", "remarks"], 5);
    for row in rows {
        let mark = if row.is_chosen == Some(true) { " *" } else { "" };
        let cells = [
            row.service.clone(),
            format!("{}{mark}", row.hardware),
            row.memory.map_or_else(|| "-".to_owned(), |memory| format!("{memory} MiB")),
            row.processors.map_or_else(|| "-".to_owned(), |processors| processors.to_string()),
            row.remarks.join(", "),
        ];
        table.row(cells.map(|cell| visible(&cell).replace('\n', " ")));
    }
    let is_asked = rows.iter().any(|row| row.is_chosen.is_some());
    let legend = if is_asked { "\n* nodes have it\n" } else { "" };
    format!("{table}{legend}")
}

/// The schema of what programs read.
pub(super) fn schema() -> serde_json::Value {
    crate::commands::outputs::of::<Listing>()
}
