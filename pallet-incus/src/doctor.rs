//! Looking whether a service can do its work: for `pallet doctor`.

use std::path::Path;

use crate::client::{Client, Error, InstanceType};
use crate::service::IncusConfig;

/// Something that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What, and what it is: `server: LXD 5.0.2 at https://n1:8443`.
    pub what: String,
    /// What is wrong with it, and what to do.
    pub problem: Option<Problem>,
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What.
    pub reason: String,
    /// What to do about it.
    pub help: String,
    /// Whether nodes cannot be made because of it; else it may do harm one day.
    pub is_fatal: bool,
}

impl Finding {
    fn good(what: impl Into<String>) -> Self {
        Self { what: what.into(), problem: None }
    }

    fn fatal(what: &str, reason: impl Into<String>, help: impl Into<String>) -> Self {
        Self::problem(what, reason, help, true)
    }

    fn warning(what: &str, reason: impl Into<String>, help: impl Into<String>) -> Self {
        Self::problem(what, reason, help, false)
    }

    fn problem(
        what: &str,
        reason: impl Into<String>,
        help: impl Into<String>,
        is_fatal: bool,
    ) -> Self {
        let problem = Problem { reason: reason.into(), help: help.into(), is_fatal };
        Self { what: what.to_owned(), problem: Some(problem) }
    }
}

/// Looks at everything that making nodes needs, and changes nothing. Where the server cannot be
/// asked, that is all there is to say. Relative paths in `config` start at `base`.
pub async fn look(config: &IncusConfig, base: &Path) -> Vec<Finding> {
    let client = match config.connect(base).await {
        Ok(client) => client,
        Err(error) => {
            let help = error.help.clone().unwrap_or_default();
            return vec![Finding::fatal("server", error.message, help)];
        }
    };
    let environment = &client.server().environment;
    let (product, version) = (client.dialect().name(), &environment.server_version);
    let mut findings =
        vec![Finding::good(format!("server: {product} {version} at {}", client.address()))];
    for look in
        [members(&client).await, profiles(&client, config).await, images(&client, config).await]
    {
        match look {
            Ok(found) => findings.extend(found),
            Err(error) => {
                let help = error.help().unwrap_or_default();
                findings.push(Finding::fatal("server", error.to_string(), help));
            }
        }
    }
    if config.kind == InstanceType::VirtualMachine && !environment.driver.contains("qemu") {
        let reason = format!("it runs no virtual machines, only {}", environment.driver);
        findings.push(Finding::fatal("type", reason, "give it KVM and QEMU, or take containers"));
    }
    findings
}

async fn members(client: &Client) -> Result<Vec<Finding>, Error> {
    let members = client.members().await?;
    let mut findings: Vec<Finding> = members
        .iter()
        .map(|member| {
            let what = format!("member {}", member.server_name);
            if member.is_online() {
                return Finding::good(what + ": online");
            }
            let reason = format!("it is {}: {}", member.status.to_lowercase(), member.message);
            Finding::warning(&what, reason, "start it; its nodes cannot be worked on")
        })
        .collect();
    if members.len() == 2 {
        findings.push(Finding::warning(
            "cluster",
            "of two members one alone keeps the database: without it nothing works",
            "add a third member",
        ));
    }
    Ok(findings)
}

async fn profiles(client: &Client, config: &IncusConfig) -> Result<Vec<Finding>, Error> {
    let (mut has_disk, mut has_network, mut findings) = (false, false, Vec::new());
    for name in config.profile_names() {
        let what = format!("profile {name}");
        match client.profile(&name).await {
            Ok(profile) => {
                for device in profile.devices.values() {
                    let kind = device.get("type").map(String::as_str);
                    has_disk |=
                        kind == Some("disk") && device.get("path").is_some_and(|it| it == "/");
                    has_network |= kind == Some("nic");
                }
                findings.push(Finding::good(what));
            }
            Err(error) if error.is_not_found() => {
                findings.push(Finding::fatal(
                    &what,
                    "there is none",
                    "make it, or name another one",
                ));
            }
            Err(error) => return Err(error),
        }
    }
    if !has_disk && config.storage_pool.is_none() {
        findings.push(Finding::fatal(
            "root disk",
            "no profile of the nodes has one",
            "add one to a profile, or give the service a `storage-pool`",
        ));
    }
    if !has_network && config.network.is_none() {
        findings.push(Finding::warning(
            "network",
            "no profile of the nodes has one: they have no address, unless their node-specs name one",
            "add a network card to a profile, or give the service a `network`",
        ));
    }
    Ok(findings)
}

async fn images(client: &Client, config: &IncusConfig) -> Result<Vec<Finding>, Error> {
    let images = client.images().await?;
    let fitting = images.iter().filter(|image| image.kind == config.kind).count();
    let fetched = config.images.values().filter(|model| model.server.is_some()).count();
    if fitting + fetched > 0 {
        let more = if fetched > 0 { format!(", {fetched} to be fetched") } else { String::new() };
        return Ok(vec![Finding::good(format!("images: {fitting}{more}"))]);
    }
    let command = client.dialect().command();
    Ok(vec![Finding::fatal(
        "images",
        format!("there is none of a {}", config.kind.name()),
        format!("import one, or `{command} image copy images:debian/12 local: --alias debian-12`"),
    )])
}
