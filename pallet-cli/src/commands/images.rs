//! `pallet images`: which images there are, and which one a node-spec chooses.

use pallet_core::compute::matching::{ImageTraits, Wishes};
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

/// What `pallet images` is told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Tell which image nodes of this group or node-spec are made of, and why of no other
    #[arg(value_name = "GROUP|NODE-SPEC", add = complete::groups())]
    name: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Listing {
    images: Vec<Row>,
    errors: Vec<ServiceFailure>,
}

/// An image.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
struct Row {
    service: String,
    image: String,
    os_family: Option<String>,
    os_version: Option<String>,
    architecture: Option<String>,
    image_name: Option<String>,
    image_version: Option<String>,
    description: Option<String>,
    /// Whether it is the one that is chosen.
    #[serde(skip_serializing_if = "Option::is_none")]
    is_chosen: Option<bool>,
    /// Why it is chosen, or why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    because: Option<String>,
}

/// Carries it out. A service that fails does not hide the images of the others.
pub async fn run(global: &Global, args: &Args, output: &Output) -> Result<Ended, CliError> {
    let project = Project::load_with_secrets_late(global)?;
    let asked = Interrupts::new()?.race(offers::ask(project, args.name.as_deref())).await;
    let mut offers = asked.ok_or_else(CliError::interrupted)??;
    let images = rows(&offers);
    let listing = Listing { images, errors: std::mem::take(&mut offers.errors) };
    output.result(&listing, || table(&listing.images));
    offers.failures.iter().for_each(|failure| output.complain(failure));
    Ok(offers.failures.first().map_or(Ended::Done, |failure| Ended::from(failure.kind)))
}

fn rows(offers: &Offers) -> Vec<Row> {
    let mut rows = Vec::new();
    for service in &offers.services {
        let chosen = service
            .chosen
            .as_ref()
            .map(|chosen| chosen.as_ref().ok().and_then(|chosen| chosen.image.as_deref()));
        for image in &service.offer.images {
            let is_chosen = chosen.map(|chosen| chosen == Some(image.id.as_str()));
            let because = is_chosen
                .zip(offers.spec.as_ref())
                .map(|(is_chosen, spec)| because(is_chosen, chosen.flatten(), image, spec));
            rows.push(Row {
                service: service.service.clone(),
                image: image.id.clone(),
                os_family: image.os_family.clone(),
                os_version: image.os_version.clone(),
                architecture: image.architecture.clone(),
                image_name: image.image_name.clone(),
                image_version: image.image_version.clone(),
                description: image.description.clone(),
                is_chosen,
                because,
            });
        }
    }
    rows
}

fn because(
    is_chosen: bool,
    chosen: Option<&str>,
    image: &ImageTraits,
    spec: &pallet_core::spec::NodeSpec,
) -> String {
    let wishes = Wishes::of(&spec.image);
    let unmet = wishes.unmet_by(image);
    match (is_chosen, &spec.image.image_id, chosen) {
        (true, Some(_), _) => "the node-spec names it".to_owned(),
        (true, None, _) if wishes.is_empty() => "it is the only one".to_owned(),
        (true, None, _) => "it has all that is asked for".to_owned(),
        (false, Some(_), Some(_)) => "the node-spec names another one".to_owned(),
        (false, _, _) if !unmet.is_empty() => unmet.join(", "),
        (false, _, Some(better)) => format!("{better} is newer, or comes first"),
        (false, _, None) => "the node-spec chooses none".to_owned(),
    }
}

fn table(rows: &[Row]) -> String {
    if rows.is_empty() {
        return "no images\n".to_owned();
    }
    let has_reasons = rows.iter().any(|row| row.because.is_some());
    let last = if has_reasons { "because" } else { "description" };
    let mut table = Table::new(&["service", "image", "system", "for", last], 5);
    for row in rows {
        let mark = if row.is_chosen == Some(true) { " *" } else { "" };
        let system: Vec<&str> =
            [&row.os_family, &row.os_version].into_iter().flatten().map(String::as_str).collect();
        let text = row.because.as_ref().or(row.description.as_ref()).or(row.image_name.as_ref());
        let cells = [
            row.service.clone(),
            format!("{}{mark}", row.image),
            system.join(" "),
            row.architecture.clone().unwrap_or_default(),
            text.cloned().unwrap_or_default(),
        ];
        table.row(cells.map(|cell| visible(&cell).replace('\n', " ")));
    }
    let legend = if has_reasons { "\n* nodes are made of it\n" } else { "" };
    format!("{table}{legend}")
}

/// The schema of what programs read.
pub(super) fn schema() -> serde_json::Value {
    crate::commands::outputs::of::<Listing>()
}
