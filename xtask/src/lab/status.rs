//! `lab status`.

use anyhow::bail;
use serde::Serialize;

use super::layout::Lab;
use super::state::{Node, State};
use super::system::say::print;
use super::vbox::INSTANCES;

/// What runs, as `--output json` prints it.
#[derive(Serialize)]
struct Status {
    up: bool,
    state: Option<State>,
    services: Vec<Service>,
}

/// One server and whether it answers.
#[derive(Serialize)]
struct Service {
    name: String,
    address: String,
    answers: bool,
}

/// Prints what runs; an error if something does not answer.
pub(crate) fn show(lab: &Lab, json: bool) -> anyhow::Result<()> {
    let state = State::find(lab)?;
    let services = state.as_ref().map(|state| services(lab, state)).unwrap_or_default();
    let silent: Vec<String> = services
        .iter()
        .filter(|service| !service.answers)
        .map(|service| service.name.clone())
        .collect();
    if json {
        let status = Status { up: state.is_some(), state, services };
        print(serde_json::to_string_pretty(&status)? + "\n");
    } else {
        print(text(lab, state.as_ref(), &services));
    }
    if silent.is_empty() {
        Ok(())
    } else {
        bail!("these do not answer: {}. `cargo xtask lab up` starts them anew", silent.join(", "))
    }
}

fn services(lab: &Lab, state: &State) -> Vec<Service> {
    let mut services = Vec::new();
    if state.vbox.is_some() {
        services.extend(INSTANCES.map(|instance| Service {
            name: format!("virtualbox-{}", instance.name()),
            address: instance.url(lab),
            answers: instance.answers(lab),
        }));
    }
    services.extend(state.nodes.iter().map(|node: &Node| Service {
        name: node.name.clone(),
        address: format!("{}@{}:{}", node.user, node.address, node.port),
        answers: node.answers(),
    }));
    services.extend(state.clusters.iter().flat_map(|cluster| &cluster.members).map(|member| {
        let (name, address) = (member.name.clone(), member.url.clone());
        Service { name, address, answers: member.answers() }
    }));
    services
}

fn text(lab: &Lab, state: Option<&State>, services: &[Service]) -> String {
    let Some(state) = state else {
        return format!("the lab in {} is down\n", lab.dir().display());
    };
    let mut lines = vec![format!("the lab in {} is up", lab.dir().display())];
    lines.extend(services.iter().map(|service| {
        let condition = if service.answers { "answers" } else { "SILENT" };
        format!("  {:<20} {condition}  {}", service.name, service.address)
    }));
    lines.push(match &state.guest {
        Some(guest) => format!("  guest disk: {}", guest.disk.display()),
        None => "  guest disk: none (`cargo xtask lab guest` makes it)".to_owned(),
    });
    lines.push(format!("  login key: {}", lab.node_key().display()));
    lines.push(format!("  known hosts: {}\n", state.known_hosts.display()));
    lines.join("\n")
}
