//! The service's table in a document.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use pallet_core::compute::{ComputeError, ComputeService, Provider, ProviderContext};
use pallet_core::secret::Secret;
use serde::Deserialize;

use super::service::{VirtualBoxService, failed};
use crate::location::{Location, Server};
use crate::manager::Manager;
use crate::models::{self, HardwareModel, ImageModel};
use crate::paths;

/// The table of a VirtualBox service. Every key has a default.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct VirtualBoxConfig {
    /// Address of the web service. Default: this machine's, `http://127.0.0.1:18083`.
    pub url: Option<String>,
    /// Account to log on with, where the web service asks for one.
    pub identity: Option<String>,
    /// Its password.
    pub credential: Option<Secret>,
    /// Folder with `.meta` files. Default: `~/.vmfest/models`.
    pub model_path: Option<PathBuf>,
    /// Folder for the VMs. Default: `~/.vmfest/nodes`.
    pub node_path: Option<PathBuf>,
    /// Image models by name; they take the place of those in meta files.
    pub images: BTreeMap<String, ImageModel>,
    /// Hardware models by name; they take the place of those in meta files and the built-in ones.
    pub hardware_models: BTreeMap<String, HardwareModel>,
}

/// The provider `virtualbox`, also known as `vmfest`.
#[derive(Debug)]
pub struct VirtualBox;

impl Provider for VirtualBox {
    const NAME: &'static str = "virtualbox";
    const ALIASES: &'static [&'static str] = &["vmfest"];
    type Config = VirtualBoxConfig;

    async fn open(
        config: VirtualBoxConfig,
        context: ProviderContext,
    ) -> Result<Arc<dyn ComputeService>, ComputeError> {
        let default = Location::default();
        let resolve = |path: PathBuf| match paths::expand_home(&path) {
            Some(path) => path,
            None => context.base.join(path),
        };
        let location = Location::new(
            config.model_path.map_or(default.model_path, resolve),
            config.node_path.map_or(default.node_path, resolve),
        );
        let mut server = config.url.map_or_else(Server::default, Server::new);
        if let Some(identity) = config.identity {
            let credential = config.credential.as_ref().map_or("", Secret::reveal);
            server = server.with_login(identity, models::Secret::new(credential));
        }
        for (name, image) in &config.images {
            image.check().map_err(|e| ComputeError::input(format!("image model {name}: {e}")))?;
        }
        for (name, model) in &config.hardware_models {
            model
                .check()
                .map_err(|e| ComputeError::input(format!("hardware model {name}: {e}")))?;
        }
        let manager = Manager::connect(&server, location).await.map_err(|e| failed(&e))?;
        Ok(Arc::new(VirtualBoxService::new(
            context.service,
            manager,
            config.images,
            config.hardware_models,
            context.base,
        )))
    }
}
