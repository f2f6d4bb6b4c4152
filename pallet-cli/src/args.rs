//! The command line.

use std::io::IsTerminal;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, Parser, ValueEnum};
use pallet_core::engine::Control;
use pallet_core::spec::PhaseCall;

use crate::app::App;
use crate::commands::Command;

/// Describe your machines in pallet.toml; `converge` makes them exist and be as described.
#[derive(Debug, Parser)]
#[command(name = "pallet", version, max_term_width = 100)]
pub struct Cli {
    /// What every command understands.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What every command understands.
#[derive(Debug, Args)]
#[command(next_help_heading = "Options of all commands")]
pub struct Global {
    /// The file that describes the machines [default: pallet.toml in this folder or the nearest
    /// one above]
    #[arg(long, short, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The service that nodes come from where their description names none
    #[arg(long, global = true, value_name = "NAME")]
    pub service: Option<String>,
    /// How results are written to standard output
    #[arg(long, global = true, value_enum, default_value_t = Format::Text, value_name = "FORMAT")]
    pub output: Format,
    /// When to use colours; `auto` heeds NO_COLOR
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto, value_name = "WHEN")]
    pub color: Color,
    /// Tell more; give it twice for debugging
    #[arg(long, short, global = true, action = ArgAction::Count)]
    pub verbose: u8,
    /// The program that is run
    #[arg(skip)]
    pub app: App,
}

impl Global {
    /// What counts where no command line was read.
    pub fn silent(app: App, config: Option<PathBuf>) -> Self {
        let (output, color) = (Format::Text, Color::Never);
        Self { config, service: None, output, color, verbose: 0, app }
    }
}

/// Limits of a run.
#[derive(Debug, Clone, Copy, Args)]
#[command(next_help_heading = "Limits")]
pub struct Limits {
    /// How many nodes are worked on at the same time
    #[arg(long, value_name = "N", default_value = "64")]
    pub parallel: NonZeroUsize,
    /// How long a created or started node may take until it answers
    #[arg(long, value_name = "SECONDS", default_value = "300", value_parser = seconds)]
    pub ready_timeout: Duration,
    /// How long a TCP connection to a node may take [default: what `ssh.connect-timeout` says, or
    /// 10]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub connect_timeout: Option<Duration>,
    /// How long an action may take, unless its step says otherwise with `timeout`
    #[arg(long, value_name = "SECONDS", default_value = "3600", value_parser = seconds)]
    pub action_timeout: Duration,
    /// How long a node that another run works on is waited for
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    pub lock_timeout: Duration,
    /// Stop all nodes before their next action when one fails
    #[arg(long)]
    pub fail_fast: bool,
}

impl Limits {
    /// The control of a run with these limits.
    pub fn control(&self) -> Control {
        let mut control = Control::new();
        control.limits.action = self.action_timeout;
        control.limits.lock = self.lock_timeout;
        control.fail_fast = self.fail_fast;
        control
    }
}

/// What runs on nodes.
#[derive(Debug, Clone, Args)]
pub struct Work {
    /// A phase to run after the default ones (`install`, `configure`), with arguments or without:
    /// `deploy:version=1.2`; may be given several times
    #[arg(long = "phase", value_name = "PHASE[:KEY=VALUE,...]")]
    pub phases: Vec<PhaseCall>,
    /// Show what would be done and change nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// What is written down of a run besides its result.
#[derive(Debug, Clone, Args)]
pub struct Keep {
    /// Write what happened, with times and differences, as one page for browsers to this file
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
}

/// How results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Text,
    /// One JSON document, for programs
    Json,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

impl Color {
    /// Whether what is written to `stream` is coloured.
    pub fn applies_to(self, stream: &impl IsTerminal) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => {
                let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
                let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
                stream.is_terminal() && !is_set("NO_COLOR") && !is_dumb
            }
        }
    }
}

/// Reads a time limit.
pub fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("use a whole number of seconds, 1 or more".to_owned()),
        Ok(seconds) => Ok(Duration::from_secs(seconds)),
    }
}
