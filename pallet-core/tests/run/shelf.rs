//! A compute service whose nodes are folders of this machine: they are made, started, stopped and
//! destroyed in no time, and what runs on them runs in a real bash.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use pallet_core::compute::{ComputeError, ComputeService, CreateNode, Node, NodeState};
use pallet_core::spec::NodeSpec;
use pallet_core::transport::HostKeys;

pub struct Shelf {
    name: String,
    /// Each node has a folder in here, called by its name.
    folder: PathBuf,
    nodes: Mutex<BTreeMap<String, Node>>,
    /// Names of nodes that never answer; with `create ` or `note ` before them, of those that cannot
    /// be made, or not be noted as bootstrapped.
    pub broken: Mutex<Vec<String>>,
    made: Mutex<u32>,
}

impl Shelf {
    pub fn new(name: &str, folder: &Path) -> Arc<Self> {
        Arc::new(Self {
            name: name.to_owned(),
            folder: folder.to_owned(),
            nodes: Mutex::default(),
            broken: Mutex::default(),
            made: Mutex::new(0),
        })
    }

    /// Puts a node there as if it had been made before.
    pub fn put(&self, name: &str, group: &str, state: NodeState) -> Node {
        let mut made = self.made.lock().unwrap();
        *made += 1;
        let node = Node {
            id: format!("{name}#{made}"),
            name: name.to_owned(),
            group: group.to_owned(),
            state,
            endpoint: None,
            host_keys: HostKeys::KnownHosts,
            image_user: None,
            bootstrapped: true,
            properties: BTreeMap::from([("folder".to_owned(), self.path(name))]),
        };
        std::fs::create_dir_all(self.path(name)).unwrap();
        self.nodes.lock().unwrap().insert(node.id.clone(), node.clone());
        node
    }

    /// A node's folder.
    pub fn path(&self, name: &str) -> String {
        self.folder.join(name).to_str().unwrap().to_owned()
    }

    /// What there is: `web-1`, `web-2 stopped`, `web-3 raw` where it was not bootstrapped.
    pub fn told(&self) -> String {
        let nodes = self.nodes.lock().unwrap();
        let told = |node: &Node| match (&node.state, node.bootstrapped) {
            (NodeState::Running, true) => node.name.clone(),
            (NodeState::Running, false) => format!("{} raw", node.name),
            _ => format!("{} stopped", node.name),
        };
        let mut told: Vec<String> = nodes.values().map(told).collect();
        told.sort();
        told.join(", ")
    }

    fn set(&self, node: &Node, change: impl FnOnce(&mut Node)) {
        change(self.nodes.lock().unwrap().get_mut(&node.id).unwrap());
    }

    fn is_broken(&self, name: &str) -> bool {
        self.broken.lock().unwrap().iter().any(|it| it == name)
    }
}

#[async_trait]
impl ComputeService for Shelf {
    fn name(&self) -> &str {
        &self.name
    }

    async fn nodes(&self) -> Result<Vec<Node>, ComputeError> {
        Ok(self.nodes.lock().unwrap().values().cloned().collect())
    }

    async fn check(&self, _spec: &NodeSpec) -> Result<(), ComputeError> {
        Ok(())
    }

    async fn create(&self, requests: Vec<CreateNode>) -> Vec<Result<Node, ComputeError>> {
        let create = |request: CreateNode| {
            if self.is_broken(&format!("create {}", request.name)) {
                return Err(ComputeError::failed("no more room"));
            }
            let node = self.put(&request.name, &request.group, NodeState::Running);
            self.set(&node, |node| node.bootstrapped = false);
            Ok(Node { bootstrapped: false, ..node })
        };
        requests.into_iter().map(create).collect()
    }

    async fn start(&self, node: &Node) -> Result<(), ComputeError> {
        self.set(node, |node| node.state = NodeState::Running);
        Ok(())
    }

    async fn stop(&self, node: &Node) -> Result<(), ComputeError> {
        self.set(node, |node| node.state = NodeState::Stopped);
        Ok(())
    }

    async fn ready(&self, node: &Node, timeout: Duration) -> Result<Node, ComputeError> {
        if self.is_broken(&node.name) {
            tokio::time::sleep(timeout).await;
            return Err(ComputeError::failed("it never answered"));
        }
        Ok(node.clone())
    }

    async fn destroy(&self, node: &Node) -> Result<(), ComputeError> {
        self.nodes.lock().unwrap().remove(&node.id);
        std::fs::remove_dir_all(self.path(&node.name)).unwrap();
        Ok(())
    }

    async fn set_bootstrapped(&self, node: &Node) -> Result<(), ComputeError> {
        if self.is_broken(&format!("note {}", node.name)) {
            return Err(ComputeError::failed("the disk is full"));
        }
        self.set(node, |node| node.bootstrapped = true);
        Ok(())
    }
}
