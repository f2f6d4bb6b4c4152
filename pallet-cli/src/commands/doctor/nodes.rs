//! Nodes: whether they can be logged in to, and administered.

use std::time::Duration;

use pallet_core::compute::NodeState;
use pallet_core::engine::Connector;
use pallet_core::transport::Output;
use tokio::task::JoinSet;

use super::{Finding, State};
use crate::find::{self, FoundNode};
use crate::project::Project;

const AREA: &str = "nodes";

/// Looks at all nodes that run. That services do not answer is told elsewhere.
pub(super) async fn look(project: Project, limit: Duration) -> Vec<Finding> {
    let all = ["*".to_owned()];
    let found = tokio::time::timeout(limit, find::find(project, &all, Some(limit))).await;
    let Ok(Ok(found)) = found else { return Vec::new() };
    let mut looks = JoinSet::new();
    for node in found.nodes.clone() {
        let connector = found.connector.clone();
        if node.node.state == NodeState::Running {
            looks.spawn(async move { look_at(node, connector, limit).await });
        }
    }
    let mut findings = looks.join_all().await;
    findings.sort_by(|one, two| one.what.cmp(&two.what));
    found.close().await;
    findings
}

async fn look_at(node: FoundNode, connector: Connector, limit: Duration) -> Finding {
    let name = node.node.name.clone();
    let bad = |reason: String, remedy: String| {
        Finding::bad(State::Problem, AREA, name.clone(), reason, remedy)
    };
    match tokio::time::timeout(limit, ask(&node, &connector)).await {
        Ok(Ok(how)) => Finding::fine(AREA, format!("{name}: {how}")),
        Ok(Err((reason, remedy))) => bad(reason, remedy),
        Err(_) => bad(
            format!("it did not answer within {} s", limit.as_secs()),
            "look at its console, or give it more time with --timeout".to_owned(),
        ),
    }
}

async fn ask(node: &FoundNode, connector: &Connector) -> Result<String, (String, String)> {
    let told = |error: &dyn std::fmt::Display, help: Option<String>| {
        (error.to_string(), help.unwrap_or_else(|| "see what it says".to_owned()))
    };
    let reached = node.reach(connector).await;
    let (transport, login) = reached.map_err(|error| told(&error, error.help()))?;
    let user = login.username.clone();
    let needs_sudo = user != "root" && !login.no_sudo;
    let look = if needs_sudo { "sudo -k -n true" } else { "true" };
    let asked = async {
        let mut process = transport.exec(look).await?;
        while let Some(said) = process.output.recv().await {
            match said {
                Output::Exit(code) => return Ok(code == 0),
                Output::Lost(error) => return Err(error),
                Output::Stdout(_) | Output::Stderr(_) => {}
            }
        }
        Ok(false)
    }
    .await;
    transport.close().await;
    match asked.map_err(|error| told(&error, error.help()))? {
        true if needs_sudo => Ok(format!("{user} logs in, and sudo asks for nothing")),
        true => Ok(format!("{user} logs in")),
        false if needs_sudo && login.sudo_secret().is_some() => {
            Ok(format!("{user} logs in, and sudo is told the password"))
        }
        false if needs_sudo => Err((
            format!("sudo does not let {user} work without a password, and none is known"),
            format!(
                "give [admin-user] a `sudo-password`, or write `{user} ALL=(ALL) NOPASSWD: ALL` \
                 into a file in the node's /etc/sudoers.d"
            ),
        )),
        false => Err((
            format!("{user} logs in, and cannot run programs"),
            "look at the account's shell".to_owned(),
        )),
    }
}
