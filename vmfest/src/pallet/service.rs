//! The service itself.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pallet_core::compute::{ComputeError, ComputeService, CreateNode, Node, NodeState};
use pallet_core::login::Login;
use pallet_core::secret::Secret;
use pallet_core::spec::NodeSpec;
use pallet_core::transport::{Endpoint, HostKeys};
use tokio::task::JoinSet;

use super::choose::choose;
use crate::error::Error;
use crate::host_key::HostKey;
use crate::instance::{Instance, State};
use crate::manager::Manager;
use crate::models::{HardwareModel, ImageModel, Models};

/// Extra data: the group that a node belongs to. A VM without it is no node.
const GROUP: &str = "pallet/group";
/// Extra data: the name of the image model that a node was made from.
const IMAGE: &str = "pallet/image";
/// Extra data: whether `bootstrap` has succeeded.
const BOOTSTRAPPED: &str = "pallet/bootstrapped";

/// How long a guest may take to shut down before its power is cut.
const SHUTDOWN: Duration = Duration::from_secs(60);

/// Nodes that are VMs in VirtualBox.
pub struct VirtualBoxService {
    name: String,
    manager: Manager,
    images: BTreeMap<String, ImageModel>,
    hardware: BTreeMap<String, HardwareModel>,
    base: PathBuf,
}

impl VirtualBoxService {
    /// A service over a connected manager. The models given here take the place of those that
    /// the manager reads from meta files; their relative paths start at `base`.
    #[must_use]
    pub fn new(
        name: impl Into<String>,
        manager: Manager,
        images: BTreeMap<String, ImageModel>,
        hardware: BTreeMap<String, HardwareModel>,
        base: PathBuf,
    ) -> Self {
        Self { name: name.into(), manager, images, hardware, base }
    }

    fn models(&self) -> Result<Models, ComputeError> {
        let mut models = self.manager.models().map_err(|e| failed(&e))?;
        for (name, image) in &self.images {
            models.add_image(name, image.clone(), &self.base);
        }
        for (name, hardware) in &self.hardware {
            models.add_hardware(name, hardware.clone(), &self.base);
        }
        Ok(models)
    }

    async fn find(&self, node: &Node) -> Result<Instance, ComputeError> {
        let found = self.manager.find(&node.id).await.map_err(|e| failed(&e))?;
        found.ok_or_else(|| failed(&Error::Gone { name: node.name.clone() }))
    }
}

#[async_trait]
impl ComputeService for VirtualBoxService {
    fn name(&self) -> &str {
        &self.name
    }

    async fn nodes(&self) -> Result<Vec<Node>, ComputeError> {
        let models = Arc::new(self.models()?);
        let mut looks = JoinSet::new();
        for instance in self.manager.instances().await.map_err(|e| failed(&e))? {
            let models = Arc::clone(&models);
            looks.spawn(async move { describe(&instance, &models).await });
        }
        let mut nodes = Vec::new();
        while let Some(look) = looks.join_next().await {
            match look {
                Ok(Ok(node)) => nodes.extend(node),
                // Destroyed by somebody since the list was made.
                Ok(Err(Error::Gone { .. })) => {}
                Ok(Err(error)) => return Err(failed(&error)),
                Err(error) => return Err(ComputeError::failed(format!("cannot list: {error}"))),
            }
        }
        nodes.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(nodes)
    }

    async fn check(&self, spec: &NodeSpec) -> Result<(), ComputeError> {
        choose(&self.models()?, spec).map(drop)
    }

    async fn create(&self, requests: Vec<CreateNode>) -> Vec<Result<Node, ComputeError>> {
        let names: Vec<_> = requests.iter().map(|request| request.name.clone()).collect();
        let models = match self.models() {
            Ok(models) => Arc::new(models),
            Err(error) => return names.iter().map(|_| Err(error.clone())).collect(),
        };
        let mut tasks = JoinSet::new();
        for (index, request) in requests.into_iter().enumerate() {
            let (manager, models) = (self.manager.clone(), Arc::clone(&models));
            tasks.spawn(async move { (index, create_one(&manager, &models, request).await) });
        }
        let mut results = BTreeMap::new();
        while let Some(ended) = tasks.join_next().await {
            match ended {
                Ok((index, result)) => {
                    results.insert(index, result);
                }
                Err(error) => tracing::error!(%error, "a creation ended without a result"),
            }
        }
        let missing =
            |name: &str| Err(ComputeError::failed(format!("the creation of {name} was cut short")));
        let results =
            names.iter().enumerate().map(|(i, name)| results.remove(&i).unwrap_or(missing(name)));
        results.collect()
    }

    async fn start(&self, node: &Node) -> Result<(), ComputeError> {
        self.find(node).await?.start().await.map_err(|e| failed(&e))
    }

