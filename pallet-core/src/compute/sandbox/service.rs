//! Sandboxes as a compute service.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Semaphore;

use super::boot::{boot, make_disk};
use super::layer::Recipe;
use super::machine::{Network, System, disk_size};
use super::network::{self, Subnet};
use super::store::{Lock, Place, Record, Scope};
use super::tool::failed;
use super::{SandboxConfig, process::Holder};
use crate::compute::{Attachment, ComputeError, ComputeService, CreateNode, Node, NodeState};
use crate::facts::Facts;
use crate::login::Login;
use crate::spec::NodeSpec;
use crate::transport::{Endpoint, HostKeys, SandboxTransport, TransportError};

/// The sandboxes of one service. Clones are the same service.
#[derive(Debug, Clone)]
pub(super) struct SandboxService(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    name: String,
    scope: Scope,
    config: SandboxConfig,
    system: System,
}

/// A sandbox that was given a place and is to be made.
struct Claim {
    place: Place,
    record: Record,
    size: u64,
    subnet: Option<Subnet>,
    lock: Lock,
}

impl SandboxService {
    pub fn new(name: String, scope: Scope, config: SandboxConfig) -> Self {
        Self(Arc::new(Inner { name, scope, config, system: System::read() }))
    }

    /// Runs work that waits for programs and locks where it does not hold up others.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, ComputeError> + Send + 'static,
    ) -> Result<T, ComputeError> {
        let inner = self.0.clone();
        match tokio::task::spawn_blocking(move || work(&inner)).await {
            Ok(result) => result,
            Err(error) => {
                Err(ComputeError::failed(format!("work on sandboxes broke off: {error}")))
            }
        }
    }
}

impl Inner {
    fn nodes(&self) -> Result<Vec<Node>, ComputeError> {
        let subnet = network::known(&self.scope)?;
        let mut nodes = Vec::new();
        for place in self.scope.places()? {
            // One that is not complete is being made, or will be removed by whoever makes others.
            if let Some(record) = place.record()?.filter(|record| record.complete) {
                nodes.push(self.node(&record, place.holder()?, subnet));
            }
        }
        Ok(nodes)
    }

    fn node(&self, record: &Record, holder: Option<Holder>, subnet: Option<Subnet>) -> Node {
        let has_address = record.network == Network::Private;
        let address = subnet.filter(|_| has_address).map(|subnet| subnet.address(record.number));
        let mut properties = BTreeMap::new();
        if let Some(family) = self.system.families.first() {
            properties.insert("os-family".to_owned(), family.clone());
            properties.insert("os-version".to_owned(), self.system.version.clone());
        }
        if let Some(note) = &record.network_note {
            properties.insert("network".to_owned(), note.clone());
        }
        Node {
            id: format!("{}/{}", self.scope.tag(), record.name),
            name: record.name.clone(),
            group: record.group.clone(),
            state: if holder.is_some() { NodeState::Running } else { NodeState::Stopped },
            endpoint: address.map(|address| Endpoint { host: address.to_string(), port: 22 }),
            // There is no sshd to be trusted: programs get in through the namespaces.
            host_keys: HostKeys::Pinned { keys: Vec::new() },
            image_user: Some(Login::new("root")),
            bootstrapped: record.bootstrapped,
            properties,
        }
    }

