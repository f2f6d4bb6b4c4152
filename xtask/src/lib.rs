//! Developer tasks of the workspace, run as `cargo xtask <task>`.
//!
//! A library as well as a command, so that integration tests can read the lab's state
//! ([`lab::State`]) instead of guessing addresses.

pub mod bench;
pub mod codegen;
pub mod demo;
pub mod dist;
pub mod docs;
pub mod lab;
mod process;
pub mod soak;
pub mod test;
