//! Which nodes a command is about: by their names, their groups, or patterns of names.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use pallet_core::compute::{ComputeError, ComputeService, LocalhostConfig, Node};
use pallet_core::document::Infrastructure;
use pallet_core::engine::{ConnectionError, Connector, Reach};
use pallet_core::login::Login;
use pallet_core::spec::{GroupName, GroupSpec, NamePattern};
use pallet_core::transport::{LocalTransport, Transport};

use crate::error::{CliError, Kind};
use crate::project::Project;
use crate::run::current_user;
use crate::services;
use crate::text::{closest, names};

/// Nodes, and the services that they are of.
pub struct Found {
    /// By name.
    pub nodes: Vec<FoundNode>,
    /// How they are connected to.
    pub connector: Connector,
    opened: Vec<Arc<dyn ComputeService>>,
}

/// A node, and who works on it.
#[derive(Clone)]
pub struct FoundNode {
    /// The service that it is of.
    pub service: String,
    /// As that service sees it.
    pub node: Node,
    /// Who logs in.
    pub login: Login,
    of: Arc<dyn ComputeService>,
}

impl FoundNode {
    /// The same node, for somebody else.
    pub fn with_login(&self, login: Login) -> Self {
        Self { login, ..self.clone() }
    }
}

impl Found {
    /// Ends what services hold open.
    pub async fn close(self) {
        for service in self.opened {
            service.close().await;
        }
    }
}

impl FoundNode {
    /// Stops the node, gently first.
    pub async fn stop(&self) -> Result<(), ComputeError> {
        self.of.stop(&self.node).await
    }

    /// A way to the node, and who works there.
    pub async fn reach(
        &self,
        connector: &Connector,
    ) -> Result<(Arc<dyn Transport>, Login), ConnectionError> {
        if let Some(attached) = self.of.attach(&self.node, &self.login).await? {
            return Ok((attached.transport, attached.login));
        }
        let (endpoint, host_keys) = (self.node.endpoint.clone(), self.node.host_keys.clone());
        let transport = connector.reach(&Reach { endpoint, host_keys }, &self.login).await?;
        Ok((transport, self.login.clone()))
    }

    /// A way to the node that needs no SSH, if it has one.
    pub async fn near(&self) -> Result<Option<Arc<dyn Transport>>, ConnectionError> {
        if let Some(attached) = self.of.attach(&self.node, &self.login).await? {
            return Ok(Some(attached.transport));
        }
        let is_here = self.node.endpoint.is_none();
        Ok(is_here.then(|| Arc::new(LocalTransport) as Arc<dyn Transport>))
    }
}

/// Finds the nodes that `words` mean: names of nodes, groups and clusters, or patterns of nodes'
/// names such as `web-*`. A service that does not answer only matters if something is missing.
pub async fn find(
    project: Project,
    words: &[String],
    connect_timeout: Option<Duration>,
) -> Result<Found, CliError> {
    let mut infrastructure = project.infrastructure;
    let mut connector = Connector::default();
    infrastructure.ssh.apply(&mut connector.ssh);
    if let Some(limit) = connect_timeout {
        connector.ssh.connect_timeout = limit;
    }
    let admin = match infrastructure.admin_user.take() {
        Some(login) => login,
        None => Login::assumed(current_user()?),
    };
    let services = &infrastructure.services;
    let admins: BTreeMap<String, Login> = services
        .iter()
        .filter_map(|(name, service)| Some((name.clone(), service.admin_user.clone()?)))
        .collect();
    let only = services.keys().next().filter(|_| services.len() == 1).cloned();
    let default = infrastructure.default_service.take().or(only);
    let groups = std::mem::take(&mut infrastructure.groups);
    let clusters = std::mem::take(&mut infrastructure.clusters);
    let known = Known { groups: &groups, clusters: &clusters, default: default.as_deref() };

    let (opened, failure, all) = list(infrastructure, &known, words).await;
    let mut chosen = BTreeSet::new();
    for word in words {
        let fitting = known.fitting(word, &all)?;
        if fitting.is_empty() {
            for service in opened {
                service.close().await;
            }
            return Err(failure.unwrap_or_else(|| known.nothing(word, &all)));
        }
        chosen.extend(fitting);
    }
    let nodes = all.into_iter().enumerate().filter(|(index, _)| chosen.contains(index));
    let nodes = nodes.map(|(_, (service, of, node))| {
        let admin = admins.get(&service).unwrap_or(&admin);
        let image_user = node.image_user.clone().filter(|_| !node.bootstrapped);
        let login = image_user.map_or_else(|| admin.clone(), |user| user.or_keys_of(admin));
        FoundNode { service, node, login, of }
    });
    let mut nodes: Vec<FoundNode> = nodes.collect();
    nodes.sort_by(|one, two| one.node.name.cmp(&two.node.name));
    Ok(Found { nodes, connector, opened })
}

type Listed = (String, Arc<dyn ComputeService>, Node);

