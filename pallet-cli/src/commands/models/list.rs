//! `pallet models list`.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Serialize;
use vmfest::images::ModelList;

use super::watch::size;
use super::{failed, service};
use crate::args::Global;
use crate::commands::Ended;
use crate::error::CliError;
use crate::output::Output;
use crate::text::{Table, visible};

/// What `pallet models list` is told: nothing so far.
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
struct Listing {
    model_path: PathBuf,
    models: Vec<Row>,
    unfinished: Vec<Unfinished>,
}

/// A model, as its files show it.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
struct Row {
    model: String,
    disk: PathBuf,
    /// Bytes of the image file; nothing if it is missing.
    size: Option<u64>,
    meta: Option<PathBuf>,
    os_type_id: String,
    os_family: Option<String>,
    os_version: Option<String>,
    description: Option<String>,
}

/// An import that was interrupted.
#[derive(Debug, Serialize, JsonSchema)]
struct Unfinished {
    model: String,
    bytes: u64,
}

/// Carries it out. VirtualBox is not asked.
pub(super) fn run(global: &Global, _args: &Args, output: &Output) -> Result<Ended, CliError> {
    let (config, base) = service(global)?;
    let location = config.location(&base);
    let list = ModelList::read(&location).map_err(|error| failed(&error))?;
    let models = list.models.into_iter().map(|model| Row {
        model: model.name,
        disk: model.disk,
        size: model.size,
        meta: model.meta,
        os_type_id: model.os_type_id,
        os_family: model.os_family,
        os_version: model.os_version,
        description: model.description,
    });
    let unfinished = list.unfinished.into_iter();
    let listing = Listing {
        model_path: location.model_path,
        models: models.collect(),
        unfinished: unfinished.map(|it| Unfinished { model: it.name, bytes: it.bytes }).collect(),
    };
    output.result(&listing, || text(&listing));
    Ok(Ended::Done)
}

fn text(listing: &Listing) -> String {
    let mut text = match listing.models.is_empty() {
        true => format!("no models in {}\n", listing.model_path.display()),
        false => table(&listing.models),
    };
    for one in &listing.unfinished {
        let there = size(one.bytes);
        text += &format!("unfinished import {}: {there} are there\n", visible(&one.model));
    }
    text
}

fn table(rows: &[Row]) -> String {
    let mut table = Table::new(&["model", "system", "type", "size", "description"], 5);
    for row in rows {
        let system: Vec<&str> =
            [&row.os_family, &row.os_version].into_iter().flatten().map(String::as_str).collect();
        let cells = [
            row.model.clone(),
            system.join(" "),
            row.os_type_id.clone(),
            row.size.map_or_else(|| "missing".to_owned(), size),
            row.description.clone().unwrap_or_default(),
        ];
        table.row(cells.map(|cell| visible(&cell).replace('\n', " ")));
    }
    table.to_string()
}

/// The schema of what programs read.
pub(crate) fn schema() -> serde_json::Value {
    crate::commands::outputs::of::<Listing>()
}
