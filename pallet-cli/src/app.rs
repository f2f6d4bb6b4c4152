//! From the command line to the exit code.

use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{CommandFactory, FromArgMatches};
use clap_complete::CompleteEnv;
use pallet_core::registry::Registry;

use crate::args::Cli;
use crate::commands::{self, Ended, completions};
use crate::error::{CliError, Kind};
use crate::output::Output;
use crate::registry;
use crate::specs::Specs;

/// What the client does itself is little; nodes do the work.
const WORKERS: usize = 2;

/// How long work that cannot be interrupted may go on after the last word was said.
const LAST_BREATH: Duration = Duration::from_secs(5);

type Describe = dyn Fn() -> Result<Specs, CliError> + Send + Sync;

/// A program that has all commands of `pallet`: for what a `pallet.toml` describes, and for specs
/// and actions that are written in Rust.
#[derive(Clone)]
pub struct App {
    name: &'static str,
    version: Option<&'static str>,
    about: Option<&'static str>,
    registry: Registry,
    settings: Vec<&'static str>,
    specs: Vec<Arc<Describe>>,
    folder: PathBuf,
}

impl App {
    /// The `pallet` command itself: all actions, crates and providers that come with it.
    pub fn new() -> Self {
        Self {
            name: "pallet",
            version: None,
            about: None,
            registry: registry::builtin(),
            settings: Vec::new(),
            specs: Vec::new(),
            folder: PathBuf::new(),
        }
    }

    /// Says what the program is called: in its help, and in messages about what it describes.
    #[must_use]
    pub fn name(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }

    /// Says what `--version` tells, in place of Pallet's version.
    #[must_use]
    pub fn version(mut self, version: &'static str) -> Self {
        self.version = Some(version);
        self
    }

    /// Says what the program is for, in one sentence.
    #[must_use]
    pub fn about(mut self, about: &'static str) -> Self {
        self.about = Some(about);
        self
    }

    /// Adds actions, plan functions, crates and providers of your own, for specs in Rust and for
    /// `pallet.toml`. Where names are equal, yours win over those that come with Pallet.
    #[must_use]
    pub fn registry(mut self, registry: Registry) -> Self {
        self.registry = self.registry.with(registry);
        self
    }

    /// Adds settings in TOML: `default-service`, `[service.NAME]`, `[admin-user]`, `[environment]`
    /// and `[ssh]`. They win over what a person has in `~/.pallet`; `pallet.toml`, environment
    /// variables and arguments win over them.
    #[must_use]
    pub fn settings(mut self, toml: &'static str) -> Self {
        self.settings.push(toml);
        self
    }

    /// Adds groups and clusters that are described in Rust. They are asked for once the command
    /// line is known, and stand beside those of `pallet.toml`, which need not exist any more.
    #[must_use]
    pub fn specs<E: Into<Box<dyn Error>>>(
        mut self,
        describe: impl Fn() -> Result<Specs, E> + Send + Sync + 'static,
    ) -> Self {
        let name = self.name;
        self.specs.push(Arc::new(move || {
            describe().map_err(|error| {
                CliError::input(format!("what {name} describes is wrong: {}", error.into()))
            })
        }));
        self
    }

    /// Says in which folder relative paths start and what belongs to which project, where there is
    /// no `pallet.toml`. Default: the folder that the program is started in.
    #[must_use]
    pub fn folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = folder.into();
        self
    }

    /// Carries out what the command line asks for, and gives the exit code: 0 for done, 1 for a
    /// failure, 2 for bad input, 3 for refused or interrupted, 4 for pending changes.
    pub fn main(self) -> ExitCode {
        // A shell that completes a line starts us so; this then ends the process.
        let shell = CompleteEnv::with_factory(|| self.command()).var(completions::VARIABLE);
        shell.complete();
        let cli = self.parse();
        let output = Output::new(cli.global.output, cli.global.color, cli.global.verbose);
        crate::logs::start(&cli.global);
        let ended = start(cli, &output).unwrap_or_else(|error| {
            output.error(&error);
            Ended::from(error.kind)
        });
        ExitCode::from(ended.code())
    }

    /// The command line that it understands.
    pub(crate) fn command(&self) -> clap::Command {
        let mut command = Cli::command().name(self.name);
        if let Some(version) = self.version {
            command = command.version(version);
        }
        match self.about {
            Some(about) => command.about(about),
            None => command,
        }
    }

    /// Everything that files can name.
    pub(crate) fn all(&self) -> &Registry {
        &self.registry
    }

    /// The settings that are part of the program.
    pub(crate) fn own_settings(&self) -> &[&'static str] {
        &self.settings
    }

    /// What stands for the document where there is none.
    pub(crate) fn place(&self) -> PathBuf {
        self.within(&self.folder)
    }

    /// What stands for a file of the program's own: its name in messages, in the folder where
    /// relative paths start.
    pub(crate) fn within(&self, folder: &Path) -> PathBuf {
        if folder == Path::new(".") { self.name.into() } else { folder.join(self.name) }
    }

    /// Whether the program describes something by itself.
    pub(crate) fn describes(&self) -> bool {
        !self.specs.is_empty() || !self.settings.is_empty()
    }

    /// The groups and clusters that are part of the program.
    pub(crate) fn described(&self) -> Result<Specs, CliError> {
        self.specs.iter().try_fold(Specs::new(), |specs, describe| Ok(specs.with(describe()?)))
    }

    fn parse(self) -> Cli {
        let mut command = self.command();
        let matches = command.get_matches_mut();
        match Cli::from_arg_matches(&matches) {
            Ok(mut cli) => {
                cli.global.app = self;
                cli
            }
            Err(error) => error.format(&mut command).exit(),
        }
    }
}

impl Default for App {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App")
            .field("name", &self.name)
            .field("registry", &self.registry)
            .finish_non_exhaustive()
    }
}

fn start(cli: Cli, output: &Output) -> Result<Ended, CliError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_all()
        .build()
        .map_err(|error| CliError::new(Kind::Failed, format!("no threads: {error}")))?;
    let ended = runtime.block_on(commands::run(cli, output));
    runtime.shutdown_timeout(LAST_BREATH);
    ended
}
