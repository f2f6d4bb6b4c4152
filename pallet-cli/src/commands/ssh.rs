//! `pallet ssh`: a terminal on a node, or a command there, by the user's own OpenSSH.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use pallet_core::compute::NodeState;
use pallet_core::config::{ConfigFile, Settings, SshSettings};
use pallet_core::shell;
use pallet_core::transport::{Endpoint, HostKeys, JumpHost};
use schemars::JsonSchema;
use serde::Serialize;

use super::Ended;
use super::run::line;
use crate::args::Global;
use crate::complete;
use crate::error::{CliError, Kind};
use crate::find::{self, FoundNode};
use crate::interrupt::Interrupts;
use crate::output::Output;
use crate::project::Project;
use crate::text::names;

/// What `pallet ssh` is told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The node, or a group that has one alone
    #[arg(value_name = "NODE", add = complete::nodes_and_groups())]
    node: String,
    /// A command to run there, in place of a shell; a single word is a line for the node's shell
    #[arg(value_name = "COMMAND", last = true)]
    command: Vec<String>,
    /// Write down which program would be started, and start nothing
    #[arg(long)]
    print: bool,
}

/// The program that is started.
#[derive(Debug, Serialize, JsonSchema)]
struct Start {
    node: String,
    program: String,
    arguments: Vec<String>,
}

/// Carries it out. What programs read is which program they could start: a terminal is for people.
pub async fn run(global: &Global, args: &Args, output: &Output) -> Result<Ended, CliError> {
    let project = Project::load_with_secrets_late(global)?;
    let settings = project.infrastructure.ssh.clone();
    let prepared = Interrupts::new()?.race(prepare(project, &settings, args)).await;
    let (node, mut program) = prepared.ok_or_else(CliError::interrupted)??;
    if args.print || output.is_json() {
        let text = |word: &OsStr| word.to_string_lossy().into_owned();
        let arguments: Vec<String> = program.get_args().map(text).collect();
        let start = Start { node, program: text(program.get_program()), arguments };
        output.result(&start, || {
            let words = std::iter::once(&start.program).chain(&start.arguments);
            shell::command(words.map(String::as_str)) + "\n"
        });
        return Ok(Ended::Done);
    }
    // Only an error comes back.
    let error = program.exec();
    let name = program.get_program().to_string_lossy().into_owned();
    Err(CliError::new(Kind::Failed, format!("cannot start `{name}`: {error}"))
        .hint("install OpenSSH's client; `pallet run` needs none"))
}

async fn prepare(
    project: Project,
    settings: &SshSettings,
    args: &Args,
) -> Result<(String, Command), CliError> {
    let found = find::find(project, std::slice::from_ref(&args.node), None).await?;
    let command = (!args.command.is_empty()).then(|| line(&args.command));
    let program = match found.nodes.as_slice() {
        [one] => program_for(one, settings, command.as_deref())
            .await
            .map(|program| (one.node.name.clone(), program)),
        several => {
            let several: Vec<&str> = several.iter().map(|one| one.node.name.as_str()).collect();
            Err(CliError::input(format!("`{}` means several nodes", args.node))
                .hint(format!("choose one: {}", names(&several)))
                .hint("`pallet run` runs a command on all of them"))
        }
    };
    found.close().await;
    program
}

async fn program_for(
    found: &FoundNode,
    settings: &SshSettings,
    command: Option<&str>,
) -> Result<Command, CliError> {
    let (node, name) = (&found.node, &found.node.name);
    if node.state != NodeState::Running {
        return Err(CliError::new(Kind::Failed, format!("{name} does not run"))
            .hint(format!("`pallet converge {}` starts it", node.group)));
    }
    let near = found.near().await.map_err(|error| {
        let failed = CliError::new(Kind::Failed, format!("{name}: {error}"));
        CliError { hints: error.help().into_iter().collect(), ..failed }
    })?;
    if let Some(near) = near {
        return near.terminal(command).ok_or_else(|| {
            CliError::new(Kind::Failed, format!("{name} can only be reached without a terminal"))
                .hint(format!("`pallet run {name} -- COMMAND` runs a command there"))
        });
    }
    match &node.endpoint {
        Some(endpoint) => open_ssh(found, endpoint, settings, command),
        None => Err(CliError::new(Kind::Failed, format!("{name} has no address yet"))),
    }
}

