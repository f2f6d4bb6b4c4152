//! What can go wrong.

use std::fmt;
use std::time::Duration;

use crate::{ApiVersion, ComCode};

/// Why something did not work. Every variant names the operation, as it is called on the wire.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The server's address is not one.
    #[error(
        "`{url}` is not the address of a vboxwebsrv: {reason}; it looks like http://localhost:18083/"
    )]
    InvalidUrl {
        /// The address as given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The connection was refused: no server is there.
    #[error(
        "no vboxwebsrv is running at {url} (connection refused); start it on that machine with \
         `vboxwebsrv --host {host} --port {port}`"
    )]
    NotRunning {
        /// The server's address.
        url: String,
        /// The host in it.
        host: String,
        /// The port in it.
        port: u16,
    },
    /// No connection to the server could be made, for another reason.
    #[error(
        "cannot connect to vboxwebsrv at {url}: {reason}; check the address and the network in between"
    )]
    Unreachable {
        /// The server's address.
        url: String,
        /// What happened.
        reason: String,
    },
    /// The connection broke during a call. Whether the server has carried it out is unknown.
    #[error(
        "{operation}: the connection to {url} broke: {reason}; the server may have carried it out, \
         so look before you repeat it"
    )]
    Transport {
        /// The operation.
        operation: &'static str,
        /// The server's address.
        url: String,
        /// What happened.
        reason: String,
    },
    /// The server took longer than [`crate::Settings::request_timeout`]. It may still carry the call out.
    #[error(
        "{operation}: no answer from {url} within {} s; the server may still carry it out, \
         so look before you repeat it", .after.as_secs_f32()
    )]
    TimedOut {
        /// The operation.
        operation: &'static str,
        /// The server's address.
        url: String,
        /// How long the client waited.
        after: Duration,
    },
    /// The server answered with an HTTP status that no vboxwebsrv uses.
    #[error(
        "{operation}: {url} answered with HTTP status {status} (`{excerpt}`); is it a vboxwebsrv?"
    )]
    Http {
        /// The operation.
        operation: &'static str,
        /// The server's address.
        url: String,
        /// The HTTP status.
        status: u16,
        /// The beginning of what it said.
        excerpt: String,
    },
    /// The answer is not one to this operation.
    #[error(
        "{operation}: the answer cannot be understood: {reason}; is the server a vboxwebsrv of a version that this client knows?"
    )]
    Malformed {
        /// The operation.
        operation: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The object is gone while the web session lives, or it was cast to an interface that it does not have.
    #[error(
        "{operation}: the server does not know {reference} (any longer) as an object of this kind; fetch it anew"
    )]
    InvalidObject {
        /// The operation.
        operation: &'static str,
        /// The reference that the server does not have.
        reference: String,
    },
    /// The web session is over: it was idle for longer than the server allows, or the server was started again. All
    /// its objects are gone with it, and every later call in it fails in this way without being sent.
    #[error(
        "{operation}: the web session at {url} is over: the server was started again, or it ends sessions sooner than \
         this client keeps them alive (`vboxwebsrv --timeout`, `Settings::keep_alive`); \
         log on again with the same client, and fetch the objects anew"
    )]
    SessionLost {
        /// The operation.
        operation: &'static str,
        /// The server's address.
        url: String,
    },
    /// The server could not prove that it is the right one, or does not speak TLS.
    #[error(
        "no trusted connection to vboxwebsrv at {url}: {reason}; check its certificate against `Settings::trust`, and \
         that it speaks TLS (`vboxwebsrv --ssl`, or a proxy in front of it)"
    )]
    Tls {
        /// The server's address.
        url: String,
        /// What happened.
        reason: String,
    },
    /// VirtualBox refused, or failed.
    #[error(transparent)]
    Fault(Box<Fault>),
    /// The web service itself refused the request.
    #[error("{operation}: the web service refused the request: {message} ({code})")]
    Refused {
        /// The operation.
        operation: &'static str,
        /// The kind of refusal, as SOAP names it.
        code: String,
        /// What the server said.
        message: String,
    },
    /// The server's version of VirtualBox does not have the operation.
    #[error(
        "{operation}: the server has API version {server}, the operation exists in {exists_in}"
    )]
    UnsupportedOperation {
        /// The operation.
        operation: &'static str,
        /// The server's API version.
        server: ApiVersion,
        /// The API versions that have the operation.
        exists_in: String,
    },
    /// The server's version of VirtualBox is not one that this crate speaks.
    #[error(
        "{url} has the API version {found}; this client speaks {supported}: use a VirtualBox of such a version"
    )]
    UnsupportedServer {
        /// The server's address.
        url: String,
        /// What the server says it is.
        found: String,
        /// The API versions that this crate speaks.
        supported: String,
    },
    /// The server did not accept identity and credential.
    #[error(
        "{url} refused to log on `{identity}`: {message}; check user name and password, and which library checks \
         them (`VBoxManage setproperty websrvauthlibrary null` switches the check off, for a server that only \
         you can reach; then start vboxwebsrv again)"
    )]
    LogonRefused {
        /// The server's address.
        url: String,
        /// The identity that was refused.
        identity: String,
        /// What the server said.
        message: String,
    },
    /// The result is a null reference where this crate expects an object: see [`crate::Call::optional`].
    #[error("{operation}: the result is null; if that may be, ask for it with `.optional()`")]
    NullReference {
        /// The operation.
        operation: &'static str,
    },
    /// An argument is a handle from another session.
    #[error(
        "{operation}: the object {reference} belongs to another session; fetch it in the session that is to use it"
    )]
    ForeignObject {
        /// The operation.
        operation: &'static str,
        /// The object's reference.
        reference: String,
    },
    /// An argument cannot be sent.
    #[error(
        "{operation}: the argument `{parameter}` cannot be sent: {reason}; leave that character out"
    )]
    InvalidArgument {
        /// The operation.
        operation: &'static str,
        /// The parameter's name on the wire.
        parameter: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The session has been logged off.
    #[error("{operation}: the session has been logged off; log on again")]
    LoggedOff {
        /// The operation.
        operation: &'static str,
    },
    /// A progress was not finished in time. What it stands for goes on.
    #[error("`{description}` is not finished after {} s ({percent} %); it goes on: wait again, or cancel it", .after.as_secs_f32())]
    NotFinished {
        /// What VirtualBox calls it.
        description: String,
        /// How far it is.
        percent: u32,
        /// How long was waited.
        after: Duration,
    },
    /// The call was not made in a tokio run time, or that is shutting down.
    #[error("{operation}: there is no tokio run time to make the call in; call it in one")]
    NoRuntime {
        /// The operation.
        operation: &'static str,
    },
}

