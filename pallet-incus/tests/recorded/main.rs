//! Against recorded answers of the API: what Incus 6 says otherwise than LXD 5.0, and a thousand
//! instances.

// Helpers of tests may fail like tests.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod dialects;
mod many;
mod server;
