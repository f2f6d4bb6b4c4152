//! The service's table in a document.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pallet_core::compute::{ComputeError, ComputeService, Provider, ProviderContext};
use pallet_core::local_path;
use pallet_core::secret::Secret;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{IncusService, failed};
use crate::client::{
    Address, Client, Credentials, Device, InstanceType, fingerprint, parse_fingerprint,
};

/// How many nodes are made at once, where the table does not say it.
const AT_ONCE: usize = 8;

/// The table of a service on a cluster. Every key has a default.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct IncusConfig {
    /// Where the server listens, any member of the cluster: `https://host:8443` or
    /// `unix:/var/lib/incus/unix.socket`. Default: the server of this machine.
    pub url: Option<String>,
    /// File with the client's certificate. Default: that of `incus`, or else that of `lxc`, in
    /// `~/.config`.
    pub certificate: Option<String>,
    /// File with its key. Default: beside the certificate, with the ending `.key`.
    pub key: Option<String>,
    /// The server's certificate: a file, or its SHA-256 as `incus info` (`lxc info`) shows it. Has
    /// to be given for `https` addresses.
    pub server_certificate: Option<String>,
    /// The project that nodes are in. Default: `default`.
    pub project: Option<String>,
    /// What nodes are: `container` or `virtual-machine`. Default: containers.
    #[serde(rename = "type")]
    pub kind: InstanceType,
    /// How nodes are worked on: over `ssh`, or by the API's `exec`, as root, where they have no
    /// sshd. Default: `ssh`.
    pub reach: Reach,
    /// Profiles of nodes. Default: `default`.
    pub profiles: Option<Vec<String>>,
    /// Storage pool of their disks. Default: that of the profiles.
    pub storage_pool: Option<String>,
    /// Network of nodes whose node-spec asks for none (see the module). Default: that of the
    /// profiles.
    pub network: Option<Value>,
    /// Where nodes are whose node-spec does not say it: `member` or `cluster-group`. Default: the
    /// cluster chooses.
    pub location: Option<Map<String, Value>>,
    /// What is known of images besides what the server says of them, by the names that
    /// `image-id` takes.
    pub images: BTreeMap<String, ImageModel>,
    /// Hardware models by name; they take the place of the built-in ones.
    pub hardware_models: BTreeMap<String, HardwareModel>,
    /// How many nodes are made at once. Default: 8.
    pub at_once: Option<usize>,
}

/// How nodes are worked on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reach {
    /// Over SSH, with the host key that the API reads from the node.
    #[default]
    Ssh,
    /// By the API's `exec`, as root.
    Exec,
}

/// An image: which one, and what the server does not say of it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct ImageModel {
    /// Its name on the server. Default: the model's own name.
    pub alias: Option<String>,
    /// Its fingerprint, or the beginning of it, in place of a name.
    pub fingerprint: Option<String>,
    /// Another server that the cluster fetches it from: `https://images.linuxcontainers.org`.
    pub server: Option<String>,
    /// What that one speaks: `simplestreams`, `incus` or `lxd`. Default: `simplestreams`.
    pub protocol: Option<String>,
    /// Operating system family, in place of what the server says.
    pub os_family: Option<String>,
    /// Operating system version, in place of what the server says.
    pub os_version: Option<String>,
    /// Text about it, in place of what the server says.
    pub description: Option<String>,
    /// The account that it comes with. Default: none is known, and the admin user is used.
    pub username: Option<String>,
    /// The account's private key file.
    pub private_key_path: Option<String>,
    /// The account's password.
    pub password: Option<Secret>,
    /// What sudo asks for. Default: the password.
    pub sudo_password: Option<Secret>,
    /// Whether that account works without sudo.
    pub no_sudo: bool,
}

/// What a node is made of. What is not given is left to the profiles.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct HardwareModel {
    /// Memory in MiB: `limits.memory`.
    #[serde(alias = "memory")]
    pub memory_size: Option<u32>,
    /// Processors: `limits.cpu`.
    pub cpu_count: Option<u32>,
    /// The root disk in GiB.
    pub disk_size: Option<u32>,
}

impl HardwareModel {
    /// This model with what `over` says otherwise.
    #[must_use]
    pub fn overlaid_with(self, over: Self) -> Self {
        Self {
            memory_size: over.memory_size.or(self.memory_size),
            cpu_count: over.cpu_count.or(self.cpu_count),
            disk_size: over.disk_size.or(self.disk_size),
        }
    }
}

