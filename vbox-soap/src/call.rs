//! Calls: described, then sent by being awaited.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::engine;
use crate::error::{DecodeError, Error};
use crate::object::{ManagedObject, ObjectRef};
use crate::operation::Operation;
use crate::reply::Reply;
use crate::value::Value;

/// A call of one operation. Nothing is sent until it is awaited.
///
/// Awaiting it needs a tokio run time. A call that is dropped before it is finished has either never been
/// sent or runs to its end on the server; it is not undone.
#[must_use = "a call is only sent when it is awaited"]
pub struct Call<T> {
    request: Request,
    decode: fn(&Reply) -> Result<T, DecodeError>,
}

/// What is asked of whom.
pub(crate) struct Request {
    pub(crate) target: ObjectRef,
    pub(crate) operation: &'static Operation,
    pub(crate) arguments: Vec<Value>,
    /// Whether to fetch what a fault has to say.
    pub(crate) explain: bool,
}

impl<T> Call<T> {
    pub(crate) fn new(
        target: ObjectRef,
        operation: &'static Operation,
        arguments: Vec<Value>,
        decode: fn(&Reply) -> Result<T, DecodeError>,
    ) -> Self {
        Self { request: Request { target, operation, arguments, explain: true }, decode }
    }

    /// Without asking, should the call fail, for the fault's causes: where failing is an answer, and its code says all.
    pub fn unexplained(mut self) -> Self {
        self.request.explain = false;
        self
    }
}

impl<T: ManagedObject> Call<T> {
    /// The same call, with `None` where the server answers with a null reference.
    pub fn optional(self) -> Call<Option<T>> {
        Call { request: self.request, decode: Reply::only::<Option<T>> }
    }
}

impl<T> fmt::Debug for Call<T> {
    /// Shows the operation, and no arguments: they may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Call({} of {:?})", self.request.operation, self.request.target)
    }
}

impl<T> IntoFuture for Call<T> {
    type Output = Result<T, Error>;
    type IntoFuture = CallFuture<T>;

    fn into_future(self) -> CallFuture<T> {
        CallFuture {
            operation: self.request.operation,
            reply: Box::pin(engine::perform(self.request)),
            decode: self.decode,
        }
    }
}

/// A [`Call`] on its way.
pub struct CallFuture<T> {
    operation: &'static Operation,
    reply: Pin<Box<dyn Future<Output = Result<Reply, Error>> + Send>>,
    decode: fn(&Reply) -> Result<T, DecodeError>,
}

impl<T> Future for CallFuture<T> {
    type Output = Result<T, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.reply.as_mut().poll(context).map(|reply| {
            reply.and_then(|reply| {
                (self.decode)(&reply).map_err(|error| error.of(self.operation.name))
            })
        })
    }
}

impl<T> fmt::Debug for CallFuture<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CallFuture({})", self.operation)
    }
}
