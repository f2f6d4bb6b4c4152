//! Typed, version-aware client of VirtualBox's SOAP web service, `vboxwebsrv`.
//!
//! The whole API is here, generated from VirtualBox's own description: see [`api`]. A [`Client`] knows
//! where a server is; [`Client::logon`] gives a [`Session`], and that the root object,
//! [`api::IVirtualBox`]. Every method returns a [`Call`], which is sent when it is awaited.
//!
//! ```no_run
//! # async fn example() -> Result<(), vbox_soap::Error> {
//! use vbox_soap::Client;
//!
//! let client = Client::new("http://localhost:18083/")?;
//! let session = client.logon("", "").await?;
//! for machine in session.virtual_box().get_machines().await? {
//!     println!("{}: {}", machine.get_name().await?, machine.get_state().await?);
//! }
//! session.logoff().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Handles
//!
//! Objects are handles such as [`api::IMachine`]: cheap to clone, free to send to other tasks. The server keeps
//! an object's reference alive for as long as any handle to it is; what nobody holds any more is released
//! in the background. Dropping a [`api::ISession`] that still locks a machine unlocks it.
//!
//! The API description does not say which results may be null. Those that are known to be null in
//! ordinary use are `Option`; every other null reference is [`Error::NullReference`], unless the call
//! is made [`Call::optional`].
//!
//! # What this crate leaves to its users
//!
//! It has no policy: no call is ever sent twice, nothing is given a default, nothing is named.

mod batch;
mod call;
mod client;
mod com;
mod engine;
mod error;
mod error_info;
mod events;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod generated;
mod http;
mod liveness;
mod lock;
mod object;
mod open_enum;
mod operation;
mod partings;
mod progress;
mod reaper;
mod refs;
mod reply;
mod session;
#[cfg(feature = "tls")]
mod tls;
mod value;
mod version;
mod wire;

pub use call::{Call, CallFuture};
pub use client::{Client, Settings};
pub use com::ComCode;
pub use error::{Cause, Error, Fault};
pub use events::Events;
pub use lock::Locked;
pub use object::{ManagedObject, ObjectRef};
pub use progress::ProgressState;
pub use session::Session;
#[cfg(feature = "tls")]
pub use tls::Trust;
pub use version::ApiVersion;

/// VirtualBox's interfaces, enumerations and structures, under their own names.
///
/// # Versions
///
/// Everything that any API version from 4.1 to 7.2 has is here, and says which versions have it where those are not
/// all. A method that the server does not have fails with [`Error::UnsupportedOperation`](Error) before anything
/// is sent.
///
/// Where an operation's parameters or results changed, every signature is a method of its own, called after the version
/// that introduced it: [`create_machine_v4_2`](api::IVirtualBox::create_machine_v4_2). The newest has the plain name
/// besides, [`create_machine`](api::IVirtualBox::create_machine), which is another signature once a newer VirtualBox brings
/// one; its name with the version stays. Types are called alike: [`ISharedFolder`](api::ISharedFolder) is an object, and [`ISharedFolderV4_1`](api::ISharedFolderV4_1)
/// the structure that it was before. Whoever talks to several versions asks [`Session::api_version`](Session).
///
/// Names that VirtualBox only capitalised otherwise in between (`getSessionPid`, `getSessionPID`) are one here, and are
/// sent as the server's version spells them.
pub mod api {
    pub use crate::generated::*;
}
