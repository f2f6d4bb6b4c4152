//! The subcommands, one file each.

mod config;
mod converge;
mod destroy;
mod explain;
mod lift;
mod nodes;
mod plan;
mod report;
mod resume;

use clap::Subcommand;

use crate::args::Cli;
use crate::error::{CliError, Kind};
use crate::output::Output;

/// A subcommand with its arguments.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show what `converge` would do, and change nothing
    ///
    /// Looks at all nodes and tells what would be created, started, destroyed and changed, with
    /// differences. With --out the plan is kept in a file, for `pallet converge FILE`, which does
    /// what was shown, or refuses when something has moved on.
    Plan(plan::Args),
    /// Create, start and destroy nodes until the counts are right, then configure them
    ///
    /// Creates what is missing, starts what is stopped and destroys what is too much of each
    /// group; then runs `settings`, `bootstrap` on new nodes, the default phases (`install`,
    /// `configure`), and the phases asked for. Asks before it destroys.
    ///
    /// In place of groups it takes a plan: a file that `pallet plan --out` has written. It then
    /// does what the plan shows, without asking again, and refuses when something has moved on.
    Converge(converge::Args),
    /// Configure the nodes that run, whatever the counts are
    ///
    /// Runs `settings`, `install`, `configure` and the phases asked for on the running nodes of
    /// groups. Creates, starts and destroys nothing.
    Lift(lift::Args),
    /// Finish a run that broke off
    ///
    /// Goes on with the latest `converge` or `lift` of this file that was interrupted, killed, or
    /// failed. What looks at the node first is looked at again; scripts that were finished are left
    /// out; steps that wait for a change that was made before it broke off are carried out. Stops
    /// at a script that was begun and is not known to have been finished, unless --again is given.
    Resume(resume::Args),
    /// List the nodes of all services
    ///
    /// Lists nodes of all groups, stopped ones included, also of groups that the file does not
    /// describe any more.
    Nodes(nodes::Args),
    /// Destroy all nodes of groups
    ///
    /// Destroys them after their `destroy-server` and `destroy-group` phases. Asks first. Leaves
    /// nodes of groups alone that the file does not describe.
    Destroy(destroy::Args),
    /// List the settings that count, and where each comes from
    ///
    /// Lists what pallet.toml, the files in ~/.pallet, environment variables and arguments set, as
    /// far as nothing stronger says otherwise. Secrets are not shown.
    Config(config::Args),
    /// Say what something is, what it takes, and who set it
    ///
    /// Of an action or a crate: its parameters, with their types, defaults and an example. Of a
    /// phase, a group or a node: what is done there, which spec says so in which line, and what
    /// became of it in which run. Of a path on nodes: who manages it. Connects to nothing.
    Explain(explain::Args),
    /// List earlier runs, or tell of one
    ///
    /// Each `converge` and `lift` writes down what it does. Without arguments the runs of this
    /// file are listed; with one of them, or `latest`, all that happened in it is told, as text, as
    /// JSON, or with --html as a page for browsers.
    Report(report::Args),
}

/// Carries out the subcommand.
pub async fn run(cli: Cli, output: &Output) -> Result<Ended, CliError> {
    match &cli.command {
        Command::Plan(args) => plan::run(&cli.global, args, output).await,
        Command::Converge(args) => converge::run(&cli.global, args, output).await,
        Command::Lift(args) => lift::run(&cli.global, args, output).await,
        Command::Resume(args) => resume::run(&cli.global, args, output).await,
        Command::Nodes(args) => nodes::run(&cli.global, args, output).await,
        Command::Destroy(args) => destroy::run(&cli.global, args, output).await,
        Command::Config(args) => config::run(&cli.global, args, output),
        Command::Explain(args) => explain::run(&cli.global, args, output),
        Command::Report(args) => report::run(&cli.global, args, output),
    }
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Everything was done.
    Done,
    /// Something failed.
    Failed,
    /// The file or the arguments are wrong.
    BadInput,
    /// It was not allowed to go on, or was interrupted.
    Stopped,
    /// Looking was all that was asked for, and there is something to change.
    Pending,
}

impl Ended {
    /// The exit code.
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::BadInput => 2,
            Self::Stopped => 3,
            Self::Pending => 4,
        }
    }
}

impl From<Kind> for Ended {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Input => Self::BadInput,
            Kind::Failed => Self::Failed,
            Kind::Refused | Kind::Interrupted => Self::Stopped,
        }
    }
}
