//! Against the lab's clusters, one of LXD and one of Incus: `cargo xtask lab cluster up`.

// Helpers of tests may fail like tests.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod client;
mod exec;
mod nodes;
mod support;
