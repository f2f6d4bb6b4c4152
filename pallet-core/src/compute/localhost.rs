//! `localhost`: this machine as the one node.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::Deserialize;

use super::{
    Attachment, ComputeError, ComputeService, CreateNode, Node, NodeState, Provider,
    ProviderContext,
};
use crate::login::Login;
use crate::secret::Secret;
use crate::spec::NodeSpec;
use crate::transport::{HostKeys, LocalTransport, TransportError};

/// The table of a `localhost` service.
///
/// ```toml
/// [service.here]
/// provider = "localhost"
/// group    = "laptop"
/// ```
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct LocalhostConfig {
    /// The group that the machine belongs to.
    pub group: String,
    /// What the node is called. Default: `localhost`.
    #[serde(default = "node_name")]
    pub name: String,
    /// What sudo is told when it asks, where the machine is not worked on as root. Default: the
    /// admin user's, if that is who runs us.
    #[serde(default)]
    pub sudo_password: Option<Secret>,
}

fn node_name() -> String {
    "localhost".to_owned()
}

/// The provider of this machine. It is worked on by whoever runs us, through sudo unless that is
/// root; the admin user of other nodes need not exist here.
#[derive(Debug)]
pub struct Localhost {
    service: String,
    config: LocalhostConfig,
    user: String,
}

impl Localhost {
    fn node(&self) -> Node {
        Node {
            id: "localhost".to_owned(),
            name: self.config.name.clone(),
            group: self.config.group.clone(),
            state: NodeState::Running,
            endpoint: None,
            host_keys: HostKeys::KnownHosts,
            image_user: None,
            bootstrapped: true,
            properties: BTreeMap::new(),
        }
    }

    fn refuse(&self, verb: &str, what: &str) -> ComputeError {
        ComputeError::input(format!(
            "service `{}` cannot {verb} {what}: its one node is this machine",
            self.service
        ))
        .help("set the group's count to 1, or leave it out, or use a service that creates nodes")
    }
}

impl Provider for Localhost {
    const NAME: &'static str = "localhost";
    type Config = LocalhostConfig;

    async fn open(
        config: LocalhostConfig,
        context: ProviderContext,
    ) -> Result<Arc<dyn ComputeService>, ComputeError> {
        let output = Command::new("id")
            .arg("-un")
            .output()
            .map_err(|error| ComputeError::failed(format!("`id` does not run: {error}")))?;
        let user = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        if user.is_empty() {
            return Err(ComputeError::failed("the account that runs this program has no name")
                .help("add a line for it to /etc/passwd"));
        }
        Ok(Arc::new(Localhost { service: context.service, config, user }))
    }
}

#[async_trait]
impl ComputeService for Localhost {
    fn name(&self) -> &str {
        &self.service
    }

    async fn nodes(&self) -> Result<Vec<Node>, ComputeError> {
        Ok(vec![self.node()])
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

    async fn attach(
        &self,
        _node: &Node,
        login: &Login,
    ) -> Result<Option<Attachment>, TransportError> {
        let mut login = if login.username == self.user {
            login.clone()
        } else {
            Login { no_sudo: login.no_sudo, ..Login::new(&self.user) }
        };
        if let Some(password) = &self.config.sudo_password {
            login.sudo_password = Some(password.clone());
        }
        Ok(Some(Attachment { transport: Arc::new(LocalTransport), login }))
    }
}
