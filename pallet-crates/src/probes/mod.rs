//! Probe kinds: the questions that this crate's actions ask about nodes.
//!
//! Each is answered for all subjects together: by one process, or by bash alone. Only requests too
//! long for one command line are split over several.

pub(crate) mod apt_lists;
mod content;
mod dpkg;
pub(crate) mod git;
mod group;
mod guard;
mod link;
pub(crate) mod mounted;
mod passwd;
mod printed;
mod service;
mod sha256;
mod skeleton;
mod stat;
mod sysctl;
#[cfg(test)]
pub(crate) mod testing;
mod words;

pub use apt_lists::{AptLists, AptUpgrade, ListsState};
pub use content::{FileContent, Seen};
pub use dpkg::{Dpkg, Installed};
pub use git::{Checkout, CheckoutState, Git};
pub use group::{GroupEntry, GroupLookup};
pub use guard::{Guard, Hidden, Question};
pub use link::LinkTarget;
pub use mounted::Mounted;
pub use passwd::{Account, Passwd};
pub use printed::{Print, Printed, Reading};
pub use service::{Service, ServiceState};
pub use sha256::{Digest, Sha256};
pub use skeleton::{HomeMode, Skeleton};
pub use stat::{Entry, EntryKind, Stat};
pub use sysctl::Sysctl;
