//! Image models as files: import, clone, list, check, remove.
//!
//! [`Manager::import_model`](crate::Manager::import_model) makes a model of a disk image in a file or on the web: VDI, VMDK,
//! VHD, VHDX and QCOW as far as VirtualBox reads them, raw disks, OVAs and Vagrant boxes; also
//! packed with gzip or xz. What a file is, its first bytes tell, not its name.
//! [`Manager::clone_model`](crate::Manager::clone_model) makes one of the disk of a VM.
//!
//! ```no_run
//! use vmfest::images::{Description, Import};
//!
//! # async fn example(manager: vmfest::Manager) -> Result<(), vmfest::Error> {
//! let import = Import::new("https://images.example.org/debian-12.vdi.xz")
//!     .describe(Description::default().text("os-type-id", "Debian_64").text("username", "admin"))
//!     .on_event(|event| eprintln!("{event:?}"));
//! let model = manager.import_model(import).await?;
//! let instance = manager.instance_of("web-1", &model.name, "small").await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Files
//!
//! The model `NAME` is `NAME.vdi` and `NAME.meta` in the model path. It is made in the folder
//! `.NAME.import` there, and put in place when it is complete; an interrupted import leaves in
//! that folder what it has downloaded, and the next one goes on with it. No model is ever
//! overwritten.
//!
//! # Where the description comes from
//!
//! From the strongest to the weakest: [`Import::describe`]; the file given with [`Import::meta`],
//! else a `.meta` or `.toml` file beside the image; what an OVA or a box says about its machine.
//! A description is data and is never evaluated. One from the web may not name files, ports and
//! interfaces of this machine.
//!
//! A Vagrant box gets the user `vagrant` with the password `vagrant` and passwordless sudo, unless
//! the description names another user; a private key in the box is put beside the model. Nothing
//! else is downloaded for it.

#[cfg(feature = "unpack")]
mod archive;
mod check;
mod clone;
mod convert;
mod description;
mod digest;
#[cfg(feature = "download")]
mod download;
mod error;
mod events;
mod folder;
#[cfg(feature = "download")]
mod foreign;
mod format;
#[cfg(feature = "download")]
mod http;
mod import;
mod list;
#[cfg_attr(not(feature = "unpack"), allow(dead_code, reason = "only archives hold them"))]
mod ovf;
mod place;
mod remove;
mod self_contained;
mod source;
mod space;
mod split;
mod task;
mod unpack;
pub(crate) mod vdi;

use std::io::ErrorKind;
use std::path::Path;

pub use check::{CheckedModel, HolderState, Problem};
pub use clone::CloneModel;
pub use description::Description;
pub use error::ImageError;
pub use events::{Event, Step};
pub use import::{Import, Imported};
pub use list::{ListedModel, ModelList, UnfinishedModel};

pub(crate) use events::Watch;
pub(crate) use folder::remove as remove_file;

use crate::error::Error;

/// Reading ended in an error: the caller's, if that is why.
fn read_failed(path: &Path, error: std::io::Error) -> Error {
    match error.downcast::<ImageError>() {
        Ok(own) => own.into(),
        Err(error) => Error::io("read", path, error),
    }
}

/// Writing ended in an error, often because the disk is full.
fn write_failed(path: &Path, error: std::io::Error) -> Error {
    if error.kind() == ErrorKind::StorageFull
        && let Err(full) = space::check(path.parent().unwrap_or(path), 1)
    {
        return full;
    }
    Error::io("write", path, error)
}

/// Does work that blocks on a thread where that is fine.
async fn blocking<T: Send + 'static>(
    doing: &'static str,
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(_) => Err(Error::Interrupted { doing: doing.to_owned() }),
    }
}
