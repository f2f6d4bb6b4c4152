//! Actions and [crates] for pallet-core.
//!
//! [`all`] gives them as a registry. Each action is a plain value that Rust programs build as
//! well as documents do:
//!
//! ```
//! use pallet_core::spec::Phase;
//! use pallet_crates::{Directory, RemoteFile};
//! # fn main() -> Result<(), String> {
//! let configure = Phase::new()
//!     .action(Directory::new("/opt/app")?.mode("0750")?)
//!     .action(RemoteFile::new("/opt/app/motd")?.content("hello\n"));
//! assert_eq!(configure.steps.len(), 2);
//! # Ok(())
//! # }
//! ```

pub mod actions;
pub mod crates;
mod packagers;
pub mod probes;
pub mod values;

use pallet_core::registry::Registry;

pub use actions::{
    AuthorizedKey, Cron, Debconf, Directory, ExecCheckedScript, ExecScript, Fifo, File, Git, Group,
    HostEntry, Hostname, Limits, LineInFile, Mount, Package, PackageManager, PackageSource,
    Packages, ReadValue, Reboot, RebootWhen, RemoteDirectory, RemoteFile, Service, Sudoers,
    SymbolicLink, Sysctl, Timezone, User, WaitFor,
};

/// Everything in this crate.
pub fn all() -> Registry {
    crates::all()
        .action::<AuthorizedKey>()
        .action::<Cron>()
        .action::<Debconf>()
        .action::<Directory>()
        .action::<ExecCheckedScript>()
        .action::<ExecScript>()
        .action::<Fifo>()
        .action::<File>()
        .action::<Git>()
        .action::<Group>()
        .action::<HostEntry>()
        .action::<Hostname>()
        .action::<Limits>()
        .action::<LineInFile>()
        .action::<Mount>()
        .action::<Package>()
        .action::<PackageManager>()
        .action::<PackageSource>()
        .action::<Packages>()
        .action::<ReadValue>()
        .action::<Reboot>()
        .action::<RemoteDirectory>()
        .action::<RemoteFile>()
        .action::<Service>()
        .action::<Sudoers>()
        .action::<SymbolicLink>()
        .action::<Sysctl>()
        .action::<Timezone>()
        .action::<User>()
        .action::<WaitFor>()
}