impl Error {
    /// The COM code, if VirtualBox itself refused.
    pub fn com_code(&self) -> Option<ComCode> {
        match self {
            Self::Fault(fault) => Some(fault.code),
            _ => None,
        }
    }
}

/// VirtualBox refused an operation, or the operation failed: which, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The operation, as it is called on the wire, or what a progress was about.
    pub operation: String,
    /// The result code.
    pub code: ComCode,
    /// What VirtualBox says; may be empty.
    pub message: String,
    /// The part of VirtualBox that says so; may be empty.
    pub component: String,
    /// What caused it, the nearest first.
    pub causes: Vec<Cause>,
}

/// One of the causes of a [`Fault`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// The result code.
    pub code: ComCode,
    /// What VirtualBox says.
    pub message: String,
    /// The part of VirtualBox that says so.
    pub component: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let message =
            if self.message.is_empty() { "VirtualBox gives no reason" } else { &self.message };
        write!(f, "{}: {message} [{}", self.operation, self.code)?;
        if !self.component.is_empty() {
            write!(f, " from {}", self.component)?;
        }
        write!(f, "]")?;
        for cause in &self.causes {
            write!(f, "; because: {} [{}]", cause.message, cause.code)?;
        }
        Ok(())
    }
}

impl std::error::Error for Fault {}

/// Why a part of a response is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DecodeError {
    /// There is no such element.
    Missing,
    /// A null reference.
    Null,
    /// The element's text is not of the right type.
    Value { expected: &'static str, found: String },
    /// One of the above, in an element.
    Within { element: &'static str, error: Box<DecodeError> },
}

impl DecodeError {
    /// The element's text is not of the right type.
    pub(crate) fn value(expected: &'static str, found: &str) -> Self {
        Self::Value { expected, found: found.chars().take(60).collect() }
    }

    /// Says in which element it happened.
    pub(crate) fn within(self, element: &'static str) -> Self {
        match self {
            Self::Null => Self::Null,
            error => Self::Within { element, error: Box::new(error) },
        }
    }

    /// Says in which operation's response it happened.
    pub(crate) fn of(self, operation: &'static str) -> Error {
        match self {
            Self::Null => Error::NullReference { operation },
            error => Error::Malformed { operation, reason: error.to_string() },
        }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => write!(f, "it is missing"),
            Self::Null => write!(f, "a null reference"),
            Self::Value { expected, found } => write!(f, "`{found}` is not {expected}"),
            Self::Within { element, error } => write!(f, "<{element}>: {error}"),
        }
    }
}
