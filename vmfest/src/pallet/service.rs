//! The service itself.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use pallet_core::compute::{
    Chosen, ComputeError, ComputeService, CreateNode, Node, NodeState, Offer,
};
use pallet_core::facts::Facts;
use pallet_core::login::Login;
use pallet_core::secret::Secret;
use pallet_core::spec::NodeSpec;
use pallet_core::transport::{Endpoint, HostKeys};
use tokio::task::JoinSet;

use super::catalogue::Catalogue;
use super::choose::{Choice, choose, offer};
use super::notes::{self, ImageMeta};
use crate::error::Error;
use crate::host_key::HostKey;
use crate::instance::{Instance, State};
use crate::manager::Manager;
use crate::models::{ImageModel, Models};

/// How long a guest may take to shut down before its power is cut.
const SHUTDOWN: Duration = Duration::from_secs(60);

/// Nodes that are VMs in VirtualBox.
pub struct VirtualBoxService {
    name: String,
    /// Whose nodes it looks after.
    scope: String,
    manager: Manager,
    catalogue: Catalogue,
    /// The images of nodes made by this service object, by the nodes' ids: they know passwords,
    /// which are not noted with the VMs.
    made_of: Mutex<BTreeMap<String, ImageModel>>,
}

impl VirtualBoxService {
    /// A service over a connected manager. It sees the nodes of its `scope` alone; several services
    /// and projects that use one VirtualBox leave each other's nodes alone if their scopes differ.
    #[must_use]
    pub fn new(
        name: impl Into<String>,
        scope: impl Into<String>,
        manager: Manager,
        catalogue: Catalogue,
    ) -> Self {
        let (name, scope) = (name.into(), scope.into());
        Self { name, scope, manager, catalogue, made_of: Mutex::default() }
    }

    fn models(&self) -> Result<Models, ComputeError> {
        self.catalogue.models(&self.manager).map_err(|e| failed(&e))
    }

    fn choose(&self, models: &Models, spec: &NodeSpec) -> Result<Choice, ComputeError> {
        choose(models, &self.catalogue.defaults, &self.catalogue.base, spec)
    }

    fn made_of(&self) -> MutexGuard<'_, BTreeMap<String, ImageModel>> {
        self.made_of.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Describes a node with the image that it was made of, as far as that is known.
    async fn describe(&self, instance: &Instance, models: &Models) -> Result<Option<Node>, Error> {
        let made_of = self.made_of().get(instance.id()).cloned();
        describe(instance, &self.scope, models, made_of).await
    }