/// All nodes of the services that may have those that are meant; and the first failure.
async fn list(
    mut infrastructure: Infrastructure,
    known: &Known<'_>,
    words: &[String],
) -> (Vec<Arc<dyn ComputeService>>, Option<CliError>, Vec<Listed>) {
    let needed: Option<BTreeSet<String>> = words
        .iter()
        .map(|word| known.services_of(word))
        .collect::<Option<Vec<_>>>()
        .map(|all| all.into_iter().flatten().collect());
    if let Some(needed) = needed {
        infrastructure.services.retain(|name, _| needed.contains(name));
    }
    let (mut opened, mut failure, mut all) = (Vec::new(), None, Vec::new());
    for (name, service) in services::open_all(infrastructure).await {
        let nodes = match &service {
            Ok(service) => service.nodes().await,
            Err(error) => Err(error.clone()),
        };
        if let Ok(service) = &service {
            opened.push(service.clone());
        }
        match (nodes, service) {
            (Ok(nodes), Ok(service)) => {
                all.extend(nodes.into_iter().map(|node| (name.clone(), service.clone(), node)));
            }
            (Err(error), _) | (_, Err(error)) => {
                failure = failure.or_else(|| Some(services::failure(name, error)));
            }
        }
    }
    (opened, failure, all)
}

/// What the file describes.
struct Known<'a> {
    groups: &'a BTreeMap<GroupName, GroupSpec>,
    clusters: &'a BTreeMap<GroupName, Vec<GroupName>>,
    default: Option<&'a str>,
}

impl Known<'_> {
    /// The groups that a word names.
    fn groups_of(&self, word: &str) -> Vec<&GroupSpec> {
        let members = self.clusters.iter().find(|(name, _)| name.as_str() == word);
        let is_meant = |name: &GroupName| {
            name.as_str() == word || members.is_some_and(|(_, members)| members.contains(name))
        };
        let groups = self.groups.iter().filter(|(name, _)| is_meant(name));
        groups.map(|(_, group)| group).collect()
    }

    /// The services that have all that a word means; `None` where that may be any.
    fn services_of(&self, word: &str) -> Option<Vec<String>> {
        let groups = self.groups_of(word);
        let service =
            |group: &&GroupSpec| group.node.service.as_deref().or(self.default).map(str::to_owned);
        if groups.is_empty() { None } else { groups.iter().map(service).collect() }
    }

    /// Where the nodes stand that a word means.
    fn fitting(&self, word: &str, all: &[Listed]) -> Result<Vec<usize>, CliError> {
        let pattern: NamePattern = word.parse().map_err(|error: String| CliError::input(error))?;
        let groups = self.groups_of(word);
        let is_in = |service: &str, node: &Node| {
            groups.iter().any(|group| {
                let its = group.node.service.as_deref().or(self.default);
                its.is_none_or(|its| its == service) && group.has(node)
            })
        };
        let is_meant = |(service, _, node): &Listed| {
            pattern.fits(&node.name)
                || is_in(service, node)
                || (groups.is_empty() && node.group == word)
        };
        let fitting = all.iter().enumerate().filter(|(_, listed)| is_meant(listed));
        Ok(fitting.map(|(index, _)| index).collect())
    }

    fn nothing(&self, word: &str, all: &[Listed]) -> CliError {
        if !self.groups_of(word).is_empty() {
            return CliError::new(Kind::Failed, format!("`{word}` has no nodes"))
                .hint(format!("`pallet converge {word}` makes them"));
        }
        let groups = self.groups.keys().chain(self.clusters.keys()).map(GroupName::as_str);
        let nodes = all.iter().map(|(_, _, node)| node.name.as_str());
        let mut known: Vec<&str> = nodes.chain(groups).collect();
        known.dedup();
        let error = CliError::input(format!("there is no node, group or cluster `{word}`"));
        let error = match closest(word, known.iter().copied()) {
            Some(near) => error.hint(format!("did you mean `{near}`?")),
            None => error,
        };
        match known.is_empty() {
            true => error.hint("there are no nodes at all; `pallet converge` makes them"),
            false => error.hint(format!("known: {}", names(&known))),
        }
    }
}

/// The names of nodes and groups that the file alone tells of: for completions.
pub fn names_of(infrastructure: &Infrastructure) -> (Vec<String>, Vec<String>) {
    use pallet_core::compute::NodeListConfig;
    let groups = infrastructure.groups.keys().chain(infrastructure.clusters.keys());
    let groups: Vec<String> = groups.map(ToString::to_string).collect();
    let mut nodes = Vec::new();
    for service in infrastructure.services.values() {
        if let Some(list) = service.opener.config::<NodeListConfig>() {
            nodes.extend(list.nodes.iter().map(|node| node.name.clone()));
        }
        if let Some(here) = service.opener.config::<LocalhostConfig>() {
            nodes.push(here.name.clone());
        }
    }
    (groups, nodes)
}