    /// Gives each request a place, a number and a layer. What was begun by somebody who is gone
    /// is removed first.
    fn claim(
        &self,
        requests: &[CreateNode],
    ) -> Result<Vec<Result<Claim, ComputeError>>, ComputeError> {
        let _hub = self.scope.lock_hub()?;
        self.sweep()?;
        let layer = {
            let recipe = Recipe::of_machine(&self.config.hide)?;
            self.scope.make()?;
            recipe.make(&self.scope.layers())?;
            recipe.name()
        };
        let mut network = None;
        let mut taken = BTreeSet::new();
        for place in self.scope.places()? {
            taken.extend(place.record()?.map(|record| record.number));
        }
        let mut claim = |request: &CreateNode| {
            self.system.check(&request.spec)?;
            let kind = Network::of(&request.spec)?;
            let bridge = match (kind, &network) {
                (Network::Private, None) => network.insert(network::bridge(&self.scope)?).clone(),
                (Network::Private, Some(known)) => known.clone(),
                _ => Err(String::new()),
            };
            let number = network::free_number(&taken).ok_or_else(|| {
                ComputeError::failed("this service has as many sandboxes as it can have")
            })?;
            let record = Record {
                name: request.name.clone(),
                group: request.group.clone(),
                number,
                network: if bridge.is_err() && kind == Network::Private {
                    Network::None
                } else {
                    kind
                },
                network_note: bridge
                    .as_ref()
                    .err()
                    .filter(|reason| !reason.is_empty())
                    .map(|reason| format!("it has no other network than itself: {reason}")),
                layer: layer.clone(),
                bootstrapped: false,
                complete: false,
            };
            let place = self.scope.place(&file_name(&request.name)?);
            match fs::create_dir(&place.folder) {
                Ok(()) => {}
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                    return Err(ComputeError::failed(format!(
                        "there is a sandbox `{}` already, or one is being made",
                        request.name
                    )));
                }
                Err(error) => return Err(failed(place.folder.display(), &error)),
            }
            let Some(lock) = place.lock(false)? else {
                return Err(ComputeError::failed(format!(
                    "the sandbox `{}` is locked",
                    request.name
                )));
            };
            place.write_record(&record)?;
            taken.insert(number);
            let size = disk_size(&request.spec)?.unwrap_or(self.config.disk_size);
            Ok(Claim { place, record, size, subnet: bridge.ok(), lock })
        };
        let claims = requests.iter().map(&mut claim).collect();
        Ok(claims)
    }

    /// Removes what was begun and whose maker is gone. Call it with the hub locked.
    fn sweep(&self) -> Result<(), ComputeError> {
        for place in self.scope.places()? {
            let record = place.record()?;
            if record.as_ref().is_some_and(|record| record.complete) {
                continue;
            }
            if let Some(_lock) = place.lock(false)? {
                tracing::info!(sandbox = %place.folder.display(), "removing a half-made sandbox");
                self.end(&place, record.as_ref())?;
                place.remove()?;
            }
        }
        Ok(())
    }

    fn create(&self, claim: Claim) -> Result<Node, ComputeError> {
        let Claim { place, mut record, size, subnet, lock } = claim;
        let made = make_disk(&place, &record, size)
            .and_then(|()| boot(&self.scope, &place, &record, subnet))
            .and_then(|holder| {
                record.complete = true;
                place.write_record(&record)?;
                Ok(self.node(&record, Some(holder), subnet))
            });
        if made.is_err() {
            // Of two failures the first says more.
            let undone = self.end(&place, Some(&record)).and_then(|()| place.remove());
            drop(lock);
            if let Err(error) = undone.and_then(|()| self.tidy()) {
                tracing::warn!(%error, "what is left of a sandbox could not be removed");
            }
        }
        made
    }

    /// Ends what runs in a sandbox and takes it from the network.
    fn end(&self, place: &Place, record: Option<&Record>) -> Result<(), ComputeError> {
        if let Some(holder) = place.holder()? {
            holder.end()?;
        }
        match record {
            Some(record) => network::unplug(&self.scope, record.number),
            None => Ok(()),
        }
    }

    /// The place and record of a sandbox that is there, locked.
    fn find(&self, node: &Node) -> Result<Option<(Place, Record, Lock)>, ComputeError> {
        let place = self.scope.place(&file_name(&node.name)?);
        let Some(lock) = place.lock(true)? else { return Ok(None) };
        Ok(place.record()?.map(|record| (place, record, lock)))
    }

    fn existing(&self, node: &Node) -> Result<(Place, Record, Lock), ComputeError> {
        self.find(node)?.ok_or_else(|| {
            ComputeError::failed(format!("there is no sandbox `{}` any more", node.name))
        })
    }

    fn start(&self, node: &Node) -> Result<(), ComputeError> {
        let subnet = {
            let _hub = self.scope.lock_hub()?;
            network::known(&self.scope)?
        };
        let (place, record, _lock) = self.existing(node)?;
        if place.holder()?.is_some() {
            return Ok(());
        }
        boot(&self.scope, &place, &record, subnet).map(drop)
    }

    fn stop(&self, node: &Node) -> Result<(), ComputeError> {
        let (place, record, _lock) = self.existing(node)?;
        if let Some(holder) = place.holder()? {
            holder.end_gently()?;
        }
        self.end(&place, Some(&record))
    }

    fn destroy(&self, node: &Node) -> Result<(), ComputeError> {
        if let Some((place, record, lock)) = self.find(node)? {
            self.end(&place, Some(&record))?;
            place.remove()?;
            drop(lock);
        }
        self.tidy()
    }

    /// Removes what no sandbox needs any more.
    fn tidy(&self) -> Result<(), ComputeError> {
        let _hub = self.scope.lock_hub()?;
        self.sweep()?;
        if self.scope.tidy()? {
            network::remove_bridge(&self.scope)?;
        }
        Ok(())
    }

    fn set_bootstrapped(&self, node: &Node) -> Result<(), ComputeError> {
        let (place, record, _lock) = self.existing(node)?;
        place.write_record(&Record { bootstrapped: true, ..record })
    }

    fn ready(&self, node: &Node) -> Result<Node, ComputeError> {
        let (place, record, _lock) = self.existing(node)?;
        let Some(holder) = place.holder()? else {
            return Err(ComputeError::failed(format!("the sandbox `{}` does not run", node.name))
                .help("`converge` starts stopped nodes"));
        };
        Ok(self.node(&record, Some(holder), network::known(&self.scope)?))
    }

    fn transport(&self, node: &Node, login: &Login) -> Result<SandboxTransport, TransportError> {
        let lost = |reason: String| TransportError::Lost { endpoint: node.name.clone(), reason };
        let found =
            self.existing(node).and_then(|(place, record, _)| Ok((place.holder()?, record)));
        let (holder, record) = found.map_err(|error| lost(error.message))?;
        let holder = holder.ok_or_else(|| lost("the sandbox does not run".to_owned()))?;
        SandboxTransport::enter(&node.name, holder, login, record.network != Network::Host)
    }
}

