//! What the tests share.

use std::fs::{self, File};
use std::sync::Arc;

use pallet_core::compute::{ComputeService, CreateNode, Provider, ProviderContext};
use pallet_core::login::Login;
use pallet_core::spec::NodeSpec;
use pallet_incus::client::{Address, Client, Credentials, fingerprint};
use pallet_incus::service::Incus;
use serde_json::{Value, json};
use xtask::lab::{Cluster, Product, State};

/// Makes tests of functions that take a [`Lab`]: one on LXD and one on Incus for each.
macro_rules! on_both {
    ($($name:ident,)*) => {
        mod lxd {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::$name(crate::support::Lab::load(xtask::lab::Product::Lxd)).await;
            })*
        }
        mod incus {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::$name(crate::support::Lab::load(xtask::lab::Product::Incus)).await;
            })*
        }
    };
}
pub(crate) use on_both;

/// One of the lab's clusters, whose members are left alone meanwhile.
pub struct Lab {
    pub cluster: Cluster,
    key: std::path::PathBuf,
    _sharing: File,
}

impl Lab {
    pub fn load(product: Product) -> Self {
        let state = State::load().unwrap();
        let cluster = state.cluster(product).unwrap().clone();
        let sharing = cluster.sharing().unwrap();
        Self { cluster, key: state.dir.join("keys/id_ed25519"), _sharing: sharing }
    }

    pub fn socket(&self) -> Address {
        Address::Unix(self.cluster.first().unwrap().socket.clone())
    }

    pub async fn client(&self) -> Client {
        Client::connect(self.socket(), None, "default").await.unwrap()
    }

    pub fn credentials(&self) -> Credentials {
        let read = |path| fs::read_to_string(path).unwrap();
        Credentials {
            certificate: read(&self.cluster.client_certificate),
            key: read(&self.cluster.client_key),
            server: fingerprint(&read(&self.cluster.server_certificate)).unwrap(),
        }
    }

    /// The account that the lab's image comes with.
    pub fn login(&self) -> Login {
        let mut login = Login::new("pallet-admin");
        login.private_key_path = Some(self.key.clone());
        login
    }

    /// The table of the service, with more keys in it.
    pub fn table(&self, more: Value) -> Value {
        let mut table = json!({
            "url": self.cluster.second().unwrap().url,
            "certificate": self.cluster.client_certificate,
            "server-certificate": self.cluster.server_certificate,
        });
        table.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        table
    }

    /// Opens the service over TLS, as the provider of a document does.
    pub async fn open(&self, more: Value) -> Arc<dyn ComputeService> {
        open(self.table(more)).await
    }
}

pub async fn open(table: Value) -> Arc<dyn ComputeService> {
    let config = serde_json::from_value(table).unwrap();
    let context = ProviderContext { service: "cluster".to_owned(), base: "/".into() };
    Incus::open(config, context).await.unwrap()
}

pub fn spec(value: Value) -> NodeSpec {
    serde_json::from_value(value).unwrap()
}

pub fn request(name: &str, group: &str, value: Value) -> CreateNode {
    CreateNode { name: name.to_owned(), group: group.to_owned(), spec: spec(value) }
}
