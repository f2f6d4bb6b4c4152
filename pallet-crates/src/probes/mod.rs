//! Probe kinds: the questions that this crate's actions ask about nodes.
//!
//! Each is answered for all subjects together: by one process, or by bash alone. Only requests too
//! long for one command line are split over several.

mod content;
mod dpkg;
mod group;
mod guard;
mod passwd;
mod sha256;
mod stat;
#[cfg(test)]
pub(crate) mod testing;
mod words;

pub use content::{FileContent, Seen};
pub use dpkg::{Dpkg, Installed};
pub use group::{GroupEntry, GroupLookup};
pub use guard::Guard;
pub use passwd::{Account, Passwd};
pub use sha256::{Digest, Sha256};
pub use stat::{Entry, EntryKind, Stat};
