//! From a request to a reply: the one way that all operations take.

use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use hyper::StatusCode;
use tokio::sync::oneshot;

use crate::ComCode;
use crate::api::IVirtualBoxErrorInfo;
use crate::call::Request;
use crate::error::{Error, Fault};
use crate::error_info;
use crate::generated::managed_object_ref::RELEASE;
use crate::generated::websession_manager::LOGON;
use crate::http::Pool;
use crate::liveness;
use crate::object::{ManagedObject, ObjectRef};
use crate::operation::Operation;
use crate::reaper;
use crate::reply::Reply;
use crate::session::{Alive, Shared};
use crate::value::Value;
use crate::wire::decode::{Decode, Element, References};
use crate::wire::encode;
use crate::wire::envelope::{self, Incoming, SoapFault};

/// The family of error information. Any call can return one, but each fault makes its own.
const ERROR_INFO: &str = "IVirtualBoxErrorInfo";

/// Carries out a call on an object.
pub(crate) async fn perform(request: Request) -> Result<Reply, Error> {
    let alive = request.target.session().clone();
    let Request { target, operation, arguments, explain } = request;
    run(alive, operation, Some(target), arguments, explain).await
}

/// Carries out a call that names no object, for its one result.
pub(crate) async fn perform_global<T: Decode>(
    alive: Arc<Alive>,
    operation: &'static Operation,
    arguments: Vec<Value>,
) -> Result<T, Error> {
    let reply = run(alive, operation, None, arguments, true).await?;
    reply.only().map_err(|error| error.of(operation.name))
}

/// Sends a call outside of all bookkeeping: for what the bookkeeping itself has to send.
pub(crate) async fn send_plain(
    pool: &Pool,
    operation: &'static Operation,
    this: Option<&str>,
    arguments: &[Value],
) -> Result<Element, Error> {
    let body = encode(operation, this, arguments, None)?;
    let slot = pool.slot(operation.name).await?;
    let (status, text) = slot.exchange(operation.name, body).await?;
    match read(pool, operation, status, &text)? {
        Incoming::Response(response) => Ok(response),
        Incoming::Fault(fault) => {
            if let SoapFault::Runtime { error_info, .. } = &fault
                && !error_info.is_empty()
            {
                let body = encode(&RELEASE, Some(error_info), &[], None)?;
                slot.exchange(RELEASE.name, body).await?;
            }
            Err(refusal(operation, fault))
        }
    }
}

/// What came of an exchange, with references counted.
enum Outcome {
    Reply(Reply),
    Fault(Fault, Option<ObjectRef>),
    /// The caller went away before anything was sent.
    Unsent,
}

async fn run(
    alive: Arc<Alive>,
    operation: &'static Operation,
    target: Option<ObjectRef>,
    arguments: Vec<Value>,
    explain: bool,
) -> Result<Reply, Error> {
    let shared = alive.shared();
    shared.check_open(operation)?;
    shared.check_version(operation)?;
    check_owner(&alive, operation, &arguments)?;
    let target_id = target.as_ref().map(ObjectRef::id);
    let body = encode(operation, target_id, &arguments, shared.api_position())?;
    let Ok(runtime) = tokio::runtime::Handle::try_current() else {
        return Err(Error::NoRuntime { operation: operation.name });
    };
    reaper::ensure(shared, &runtime);
    // In a task of its own: if the caller goes away once the request is out, the answer still
    // has to be read, and the references in it released.
    let (mut caller, receiver) = oneshot::channel();
    runtime.spawn(async move {
        let outcome = exchange(&alive, operation, body, &mut caller).await;
        // The objects that the call is about have been held until here.
        drop((target, arguments));
        let result = match outcome {
            Ok(Outcome::Reply(reply)) => Ok(reply),
            Ok(Outcome::Fault(mut fault, info)) => {
                if let Some(info) = info.filter(|_| explain) {
                    error_info::describe(&mut fault, IVirtualBoxErrorInfo::from_object(info)).await;
                }
                Err(Error::Fault(Box::new(fault)))
            }
            Ok(Outcome::Unsent) => return,
            // Either the object alone is gone, or the whole session.
            Err(Error::InvalidObject { .. }) if !liveness::check(alive.shared()).await => {
                Err(alive.shared().lost(operation))
            }
            Err(error) => Err(error),
        };
        // A reply that nobody waits for is dropped, and its references with it.
        let _ = caller.send(result);
    });
    receiver.await.unwrap_or(Err(Error::NoRuntime { operation: operation.name }))
}

