//! The lab: a real VirtualBox and real Linux nodes for integration tests.
//!
//! `cargo xtask lab up` starts it, `cargo xtask lab down` ends it and leaves only its caches.
//! Tests read [`State`].

mod cluster;
mod command;
mod down;
mod guest;
mod layout;
mod listing;
mod nodes;
mod state;
mod status;
mod system;
mod up;
mod vbox;

pub use cluster::{Cluster, Member, Product};
pub use command::{Args, run};
pub use guest::Guest;
pub use layout::Lab;
pub use listing::{Listed, rack};
pub use nodes::ClaimedNode;
pub use state::{Node, NodeKind, PWSUDO_PASSWORD, State};
pub use system::prerequisites::is_root;
pub use vbox::Vbox;
