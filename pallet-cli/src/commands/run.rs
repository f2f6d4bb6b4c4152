//! `pallet run`: run a command on nodes.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pallet_core::compute::NodeState;
use pallet_core::engine::Connector;
use pallet_core::login::Login;
use pallet_core::shell;
use pallet_core::transport::{Output as Said, Transport};
use schemars::JsonSchema;
use serde::Serialize;
use tokio::io::AsyncWriteExt;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::Ended;
use crate::args::Global;
use crate::complete;
use crate::error::{CliError, Kind};
use crate::find::{self, FoundNode};
use crate::interrupt::Interrupts;
use crate::output::Output;
use crate::project::Project;
use crate::remote::{self, Trouble};
use crate::text::{count, duration, visible};

/// What `pallet run` is told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Nodes: their names, groups, clusters, or patterns such as 'web-*'
    #[arg(value_name = "NODE|GROUP", required = true, add = complete::nodes_and_groups())]
    nodes: Vec<String>,
    /// The command and its arguments; a single word is a line for the node's shell
    #[arg(value_name = "COMMAND", last = true, required = true)]
    command: Vec<String>,
    /// Run it as root, through sudo
    #[arg(long)]
    root: bool,
    /// On how many nodes it runs at the same time
    #[arg(long, value_name = "N", default_value = "64")]
    parallel: NonZeroUsize,
    /// How long it may take on each node, connecting included
    #[arg(long, value_name = "SECONDS", default_value = "3600", value_parser = crate::args::seconds)]
    timeout: Duration,
}

/// What all nodes did.
#[derive(Debug, Serialize, JsonSchema)]
struct Outcome {
    nodes: Vec<NodeOutcome>,
}

/// What one node did.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
struct NodeOutcome {
    node: String,
    group: String,
    service: String,
    /// How the command ended; nothing if that is not known.
    exit_code: Option<u32>,
    stdout: String,
    stderr: String,
    /// Why it did not run to its end.
    error: Option<String>,
    help: Option<String>,
    millis: u64,
}

/// Carries it out.
pub async fn run(global: &Global, args: &Args, output: &Output) -> Result<Ended, CliError> {
    let project = Project::load(global)?;
    let ran = Interrupts::new()?.race(on_all(project, args, output)).await;
    let Some(ran) = ran else { return Err(CliError::interrupted()) };
    let outcome = ran?;
    output.result(&outcome, || summary(&outcome.nodes));
    let is_fine = outcome.nodes.iter().all(|node| node.exit_code == Some(0));
    Ok(if is_fine { Ended::Done } else { Ended::Failed })
}

/// A line for the node's shell.
pub(super) fn line(command: &[String]) -> String {
    match command {
        [line] => line.clone(),
        words => shell::command(words.iter().map(String::as_str)),
    }
}

async fn on_all(project: Project, args: &Args, output: &Output) -> Result<Outcome, CliError> {
    let found = find::find(project, &args.nodes, None).await?;
    let width = found.nodes.iter().map(|node| node.node.name.chars().count()).max().unwrap_or(0);
    let turns = Arc::new(Semaphore::new(args.parallel.get()));
    let command: Arc<str> = line(&args.command).into();
    let mut tasks = JoinSet::new();
    for node in found.nodes.clone() {
        let (turns, connector) = (turns.clone(), found.connector.clone());
        let (command, as_root, timeout) = (command.clone(), args.root, args.timeout);
        let teller = Teller { output: *output, name: format!("{:width$} | ", node.node.name) };
        tasks.spawn(async move {
            let _turn = turns.acquire().await;
            on_one(&node, &connector, &command, as_root, timeout, teller).await
        });
    }
    let mut nodes = Vec::new();
    while let Some(done) = tasks.join_next().await {
        nodes.push(done.map_err(|error| CliError::new(Kind::Failed, error.to_string()))?);
    }
    nodes.sort_by(|one, two| one.node.cmp(&two.node));
    found.close().await;
    Ok(Outcome { nodes })
}

async fn on_one(
    node: &FoundNode,
    connector: &Connector,
    command: &str,
    as_root: bool,
    timeout: Duration,
    teller: Teller,
) -> NodeOutcome {
    let begun = Instant::now();
    let mut heard = Heard::default();
    let work = attempt(node, connector, command, as_root, &teller, &mut heard);
    let ended = match tokio::time::timeout(timeout, work).await {
        Ok(ended) => ended,
        Err(_) => Err((format!("it did not end within {}", duration(timeout)), None)),
    };
    heard.finish(&teller);
    let (exit_code, error, help) = match ended {
        Ok(code) => (Some(code), None, None),
        Err((error, help)) => (None, Some(error), help),
    };
    if let Some(error) = &error {
        teller.err(error);
        help.iter().for_each(|help| teller.err(&format!("help: {help}")));
    }
    NodeOutcome {
        node: node.node.name.clone(),
        group: node.node.group.clone(),
        service: node.service.clone(),
        exit_code,
        stdout: heard.stdout.text(),
        stderr: heard.stderr.text(),
        error,
        help,
        millis: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
    }
}

