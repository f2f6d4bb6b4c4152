//! Connections to jump hosts, shared.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::time::Instant;

use super::route::Stop;
use super::{Endpoint, SshOptions, SshTransport, TransportError};

/// The connections to jump hosts, shared by all connections through them. Clones share them. A
/// connection ends with the last one that goes through it.
#[derive(Clone, Default)]
pub struct JumpConnections(Arc<Mutex<HashMap<Vec<Stopover>, Place>>>);

/// Where those who go the same way meet; held while one of them connects.
type Place = Arc<tokio::sync::Mutex<Shared>>;

/// What tells one stop of a way from others.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Stopover {
    endpoint: Endpoint,
    listed: String,
    user: String,
}

#[derive(Default)]
struct Shared {
    connection: Weak<SshTransport>,
    failure: Option<(Instant, TransportError)>,
}

impl fmt::Debug for JumpConnections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JumpConnections(…)")
    }
}

impl JumpConnections {
    /// The connection to the last of `hops`, through all before it; `None` without any.
    pub(super) async fn through(
        &self,
        hops: &[Stop],
        options: &SshOptions,
    ) -> Result<Option<Arc<SshTransport>>, TransportError> {
        let mut before: Option<Arc<SshTransport>> = None;
        let mut way = Vec::new();
        for hop in hops {
            way.push(Stopover {
                endpoint: hop.endpoint.clone(),
                listed: hop.listed.clone(),
                user: hop.login.username.clone(),
            });
            before = Some(self.reach(way.clone(), hop, before, options).await?);
        }
        Ok(before)
    }

    async fn reach(
        &self,
        way: Vec<Stopover>,
        hop: &Stop,
        before: Option<Arc<SshTransport>>,
        options: &SshOptions,
    ) -> Result<Arc<SshTransport>, TransportError> {
        let asked = Instant::now();
        let place = {
            let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(places.entry(way).or_default())
        };
        let mut shared = place.lock().await;
        if let Some(there) = shared.connection.upgrade().filter(|there| there.is_open()) {
            return Ok(there);
        }
        // Who waited while somebody else failed takes that failure: a hundred nodes behind a dead
        // jump host take as long as one.
        if let Some((_, failure)) = shared.failure.as_ref().filter(|(when, _)| *when >= asked) {
            return Err(failure.clone());
        }
        match SshTransport::to(hop, before, options).await {
            Ok(transport) => {
                let transport = Arc::new(transport);
                shared.connection = Arc::downgrade(&transport);
                Ok(transport)
            }
            Err(error) => {
                let hop = hop.endpoint.clone();
                let error = TransportError::JumpHost { hop, error: Box::new(error) };
                shared.failure = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }
}
