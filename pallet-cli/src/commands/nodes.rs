//! `pallet nodes`: list the nodes of all services.

use pallet_core::compute::{Node, NodeState};
use schemars::JsonSchema;
use serde::Serialize;

use super::Ended;
use crate::args::Global;
use crate::error::CliError;
use crate::interrupt::Interrupts;
use crate::output::Output;
use crate::project::Project;
use crate::services;
use crate::text::{Table, visible};

/// What `pallet nodes` is told beside what all commands are: `--service` asks one service alone.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// One line of the list.
#[derive(Debug, Serialize, JsonSchema)]
struct Row {
    service: String,
    group: String,
    name: String,
    state: String,
    address: Option<String>,
}

/// The list, with what could not be asked.
#[derive(Debug, Serialize, JsonSchema)]
struct Listing {
    nodes: Vec<Row>,
    errors: Vec<ServiceFailure>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct ServiceFailure {
    service: String,
    message: String,
    help: Option<String>,
}

/// Carries it out. A service that fails does not hide the nodes of the others.
pub async fn run(global: &Global, _args: &Args, output: &Output) -> Result<Ended, CliError> {
    let mut project = Project::load_with_secrets_late(global)?;
    if let Some(only) = &global.service {
        project.infrastructure.services.retain(|name, _| name == only);
    }
    let listed = Interrupts::new()?.race(list(project)).await;
    let Some((listing, failures)) = listed else { return Err(CliError::interrupted()) };
    output.result(&listing, || table(&listing.nodes));
    for failure in &failures {
        output.complain(failure);
    }
    // The first one decides whether the description or the service is to blame.
    Ok(failures.first().map_or(Ended::Done, |failure| Ended::from(failure.kind)))
}

async fn list(project: Project) -> (Listing, Vec<CliError>) {
    let mut listing = Listing { nodes: Vec::new(), errors: Vec::new() };
    let mut failures = Vec::new();
    for (service, opened) in services::open_all(project.infrastructure).await {
        let nodes = match opened {
            Ok(opened) => {
                let nodes = opened.nodes().await;
                opened.close().await;
                nodes
            }
            Err(error) => Err(error),
        };
        match nodes {
            Ok(nodes) => listing.nodes.extend(nodes.into_iter().map(|node| row(&service, node))),
            Err(error) => {
                listing.errors.push(ServiceFailure {
                    service: service.clone(),
                    message: error.message.clone(),
                    help: error.help.clone(),
                });
                failures.push(services::failure(service, error));
            }
        }
    }
    (listing, failures)
}

fn row(service: &str, node: Node) -> Row {
    Row {
        service: service.to_owned(),
        group: node.group,
        name: node.name,
        state: match node.state {
            NodeState::Running => "running".to_owned(),
            NodeState::Stopped => "stopped".to_owned(),
            NodeState::Other(word) => word,
        },
        address: node.endpoint.map(|endpoint| endpoint.to_string()),
    }
}

fn table(rows: &[Row]) -> String {
    if rows.is_empty() {
        return "no nodes\n".to_owned();
    }
    let mut table = Table::new(&["service", "group", "name", "state", "address"], 5);
    for row in rows {
        let address = row.address.as_deref().unwrap_or("-");
        let cells = [&row.service, &row.group, &row.name, &row.state, address];
        table.row(cells.map(|cell| visible(cell).into_owned()));
    }
    table.to_string()
}

/// The schema of what programs read.
pub(super) fn schema() -> serde_json::Value {
    crate::commands::outputs::of::<Listing>()
}
