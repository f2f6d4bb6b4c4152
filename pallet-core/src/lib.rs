//! Specs, plans and the engine that makes machines be as described.
//!
//! This crate names no hypervisor, no cloud and no concrete action: those are registered by
//! whoever uses it (see [`registry::Registry`]).

pub mod action;
pub mod compute;
pub mod config;
pub mod crates;
pub mod document;
pub mod engine;
pub mod event;
pub mod facts;
pub mod journal;
pub mod local_path;
pub mod login;
pub mod plan;
pub mod registry;
pub mod report;
pub mod run;
pub mod secret;
pub mod session;
pub mod shell;
pub mod spec;
pub mod transport;
