//! Opening services.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use pallet_core::compute::{ComputeError, ComputeService, ProviderContext};
use pallet_core::document::{Diagnostics, Infrastructure, Service};
use pallet_core::run::RunError;
use pallet_core::spec::GroupSpec;
use tokio::task::JoinSet;

use crate::error::CliError;

type Opened = (String, Result<Arc<dyn ComputeService>, ComputeError>);

/// Opens all services, at the same time. Sorted by name.
pub async fn open_all(infrastructure: Infrastructure) -> Vec<Opened> {
    open(infrastructure.services).await
}

/// Opens the services that `groups` are of, so that one that is not there only matters to those
/// who need it.
pub async fn open_for(
    groups: &[GroupSpec],
    services: BTreeMap<String, Service>,
    default: Option<&str>,
) -> Result<BTreeMap<String, Arc<dyn ComputeService>>, CliError> {
    let named: Option<BTreeSet<&str>> =
        groups.iter().map(|group| group.node.service.as_deref().or(default)).collect();
    let services = match named {
        Some(named) if named.iter().all(|name| services.contains_key(*name)) => {
            services.into_iter().filter(|(name, _)| named.contains(name.as_str())).collect()
        }
        // A group says nothing, or something unknown: which services there are then decides
        // whether that is a mistake.
        _ => services,
    };
    let mut opened = BTreeMap::new();
    let mut first = None;
    for (name, result) in open(services).await {
        match result {
            Ok(service) => {
                opened.insert(name, service);
            }
            Err(error) => first = first.or_else(|| Some(failure(name, error))),
        }
    }
    let Some(error) = first else { return Ok(opened) };
    for service in opened.into_values() {
        service.close().await;
    }
    Err(error)
}

/// Looks for mistakes in the files of the services that `groups` are of, such as those of models.
pub fn check_for(
    groups: &[GroupSpec],
    services: &BTreeMap<String, Service>,
    default: Option<&str>,
) -> Result<(), CliError> {
    let only = services.keys().next().filter(|_| services.len() == 1).map(String::as_str);
    let named: BTreeSet<&str> = groups
        .iter()
        .filter_map(|group| group.node.service.as_deref().or(default).or(only))
        .collect();
    for (name, service) in services.iter().filter(|(name, _)| named.contains(name.as_str())) {
        let context = ProviderContext { service: name.clone(), base: service.base.clone() };
        if let Err(error) = service.opener.check(&context) {
            return Err(match located(&error) {
                Some(diagnostics) => diagnostics.into(),
                None => failure(name.clone(), error),
            });
        }
    }
    Ok(())
}

/// A mistake in a file, if the error says where it is: `FILE:LINE:COLUMN: what is wrong`.
fn located(error: &ComputeError) -> Option<Diagnostics> {
    let mut parts = error.message.splitn(4, ':');
    let file = Path::new(parts.next()?);
    let mut number = || parts.next()?.parse::<u32>().ok();
    let (line, column) = (number()?, number()?);
    let message = parts.next()?.trim_start();
    Diagnostics::at(file, (line, column), message, error.help.clone())
}

/// A service's failure as an error of the command.
pub fn failure(service: String, error: ComputeError) -> CliError {
    RunError::Service { service, error }.into()
}

async fn open(services: BTreeMap<String, Service>) -> Vec<Opened> {
    let mut opening = JoinSet::new();
    for (name, service) in services {
        let context = ProviderContext { service: name.clone(), base: service.base };
        opening.spawn(async move { (name, service.opener.open(context).await) });
    }
    let mut opened = opening.join_all().await;
    opened.sort_by(|(one, _), (two, _)| one.cmp(two));
    opened
}
