//! Specs: what machines shall be, as plain values.
//!
//! Documents resolve to these, and Rust programs build them. They are composed by `extends`, and
//! nothing in here talks to anything.

mod cluster;
mod filter;
mod group;
mod image;
mod name_pattern;
mod node;
mod order;
mod phase;
mod server;

pub use cluster::ClusterSpec;
pub use filter::{NodeFilter, Predicate};
pub use group::{GroupName, GroupSpec};
pub use image::{ImageSpec, TextPattern};
pub use name_pattern::NamePattern;
pub use node::{HardwareSpec, NodeSpec, Preference};
pub(crate) use order::{Cycle, Wishes, merge_orders, order};
pub use phase::{OnlyOn, Origin, Phase, PhaseCall, Step, StepKind};
pub(crate) use server::merge;
pub use server::{DEFAULT_PHASES, ServerSpec};
