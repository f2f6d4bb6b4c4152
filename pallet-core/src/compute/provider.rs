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
    type Config: DeserializeOwned + Send + 'static;

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
pub struct ServiceOpener {
    config: Box<dyn Any + Send>,
    open: fn(Box<dyn Any + Send>, ProviderContext) -> Opening,
}

impl ServiceOpener {
    /// What the service's table says, if it is one of a provider with this kind of table.
    pub fn config<C: 'static>(&self) -> Option<&C> {
        self.config.downcast_ref()
    }

    /// Opens the service.
    ///
    /// # Errors
    /// Those of the provider.
    pub async fn open(
        self,
        context: ProviderContext,
    ) -> Result<Arc<dyn ComputeService>, ComputeError> {
        (self.open)(self.config, context).await
    }
}

impl std::fmt::Debug for ServiceOpener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ServiceOpener")
    }
}

fn open<P: Provider>(config: Box<dyn Any + Send>, context: ProviderContext) -> Opening {
    match config.downcast::<P::Config>() {
        Ok(config) => Box::pin(P::open(*config, context)),
        // Both are of one `ServiceOpener`; were they not, it would be said here.
        Err(_) => Box::pin(async {
            Err(ComputeError::failed(format!("the table is none of {}", P::NAME)))
        }),
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
                Ok(ServiceOpener { config: Box::new(config), open: open::<P> })
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
