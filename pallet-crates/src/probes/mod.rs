//! Probe kinds: the questions that this crate's actions ask about nodes.
//!
//! Each is answered for all subjects together: by one process, or by bash alone. Only requests too
//! long for one command line are split over several.

mod content;
mod debconf;
pub(crate) mod git;
mod group;
mod guard;
mod link;
mod listing;
pub(crate) mod mounted;
mod packages;
mod passwd;
mod printed;
mod service;
mod sha256;
mod shadow;
mod skeleton;
mod stat;
mod strays;
mod sysctl;
#[cfg(test)]
pub(crate) mod testing;
pub(crate) mod words;

pub use content::{FileContent, Seen};
pub use debconf::DebconfAnswer;
pub use git::{Checkout, CheckoutState, Git};
pub use group::{GroupEntry, GroupLookup};
pub use guard::{Guard, Hidden, Question};
pub use link::LinkTarget;
pub use listing::Listing;
pub use mounted::Mounted;
pub use packages::{
    Installed, InstalledPackage, ListsState, NewerVersion, Origin, PackageLists, Upgrades,
};
pub use passwd::{Account, Passwd};
pub use printed::{Print, Printed, Reading};
pub use service::{Service, ServiceState};
pub use sha256::{Digest, Sha256};
pub use shadow::{Shadow, ShadowEntry};
pub use skeleton::{HomeMode, Skeleton};
pub use stat::{Entry, EntryKind, Stat};
pub use strays::{StrayCounts, Strays, TreeAttributes};
pub use sysctl::Sysctl;
