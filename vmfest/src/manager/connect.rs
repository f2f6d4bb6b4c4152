//! Connecting to the web service, and parting from it.

use std::sync::{Arc, Mutex};

use tokio::sync::{OnceCell, Semaphore};

use super::{CONCURRENT, Inner, Manager};
use crate::error::{Doing, Error};
use crate::location::{Location, Server};
use crate::networks;

impl Manager {
    /// Logs on to a VirtualBox web service. Nothing is created, neither there nor on disk.
    ///
    /// # Errors
    /// [`Error::VirtualBox`] when the service does not run or refuses the logon, with what to do
    /// about it, and when it is older than VirtualBox 4.1.
    pub async fn connect(server: &Server, location: Location) -> Result<Self, Error> {
        let location = location.absolute()?;
        let url = &server.url;
        let doing = || format!("connect to VirtualBox at {url}");
        let client = vbox_soap::Client::new(url).doing(doing)?;
        let identity = &server.identity;
        let session = client.logon(identity, server.credential.expose()).await.doing(doing)?;
        Ok(Self {
            inner: Arc::new(Inner {
                client,
                session,
                only_session: Arc::default(),
                location,
                turns: Semaphore::new(CONCURRENT),
                unfinished: Arc::default(),
                os_types: Mutex::default(),
                limits: OnceCell::new(),
                note: OnceCell::new(),
                tidied: OnceCell::new(),
                held: Mutex::default(),
                ready_networks: networks::Ready::default(),
            }),
        })
    }

    /// Logs off, which makes the web service forget all that was handed out. Clones of this
    /// manager and its instances cannot be used any more. VMs go on running. Creations that were
    /// abandoned are waited for, until they are undone.
    ///
    /// # Errors
    /// When the web service cannot be told.
    pub async fn close(self) -> Result<(), Error> {
        let _nothing_is_under_way = self.inner.unfinished.write().await;
        self.inner.session.logoff().await.doing(|| "log off".to_owned())
    }
}
