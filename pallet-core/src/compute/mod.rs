//! Compute services: where nodes come from.

mod localhost;
pub mod matching;
mod node_list;
mod provider;
pub mod sandbox;
pub mod sizes;
#[cfg(feature = "provider-suite")]
pub mod suite;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

pub use localhost::{Localhost, LocalhostConfig};
pub use node_list::{HostKeySetting, ListedNode, NodeList, NodeListConfig};
pub use provider::{Provider, ProviderBox, ProviderContext, ServiceOpener};
pub use sandbox::Sandbox;

use crate::facts::Facts;
use crate::login::Login;
use crate::spec::{ImageSpec, NodeSpec};
use crate::transport::{Endpoint, HostKeys, Transport, TransportError};

/// A node as its service sees it.
#[derive(Debug, Clone)]
pub struct Node {
    /// The service's own identifier, stable for the node's life.
    pub id: String,
    /// Name, unique within the service: `web-1`.
    pub name: String,
    /// The group it was created for, or is listed under.
    pub group: String,
    /// What it is doing.
    pub state: NodeState,
    /// Where its sshd listens, once that is known. `None` for the local machine, and where a node
    /// that its service [attaches](ComputeService::attach) has no address.
    pub endpoint: Option<Endpoint>,
    /// How its host key is checked.
    pub host_keys: HostKeys,
    /// The account that its image came with, used for the `bootstrap` phase. `None`: the admin
    /// user.
    pub image_user: Option<Login>,
    /// Whether `bootstrap` has succeeded on it, or is not needed.
    pub bootstrapped: bool,
    /// Values that the service shows to templates and reports: operating system, MAC, …
    pub properties: BTreeMap<String, String>,
}

/// What a node is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NodeState {
    /// It runs.
    Running,
    /// It exists and can be started.
    Stopped,
    /// Anything else, in the service's words; it cannot be worked with.
    Other(String),
}

/// A node that shall exist.
#[derive(Debug, Clone)]
pub struct CreateNode {
    /// Its name: `web-1`.
    pub name: String,
    /// Its group: `web`.
    pub group: String,
    /// What it shall be.
    pub spec: NodeSpec,
}

/// A service that has nodes, and can perhaps make them.
///
/// Implementations only ever touch nodes that they made or that were listed to them.
#[async_trait]
pub trait ComputeService: Send + Sync {
    /// The service's name in documents and reports.
    fn name(&self) -> &str;

    /// What tells the service apart from others that have the same name in other documents: where
    /// it is. Two converges of one group are kept apart if they mean the same service. Default:
    /// the name.
    fn identity(&self) -> String {
        self.name().to_owned()
    }

    /// All nodes of ours, stopped ones included, those of other groups too.
    ///
    /// # Errors
    /// [`ComputeError`] when the service cannot be asked.
    async fn nodes(&self) -> Result<Vec<Node>, ComputeError>;

    /// Says whether nodes of `spec` could be created, without creating anything.
    ///
    /// # Errors
    /// [`ComputeError`]: what in `spec` cannot be met, and what there is instead.
    async fn check(&self, spec: &NodeSpec) -> Result<(), ComputeError>;

    /// Says whether a node could be destroyed, without touching it. Default: yes.
    ///
    /// # Errors
    /// [`ComputeError`]: why not.
    async fn check_destroy(&self, _node: &Node) -> Result<(), ComputeError> {
        Ok(())
    }

    /// What is known of nodes of `spec` before they exist: what their image is. Default: what the
    /// spec itself says of it.
    async fn expected_facts(&self, spec: &NodeSpec) -> Facts {
        facts_of(&spec.image)
    }

    /// Creates and starts nodes, concurrently as far as the service bears it. One result per
    /// request, in order. A creation that fails leaves nothing behind.
    async fn create(&self, requests: Vec<CreateNode>) -> Vec<Result<Node, ComputeError>>;

    /// Starts a stopped node.
    ///
    /// # Errors
    /// [`ComputeError`] when it cannot be started.
    async fn start(&self, node: &Node) -> Result<(), ComputeError>;

    /// Stops a running node, gently first.
    ///
    /// # Errors
    /// [`ComputeError`] when it cannot be stopped.
    async fn stop(&self, node: &Node) -> Result<(), ComputeError>;

    /// Waits until a running node's address and host key are known and its sshd answers, and
    /// returns the node as it is then.
    ///
    /// # Errors
    /// [`ComputeError`] after `timeout`, with a diagnosis of what the node was seen to do.
    async fn ready(&self, node: &Node, timeout: Duration) -> Result<Node, ComputeError>;

    /// Destroys a node and all that belongs to it alone. Destroying a node that is gone is fine.
    ///
    /// # Errors
    /// [`ComputeError`] when something of it is left.
    async fn destroy(&self, node: &Node) -> Result<(), ComputeError>;

    /// Records that `bootstrap` has succeeded on the node.
    ///
    /// # Errors
    /// [`ComputeError`] when the record cannot be kept.
    async fn set_bootstrapped(&self, node: &Node) -> Result<(), ComputeError>;

    /// A way to a running node that is not SSH, for working on it as `login`, where the service
    /// has one. Default: there is none, and the node is reached by its endpoint.
    ///
    /// # Errors
    /// [`TransportError`] when there is a way and it cannot be gone.
    async fn attach(
        &self,
        _node: &Node,
        _login: &Login,
    ) -> Result<Option<Attachment>, TransportError> {
        Ok(None)
    }

    /// Ends what the service holds open. The service is not used afterwards.
    async fn close(&self) {}
}

/// What a node-spec says of its nodes' operating system.
fn facts_of(image: &ImageSpec) -> Facts {
    let os = image.os_family.clone().unwrap_or_default();
    Facts {
        os_families: (!os.is_empty()).then(|| os.clone()).into_iter().collect(),
        os,
        os_version: image.os_version.clone().unwrap_or_default(),
        ..Facts::default()
    }
}

/// A way to a node that its service opened.
pub struct Attachment {
    /// The way.
    pub transport: Arc<dyn Transport>,
    /// As whom it works: the login that was asked for, unless the service has only another one.
    pub login: Login,
}

/// What a compute service could not do.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct ComputeError {
    /// What happened and why.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// Whether the description was wrong (found before anything was touched), rather than the
    /// service failing.
    pub is_input: bool,
}

impl ComputeError {
    /// The service failed.
    pub fn failed(message: impl Into<String>) -> Self {
        Self { message: message.into(), help: None, is_input: false }
    }

    /// What was asked for does not exist or makes no sense.
    pub fn input(message: impl Into<String>) -> Self {
        Self { message: message.into(), help: None, is_input: true }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}