async fn attempt(
    node: &FoundNode,
    connector: &Connector,
    command: &str,
    as_root: bool,
    teller: &Teller,
    heard: &mut Heard,
) -> Result<u32, Trouble> {
    if node.node.state != NodeState::Running {
        let help = format!("`pallet converge {}` starts it", node.node.group);
        return Err(("it does not run".to_owned(), Some(help)));
    }
    let (transport, login) =
        node.reach(connector).await.map_err(|error| (error.to_string(), error.help()))?;
    let ended = attend(transport.as_ref(), &login, command, as_root, teller, heard).await;
    transport.close().await;
    ended
}

async fn attend(
    transport: &dyn Transport,
    login: &Login,
    command: &str,
    as_root: bool,
    teller: &Teller,
    heard: &mut Heard,
) -> Result<u32, Trouble> {
    let (command, input) = match as_root {
        true => remote::as_root(transport, login, command).await?,
        false => (command.to_owned(), String::new()),
    };
    let mut process = remote::start(transport, &command).await?;
    // A command that reads nothing may have closed its end already.
    let _ = process.stdin.write_all(input.as_bytes()).await;
    let _ = process.stdin.shutdown().await;
    loop {
        match process.output.recv().await {
            Some(Said::Stdout(bytes)) => {
                heard.stdout.push(&bytes, |line| teller.out(line));
            }
            Some(Said::Stderr(bytes)) => {
                heard.stderr.push(&bytes, |line| teller.err(line));
            }
            Some(Said::Exit(code)) => return Ok(code),
            Some(Said::Lost(error)) => return Err((error.to_string(), error.help())),
            None => return Err(("its end was not reported".to_owned(), None)),
        }
    }
}

/// Tells what a node says, line by line.
struct Teller {
    output: Output,
    name: String,
}

impl Teller {
    fn out(&self, line: &str) {
        if !self.output.is_json() {
            let line = format!("{}{}\n", self.output.out.dim(&self.name), visible(line));
            self.output.part(&line);
        }
    }

    fn err(&self, line: &str) {
        if !self.output.is_json() {
            let name = self.output.err.dim(&self.name);
            self.output.progress(&format!("{name}{}", visible(line)));
        }
    }
}

/// What a command has written so far.
#[derive(Default)]
struct Heard {
    stdout: Stream,
    stderr: Stream,
}

impl Heard {
    /// Tells last lines that do not end.
    fn finish(&self, teller: &Teller) {
        self.stdout.rest(|line| teller.out(line));
        self.stderr.rest(|line| teller.err(line));
    }
}

#[derive(Default)]
struct Stream {
    bytes: Vec<u8>,
    told: usize,
}

impl Stream {
    /// Takes bytes, and tells the lines that are complete.
    fn push(&mut self, bytes: &[u8], mut tell: impl FnMut(&str)) {
        self.bytes.extend_from_slice(bytes);
        while let Some(rest) = self.bytes.get(self.told..)
            && let Some(length) = rest.iter().position(|byte| *byte == b'\n')
        {
            let line = rest.get(..length).unwrap_or_default();
            tell(String::from_utf8_lossy(line).trim_end_matches('\r'));
            self.told += length + 1;
        }
    }

    fn rest(&self, mut tell: impl FnMut(&str)) {
        if let Some(rest) = self.bytes.get(self.told..).filter(|rest| !rest.is_empty()) {
            tell(&String::from_utf8_lossy(rest));
        }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

fn summary(nodes: &[NodeOutcome]) -> String {
    let failed: Vec<String> = nodes
        .iter()
        .filter(|node| node.exit_code != Some(0))
        .map(|node| match node.exit_code {
            Some(code) => format!("{} (exit code {code})", node.node),
            None => node.node.clone(),
        })
        .collect();
    match failed.is_empty() {
        true => String::new(),
        false => {
            let failed_on = crate::text::names(&failed);
            format!("\nfailed on {} of {}: {failed_on}\n", failed.len(), count(nodes.len(), "node"))
        }
    }
}

/// The schema of what programs read.
pub(super) fn schema() -> serde_json::Value {
    crate::commands::outputs::of::<Outcome>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_word_is_a_line_and_several_are_words() {
        let words =
            |words: &[&str]| line(&words.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>());
        assert_eq!(words(&["uptime | wc"]), "uptime | wc");
        assert_eq!(words(&["echo", "a b"]), "echo 'a b'");
    }

    #[test]
    fn lines_are_told_when_they_are_complete() {
        let (mut stream, mut lines) = (Stream::default(), Vec::new());
        for piece in ["a", "b\nc\r\n", "d"] {
            stream.push(piece.as_bytes(), |line| lines.push(line.to_owned()));
        }
        stream.rest(|line| lines.push(line.to_owned()));
        assert_eq!(lines, ["ab", "c", "d"]);
        assert_eq!(stream.text(), "ab\nc\r\nd");
    }
}
