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
pub mod probes;
pub mod values;

use pallet_core::registry::Registry;

pub use actions::{
    AuthorizedKey, Cron, Directory, ExecScript, File, Git, Group, LineInFile, Mount, Package,
    PackageManager, PackageSource, Packages, ReadValue, Reboot, RebootWhen, RemoteDirectory,
    RemoteFile, Service, Sudoers, SymbolicLink, Sysctl, User, WaitFor,
};

/// Everything in this crate.
pub fn all() -> Registry {
    crates::all()
        .action::<AuthorizedKey>()
        .action::<Cron>()
        .action::<Directory>()
        .action::<ExecScript>()
        .action::<File>()
        .action::<Git>()
        .action::<Group>()
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
        .action::<User>()
        .action::<WaitFor>()
}
