//! The service itself.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pallet_core::compute::{
    Attachment, Chosen, ComputeError, ComputeService, CreateNode, HardwareOffer, Node, Offer,
};
use pallet_core::facts::Facts;
use pallet_core::local_path;
use pallet_core::login::Login;
use pallet_core::spec::NodeSpec;
use pallet_core::transport::TransportError;
use tokio::sync::{Mutex, Semaphore};
use tokio::task::JoinSet;

use super::choose::{Choice, Stock, new_attempt};
use super::config::IncusConfig;
use super::notes::{self, ImageNote};
use super::transport::ExecTransport;
use super::{hardware, images, ready};
use crate::client::{Client, Error, Instance, NewInstance};

/// How long a guest may take to shut down before it is stopped.
const SHUTDOWN: Duration = Duration::from_secs(60);

/// Nodes that are instances on an Incus or LXD server, or a cluster of them.
#[derive(Clone)]
pub struct IncusService(Arc<Inner>);

struct Inner {
    name: String,
    client: Client,
    config: IncusConfig,
    base: PathBuf,
    /// Held until the cluster has chosen a member for a new instance.
    placing: Mutex<()>,
    /// Host keys of new nodes that are to be noted: writing a note is a lot of work for a server, so
    /// that it is done together with the next one.
    unnoted: Mutex<BTreeMap<String, String>>,
    /// Held while a note is written. A cluster writes one at a time, and those that come meanwhile
    /// are tried again and again: ten at once take three times as long as one after the other.
    noting: Mutex<()>,
}

/// What there is under a name after an attempt to create it has failed.
enum Left {
    Nothing,
    /// An instance that the attempt has not made.
    AnotherOne,
}

impl IncusService {
    /// A service over a connected client. Relative paths in `config` start at `base`.
    #[must_use]
    pub fn new(
        name: impl Into<String>,
        client: Client,
        config: IncusConfig,
        base: impl Into<PathBuf>,
    ) -> Self {
        let (name, base) = (name.into(), base.into());
        let (placing, unnoted, noting) = (Mutex::default(), Mutex::default(), Mutex::default());
        Self(Arc::new(Inner { name, client, config, base, placing, unnoted, noting }))
    }

    fn client(&self) -> &Client {
        &self.0.client
    }

    /// Looks at what a node-spec needs, and chooses.
    async fn choose(&self, spec: &NodeSpec) -> Result<Choice, ComputeError> {
        Stock::of(self.client(), &self.0.config, &[spec]).await?.choose(&self.0.config, spec)
    }

    fn describe(&self, instance: &Instance) -> Option<Node> {
        notes::node(instance, |image| self.login(image))
    }

    /// The account that an image came with: as noted, with what the service knows besides,
    /// passwords above all.
    fn login(&self, note: &ImageNote) -> Option<Login> {
        let known = self.0.config.images.get(&note.name);
        let username = note.username.as_ref().or(known.and_then(|it| it.username.as_ref()))?;
        let key = note.private_key_path.as_ref();
        let key = key.or(known.and_then(|it| it.private_key_path.as_ref()));
        let mut login = Login::new(username);
        login.private_key_path = key.and_then(|path| local_path::resolve(&self.0.base, path).ok());
        login.password = known.and_then(|it| it.password.clone());
        login.sudo_password = known.and_then(|it| it.sudo_password.clone());
        login.no_sudo = note.no_sudo;
        Some(login)
    }

    /// The instance that a node is; `None` when it is gone, also where another one has its name.
    async fn find(&self, node: &Node) -> Result<Option<Instance>, ComputeError> {
        let found = match self.client().instance(&node.name).await {
            Ok(found) => found,
            Err(error) => return Err(self.explained(node, &error).await),
        };
        Ok(found.filter(|instance| notes::is_same(instance, node)))
    }

    async fn explained(&self, node: &Node, error: &Error) -> ComputeError {
        let place = node.properties.get("member").map(String::as_str).unwrap_or_default();
        ready::explained(self.client(), &node.name, place, error).await
    }

    async fn expect(&self, node: &Node) -> Result<Instance, ComputeError> {
        let found = self.find(node).await?;
        found.ok_or_else(|| ComputeError::failed(format!("{} is gone", node.name)))
    }

    async fn create_one(&self, request: &CreateNode, choice: Choice) -> Result<Node, ComputeError> {
        let attempt = new_attempt()?;
        let new = choice.instance(request, &attempt);
        let made = match self.make(&new).await {
            Ok(()) => self.client().instance(&request.name).await,
            Err(error) => Err(error),
        };
        match made {
            Ok(instance) => instance
                .and_then(|instance| self.describe(&instance))
                .ok_or_else(|| ComputeError::failed(format!("{} is gone again", request.name))),
            Err(error) => Err(self.undone(&new, &attempt, &error).await),
        }
    }