async fn exchange(
    alive: &Arc<Alive>,
    operation: &'static Operation,
    body: String,
    caller: &mut oneshot::Sender<Result<Reply, Error>>,
) -> Result<Outcome, Error> {
    let shared = alive.shared();
    // Until the request is out, the caller may go away and nothing has happened. The gate comes before the slot:
    // the releases that it waits for need slots too.
    let ready = async {
        let under_way = UnderWay::begin(shared, operation).await;
        Ok((under_way, shared.pool.slot(operation.name).await?))
    };
    let mut ready = pin!(ready);
    let ready = poll_fn(|context| {
        if caller.poll_closed(context).is_ready() {
            return Poll::Ready(None);
        }
        ready.as_mut().poll(context).map(Some)
    });
    let Some(ready) = ready.await else { return Ok(Outcome::Unsent) };
    let (under_way, slot) = ready?;
    let (status, text) = slot.exchange(operation.name, body).await?;
    drop(slot);
    let incoming = read(&shared.pool, operation, status, &text)?;
    let outcome = match incoming {
        Incoming::Response(response) => {
            let references = adopt(alive, operation, &response);
            if operation.name == LOGON.name
                && let Some(root) = references.0.keys().next()
            {
                shared.keep_root(root);
            }
            Outcome::Reply(Reply { operation, response, references })
        }
        Incoming::Fault(SoapFault::Runtime { code, message, component, error_info }) => {
            let info = (!error_info.is_empty()).then(|| counted(alive, &error_info, ERROR_INFO));
            Outcome::Fault(fault(operation, code, message, component), info)
        }
        Incoming::Fault(fault) => return Err(refusal(operation, fault)),
    };
    // Only now that all references are counted may others of their families be released.
    drop(under_way);
    Ok(outcome)
}

/// A call under way, as far as releases are concerned.
struct UnderWay<'a> {
    shared: &'a Shared,
    operation: &'static Operation,
}

impl<'a> UnderWay<'a> {
    async fn begin(shared: &'a Shared, operation: &'static Operation) -> Self {
        loop {
            let mut released = pin!(shared.released.notified());
            released.as_mut().enable();
            // A session that ends releases nothing more, so nothing is worth waiting for.
            if shared.references().begin(operation) || shared.is_over() {
                return Self { shared, operation };
            }
            released.await;
        }
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        if self.operation.references.is_empty() {
            return;
        }
        let mut references = self.shared.references();
        references.end(self.operation);
        if !references.is_settled() {
            self.shared.wake_reaper.notify_one();
        }
    }
}

fn encode(
    operation: &'static Operation,
    this: Option<&str>,
    arguments: &[Value],
    server: Option<usize>,
) -> Result<String, Error> {
    encode::request(operation, this, arguments, server).map_err(|error| Error::InvalidArgument {
        operation: operation.name,
        parameter: error.parameter,
        reason: error.reason,
    })
}

/// Every object among the arguments must be of the same session.
fn check_owner(
    alive: &Arc<Alive>,
    operation: &'static Operation,
    arguments: &[Value],
) -> Result<(), Error> {
    for argument in arguments {
        match argument {
            Value::Object(object) if !Arc::ptr_eq(object.session(), alive) => {
                let reference = object.id().to_owned();
                return Err(Error::ForeignObject { operation: operation.name, reference });
            }
            Value::List(values) => check_owner(alive, operation, values)?,
            Value::Object(_) | Value::Text(_) | Value::Word(..) | Value::Null => {}
        }
    }
    Ok(())
}

fn read(
    pool: &Pool,
    operation: &'static Operation,
    status: StatusCode,
    text: &str,
) -> Result<Incoming, Error> {
    // A fault comes with status 500.
    if status == StatusCode::OK || status == StatusCode::INTERNAL_SERVER_ERROR {
        match envelope::read(text, operation) {
            Ok(incoming) => return Ok(incoming),
            Err(reason) if status == StatusCode::OK => {
                return Err(Error::Malformed { operation: operation.name, reason });
            }
            Err(_) => {}
        }
    }
    Err(Error::Http {
        operation: operation.name,
        url: pool.address.url(),
        status: status.as_u16(),
        excerpt: text.trim().chars().take(80).collect(),
    })
}

/// Counts all references in a response.
fn adopt(alive: &Arc<Alive>, operation: &Operation, response: &Element) -> References {
    let mut found = HashMap::new();
    for place in operation.references {
        for element in response.children_called(place.element) {
            let holder = match place.field {
                "" => Some(element),
                field => element.child(field),
            };
            let id = holder.map_or("", |holder| holder.text.trim());
            if !id.is_empty() && !found.contains_key(id) {
                found.insert(id.to_owned(), counted(alive, id, place.family));
            }
        }
    }
    References(found)
}

fn counted(alive: &Arc<Alive>, id: &str, family: &'static str) -> ObjectRef {
    alive.shared().references().adopt(id, family);
    ObjectRef::counted(id, alive.clone())
}

/// A fault as it came, without what its error information has to say.
fn fault(operation: &'static Operation, code: u32, message: String, component: String) -> Fault {
    Fault {
        operation: operation.name.to_owned(),
        code: ComCode(code),
        message,
        component,
        causes: vec![],
    }
}

/// A fault without details to be fetched, as an error.
fn refusal(operation: &'static Operation, refused: SoapFault) -> Error {
    let name = operation.name;
    match refused {
        SoapFault::InvalidObject { reference } => {
            Error::InvalidObject { operation: name, reference }
        }
        SoapFault::Other { code, message } => Error::Refused { operation: name, code, message },
        SoapFault::Runtime { code, message, component, .. } => {
            Error::Fault(Box::new(fault(operation, code, message, component)))
        }
    }
}