/// A sandbox's name as a file name. Names of nodes are host names; nothing else gets near a path.
fn file_name(name: &str) -> Result<String, ComputeError> {
    let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if is_plain && !name.is_empty() && name.len() <= 63 {
        return Ok(name.to_owned());
    }
    Err(ComputeError::input(format!("`{name}` cannot be a sandbox's name"))
        .help("use letters, digits and hyphens, at most 63"))
}

#[async_trait]
impl ComputeService for SandboxService {
    fn name(&self) -> &str {
        &self.0.name
    }

    fn identity(&self) -> String {
        self.0.scope.tag().to_owned()
    }

    async fn nodes(&self) -> Result<Vec<Node>, ComputeError> {
        self.blocking(Inner::nodes).await
    }

    async fn check(&self, spec: &NodeSpec) -> Result<(), ComputeError> {
        self.0.system.check(spec)
    }

    async fn expected_facts(&self, _spec: &NodeSpec) -> Facts {
        self.0.system.facts()
    }

    async fn create(&self, requests: Vec<CreateNode>) -> Vec<Result<Node, ComputeError>> {
        let count = requests.len();
        let claims = match self.blocking(move |inner| inner.claim(&requests)).await {
            Ok(claims) => claims,
            Err(error) => return vec![Err(error); count],
        };
        let parallel = std::thread::available_parallelism().map_or(2, std::num::NonZero::get) * 2;
        let places = Arc::new(Semaphore::new(parallel));
        let mut making = Vec::new();
        for claim in claims {
            let (service, places) = (self.clone(), places.clone());
            making.push(tokio::spawn(async move {
                let claim = claim?;
                let _permit = places.acquire().await;
                service.blocking(move |inner| inner.create(claim)).await
            }));
        }
        let mut made = Vec::new();
        for making in making {
            made.push(making.await.unwrap_or_else(|error| {
                Err(ComputeError::failed(format!("making a sandbox broke off: {error}")))
            }));
        }
        made
    }

    async fn start(&self, node: &Node) -> Result<(), ComputeError> {
        let node = node.clone();
        self.blocking(move |inner| inner.start(&node)).await
    }

    async fn stop(&self, node: &Node) -> Result<(), ComputeError> {
        let node = node.clone();
        self.blocking(move |inner| inner.stop(&node)).await
    }

    async fn ready(&self, node: &Node, _timeout: Duration) -> Result<Node, ComputeError> {
        let node = node.clone();
        self.blocking(move |inner| inner.ready(&node)).await
    }

    async fn destroy(&self, node: &Node) -> Result<(), ComputeError> {
        let node = node.clone();
        self.blocking(move |inner| inner.destroy(&node)).await
    }

    async fn set_bootstrapped(&self, node: &Node) -> Result<(), ComputeError> {
        let node = node.clone();
        self.blocking(move |inner| inner.set_bootstrapped(&node)).await
    }

    async fn attach(
        &self,
        node: &Node,
        login: &Login,
    ) -> Result<Option<Attachment>, TransportError> {
        let (service, node, login) = (self.0.clone(), node.clone(), login.clone());
        let attached = tokio::task::spawn_blocking(move || {
            let transport = service.transport(&node, &login)?;
            Ok(Some(Attachment { transport: Arc::new(transport), login }))
        });
        attached.await.unwrap_or_else(|error| {
            Err(TransportError::Lost { endpoint: self.0.name.clone(), reason: error.to_string() })
        })
    }
}
