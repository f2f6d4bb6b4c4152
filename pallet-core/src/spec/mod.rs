//! Specs: what machines shall be, as plain values.
//!
//! Documents resolve to these, and Rust programs build them. They are composed by `extends`, and
//! nothing in here talks to anything.

mod group;
mod node;
mod phase;
mod server;

pub use group::{GroupName, GroupSpec};
pub use node::{HardwareSpec, ImageSpec, NodeSpec};
pub use phase::{OnlyOn, Origin, Phase, Step, StepKind};
pub use server::ServerSpec;
