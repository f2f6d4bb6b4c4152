//! The SSH transport against the lab's real sshd nodes: `cargo xtask lab up`.

// Helpers of tests may fail like tests.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod certificates;
mod failures;
mod host_keys;
mod logins;
mod programs;
mod routes;
mod support;