/// OpenSSH with all that is known of the node.
fn open_ssh(
    found: &FoundNode,
    endpoint: &Endpoint,
    settings: &SshSettings,
    command: Option<&str>,
) -> Result<Command, CliError> {
    let (login, name) = (&found.login, &found.node.name);
    if login.private_key.is_some() {
        return Err(CliError::input(format!("the private key for {name} stands in no file"))
            .hint("OpenSSH reads keys from files and agents: give `private-key-path`")
            .hint(format!("`pallet run {name} -- COMMAND` works without")));
    }
    let mut ssh = Command::new("ssh");
    match &settings.config {
        Some(ConfigFile::None) => {
            ssh.args(["-F", "none"]);
        }
        Some(ConfigFile::File(file)) => {
            ssh.arg("-F").arg(file);
        }
        None => {}
    }
    if let Some(chain) = &settings.proxy_jump {
        let hops: Vec<String> = chain.iter().map(hop).collect();
        let hops = if hops.is_empty() { "none".to_owned() } else { hops.join(",") };
        ssh.args(["-o", &format!("ProxyJump={hops}")]);
    }
    if let Some(limit) = settings.connect_timeout {
        ssh.args(["-o", &format!("ConnectTimeout={}", limit.as_secs())]);
    }
    if let Some(key) = &login.private_key_path {
        ssh.args(["-o", "IdentitiesOnly=yes", "-i"]).arg(key);
    }
    host_keys(&mut ssh, found, settings)?;
    if !login.username_is_assumed {
        ssh.args(["-l", &login.username]);
    }
    ssh.args(["-p", &endpoint.port.to_string(), "--", &endpoint.host]);
    ssh.args(command);
    Ok(ssh)
}

/// A jump host as OpenSSH reads it.
fn hop(host: &JumpHost) -> String {
    let name = if host.host.contains(':') { format!("[{}]", host.host) } else { host.host.clone() };
    let user = host.user.as_ref().map_or(String::new(), |user| format!("{user}@"));
    let port = host.port.map_or(String::new(), |port| format!(":{port}"));
    format!("{user}{name}{port}")
}

fn host_keys(ssh: &mut Command, found: &FoundNode, settings: &SshSettings) -> Result<(), CliError> {
    match &found.node.host_keys {
        HostKeys::Pinned { keys } => {
            let alias = format!("{}.{}", found.node.name, found.service);
            let file = known_hosts_file(&alias)?;
            write_pinned(&file, &alias, keys).map_err(|error| {
                let message = format!("cannot write {}: {error}", file.display());
                CliError::new(Kind::Failed, message)
            })?;
            ssh.arg("-o").arg(option("UserKnownHostsFile", &[file]));
            ssh.args(["-o", "GlobalKnownHostsFile=/dev/null", "-o", "StrictHostKeyChecking=yes"]);
            ssh.args(["-o", &format!("HostKeyAlias={alias}")]);
        }
        HostKeys::KnownHosts | HostKeys::FirstContact => {
            if let Some(files) = &settings.known_hosts {
                ssh.arg("-o").arg(option("UserKnownHostsFile", files));
            }
            if found.node.host_keys == HostKeys::FirstContact {
                ssh.args(["-o", "StrictHostKeyChecking=accept-new"]);
            }
        }
    }
    Ok(())
}

/// An option whose value is a list of files; OpenSSH splits it at spaces that are not in quotes.
fn option(name: &str, files: &[PathBuf]) -> OsString {
    let mut option = OsString::from(format!("{name}="));
    for (index, file) in files.iter().enumerate() {
        option.push(if index > 0 { " \"" } else { "\"" });
        option.push(file);
        option.push("\"");
    }
    option
}

/// Where the keys of a node stand that its service has told: of each node the latest ones.
fn known_hosts_file(alias: &str) -> Result<PathBuf, CliError> {
    let home = Settings::home().ok_or_else(|| {
        CliError::input("the home folder is not known").hint("set HOME or PALLET_HOME")
    })?;
    Ok(home.join("known_hosts").join(alias))
}

fn write_pinned(file: &Path, alias: &str, keys: &[String]) -> std::io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut new = tempfile::NamedTempFile::new_in(folder)?;
    for key in keys {
        writeln!(new, "{alias} {key}")?;
    }
    new.persist(file)?;
    Ok(())
}

/// The schema of what programs read.
pub(super) fn schema() -> serde_json::Value {
    crate::commands::outputs::of::<Start>()
}
