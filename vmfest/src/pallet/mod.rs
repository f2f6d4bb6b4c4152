//! VirtualBox as a compute service of `pallet-core`.
//!
//! Register [`VirtualBox`] as a provider, and documents can say:
//!
//! ```toml
//! [service.vbox]
//! provider   = "virtualbox"
//! url        = "http://127.0.0.1:18083"
//! model-path = "~/.vmfest/models"
//! ```
//!
//! A node's `network` is `"nat"`, `"local"` or `"bridged"`; a table with the keys `network-type`,
//! `nat-rules`, `local-interface` and `bridged-interface`; or a list of adapters, used verbatim.

mod choose;
mod config;
mod service;

pub use config::{VirtualBox, VirtualBoxConfig};
pub use service::VirtualBoxService;
