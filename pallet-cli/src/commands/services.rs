//! `pallet services`: which services are described, and whether they answer.

use std::time::{Duration, Instant};

use pallet_core::compute::{ComputeError, ProviderContext};
use pallet_core::document::Service;
use schemars::JsonSchema;
use serde::Serialize;
use tokio::task::JoinSet;

use super::Ended;
use crate::args::Global;
use crate::error::CliError;
use crate::interrupt::Interrupts;
use crate::output::Output;
use crate::project::Project;
use crate::services;
use crate::text::{Table, visible};

/// What `pallet services` is told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// How long each service may take to answer
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = crate::args::seconds)]
    timeout: Duration,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Listing {
    services: Vec<Row>,
}

/// A service.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
struct Row {
    name: String,
    provider: String,
    /// Whether nodes come from it where nothing else is said.
    is_default: bool,
    /// Where it is described.
    origin: String,
    answers: bool,
    /// How many nodes of ours it has.
    nodes: Option<usize>,
    millis: u64,
    error: Option<String>,
    help: Option<String>,
}

/// Carries it out.
pub async fn run(global: &Global, args: &Args, output: &Output) -> Result<Ended, CliError> {
    let project = Project::load_with_secrets_late(global)?;
    let listed = Interrupts::new()?.race(list(project, args.timeout)).await;
    let Some((listing, failures)) = listed else { return Err(CliError::interrupted()) };
    output.result(&listing, || table(&listing.services));
    for failure in &failures {
        output.complain(failure);
    }
    Ok(failures.first().map_or(Ended::Done, |failure| Ended::from(failure.kind)))
}

async fn list(project: Project, limit: Duration) -> (Listing, Vec<CliError>) {
    let infrastructure = project.infrastructure;
    let only = infrastructure.services.len() == 1;
    let default = infrastructure.default_service;
    let mut looks = JoinSet::new();
    for (name, service) in infrastructure.services {
        let is_default = only || default.as_ref() == Some(&name);
        looks.spawn(look(name, service, is_default, limit));
    }
    let mut looked = looks.join_all().await;
    looked.sort_by(|(one, _), (two, _)| one.name.cmp(&two.name));
    let (services, failures): (Vec<Row>, Vec<Option<CliError>>) = looked.into_iter().unzip();
    (Listing { services }, failures.into_iter().flatten().collect())
}

async fn look(
    name: String,
    service: Service,
    is_default: bool,
    limit: Duration,
) -> (Row, Option<CliError>) {
    let (provider, origin) = (service.provider.clone(), service.origin.to_string());
    let begun = Instant::now();
    let counted = count(&name, service, limit).await;
    let error = counted.as_ref().err();
    let row = Row {
        name: name.clone(),
        provider,
        is_default,
        origin,
        answers: error.is_none(),
        nodes: counted.as_ref().ok().copied(),
        millis: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
        error: error.map(|error| error.message.clone()),
        help: error.and_then(|error| error.help.clone()),
    };
    (row, counted.err().map(|error| services::failure(name, error)))
}

/// How many nodes a service has, if it answers in time.
pub(super) async fn count(
    name: &str,
    service: Service,
    limit: Duration,
) -> Result<usize, ComputeError> {
    let context = ProviderContext { service: name.to_owned(), base: service.base };
    let asked = async {
        let opened = service.opener.open(context).await?;
        let nodes = opened.nodes().await;
        opened.close().await;
        nodes.map(|nodes| nodes.len())
    };
    tokio::time::timeout(limit, asked).await.unwrap_or_else(|_| {
        Err(ComputeError::failed(format!("it did not answer within {} s", limit.as_secs()))
            .help("look whether it hangs, or is overloaded"))
    })
}

fn table(rows: &[Row]) -> String {
    if rows.is_empty() {
        return "no services\n".to_owned();
    }
    let mut table = Table::new(&["service", "provider", "answers", "nodes", "described in"], 3);
    for row in rows {
        let name = if row.is_default { format!("{} *", row.name) } else { row.name.clone() };
        let answers = if row.answers { "yes" } else { "no" };
        let nodes = row.nodes.map_or_else(|| "-".to_owned(), |nodes| nodes.to_string());
        let cells = [&name, &row.provider, answers, &nodes, &row.origin];
        table.row(cells.map(|cell| visible(cell).into_owned()));
    }
    format!("{table}\n* nodes come from here where nothing else is said\n")
}

/// The schema of what programs read.
pub(super) fn schema() -> serde_json::Value {
    crate::commands::outputs::of::<Listing>()
}