    /// Says whose the VM is, if a name is taken: the user may not know of the other project.
    async fn explain(&self, error: ComputeError, name: &str) -> ComputeError {
        let owner = async {
            let instances = self.manager.instances().await.ok()?;
            let instance = instances.into_iter().find(|instance| instance.name() == name)?;
            instance.extra_data(notes::SCOPE).await.ok()?
        };
        match owner.await {
            Some(owner) if owner != self.scope => {
                let help =
                    "names of VMs are unique in VirtualBox: choose another name for the group";
                let message = format!(
                    "VirtualBox has a VM with the name {name} already: it belongs to {owner}"
                );
                ComputeError { message, help: Some(help.to_owned()), ..error }
            }
            _ => error,
        }
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

    fn identity(&self) -> String {
        format!("{}: {}", self.name, self.manager.location().node_path.display())
    }

    async fn nodes(&self) -> Result<Vec<Node>, ComputeError> {
        let models = Arc::new(self.models()?);
        let mut looks = JoinSet::new();
        for instance in self.manager.instances().await.map_err(|e| failed(&e))? {
            let models = Arc::clone(&models);
            let made_of = self.made_of().get(instance.id()).cloned();
            let scope = self.scope.clone();
            looks.spawn(async move { describe(&instance, &scope, &models, made_of).await });
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
        let models = self.models()?;
        let choice = self.choose(&models, spec)?;
        let checked = self.manager.check(&choice.image, &choice.hardware).await;
        checked.map_err(|error| failed(&choice.locate(&models, error)))
    }

    async fn offer(&self) -> Result<Offer, ComputeError> {
        Ok(offer(&self.models()?))
    }

    async fn chosen(&self, spec: &NodeSpec) -> Result<Chosen, ComputeError> {
        let choice = self.choose(&self.models()?, spec)?;
        Ok(Chosen { image: Some(choice.image_name), hardware: Some(choice.hardware_name) })
    }

    async fn expected_facts(&self, spec: &NodeSpec) -> Facts {
        let choice = self.models().and_then(|models| self.choose(&models, spec));
        // What is wrong with the node-spec is told by `check`.
        choice.map(|choice| notes::facts(&choice.image, &choice.hardware)).unwrap_or_default()
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
            let choice = self.choose(&models, &request.spec);
            let scope = self.scope.clone();
            tasks.spawn(async move {
                let made = match choice {
                    Ok(choice) => create_one(&manager, &scope, &models, request, choice).await,
                    Err(error) => Err(error),
                };
                (index, made)
            });
        }
        let mut results = BTreeMap::new();
        while let Some(ended) = tasks.join_next().await {
            match ended {
                Ok((index, Ok((node, image)))) => {
                    self.made_of().insert(node.id.clone(), image);
                    results.insert(index, Ok(node));
                }
                Ok((index, Err(error))) => {
                    let name = names.get(index).map_or("", String::as_str);
                    results.insert(index, Err(self.explain(error, name).await));
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
        let described = self.describe(&instance, &self.models()?).await.map_err(|e| failed(&e))?;
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
        instance.set_extra_data(notes::BOOTSTRAPPED, "true").await.map_err(|e| failed(&e))
    }

    async fn close(&self) {
        if let Err(error) = self.manager.clone().close().await {
            tracing::warn!(%error, service = self.name, "cannot log off");
        }
    }
}

async fn create_one(
    manager: &Manager,
    scope: &str,
    models: &Models,
    request: CreateNode,
    choice: Choice,
) -> Result<(Node, ImageModel), ComputeError> {
    let meta = serde_json::to_string(&ImageMeta::of(&choice.image));
    let meta = meta.map_err(|e| ComputeError::failed(format!("cannot note the image: {e}")))?;
    let extra = [
        (notes::GROUP, request.group.as_str()),
        (notes::SCOPE, scope),
        (notes::IMAGE, choice.image_name.as_str()),
        (notes::IMAGE_META, meta.as_str()),
    ];
    let created =
        manager.instance_with(&request.name, &choice.image, &choice.hardware, &extra).await;
    let instance = created.map_err(|error| failed(&choice.locate(models, error)))?;
    let started = async {
        instance.start().await?;
        describe(&instance, scope, models, Some(choice.image.clone())).await
    };
    match started.await {
        Ok(Some(node)) => Ok((node, choice.image)),
        Ok(None) => Err(ComputeError::failed(format!("the VM {} lost its group", request.name))),
        Err(error) => {
            if let Err(error) = instance.destroy().await {
                tracing::error!(%error, name = request.name, "cannot remove a VM that did not start");
            }
            Err(failed(&error))
        }
    }
}

/// The node that an instance is, if it is one of this scope.
///
/// Its image is `made_of`, or else the model of the name that was noted, or else what was noted of
/// it.
async fn describe(
    instance: &Instance,
    scope: &str,
    models: &Models,
    made_of: Option<ImageModel>,
) -> Result<Option<Node>, Error> {
    let state = instance.state().await?;
    if state == State::Inaccessible {
        // Which group it belonged to cannot be known.
        return Ok(None);
    }
    let Some(group) = instance.extra_data(notes::GROUP).await? else { return Ok(None) };
    if instance.extra_data(notes::SCOPE).await?.as_deref() != Some(scope) {
        return Ok(None);
    }
    let image_name = instance.extra_data(notes::IMAGE).await?.unwrap_or_default();
    let image = match made_of.or_else(|| models.images().get(&image_name).cloned()) {
        Some(image) => image,
        None => {
            let noted = instance.extra_data(notes::IMAGE_META).await?.unwrap_or_default();
            serde_json::from_str::<ImageMeta>(&noted).unwrap_or_default().image()
        }
    };
    let endpoint = match instance.ssh_address().await {
        Ok(address) if state.is_online() => {
            Some(Endpoint { host: address.ip().to_string(), port: address.port() })
        }
        Ok(_) | Err(Error::NoSshForward { .. }) => None,
        Err(error) => return Err(error),
    };
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
        image_user: login(&image),
        bootstrapped: instance.extra_data(notes::BOOTSTRAPPED).await?.is_some(),
        properties: notes::properties(image_name, &image),
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
