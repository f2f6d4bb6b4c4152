//! Projects with sandboxes, and looks at what they leave on the machine.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use pallet_core::compute::sandbox::{Sandbox, SandboxConfig};
use pallet_core::compute::{ComputeService, CreateNode, Node, Provider, ProviderContext};
use pallet_core::login::Login;
use pallet_core::spec::NodeSpec;
use pallet_core::transport::Output;
use serde_json::Value;
use tokio::io::AsyncWriteExt;

/// A folder that sandboxes belong to.
pub struct Project(tempfile::TempDir);

impl Project {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn folder(&self) -> PathBuf {
        self.0.path().to_owned()
    }

    pub async fn open(&self, service: &str) -> Arc<dyn ComputeService> {
        self.open_with(service, SandboxConfig::default()).await
    }

    pub async fn open_with(&self, service: &str, config: SandboxConfig) -> Arc<dyn ComputeService> {
        let context = ProviderContext { service: service.to_owned(), base: self.folder() };
        Sandbox::open(config, context).await.unwrap()
    }

    /// The folders of this project's services.
    pub fn scopes(&self) -> Vec<PathBuf> {
        let own = fs::canonicalize(self.0.path()).unwrap();
        let listing = fs::read_dir("/run/pallet/sandbox").into_iter().flatten().flatten();
        let mut scopes: Vec<PathBuf> = listing.map(|entry| entry.path()).collect();
        scopes.retain(|scope| {
            let owner = fs::read_to_string(scope.join("owner.json")).unwrap_or_default();
            owner.contains(own.to_str().unwrap())
        });
        scopes
    }

    /// Nothing of the project is left: no folder, and with it no mount, process or device.
    pub fn is_clean(&self) {
        assert_eq!(self.scopes(), Vec::<PathBuf>::new());
    }
}

/// A test that fails leaves nothing either.
impl Drop for Project {
    fn drop(&mut self) {
        let services = self.scopes().into_iter().filter_map(|scope| {
            let owner = fs::read(scope.join("owner.json")).ok()?;
            let owner: Value = serde_json::from_slice(&owner).ok()?;
            Some(owner["service"].as_str()?.to_owned())
        });
        let services: Vec<String> = services.collect();
        std::thread::scope(|threads| {
            threads.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                runtime.unwrap().block_on(async {
                    for service in &services {
                        destroy_all(self.open(service).await.as_ref()).await;
                    }
                });
            });
        });
    }
}

/// Mounts, processes and network devices that have to do with a scope.
pub fn traces(scope: &str) -> Vec<String> {
    let tag = scope.rsplit_once('-').unwrap().1;
    let mut found = Vec::new();
    for process in fs::read_dir("/proc").unwrap().flatten() {
        let name = process.file_name().into_string().unwrap();
        if !name.bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        let read = |file: &str| {
            fs::read(process.path().join(file))
                .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
                .unwrap_or_default()
        };
        if read("mountinfo").contains(scope) {
            found.push(format!(
                "process {name} has a mount: {}",
                read("cmdline").replace('\0', " ")
            ));
        }
    }
    for device in fs::read_dir("/sys/class/net").unwrap().flatten() {
        let name = device.file_name().into_string().unwrap();
        if name.contains(tag) {
            found.push(format!("device {name}"));
        }
    }
    found
}

pub fn spec(value: Value) -> NodeSpec {
    serde_json::from_value(value).unwrap()
}

pub fn request(name: &str, value: Value) -> CreateNode {
    CreateNode { name: name.to_owned(), group: "web".to_owned(), spec: spec(value) }
}

/// Creates nodes that have to come into being.
pub async fn create(service: &dyn ComputeService, requests: Vec<CreateNode>) -> Vec<Node> {
    service.create(requests).await.into_iter().map(|made| made.unwrap()).collect()
}

pub async fn destroy_all(service: &dyn ComputeService) {
    for node in service.nodes().await.unwrap() {
        service.destroy(&node).await.unwrap();
    }
}

/// Runs a script in a sandbox as an account: what it writes, and how it ends.
pub async fn run_as(
    service: &dyn ComputeService,
    node: &Node,
    user: &str,
    script: &str,
) -> (String, u32) {
    let login = Login::new(user);
    let attached = service.attach(node, &login).await.unwrap().unwrap();
    let mut process = attached.transport.exec(&format!("exec 2>&1; {script}")).await.unwrap();
    process.stdin.shutdown().await.unwrap();
    let mut written = Vec::new();
    loop {
        match process.output.recv().await.unwrap() {
            Output::Stdout(bytes) | Output::Stderr(bytes) => written.extend(bytes),
            Output::Exit(status) => {
                return (String::from_utf8_lossy(&written).trim().to_owned(), status);
            }
            Output::Lost(error) => panic!("{error}"),
        }
    }
}

/// Runs a script as root that has to succeed.
pub async fn run(service: &dyn ComputeService, node: &Node, script: &str) -> String {
    let (written, status) = run_as(service, node, "root", script).await;
    assert_eq!(status, 0, "{script}: {written}");
    written
}

/// What a program of this machine prints.
pub fn here(script: &str) -> String {
    let output = Command::new("sh").args(["-c", script]).output().unwrap();
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
