//! Providers: kinds of compute services that documents can configure.

use std::any::Any;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeValue, Error as TomlError, ValueDeserializer};

use super::{ComputeError, ComputeService};

/// A kind of compute service: reads a `[service.NAME]` table, then opens the service.
pub trait Provider: 'static {
    /// The value of `provider` in documents.
    const NAME: &'static str;
    /// Other names for it.
    const ALIASES: &'static [&'static str] = &[];
    /// The table, without its `provider` key.
    type Config: DeserializeOwned + Send + Sync + 'static;

    /// Looks for mistakes in the local files that the configuration names, before anything is
    /// connected to. Default: there are none.
    ///
    /// # Errors
    /// The first mistake.
    fn check(_config: &Self::Config, _context: &ProviderContext) -> Result<(), ComputeError> {
        Ok(())
    }

    /// Opens the service. Reading a document never does this; the first verb that needs nodes
    /// does.
    fn open(
        config: Self::Config,
        context: ProviderContext,
    ) -> impl Future<Output = Result<Arc<dyn ComputeService>, ComputeError>> + Send;
}

/// What a service is opened with, besides its configuration.
#[derive(Debug, Clone)]
pub struct ProviderContext {
    /// The service's name in the document.
    pub service: String,
    /// The folder that relative paths of the configuration start from.
    pub base: PathBuf,
}

type Opening = Pin<Box<dyn Future<Output = Result<Arc<dyn ComputeService>, ComputeError>> + Send>>;

/// A configured service that has not been opened.
pub struct ServiceOpener(Box<dyn Configured>);

/// A provider's configuration, whatever provider it is of.
trait Configured: Send + Sync {
    fn table(&self) -> &dyn Any;
    fn check(&self, context: &ProviderContext) -> Result<(), ComputeError>;
    fn open(self: Box<Self>, context: ProviderContext) -> Opening;
}

struct Of<P: Provider>(P::Config);

impl<P: Provider> Configured for Of<P> {
    fn table(&self) -> &dyn Any {
        &self.0
    }

    fn check(&self, context: &ProviderContext) -> Result<(), ComputeError> {
        P::check(&self.0, context)
    }

    fn open(self: Box<Self>, context: ProviderContext) -> Opening {
        Box::pin(P::open(self.0, context))
    }
}

impl ServiceOpener {
    /// What the service's table says, if it is one of a provider with this kind of table.
    pub fn config<C: 'static>(&self) -> Option<&C> {
        self.0.table().downcast_ref()
    }

    /// Opens the service.
    ///
    /// # Errors
    /// Those of the provider.
    pub async fn open(
        self,
        context: ProviderContext,
    ) -> Result<Arc<dyn ComputeService>, ComputeError> {
        self.0.open(context).await
    }

    /// Looks for mistakes in the local files that the configuration names.
    ///
    /// # Errors
    /// The first mistake.
    pub fn check(&self, context: &ProviderContext) -> Result<(), ComputeError> {
        self.0.check(context)
    }
}

impl std::fmt::Debug for ServiceOpener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ServiceOpener")
    }
}

/// Any provider.
#[derive(Clone, Copy)]
pub struct ProviderBox {
    configure: fn(Spanned<DeValue<'_>>) -> Result<ServiceOpener, TomlError>,
}

impl ProviderBox {
    /// Wraps a provider.
    pub fn of<P: Provider>() -> Self {
        Self {
            configure: |table| {
                let config =
                    <P::Config as serde::Deserialize>::deserialize(ValueDeserializer::from(table))?;
                Ok(ServiceOpener(Box::new(Of::<P>(config))))
            },
        }
    }

    /// Reads the service's table, without its `provider` key.
    ///
    /// # Errors
    /// The TOML error, with the place of the mistake.
    pub fn configure(&self, table: Spanned<DeValue<'_>>) -> Result<ServiceOpener, TomlError> {
        (self.configure)(table)
    }
}
