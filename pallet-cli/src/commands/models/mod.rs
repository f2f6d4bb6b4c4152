//! `pallet models`: image models of VirtualBox: import, clone, list, check, remove, prepare. An image
//! for a cluster is imported in the same way; there it is the cluster that keeps it.

pub(super) mod check;
mod clone;
mod import;
#[cfg(feature = "incus")]
mod import_cluster;
pub(super) mod list;
pub(super) mod prepare;
pub(super) mod remove;
mod watch;

use std::path::PathBuf;

use clap::Subcommand;
use pallet_core::compute::ComputeError;
use vmfest::images::Imported;
use vmfest::pallet::VirtualBoxConfig;
use vmfest::{Error, Manager};

use super::Ended;
use crate::args::Global;
use crate::error::{CliError, Kind};
use crate::interrupt::Interrupts;
use crate::output::Output;
use crate::project::{self, Project};
use crate::text::names;

/// What `pallet models` is told.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

/// What is done with models.
#[derive(Debug, Subcommand)]
enum What {
    /// List the models, and imports that were interrupted
    List(list::Args),
    /// Make a model of a disk image in a file or on the web
    ///
    /// Takes VDI, VMDK, VHD, VHDX, QCOW, raw disks, OVAs and Vagrant boxes, also packed with gzip
    /// or xz. What is there of an interrupted import is used by the next one.
    ///
    /// With --service CLUSTER the image goes to that Incus or LXD. Then it is made of a folder with
    /// a system's root, or of a tar of one.
    Import(import::Args),
    /// Make a model of a machine's disk
    Clone(clone::Args),
    /// Look whether models are as they should be
    Check(check::Args),
    /// Remove models, with their files
    Remove(remove::Args),
    /// Make a running node ready to become a model
    ///
    /// Makes the admin user, who logs in with your key and whom sudo asks for nothing; sees to sshd,
    /// and to names of network cards and host keys that are made anew in copies. Logs in as that
    /// user, to see that it works. Then takes away what two machines must not share, the host keys
    /// among it: the node is to be shut down afterwards.
    Prepare(prepare::Args),
}

/// Carries it out.
pub async fn run(global: &Global, args: &Args, output: &Output) -> Result<Ended, CliError> {
    #[cfg(feature = "incus")]
    if let What::Import(args) = &args.what
        && let Some(cluster) = cluster(global)?
    {
        return stoppable(import_cluster::run(cluster, args, output)).await;
    }
    match &args.what {
        What::Prepare(args) => stoppable(prepare::run(global, args, output)).await,
        What::List(args) => list::run(global, args, output),
        What::Import(args) => stoppable(import::run(global, args, output)).await,
        What::Clone(args) => stoppable(clone::run(global, args, output)).await,
        What::Check(args) => stoppable(check::run(global, args, output)).await,
        What::Remove(args) => stoppable(remove::run(global, args, output)).await,
    }
}

async fn stoppable(work: impl Future<Output = Result<Ended, CliError>>) -> Result<Ended, CliError> {
    let done = Interrupts::new()?.race(work).await;
    crate::screen::clear();
    done.unwrap_or_else(|| Err(CliError::interrupted()))
}

/// The VirtualBox whose models are meant: that of the service named, the only one, or where nothing
/// is described, that of this machine.
fn service(global: &Global) -> Result<(VirtualBoxConfig, PathBuf), CliError> {
    if project::locate(global).is_none() && global.service.is_none() {
        return Ok((VirtualBoxConfig::default(), PathBuf::from(".")));
    }
    let infrastructure = Project::load_with_secrets_late(global)?.infrastructure;
    let all = infrastructure.services.iter();
    let all: Vec<_> = all
        .filter_map(|(name, it)| Some((name, it.opener.config::<VirtualBoxConfig>()?, &it.base)))
        .collect();
    let wanted = infrastructure.default_service.as_ref();
    let found = match (all.as_slice(), &global.service) {
        ([], None) => return Ok((VirtualBoxConfig::default(), infrastructure.base.clone())),
        ([one], None) => Some(one),
        (several, _) => several.iter().find(|(name, ..)| Some(*name) == wanted),
    };
    if let Some((_, config, base)) = found {
        return Ok(((*config).clone(), (*base).clone()));
    }
    let known: Vec<&str> = all.iter().map(|(name, ..)| name.as_str()).collect();
    Err(CliError::input(match &global.service {
        Some(name) => format!("service `{name}` is no VirtualBox, and has no models"),
        None => "there are several VirtualBoxes, and none is the default service".to_owned(),
    })
    .hint(match known.is_empty() {
        true => "leave --service out for the VirtualBox of this machine".to_owned(),
        false => format!("choose one with --service: {}", names(&known)),
    }))
}

/// The cluster that an image is for, if --service names one.
#[cfg(feature = "incus")]
fn cluster(
    global: &Global,
) -> Result<Option<(pallet_incus::service::IncusConfig, PathBuf)>, CliError> {
    let Some(name) = &global.service else { return Ok(None) };
    let infrastructure = Project::load_with_secrets_late(global)?.infrastructure;
    let service = infrastructure.services.get(name);
    Ok(service.and_then(|it| {
        let config = it.opener.config::<pallet_incus::service::IncusConfig>()?;
        Some((config.clone(), it.base.clone()))
    }))
}

async fn manager(global: &Global) -> Result<Manager, CliError> {
    let (config, base) = service(global)?;
    config.connect(&base).await.map_err(refused)
}

fn refused(error: ComputeError) -> CliError {
    let kind = if error.is_input { Kind::Input } else { Kind::Failed };
    let hints = error.help.into_iter().chain(["`pallet doctor` looks closer".to_owned()]);
    CliError { hints: hints.collect(), ..CliError::new(kind, error.message) }
}

fn failed(error: &Error) -> CliError {
    CliError::new(if error.is_input() { Kind::Input } else { Kind::Failed }, error.to_string())
}

/// Does work with the web service, and says goodbye whatever comes of it.
async fn with_manager<T>(
    global: &Global,
    work: impl AsyncFnOnce(&Manager) -> Result<T, CliError>,
) -> Result<T, CliError> {
    let manager = manager(global).await?;
    let done = work(&manager).await;
    // Whoever cannot be told goodbye forgets us by itself.
    let _ = manager.close().await;
    done
}

/// A model that has come into being, for programs.
#[derive(Debug, serde::Serialize, schemars::JsonSchema)]
struct Made {
    model: String,
    disk: PathBuf,
    meta: PathBuf,
    sha256: String,
    /// Who vouches for the file that it came in.
    verified: Option<String>,
}

impl From<Imported> for Made {
    fn from(made: Imported) -> Self {
        let (model, disk) = (made.name, made.image.path);
        Self { model, disk, meta: made.meta, sha256: made.sha256, verified: made.verified }
    }
}

impl Made {
    fn text(&self) -> String {
        format!(
            "model {}\n  disk    {}\n  meta    {}\n  sha256  {}\n",
            self.model,
            self.disk.display(),
            self.meta.display(),
            self.sha256
        )
    }
}

/// The schema of what programs read.
pub(crate) fn schema() -> serde_json::Value {
    crate::commands::outputs::of::<Made>()
}

/// The schema of what programs read of an import.
#[cfg(feature = "incus")]
pub(crate) fn import_schema() -> serde_json::Value {
    crate::commands::outputs::either::<Made, import_cluster::Image>()
}

#[cfg(not(feature = "incus"))]
pub(crate) use self::schema as import_schema;
