//! Against a real VirtualBox: `cargo xtask lab up`, then
//! `cargo nextest run -p vmfest --features lab-tests`.

// In a test, a failed expectation is what a panic is for; helpers count as library code to clippy.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod attach;
mod boot;
mod clone;
mod console;
mod create;
mod destroy;
mod disks;
mod download;
mod examples;
mod hardware;
mod images;
mod import;
mod kill;
mod many;
mod networks;
mod operations;
mod prepare;
mod private;
mod processes;
mod registry;
mod restart;
#[cfg(feature = "pallet")]
mod service;
mod states;
mod storage;
mod support;
