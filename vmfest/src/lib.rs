//! VirtualBox as a light-weight cloud.
//!
//! An *image model* is a disk image with what is known about it; a *hardware model* says what a
//! VM is made of. A [`Manager`] makes *instances* of them: VMs that start within seconds, each
//! with a differencing disk of its own over the image, which is never written to. It talks to
//! VirtualBox's web service, `vboxwebsrv`.
//!
//! ```no_run
//! use std::time::Duration;
//! use vmfest::{Location, Manager, Server};
//!
//! # async fn example() -> Result<(), vmfest::Error> {
//! let manager = Manager::connect(&Server::default(), Location::default()).await?;
//! let instance = manager.instance_of("web-1", "debian-12", "small").await?;
//! instance.start().await?;
//! let ssh = instance.wait_for_ssh(Duration::from_secs(120)).await?;
//! println!("ssh -p {} {}", ssh.address.port(), ssh.address.ip());
//! println!("its host key: {}", ssh.host_keys[0]);
//! instance.destroy().await?;
//! # Ok(())
//! # }
//! ```
//!
//! Models are described in `.meta` (EDN) and `.toml` files, see [`models`], or made in the
//! program:
//!
//! ```no_run
//! # async fn example(manager: vmfest::Manager) -> Result<(), vmfest::Error> {
//! use vmfest::models::{HardwareModel, ImageModel};
//!
//! let image = ImageModel::new("/images/debian-12.vdi", "Debian_64");
//! let hardware = HardwareModel { memory_size: Some(256), ..HardwareModel::default() };
//! let instance = manager.instance("throw-away", &image, &hardware).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # What can be relied on
//!
//! - **Images are sacred.** VirtualBox is made to treat an image as *multi-attach*, which is
//!   verified before anything is attached; destroying an instance deletes only disks that belong
//!   to it alone. Each image has a holder, a VM in the group `/vmfest/holders` that is never
//!   started and keeps the image registered; [`Manager::remove_model`] removes it.
//! - **Only our own VMs are touched**: those in the group `/vmfest` that carry this crate's mark.
//! - **A name is never overwritten**, and a creation that fails or is abandoned leaves nothing.
//! - **Every operation says what it needs**: [`Instance`]'s methods work in each state in which
//!   they make sense, do nothing where nothing is to do, and otherwise say what to do first.
//! - **Destroying works in every state** of a VM, and again when it is gone.
//! - **A killed program leaves nothing behind for long**: the next one that uses the same node path
//!   gives its locks back and removes what it had half made or half destroyed; see
//!   [`Manager::tidy`].
//! - **Host keys come by way of VirtualBox**: the guest prints them on its serial console, which
//!   is a file in the VM's folder; nothing on the network can forge them.
//!
//! VirtualBox must see the folders of a [`Location`] under the same paths as this program.
//!
//! A guest that was installed by hand becomes a good image with [`prepare`].
//!
//! # Features
//!
//! - `pallet`: a compute service for `pallet-core`, in the module `pallet`. Without it, neither
//!   that crate nor an SSH client is built.

pub mod edn;
pub mod images;
pub mod models;
#[cfg(feature = "pallet")]
pub mod pallet;
pub mod prepare;
pub mod toml;
pub mod tree;

mod console;
mod error;
mod fault;
mod host;
mod host_key;
mod instance;
mod keyboard;
mod location;
mod lock;
mod manager;
mod networks;
mod paths;
mod ports;
mod suggest;
mod tag;
mod versions;
mod wait;

pub use error::{Error, Silence};
pub use host_key::HostKey;
pub use instance::{
    ConsoleLines, GuestProperty, Instance, Interface, InterfaceAddress, Snapshot, SshReady, State,
};
pub use keyboard::{Key, NoSuchKey, Typed};
pub use location::{Location, Server};
pub use manager::{CloneKind, ImageFile, Manager};

/// The README's program is compiled with the examples of this documentation.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