    async fn stop(&self, node: &Node) -> Result<(), ComputeError> {
        let instance = self.find(node).await?;
        instance.shut_down(SHUTDOWN).await.map(drop).map_err(|e| failed(&e))
    }

    async fn ready(&self, node: &Node, timeout: Duration) -> Result<Node, ComputeError> {
        let instance = self.find(node).await?;
        let ready = instance.wait_for_ssh(timeout).await.map_err(|e| failed(&e))?;
        let described = describe(&instance, &self.models()?).await.map_err(|e| failed(&e))?;
        let mut node = described.unwrap_or_else(|| node.clone());
        node.endpoint =
            Some(Endpoint { host: ready.address.ip().to_string(), port: ready.address.port() });
        node.host_keys = pinned(&ready.host_keys);
        Ok(node)
    }

    async fn destroy(&self, node: &Node) -> Result<(), ComputeError> {
        match self.manager.find(&node.id).await.map_err(|e| failed(&e))? {
            Some(instance) => instance.destroy().await.map_err(|e| failed(&e)),
            None => Ok(()),
        }
    }

    async fn set_bootstrapped(&self, node: &Node) -> Result<(), ComputeError> {
        let instance = self.find(node).await?;
        instance.set_extra_data(BOOTSTRAPPED, "true").await.map_err(|e| failed(&e))
    }

    async fn close(&self) {
        if let Err(error) = self.manager.clone().close().await {
            tracing::warn!(%error, service = self.name, "cannot log off");
        }
    }
}

async fn create_one(
    manager: &Manager,
    models: &Models,
    request: CreateNode,
) -> Result<Node, ComputeError> {
    let choice = choose(models, &request.spec)?;
    let extra = [(GROUP, request.group.as_str()), (IMAGE, choice.image_name.as_str())];
    let created =
        manager.instance_with(&request.name, &choice.image, &choice.hardware, &extra).await;
    let instance = created.map_err(|e| failed(&e))?;
    let started = async {
        instance.start().await?;
        describe(&instance, models).await
    };
    match started.await {
        Ok(Some(node)) => Ok(node),
        Ok(None) => Err(ComputeError::failed(format!("the VM {} lost its group", request.name))),
        Err(error) => {
            if let Err(error) = instance.destroy().await {
                tracing::error!(%error, name = request.name, "cannot remove a VM that did not start");
            }
            Err(failed(&error))
        }
    }
}

/// The node that an instance is, if it is one.
async fn describe(instance: &Instance, models: &Models) -> Result<Option<Node>, Error> {
    let state = instance.state().await?;
    if state == State::Inaccessible {
        // Which group it belonged to cannot be known.
        return Ok(None);
    }
    let Some(group) = instance.extra_data(GROUP).await? else { return Ok(None) };
    let image_name = instance.extra_data(IMAGE).await?.unwrap_or_default();
    let image = models.images().get(&image_name);
    let endpoint = match instance.ssh_address().await {
        Ok(address) if state.is_online() => {
            Some(Endpoint { host: address.ip().to_string(), port: address.port() })
        }
        Ok(_) | Err(Error::NoSshForward { .. }) => None,
        Err(error) => return Err(error),
    };
    let mut properties = BTreeMap::from([("image".to_owned(), image_name)]);
    if let Some(image) = image {
        let known = [
            ("os-family", &image.os_family),
            ("os-version", &image.os_version),
            ("packager", &image.packager),
        ];
        for (key, value) in known {
            if let Some(value) = value {
                properties.insert(key.to_owned(), value.clone());
            }
        }
    }
    Ok(Some(Node {
        id: instance.id().to_owned(),
        name: instance.name().to_owned(),
        group,
        state: match state {
            State::Running => NodeState::Running,
            state if state.is_startable() => NodeState::Stopped,
            state => NodeState::Other(state.to_string()),
        },
        endpoint,
        host_keys: pinned(&instance.known_host_keys().await?),
        image_user: image.and_then(login),
        bootstrapped: instance.extra_data(BOOTSTRAPPED).await?.is_some(),
        properties,
    }))
}

/// No key at all means that no host is accepted, until the console has told which one is right.
fn pinned(keys: &[HostKey]) -> HostKeys {
    HostKeys::Pinned { keys: keys.iter().map(HostKey::to_string).collect() }
}

/// The account that the image came with.
fn login(image: &ImageModel) -> Option<Login> {
    let secret = |secret: &Option<crate::models::Secret>| {
        secret.as_ref().map(|secret| Secret::new(secret.expose()))
    };
    let mut login = Login::new(image.username.as_ref()?);
    login.private_key_path.clone_from(&image.private_key_path);
    login.password = secret(&image.password);
    login.sudo_password = secret(&image.sudo_password);
    login.no_sudo = image.no_sudo;
    Some(login)
}

pub(super) fn failed(error: &Error) -> ComputeError {
    let message = error.to_string();
    if error.is_input() { ComputeError::input(message) } else { ComputeError::failed(message) }
}
