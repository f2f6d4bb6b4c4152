//! `node-list`: nodes that exist already.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::Deserialize;

use super::{ComputeError, ComputeService, CreateNode, Node, NodeState, Provider, ProviderContext};
use crate::spec::NodeSpec;
use crate::transport::{Endpoint, HostKeys};

/// The table of a `node-list` service.
///
/// ```toml
/// [service.rack]
/// provider = "node-list"
/// nodes = [
///   { name = "web-1", group = "web", host = "192.0.2.10" },
/// ]
/// ```
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct NodeListConfig {
    /// The nodes.
    pub nodes: Vec<ListedNode>,
    /// Accept and remember host keys of hosts that are in no known_hosts file. Default: refuse.
    #[serde(default)]
    pub host_key: HostKeySetting,
}

/// What to do about hosts that are not known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HostKeySetting {
    /// Refuse them.
    #[default]
    KnownHosts,
    /// Accept, remember and report them.
    FirstContact,
}

/// One existing node.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ListedNode {
    /// Its name.
    pub name: String,
    /// The group it belongs to.
    pub group: String,
    /// Host name or address. Without one it is this machine, worked on directly.
    #[serde(default)]
    pub host: Option<String>,
    /// SSH port. Default: 22.
    #[serde(default = "ssh_port")]
    pub port: u16,
    /// Its host key in OpenSSH's form. Default: it must be in known_hosts.
    #[serde(default)]
    pub host_key: Option<String>,
}

fn ssh_port() -> u16 {
    22
}

/// The provider of listed nodes. It neither creates nor destroys.
#[derive(Debug)]
pub struct NodeList {
    name: String,
    nodes: Vec<Node>,
}

impl NodeList {
    /// A service called `name` with these nodes.
    pub fn new(name: impl Into<String>, config: NodeListConfig) -> Self {
        let default_policy = match config.host_key {
            HostKeySetting::KnownHosts => HostKeys::KnownHosts,
            HostKeySetting::FirstContact => HostKeys::FirstContact,
        };
        let nodes = config.nodes.into_iter().map(|listed| node(listed, &default_policy)).collect();
        Self { name: name.into(), nodes }
    }

    fn refuse(&self, verb: &str, what: &str) -> ComputeError {
        ComputeError::input(format!("service `{}` cannot {verb} {what}: it is a list of nodes", self.name))
            .help("set the group's count to the number of listed nodes, or leave it out, or use a service that creates nodes")
    }
}

fn node(listed: ListedNode, default_policy: &HostKeys) -> Node {
    let host_keys = match listed.host_key {
        Some(key) => HostKeys::Pinned { keys: vec![key] },
        None => default_policy.clone(),
    };
    Node {
        id: listed.name.clone(),
        name: listed.name,
        group: listed.group,
        state: NodeState::Running,
        endpoint: listed.host.map(|host| Endpoint { host, port: listed.port }),
        host_keys,
        image_user: None,
        bootstrapped: true,
        properties: BTreeMap::new(),
    }
}

impl Provider for NodeList {
    const NAME: &'static str = "node-list";
    type Config = NodeListConfig;

    async fn open(
        config: NodeListConfig,
        context: ProviderContext,
    ) -> Result<Arc<dyn ComputeService>, ComputeError> {
        let mut names = std::collections::BTreeSet::new();
        if let Some(twice) = config.nodes.iter().find(|node| !names.insert(&node.name)) {
            return Err(ComputeError::input(format!(
                "service `{}` lists two nodes called `{}`",
                context.service, twice.name
            ))
            .help("give each node a name of its own"));
        }
        Ok(Arc::new(NodeList::new(context.service, config)))
    }
}

#[async_trait]
impl ComputeService for NodeList {
    fn name(&self) -> &str {
        &self.name
    }

    fn identity(&self) -> String {
        let place = |node: &Node| match &node.endpoint {
            Some(endpoint) => format!("{} {endpoint}", node.name),
            None => node.name.clone(),
        };
        let places: Vec<String> = self.nodes.iter().map(place).collect();
        format!("{}: {}", self.name, places.join(", "))
    }

    async fn nodes(&self) -> Result<Vec<Node>, ComputeError> {
        Ok(self.nodes.clone())
    }

    async fn check(&self, _spec: &NodeSpec) -> Result<(), ComputeError> {
        Err(self.refuse("create", "nodes"))
    }

    async fn check_destroy(&self, node: &Node) -> Result<(), ComputeError> {
        Err(self.refuse("destroy", &node.name))
    }

    async fn create(&self, requests: Vec<CreateNode>) -> Vec<Result<Node, ComputeError>> {
        requests.iter().map(|request| Err(self.refuse("create", &request.name))).collect()
    }

    async fn start(&self, node: &Node) -> Result<(), ComputeError> {
        Err(self.refuse("start", &node.name))
    }

    async fn stop(&self, node: &Node) -> Result<(), ComputeError> {
        Err(self.refuse("stop", &node.name))
    }

    async fn ready(&self, node: &Node, _timeout: Duration) -> Result<Node, ComputeError> {
        Ok(node.clone())
    }

    async fn destroy(&self, node: &Node) -> Result<(), ComputeError> {
        Err(self.refuse("destroy", &node.name))
    }

    async fn set_bootstrapped(&self, _node: &Node) -> Result<(), ComputeError> {
        Ok(())
    }
}