/// A node-spec's own table for this kind of service: `provider.incus`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(super) struct OwnKeys {
    #[serde(rename = "type")]
    pub(super) kind: Option<InstanceType>,
    pub(super) reach: Option<Reach>,
    pub(super) profiles: Option<Vec<String>>,
    pub(super) storage_pool: Option<String>,
    /// Settings of the instance, `limits.…` for example.
    pub(super) config: BTreeMap<String, String>,
    /// Devices of the instance, besides those of its profiles.
    pub(super) devices: BTreeMap<String, Device>,
}

impl IncusConfig {
    pub(super) fn at_once(&self) -> usize {
        self.at_once.unwrap_or(AT_ONCE).max(1)
    }

    /// The profiles of nodes.
    pub(crate) fn profile_names(&self) -> Vec<String> {
        self.profiles.clone().unwrap_or_else(|| vec!["default".to_owned()])
    }

    /// Connects to the server, for looking at it or importing images. Relative paths start at
    /// `base`.
    ///
    /// # Errors
    /// [`ComputeError`].
    pub async fn connect(&self, base: &Path) -> Result<Client, ComputeError> {
        let address = self.address()?;
        let credentials = match &address {
            Address::Unix(_) => None,
            Address::Tls { .. } => Some(self.credentials(base).await?),
        };
        let project = self.project.as_deref().unwrap_or("default");
        let client = Client::connect(address, credentials.as_ref(), project).await;
        client.map_err(|error| failed(&error))
    }

    fn address(&self) -> Result<Address, ComputeError> {
        match &self.url {
            Some(url) => Address::parse(url)
                .map_err(|error| ComputeError::input(format!("in the service, url: {error}"))),
            None => Address::of_this_machine().map_err(|error| {
                failed(&error).help("say where the server is: url = \"https://host:8443\"")
            }),
        }
    }

    async fn credentials(&self, base: &Path) -> Result<Credentials, ComputeError> {
        let server = self.server_certificate.as_ref().ok_or_else(|| {
            ComputeError::input(
                "in the service, server-certificate: has to be given for an `https` address",
            )
            .help(
                "give its file, or its fingerprint: `incus info` (`lxc info`) on a member shows it",
            )
        })?;
        let server = match parse_fingerprint(server) {
            Some(fingerprint) => fingerprint,
            None => {
                let path = resolved(base, "server-certificate", server)?;
                fingerprint(&read(&path).await?)
                    .map_err(|error| ComputeError::input(format!("{}: {error}", path.display())))?
            }
        };
        let certificate = match &self.certificate {
            Some(path) => resolved(base, "certificate", path)?,
            None => usual_certificate().ok_or_else(|| {
                ComputeError::input("in the service, certificate: has to be given")
                    .help("`incus remote generate-certificate` makes one")
            })?,
        };
        let key = match &self.key {
            Some(path) => resolved(base, "key", path)?,
            None => certificate.with_extension("key"),
        };
        Ok(Credentials { certificate: read(&certificate).await?, key: read(&key).await?, server })
    }
}

pub(super) fn resolved(base: &Path, key: &str, path: &str) -> Result<PathBuf, ComputeError> {
    local_path::resolve(base, path)
        .map_err(|error| ComputeError::input(format!("in the service, {key}: {error}")))
}

async fn read(path: &Path) -> Result<String, ComputeError> {
    tokio::fs::read_to_string(path)
        .await
        .map_err(|error| ComputeError::input(format!("cannot read {}: {error}", path.display())))
}

/// The certificate that the products' own commands use.
fn usual_certificate() -> Option<PathBuf> {
    let home = std::env::home_dir()?;
    let files = [".config/incus/client.crt", ".config/lxc/client.crt"].map(|file| home.join(file));
    files.into_iter().find(|file| file.exists())
}

/// The provider `incus`, also known as `lxd`.
#[derive(Debug)]
pub struct Incus;

impl Provider for Incus {
    const NAME: &'static str = "incus";
    const ALIASES: &'static [&'static str] = &["lxd"];
    type Config = IncusConfig;

    async fn open(
        config: IncusConfig,
        context: ProviderContext,
    ) -> Result<Arc<dyn ComputeService>, ComputeError> {
        let client = config.connect(&context.base).await?;
        Ok(Arc::new(IncusService::new(context.service, client, config, context.base)))
    }
}
