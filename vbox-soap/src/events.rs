//! Events, one after the other.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;

use crate::api::{IEvent, IEventListener, IEventSource, VBoxEventType};
use crate::error::Error;
use crate::object::ManagedObject;
use crate::partings::{self, Parting};

/// The pause after the first look that found nothing.
const FIRST_PAUSE: Duration = Duration::from_millis(10);

/// The longest pause between two looks.
const LONGEST_PAUSE: Duration = Duration::from_millis(150);

impl IEventSource {
    /// The events of these types, from now on. [`VBoxEventType::Any`] stands for all.
    ///
    /// VirtualBox queues events for a listener that is slow to fetch them, but after some hundreds it gives
    /// the listener up: fetch them in time.
    pub async fn events(&self, types: &[VBoxEventType]) -> Result<Events, Error> {
        let (source, types) = (self.clone(), types.to_vec());
        let listener = self.create_listener().await?;
        // In a task of its own: if the caller goes away, the listener is taken off after it has been put on.
        let registering = tokio::spawn(async move {
            // Listeners that are called by VirtualBox are not for this API: they cannot be called.
            source.register_listener(&listener, &types, false).await?;
            Ok(Registration { source, listener, latest: Mutex::new(None) })
        });
        match registering.await {
            Ok(registration) => {
                Ok(Events { registration: Some(Arc::new(registration?)), looking: None })
            }
            Err(_) => Err(Error::NoRuntime { operation: "IEventSource_registerListener" }),
        }
    }
}

/// Events of an [`IEventSource`]; see [`IEventSource::events`].
///
/// It looks for events only while it is waited on: again and again, with pauses of up to 150 ms, and holds no connection
/// in between. An event counts as processed when the next one is asked for, so that what can be vetoed can be vetoed until
/// then. Giving up a wait loses no event. Dropping it takes the listener off in the background.
#[must_use = "events come only to those who wait for them"]
pub struct Events {
    /// Nothing once it has failed.
    registration: Option<Arc<Registration>>,
    looking: Option<Looking>,
}

/// A look for the next event, on its way.
type Looking = Pin<Box<dyn Future<Output = Result<IEvent, Error>> + Send>>;

/// A listener that is registered with its source.
struct Registration {
    source: IEventSource,
    listener: IEventListener,
    /// The event that was delivered last, and is not known to be processed.
    latest: Mutex<Option<IEvent>>,
}

impl Events {
    /// The next event, whenever it comes. After an error there are no more.
    pub async fn next(&mut self) -> Option<Result<IEvent, Error>> {
        poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }
}

impl Stream for Events {
    type Item = Result<IEvent, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(registration) = self.registration.clone() else { return Poll::Ready(None) };
        let looking = self.looking.get_or_insert_with(|| Box::pin(look(registration)));
        let found = std::task::ready!(looking.as_mut().poll(context));
        self.looking = None;
        if found.is_err() {
            self.registration = None;
        }
        Poll::Ready(Some(found))
    }
}

/// Looks until there is an event.
async fn look(registration: Arc<Registration>) -> Result<IEvent, Error> {
    let Registration { source, listener, .. } = &*registration;
    let previous = registration.take_latest();
    if let Some(event) = previous {
        source.event_processed(listener, &event).await?;
    }
    let mut pause = FIRST_PAUSE;
    loop {
        // Not with a time-out: that keeps a connection, and a thread of the server, for as long as it waits.
        if let Some(event) = source.get_event(listener, 0).await? {
            *registration.latest.lock().unwrap_or_else(PoisonError::into_inner) =
                Some(event.clone());
            return Ok(event);
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 3 / 2).min(LONGEST_PAUSE);
    }
}

impl Registration {
    fn take_latest(&self) -> Option<IEvent> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let id = |object: &crate::ObjectRef| -> Box<str> { object.id().into() };
        let event = self.take_latest();
        partings::queue(
            self.listener.object(),
            Parting::Unregister {
                source: id(self.source.object()),
                listener: id(self.listener.object()),
                event: event.as_ref().map(|event| id(event.object())),
            },
        );
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.registration {
            Some(registration) => write!(f, "Events(of {:?})", registration.source),
            None => f.write_str("Events(ended)"),
        }
    }
}
