//! `pallet models import` into a cluster: an image of a root folder or a tar.

use std::path::{Path, PathBuf};

use pallet_incus::client::Error;
use pallet_incus::images;
use pallet_incus::service::IncusConfig;

use super::import::Args;
use super::refused;
use crate::commands::Ended;
use crate::error::{CliError, Kind};
use crate::output::Output;
use crate::text::names;

/// After so many bytes more a line is written.
const STEP: u64 = 64 << 20;

/// An image that a cluster has now, for programs.
#[derive(Debug, serde::Serialize, schemars::JsonSchema)]
pub(super) struct Image {
    /// What node-specs call it.
    image: String,
    fingerprint: String,
}

/// Carries it out.
pub(super) async fn run(
    (config, base): (IncusConfig, PathBuf),
    args: &Args,
    output: &Output,
) -> Result<Ended, CliError> {
    let description = describe(args)?;
    let source = Path::new(&args.source);
    let image = args.name.clone().unwrap_or_else(|| stem(source));
    let client = config.connect(&base).await.map_err(refused)?;
    let mut told = 0;
    let imported = images::import(&client, source, &image, &description, |sent| {
        if sent / STEP > told {
            told = sent / STEP;
            output.progress(&format!("{} MiB sent", sent >> 20));
        }
    })
    .await;
    client.close();
    let image = Image { fingerprint: imported.map_err(|error| failed(&error))?, image };
    output.result(&image, || {
        format!("image {}\n  fingerprint  {}\n", image.image, image.fingerprint)
    });
    Ok(Ended::Done)
}

/// What is said of the image; what only VirtualBox has is refused.
fn describe(args: &Args) -> Result<images::Description, CliError> {
    let described = &args.described;
    let given = [
        ("--sha256", args.sha256.is_some()),
        ("--meta", args.meta.is_some()),
        ("--private-key", args.private_key.is_some()),
        ("--raw", args.raw),
        ("--os-type-id", described.os_type_id.is_some()),
    ];
    let given: Vec<&str> =
        given.iter().filter(|(_, given)| *given).map(|(name, _)| *name).collect();
    if !given.is_empty() {
        return Err(CliError::input(format!("{} is for VirtualBox", names(&given)))
            .hint("an image for a cluster is described by --os-family, --os-version, --username and --set"));
    }
    let mut description = images::Description {
        os: described.os_family.clone(),
        version: described.os_version.clone(),
        username: described.username.clone(),
        ..images::Description::of_this_machine()
    };
    for (key, value) in &described.set {
        let value = value.clone();
        match (key.as_str(), value.as_str()) {
            ("release", _) => description.release = Some(value),
            ("architecture", _) => description.architecture = Some(value),
            ("description", _) => description.description = Some(value),
            ("no-sudo", "true" | "false") => description.no_sudo = value == "true",
            _ => {
                return Err(CliError::input(format!(
                    "an image for a cluster has no `{key}`: {value}"
                ))
                .hint("--set takes release, architecture, description, and no-sudo=true"));
            }
        }
    }
    Ok(description)
}

/// The name without folder and extensions: `debian-12` of `/srv/debian-12.tar.xz`.
fn stem(source: &Path) -> String {
    let name = source.file_name().map(|name| name.to_string_lossy().into_owned());
    let name = name.unwrap_or_else(|| "image".to_owned());
    match name.find(".tar") {
        Some(end) => name[..end].to_owned(),
        None => name,
    }
}

fn failed(error: &Error) -> CliError {
    let kind = if matches!(error, Error::Local { .. }) { Kind::Input } else { Kind::Failed };
    CliError { hints: error.help().into_iter().collect(), ..CliError::new(kind, error.to_string()) }
}