    /// Why an attempt has failed, after nothing is left of it.
    async fn undone(&self, new: &NewInstance, attempt: &str, error: &Error) -> ComputeError {
        let place = new.target.as_deref().unwrap_or_default();
        let failure = ready::explained(self.client(), &new.name, place, error).await;
        match self.remove_attempt(&new.name, attempt).await {
            Ok(Left::Nothing) => failure,
            Ok(Left::AnotherOne) => failure.help(format!(
                "another instance is called {}: remove it, or give the group another name",
                new.name
            )),
            Err(left) => ComputeError::failed(format!(
                "{}; what there is of it cannot be removed now: {left}",
                failure.message
            ))
            .help("the next converge goes on with it"),
        }
    }

    /// Makes an instance. The cluster gives it to the member that has the fewest, those included
    /// that are being made; of many that are asked for in one moment all would go to one member.
    async fn make(&self, new: &NewInstance) -> Result<(), Error> {
        let turn = self.0.placing.lock().await;
        let creation = self.client().begin_creation(new).await?;
        drop(turn);
        self.client().finish_creation(creation).await
    }

    async fn note(&self, name: &str, settings: &[(&str, &str)]) -> Result<(), Error> {
        let _turn = self.0.noting.lock().await;
        self.client().set(name, settings).await
    }

    /// Removes what a failed attempt has left, and nothing that somebody else has made.
    async fn remove_attempt(&self, name: &str, attempt: &str) -> Result<Left, Error> {
        let Some(instance) = self.client().instance(name).await? else { return Ok(Left::Nothing) };
        if instance.config.get(notes::ATTEMPT).is_none_or(|it| it != attempt) {
            return Ok(Left::AnotherOne);
        }
        self.remove(&instance).await.map(|()| Left::Nothing)
    }

    async fn remove(&self, instance: &Instance) -> Result<(), Error> {
        let name = instance.name.as_str();
        if instance.status != "Stopped"
            && let Err(error) = self.client().kill(name).await
        {
            // It may have ended by itself; if not, deleting says more.
            tracing::debug!(%error, name, "an instance cannot be stopped");
        }
        match self.client().delete(name).await {
            Err(error) if error.is_not_found() => Ok(()),
            done => done,
        }
    }
}

#[async_trait]
impl ComputeService for IncusService {
    fn name(&self) -> &str {
        &self.0.name
    }

    fn identity(&self) -> String {
        // Every member of a cluster shows one certificate.
        let cluster = &self.client().server().environment.certificate_fingerprint;
        format!("{}: {cluster} {}", self.0.name, self.client().project())
    }

    async fn nodes(&self) -> Result<Vec<Node>, ComputeError> {
        let (key, value) = notes::NODE;
        let instances = self.client().instances_with(key, value).await;
        let instances = instances.map_err(|error| failed(&error))?;
        let mut nodes: Vec<Node> = instances.iter().filter_map(|it| self.describe(it)).collect();
        nodes.sort_by(|a, b| a.name.cmp(&b.name));
        let unnoted = self.0.unnoted.lock().await;
        for node in &mut nodes {
            if let Some(key) = unnoted.get(&node.name) {
                node.host_keys = notes::pinned(key);
            }
        }
        Ok(nodes)
    }

    async fn check(&self, spec: &NodeSpec) -> Result<(), ComputeError> {
        self.choose(spec).await.map(drop)
    }

    async fn offer(&self) -> Result<Offer, ComputeError> {
        let config = &self.0.config;
        let images = self.client().images().await.map_err(|error| failed(&error))?;
        let images = images::candidates(&images, &config.images, config.kind);
        let models = hardware::models(&config.hardware_models);
        let hardware = models.into_iter().map(|(name, model)| HardwareOffer {
            name,
            memory: model.memory_size,
            processors: model.cpu_count,
            remarks: model
                .disk_size
                .map(|disk| format!("{disk} GiB of disk"))
                .into_iter()
                .collect(),
        });
        let images = images.into_iter().map(|image| image.traits).collect();
        Ok(Offer { images, hardware: hardware.collect() })
    }

    async fn chosen(&self, spec: &NodeSpec) -> Result<Chosen, ComputeError> {
        let choice = self.choose(spec).await?;
        let hardware = spec.hardware.hardware_id.clone();
        Ok(Chosen { image: Some(choice.image.traits.id), hardware })
    }

    async fn expected_facts(&self, spec: &NodeSpec) -> Facts {
        // What is wrong with the node-spec is told by `check`.
        self.choose(spec).await.map(|choice| choice.facts()).unwrap_or_default()
    }

