//! The service's table in a document.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pallet_core::compute::{ComputeError, ComputeService, Provider, ProviderContext};
use pallet_core::secret::Secret;
use serde::Deserialize;

use super::catalogue::Catalogue;
use super::service::{VirtualBoxService, failed};
use super::table::Table;
use crate::location::{Location, Server};
use crate::manager::Manager;
use crate::models::load_folder;
use crate::models::{self, HardwareModel, ImageModel, NetworkType, SessionType};
use crate::paths;

/// The table of a VirtualBox service. Every key has a default.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(from = "Table")]
pub struct VirtualBoxConfig {
    /// Address of the web service. Default: this machine's, `http://127.0.0.1:18083`.
    pub url: Option<String>,
    /// Account to log on with, where the web service asks for one. It drives VirtualBox; accounts
    /// in guests stand with the images.
    pub identity: Option<String>,
    /// Its password.
    pub credential: Option<Secret>,
    /// Folder with files of models. Default: `~/.vmfest/models`. The environment variable
    /// `VMFEST_MODEL_PATH` counts more.
    pub model_path: Option<PathBuf>,
    /// Folder for the VMs. Default: `~/.vmfest/nodes`. The environment variable `VMFEST_NODE_PATH`
    /// counts more.
    pub node_path: Option<PathBuf>,
    /// Whose nodes these are: those of other scopes in the same VirtualBox are neither seen nor
    /// touched. Default: the folder of the file that describes the service.
    pub scope: Option<String>,
    /// Image models by name; they take the place of those in files.
    pub images: BTreeMap<String, ImageModel>,
    /// Hardware models by name; they take the place of those in files and the built-in ones.
    pub hardware_models: BTreeMap<String, HardwareModel>,
    /// A further file, or folder of files, with hardware models; they take the place of those in
    /// the model path. Image models in it are not used.
    pub hardware_models_path: Option<PathBuf>,
    /// The network of nodes for which neither the node-spec, nor the image, nor the hardware model
    /// asks for one. Default: `nat`.
    pub default_network_type: Option<NetworkType>,
    /// Host-only interface of the `local` network. Default: `vboxnet0`.
    pub default_local_interface: Option<String>,
    /// Host interface of the `bridged` network. Default: the first one that is usable.
    pub default_bridged_interface: Option<String>,
    /// How nodes are shown when they start. Default: not at all.
    pub default_session_type: Option<SessionType>,
}

impl VirtualBoxConfig {
    /// Where models and VMs are, with relative paths starting at `base`.
    #[must_use]
    pub fn location(&self, base: &Path) -> Location {
        let home = Location::home();
        let resolved = |path: &Option<PathBuf>, default| {
            path.as_ref().map_or(default, |path| resolve(path, base))
        };
        Location::new(
            resolved(&self.model_path, home.model_path),
            resolved(&self.node_path, home.node_path),
        )
        .or_environment()
    }

    /// The web service, and who logs on to it.
    ///
    /// # Errors
    /// [`ComputeError`] when the password cannot be had.
    pub fn server(&self) -> Result<Server, ComputeError> {
        let server = self.url.as_deref().map_or_else(Server::default, Server::new);
        let Some(identity) = &self.identity else { return Ok(server) };
        let credential = self.credential.as_ref().map_or(Ok(""), Secret::reveal);
        let credential = credential.map_err(|error| ComputeError::input(error.to_string()))?;
        Ok(server.with_login(identity, models::Secret::new(credential)))
    }

    /// Logs on to the web service, for what a compute service does not do: looking after models.
    ///
    /// # Errors
    /// [`ComputeError`] when the web service does not run or refuses the logon.
    pub async fn connect(&self, base: &Path) -> Result<Manager, ComputeError> {
        let (server, location) = (self.server()?, self.location(base));
        Manager::connect(&server, location).await.map_err(|error| failed(&error))
    }

    fn scope(&self, base: &Path) -> Result<String, ComputeError> {
        if let Some(scope) = &self.scope {
            return Ok(scope.clone());
        }
        let folder = std::path::absolute(base).and_then(std::fs::canonicalize);
        let folder = folder.map_err(|error| {
            ComputeError::failed(format!("cannot look at the folder {}: {error}", base.display()))
        })?;
        Ok(folder.display().to_string())
    }

    /// The models that this table gives, and what it says of all nodes.
    fn into_catalogue(self, base: PathBuf) -> Catalogue {
        let defaults = HardwareModel {
            network_type: self.default_network_type,
            local_interface: self.default_local_interface,
            bridged_interface: self.default_bridged_interface,
            session_type: self.default_session_type,
            ..HardwareModel::default()
        };
        let hardware_path = self.hardware_models_path.map(|path| resolve(&path, &base));
        Catalogue {
            images: self.images,
            hardware: self.hardware_models,
            hardware_path,
            defaults,
            base,
        }
    }
}

fn resolve(path: &Path, base: &Path) -> PathBuf {
    paths::expand_home(path).unwrap_or_else(|| base.join(path))
}

/// The provider `virtualbox`, also known as `vmfest`.
#[derive(Debug)]
pub struct VirtualBox;

impl Provider for VirtualBox {
    const NAME: &'static str = "virtualbox";
    const ALIASES: &'static [&'static str] = &["vmfest"];
    type Config = VirtualBoxConfig;

    fn check(config: &VirtualBoxConfig, context: &ProviderContext) -> Result<(), ComputeError> {
        let location = config.location(&context.base);
        load_folder(&location.model_path).map_err(|error| failed(&error))?;
        Ok(())
    }

    async fn open(
        config: VirtualBoxConfig,
        context: ProviderContext,
    ) -> Result<Arc<dyn ComputeService>, ComputeError> {
        let manager = config.connect(&context.base).await?;
        let scope = config.scope(&context.base)?;
        let catalogue = config.into_catalogue(context.base);
        Ok(Arc::new(VirtualBoxService::new(context.service, scope, manager, catalogue)))
    }
}
