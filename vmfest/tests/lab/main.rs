//! Against a real VirtualBox: `cargo xtask lab up`, then
//! `cargo nextest run -p vmfest --features lab-tests`.

mod boot;
mod create;
mod destroy;
mod images;
mod support;