    async fn create(&self, requests: Vec<CreateNode>) -> Vec<Result<Node, ComputeError>> {
        let specs: Vec<&NodeSpec> = requests.iter().map(|request| &request.spec).collect();
        let stock = match Stock::of(self.client(), &self.0.config, &specs).await {
            Ok(stock) => stock,
            Err(error) => return requests.iter().map(|_| Err(error.clone())).collect(),
        };
        let turns = Arc::new(Semaphore::new(self.0.config.at_once()));
        let mut tasks = JoinSet::new();
        let mut results: Vec<Result<Node, ComputeError>> = Vec::new();
        for (index, request) in requests.into_iter().enumerate() {
            let cut = format!("the creation of {} was cut short", request.name);
            let choice = stock.choose(&self.0.config, &request.spec);
            results.push(Err(ComputeError::failed(cut)));
            let (service, turns) = (self.clone(), Arc::clone(&turns));
            tasks.spawn(async move {
                let _turn = turns.acquire().await;
                let made = match choice {
                    Ok(choice) => service.create_one(&request, choice).await,
                    Err(error) => Err(error),
                };
                (index, made)
            });
        }
        while let Some(ended) = tasks.join_next().await {
            match ended {
                Ok((index, made)) => {
                    if let Some(result) = results.get_mut(index) {
                        *result = made;
                    }
                }
                Err(error) => tracing::error!(%error, "a creation ended without a result"),
            }
        }
        results
    }

    async fn start(&self, node: &Node) -> Result<(), ComputeError> {
        let instance = self.expect(node).await?;
        if instance.is_running() {
            return Ok(());
        }
        match self.client().start(&node.name).await {
            Ok(()) => Ok(()),
            Err(error) => Err(self.explained(node, &error).await),
        }
    }

    async fn stop(&self, node: &Node) -> Result<(), ComputeError> {
        let instance = self.expect(node).await?;
        if instance.status == "Stopped" {
            return Ok(());
        }
        if let Err(error) = self.client().shut_down(&node.name, SHUTDOWN).await {
            tracing::debug!(%error, node = node.name, "a node does not shut down");
            let now = self.expect(node).await?;
            if now.status != "Stopped" {
                let killed = self.client().kill(&node.name).await;
                if let Err(error) = killed {
                    return Err(self.explained(node, &error).await);
                }
            }
        }
        Ok(())
    }

    async fn ready(&self, node: &Node, timeout: Duration) -> Result<Node, ComputeError> {
        let instance = self.expect(node).await?;
        let described = self.describe(&instance);
        let mut node = described.unwrap_or_else(|| node.clone());
        if reaches_by_exec(&node) {
            ready::over_exec(self.client(), &instance, timeout).await?;
            return Ok(node);
        }
        let ready = ready::over_ssh(self.client(), &instance, timeout).await?;
        if instance.config.get(notes::HOST_KEYS) != Some(&ready.key) {
            if node.bootstrapped {
                let note = [(notes::HOST_KEYS, ready.key.as_str())];
                let noted = self.note(&node.name, &note).await;
                noted.map_err(|error| failed(&error))?;
            } else {
                self.0.unnoted.lock().await.insert(node.name.clone(), ready.key.clone());
            }
        }
        node.endpoint = Some(ready.endpoint);
        node.host_keys = notes::pinned(&ready.key);
        Ok(node)
    }

    async fn destroy(&self, node: &Node) -> Result<(), ComputeError> {
        let Some(instance) = self.find(node).await? else { return Ok(()) };
        match self.remove(&instance).await {
            Ok(()) => Ok(()),
            Err(error) => Err(self.explained(node, &error).await),
        }
    }

    async fn set_bootstrapped(&self, node: &Node) -> Result<(), ComputeError> {
        self.expect(node).await?;
        let key = self.0.unnoted.lock().await.remove(&node.name);
        let key = key.as_deref().map(|key| (notes::HOST_KEYS, key));
        let noted: Vec<_> = [(notes::BOOTSTRAPPED, "true")].into_iter().chain(key).collect();
        self.note(&node.name, &noted).await.map_err(|error| failed(&error))
    }

    async fn attach(
        &self,
        node: &Node,
        _login: &Login,
    ) -> Result<Option<Attachment>, TransportError> {
        if !reaches_by_exec(node) {
            return Ok(None);
        }
        let transport = Arc::new(ExecTransport::new(self.client().clone(), &node.name));
        Ok(Some(Attachment { transport, login: Login::new("root") }))
    }

    async fn close(&self) {
        // Of nodes whose bootstrap has failed, for whoever wants to look at them.
        for (name, key) in std::mem::take(&mut *self.0.unnoted.lock().await) {
            if let Err(error) = self.note(&name, &[(notes::HOST_KEYS, &key)]).await {
                tracing::debug!(%error, name, "its host key could not be noted");
            }
        }
        self.client().close();
    }
}

fn reaches_by_exec(node: &Node) -> bool {
    node.properties.get("reach").is_some_and(|reach| reach == notes::EXEC)
}

/// An error of the API in the words of `pallet-core`.
pub(super) fn failed(error: &Error) -> ComputeError {
    let failure = ComputeError::failed(error.to_string());
    match error.help() {
        Some(help) => failure.help(help),
        None => failure,
    }
}
