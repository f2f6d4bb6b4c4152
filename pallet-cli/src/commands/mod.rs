//! The subcommands, one file each.

pub mod completions;
mod config;
mod converge;
mod destroy;
mod doctor;
mod explain;
mod hardware;
mod images;
mod init;
mod lift;
mod man;
mod models;
mod nodes;
mod offers;
mod outputs;
mod plan;
mod report;
mod resume;
mod run;
mod schema;
mod services;
mod ssh;

use clap::Subcommand;

use crate::args::Cli;
use crate::error::{CliError, Kind};
use crate::output::Output;

/// A subcommand with its arguments.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write a first pallet.toml
    ///
    /// Describes two nodes of one kind, with comments, for the provider that is asked for or that
    /// this machine has all for. Asks little, and nothing with --yes or without a terminal. Never
    /// overwrites a file.
    Init(init::Args),
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
    /// Open a shell on a node, or run a command there, with your own ssh
    ///
    /// Starts OpenSSH with the node's address, account, key and host key; nodes that need no SSH
    /// are entered directly. With --output json, or --print, it only says what it would start.
    Ssh(ssh::Args),
    /// Run a command on nodes, at the same time
    ///
    /// What nodes write is shown line by line with their names in front. Ends with exit code 1 if
    /// the command does not end with 0 on some node.
    Run(run::Args),
    /// Destroy all nodes of groups
    ///
    /// Destroys them after their `destroy-server` and `destroy-group` phases. Asks first. Leaves
    /// nodes of groups alone that the file does not describe.
    Destroy(destroy::Args),
    /// List the images that services make nodes of
    ///
    /// With a group or a node-spec: which image its nodes are made of, and why of no other one.
    Images(images::Args),
    /// List the hardware models that services make nodes of
    Hardware(hardware::Args),
    /// List the services, and whether they answer
    Services(services::Args),
    /// Import, clone, list, check, remove and prepare image models of VirtualBox
    Models(models::Args),
    /// Look what is wrong here, and what to do about it
    ///
    /// Looks at files, SSH keys and agent, services and what they need, and at all nodes that run.
    /// Changes nothing. Ends with exit code 1 if there is a problem.
    Doctor(doctor::Args),
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
    /// Write the JSON schema of pallet.toml, or of what a command writes
    ///
    /// Editors complete and check with it. With --of it is the schema of what a command writes
    /// with --output json.
    Schema(schema::Args),
    /// Write what makes a shell complete commands, groups and nodes
    ///
    /// bash: `source <(pallet completions bash)` in ~/.bashrc; zsh: the same in ~/.zshrc; fish:
    /// `pallet completions fish | source` in ~/.config/fish/config.fish.
    Completions(completions::Args),
    /// Write manual pages into a folder
    Man(man::Args),
}

/// Carries out the subcommand.
pub async fn run(cli: Cli, output: &Output) -> Result<Ended, CliError> {
    match &cli.command {
        Command::Init(args) => init::run(&cli.global, args, output).await,
        Command::Ssh(args) => ssh::run(&cli.global, args, output).await,
        Command::Run(args) => run::run(&cli.global, args, output).await,
        Command::Images(args) => images::run(&cli.global, args, output).await,
        Command::Hardware(args) => hardware::run(&cli.global, args, output).await,
        Command::Services(args) => services::run(&cli.global, args, output).await,
        Command::Models(args) => models::run(&cli.global, args, output).await,
        Command::Doctor(args) => doctor::run(&cli.global, args, output).await,
        Command::Schema(args) => schema::run(&cli.global, args, output),
        Command::Completions(args) => completions::run(&cli.global, args, output),
        Command::Man(args) => man::run(&cli.global, args, output),
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
