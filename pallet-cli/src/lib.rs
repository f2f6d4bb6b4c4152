//! The `pallet` command as a library: a program of your own that has all commands, for machines
//! that are described in Rust.
//!
//! ```no_run
//! use std::process::ExitCode;
//!
//! use pallet_cli::{App, Specs};
//! use pallet_core::spec::{GroupSpec, NodeSpec, Phase, ServerSpec};
//! use pallet_crates::Packages;
//!
//! fn specs() -> Result<Specs, String> {
//!     let install = Phase::new().action(Packages::new(["nginx"])?);
//!     let web = ServerSpec::new().phase("install", install);
//!     Ok(Specs::new().group(GroupSpec::new("web".parse()?, NodeSpec::new(), web).count(2)))
//! }
//!
//! fn main() -> ExitCode {
//!     App::new()
//!         .name("infra")
//!         .settings("service.sandbox.provider = 'sandbox'")
//!         .specs(specs)
//!         .main()
//! }
//! ```
//!
//! `infra plan`, `infra converge web=3`, `infra explain node web-1` then do what they do for a
//! `pallet.toml`. Such a file is not needed, and if there is one, both hold: see [`App::specs`].

mod app;
mod args;
mod commands;
mod complete;
mod confirm;
mod error;
mod excerpt;
mod find;
mod interrupt;
mod logs;
mod output;
mod page;
mod page_file;
mod plan_file;
mod plan_text;
mod progress;
mod project;
mod recorded;
mod registry;
mod remote;
mod run;
mod screen;
mod selection;
mod services;
mod settings;
mod specs;
mod summary;
mod text;

pub use app::App;
#[doc(hidden)]
pub use progress::rehearse;
pub use specs::Specs;
