//! `pallet init`: write a first pallet.toml.

mod text;

use std::fs;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use pallet_core::document::Document;
use schemars::JsonSchema;
use serde::Serialize;

use super::Ended;
use crate::args::Global;
use crate::confirm::ask;
use crate::error::{CliError, Kind};
use crate::interrupt::Interrupts;
use crate::output::Output;
use text::Wanted;

/// What `pallet init` is told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The folder that it is written in; it is made if it is not there [default: this one]
    #[arg(value_name = "FOLDER", conflicts_with = "config")]
    folder: Option<PathBuf>,
    /// Where nodes come from [default: what this machine has]
    #[arg(long, value_enum, value_name = "PROVIDER")]
    provider: Option<Provider>,
    /// A machine that exists: NAME, ADDRESS, USER@ADDRESS or ADDRESS:PORT; may be given several
    /// times; only with the provider node-list
    #[arg(long = "host", value_name = "HOST")]
    hosts: Vec<String>,
    /// Ask nothing
    #[arg(long)]
    yes: bool,
}

/// Where nodes come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Provider {
    /// Throw-away nodes on this Linux machine, made of namespaces; needs root and nothing else
    Sandbox,
    /// Virtual machines on this machine
    Virtualbox,
    /// Machines that exist already
    NodeList,
}

impl Provider {
    fn name(self) -> &'static str {
        match self {
            Self::Sandbox => "sandbox",
            Self::Virtualbox => "virtualbox",
            Self::NodeList => "node-list",
        }
    }
}

/// What was written.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
struct Written {
    file: PathBuf,
    provider: Provider,
    /// What to do next.
    next: Vec<String>,
}

/// Carries it out.
pub async fn run(global: &Global, args: &Args, output: &Output) -> Result<Ended, CliError> {
    let file = match (&global.config, &args.folder) {
        (Some(file), _) => file.clone(),
        (None, Some(folder)) => folder.join("pallet.toml"),
        (None, None) => PathBuf::from("pallet.toml"),
    };
    refuse_to_overwrite(&file)?;
    let asked = Interrupts::new()?.race(choose(args)).await;
    let (provider, hosts) = asked.ok_or_else(CliError::interrupted)??;
    let text = text::of(&Wanted { provider, hosts: &hosts })?;
    // What is written has to work.
    Document::parse(&file, text.as_str())?.resolve(global.app.all())?;
    write(&file, &text)?;
    let next = next_steps(provider, &file);
    let written = Written { file, provider, next };
    output.result(&written, || {
        let steps = written.next.iter().map(|step| format!("  {step}\n"));
        format!("wrote {}\n\nnext:\n{}", written.file.display(), steps.collect::<String>())
    });
    Ok(Ended::Done)
}

fn refuse_to_overwrite(file: &Path) -> Result<(), CliError> {
    match fs::symlink_metadata(file) {
        Ok(_) => Err(CliError::new(Kind::Refused, format!("{} is there already", file.display()))
            .hint("nothing was changed; name another folder, or another file with --config")),
        Err(_) => Ok(()),
    }
}

/// Where nodes shall come from: as told, as answered, or as this machine suggests.
async fn choose(args: &Args) -> Result<(Provider, Vec<String>), CliError> {
    let can_ask = !args.yes && std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    let suggested = if args.hosts.is_empty() { suggested() } else { Provider::NodeList };
    let provider = match args.provider {
        Some(provider) => provider,
        None if can_ask && args.hosts.is_empty() => ask_provider(suggested).await?,
        None => suggested,
    };
    if provider != Provider::NodeList && !args.hosts.is_empty() {
        return Err(CliError::input(format!("{} has no use for --host", provider.name()))
            .hint("machines that exist are of the provider node-list"));
    }
    let mut hosts = args.hosts.clone();
    if provider == Provider::NodeList && hosts.is_empty() && can_ask {
        let question = "machines, with spaces between them [this machine]: ".to_owned();
        let answer = ask(question).await.unwrap_or_default();
        hosts = answer.split_whitespace().map(str::to_owned).collect();
    }
    Ok((provider, hosts))
}

async fn ask_provider(suggested: Provider) -> Result<Provider, CliError> {
    let mut question = "where shall nodes come from?\n".to_owned();
    for provider in Provider::value_variants() {
        let help =
            provider.to_possible_value().and_then(|it| it.get_help().map(ToString::to_string));
        question += &format!("  {:<11} {}\n", provider.name(), help.unwrap_or_default());
    }
    question += &format!("provider [{}]: ", suggested.name());
    let answer = ask(question).await.unwrap_or_default();
    match answer.trim() {
        "" => Ok(suggested),
        answer => Provider::from_str(answer, true).map_err(|_| {
            let known = Provider::value_variants().iter().map(|it| it.name());
            let error = CliError::input(format!("there is no provider `{answer}`"));
            error.hint(format!("choose one of {}", known.collect::<Vec<_>>().join(", ")))
        }),
    }
}

/// What this machine has: VirtualBox with an image, or else a Linux kernel.
fn suggested() -> Provider {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let has = |program: &str| std::env::split_paths(&path).any(|it| it.join(program).is_file());
    let models = vmfest::Location::default();
    let has_model = vmfest::images::ModelList::read(&models).is_ok_and(|it| !it.models.is_empty());
    if has("vboxwebsrv") && has_model {
        Provider::Virtualbox
    } else if cfg!(target_os = "linux") {
        Provider::Sandbox
    } else if has("vboxwebsrv") {
        Provider::Virtualbox
    } else {
        Provider::NodeList
    }
}

fn write(file: &Path, text: &str) -> Result<(), CliError> {
    let failed = |error: std::io::Error| {
        CliError::new(Kind::Failed, format!("cannot write {}: {error}", file.display()))
    };
    if let Some(folder) = file.parent().filter(|folder| *folder != Path::new("")) {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    // Whoever writes it in the meantime wins.
    let mut new = fs::File::options().write(true).create_new(true).open(file).map_err(failed)?;
    new.write_all(text.as_bytes()).map_err(failed)
}

fn next_steps(provider: Provider, file: &Path) -> Vec<String> {
    let of = match file.parent().filter(|folder| *folder != Path::new("")) {
        Some(_) => format!(" --config {}", file.display()),
        None if file == Path::new("pallet.toml") => String::new(),
        None => format!(" --config {}", file.display()),
    };
    let sudo = if provider == Provider::Sandbox { "sudo " } else { "" };
    let mut steps = vec![format!("{sudo}pallet{of} doctor      # is all there that it needs?")];
    if provider == Provider::Virtualbox {
        steps.push("pallet models import FILE|URL  # a disk image to make machines of".to_owned());
    }
    steps.push(format!("{sudo}pallet{of} plan        # what would be done; changes nothing"));
    let (verb, what) = match provider {
        Provider::NodeList => ("lift    ", "configure the machines"),
        _ => ("converge", "make the nodes and configure them"),
    };
    steps.push(format!("{sudo}pallet{of} {verb}    # {what}; again: nothing to do"));
    steps
}

/// The schema of what programs read.
pub(super) fn schema() -> serde_json::Value {
    crate::commands::outputs::of::<Written>()
}
