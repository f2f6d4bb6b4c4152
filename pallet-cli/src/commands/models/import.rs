//! `pallet models import`.

use std::path::PathBuf;

use vmfest::images::{Description, Import};

use super::watch::watch;
use super::{Made, failed, with_manager};
use crate::args::Global;
use crate::commands::Ended;
use crate::error::CliError;
use crate::output::Output;

/// What `pallet models import` is told.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The disk image: a file, or an address that begins with http:// or https://. For a cluster: a
    /// folder or a tar
    #[arg(value_name = "FILE|URL")]
    pub(super) source: String,
    /// What the model is called [default: as the file, without extensions]
    #[arg(long, value_name = "NAME")]
    pub(super) name: Option<String>,
    /// The SHA-256 that the file must have [default: what a file beside it says that ends in
    /// .sha256]
    #[arg(long, value_name = "HEX")]
    pub(super) sha256: Option<String>,
    /// A .meta or .toml file that describes the image [default: one beside it]
    #[arg(long, value_name = "FILE")]
    pub(super) meta: Option<PathBuf>,
    /// A private key to log in with; it stays where it is
    #[arg(long, value_name = "FILE")]
    pub(super) private_key: Option<PathBuf>,
    /// Take a file without a partition table as a raw disk
    #[arg(long)]
    pub(super) raw: bool,
    #[command(flatten)]
    pub(super) described: Described,
}

/// What is said of an image that counts more than any file.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Description")]
pub(super) struct Described {
    /// VirtualBox's name of the guest's operating system: Debian_64
    #[arg(long, value_name = "ID")]
    pub(super) os_type_id: Option<String>,
    /// The operating system's family: debian
    #[arg(long, value_name = "NAME")]
    pub(super) os_family: Option<String>,
    /// The operating system's version: 12
    #[arg(long, value_name = "VERSION")]
    pub(super) os_version: Option<String>,
    /// The account to log in as
    #[arg(long, value_name = "NAME")]
    pub(super) username: Option<String>,
    /// Another key of an image model; true and false are no texts. May be given several times
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = pair)]
    pub(super) set: Vec<(String, String)>,
}

impl Described {
    pub(super) fn description(&self) -> Description {
        let named = [
            ("os-type-id", &self.os_type_id),
            ("os-family", &self.os_family),
            ("os-version", &self.os_version),
            ("username", &self.username),
        ];
        let named = named.into_iter().filter_map(|(key, value)| Some((key, value.as_ref()?)));
        let set = self.set.iter().map(|(key, value)| (key.as_str(), value));
        named.chain(set).fold(Description::default(), |all, (key, value)| match value.as_str() {
            "true" => all.flag(key, true),
            "false" => all.flag(key, false),
            text => all.text(key, text),
        })
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("use KEY=VALUE, such as no-sudo=true".to_owned()),
    }
}

/// Carries it out.
pub(super) async fn run(global: &Global, args: &Args, output: &Output) -> Result<Ended, CliError> {
    let mut import = Import::new(&args.source).describe(args.described.description());
    if let Some(name) = &args.name {
        import = import.name(name);
    }
    if let Some(digest) = &args.sha256 {
        import = import.sha256(digest);
    }
    if let Some(meta) = &args.meta {
        import = import.meta(meta);
    }
    if let Some(key) = &args.private_key {
        import = import.private_key(key);
    }
    if args.raw {
        import = import.accept_raw();
    }
    let import = import.on_event(watch(*output));
    let made = with_manager(global, async |manager| {
        manager.import_model(import).await.map_err(|error| failed(&error))
    })
    .await?;
    crate::screen::clear();
    let made = Made::from(made);
    output.result(&made, || {
        let verified = match &made.verified {
            Some(by) => format!("  checked  by {by}\n"),
            None => "  checked  by nobody: there was no checksum\n".to_owned(),
        };
        made.text() + &verified
    });
    Ok(Ended::Done)
}
