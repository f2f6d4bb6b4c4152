//! What services have to make nodes of, and what of it a node-spec chooses: for `pallet images` and
//! `pallet hardware`.

use std::sync::Arc;

use pallet_core::compute::{Chosen, ComputeError, ComputeService, Offer};
use pallet_core::document::Infrastructure;
use pallet_core::spec::NodeSpec;
use schemars::JsonSchema;
use serde::Serialize;

use crate::error::CliError;
use crate::project::Project;
use crate::services;
use crate::text::{closest, names};

/// What one service has.
pub(super) struct ServiceOffer {
    pub service: String,
    pub offer: Offer,
    /// What the node-spec that is asked about chooses there, or why it cannot have anything.
    pub chosen: Option<Result<Chosen, ComputeError>>,
}

/// A service that could not be asked, or that has nothing for the node-spec.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ServiceFailure {
    service: String,
    message: String,
    help: Option<String>,
}

/// What all services have, and what is wrong with the others.
pub(super) struct Offers {
    pub services: Vec<ServiceOffer>,
    pub errors: Vec<ServiceFailure>,
    pub failures: Vec<CliError>,
    /// What is asked for, if that is known.
    pub spec: Option<NodeSpec>,
}

/// Asks the services. With `name`, that of a group or a node-spec, only the one that its nodes come
/// from, if it says that.
pub(super) async fn ask(project: Project, name: Option<&str>) -> Result<Offers, CliError> {
    let mut infrastructure = project.infrastructure;
    let spec = name.map(|name| spec_of(&infrastructure, name)).transpose()?;
    if let Some(spec) = &spec
        && let Some(service) = spec.service.as_ref().or(infrastructure.default_service.as_ref())
    {
        infrastructure.services.retain(|name, _| name == service);
    }
    let mut offers =
        Offers { services: Vec::new(), errors: Vec::new(), failures: Vec::new(), spec };
    for (service, opened) in services::open_all(infrastructure).await {
        let asked = match opened {
            Ok(opened) => {
                let asked = ask_one(&opened, offers.spec.as_ref()).await;
                opened.close().await;
                asked
            }
            Err(error) => Err(error),
        };
        match asked {
            Ok((offer, chosen)) => {
                if let Some(Err(error)) = &chosen {
                    offers.fail(&service, error);
                }
                offers.services.push(ServiceOffer { service, offer, chosen });
            }
            Err(error) => offers.fail(&service, &error),
        }
    }
    Ok(offers)
}

type Asked = (Offer, Option<Result<Chosen, ComputeError>>);

async fn ask_one(
    service: &Arc<dyn ComputeService>,
    spec: Option<&NodeSpec>,
) -> Result<Asked, ComputeError> {
    let offer = service.offer().await?;
    let chosen = match spec {
        Some(spec) => Some(service.chosen(spec).await),
        None => None,
    };
    Ok((offer, chosen))
}

impl Offers {
    fn fail(&mut self, service: &str, error: &ComputeError) {
        self.errors.push(ServiceFailure {
            service: service.to_owned(),
            message: error.message.clone(),
            help: error.help.clone(),
        });
        self.failures.push(services::failure(service.to_owned(), error.clone()));
    }
}

/// The node-spec of a group, or the one of that name.
fn spec_of(infrastructure: &Infrastructure, name: &str) -> Result<NodeSpec, CliError> {
    let groups = &infrastructure.groups;
    if let Some((_, group)) = groups.iter().find(|(group, _)| group.as_str() == name) {
        return Ok(group.node.clone());
    }
    if let Some(spec) = infrastructure.node_specs.get(name) {
        return Ok(spec.clone());
    }
    let specs = infrastructure.node_specs.keys().map(String::as_str);
    let known: Vec<&str> = groups.keys().map(|group| group.as_str()).chain(specs).collect();
    let error = CliError::input(format!("there is no group or node-spec `{name}`"));
    let error = match closest(name, known.iter().copied()) {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None => error,
    };
    Err(error.hint(format!("known: {}", names(&known))))
}
