//! `sandbox`: throw-away nodes on this Linux machine.
//!
//! A sandbox is a copy of the machine that costs nothing: its root is an overlay of the machine's
//! own, and what it changes is kept in memory until it is destroyed or the machine restarts. It
//! has its own files, package database, host name, process tree and network. What is somebody's is
//! not in it: home folders, data, logs, people's accounts, passwords, and whatever other users of
//! the machine may not read.
//!
//! It is made by stock tools (util-linux, iproute2) and needs root. It keeps mistakes away from
//! the machine, even root's: a sandbox cannot mount, make devices or change the kernel's settings.
//! It shares the kernel, though, and is no place for programs that nobody trusts.

mod accounts;
mod boot;
mod layer;
mod machine;
mod network;
mod privacy;
mod process;
mod service;
mod store;
mod tool;

use std::path::PathBuf;
use std::sync::Arc;

use serde::Deserialize;

pub(crate) use self::boot::capabilities;
pub(crate) use self::process::Holder;
use self::service::SandboxService;
use self::store::Scope;
use super::{ComputeError, ComputeService, Provider, ProviderContext};

/// The table of a `sandbox` service. Every key has a default.
///
/// ```toml
/// [service.sandbox]
/// provider  = "sandbox"
/// disk-size = 512
/// hide      = ["/etc/myapp"]
/// ```
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct SandboxConfig {
    /// How many MiB a sandbox may write, where its node-spec does not say it
    /// (`hardware.hardware-model.disk-size`). They are the machine's memory. Default: 2048.
    pub disk_size: u64,
    /// Further files and folders of this machine that sandboxes must not show.
    pub hide: Vec<PathBuf>,
}

impl Default for SandboxConfig {
    fn default() -> Self {
        Self { disk_size: 2048, hide: Vec::new() }
    }
}

/// The provider `sandbox`.
#[derive(Debug)]
pub struct Sandbox;

impl Provider for Sandbox {
    const NAME: &'static str = "sandbox";
    type Config = SandboxConfig;

    async fn open(
        config: SandboxConfig,
        context: ProviderContext,
    ) -> Result<Arc<dyn ComputeService>, ComputeError> {
        if config.disk_size == 0 {
            return Err(ComputeError::input(
                "a sandbox's `disk-size` is a number of MiB, from 1 on",
            ));
        }
        if let Some(path) = config.hide.iter().find(|path| !path.is_absolute()) {
            return Err(ComputeError::input(format!(
                "`hide` names `{}`, which does not begin with a slash",
                path.display()
            )));
        }
        machine::check()?;
        let scope = Scope::new(&context.service, &context.base)?;
        Ok(Arc::new(SandboxService::new(context.service, scope, config)))
    }
}
