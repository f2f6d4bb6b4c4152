//! `pallet models prepare`.

use std::path::{Path, PathBuf};

use pallet_core::compute::{ComputeError, NodeState};
use pallet_core::login::Login;
use pallet_core::transport::Transport;
use schemars::JsonSchema;
use serde::Serialize;
use vmfest::prepare::{Finding, Kind as StepKind, Outcome, Prepare, read_findings};

use crate::args::Global;
use crate::commands::Ended;
use crate::complete;
use crate::error::{CliError, Kind};
use crate::find::{self, Found, FoundNode};
use crate::output::Output;
use crate::project::Project;
use crate::remote::{Trouble, as_root, said};
use crate::run::current_user;
use crate::text::{Paint, names, visible};

/// Public keys that are taken where none is named, as OpenSSH's client looks for them.
const USUAL_KEYS: [&str; 3] = ["id_ed25519.pub", "id_ecdsa.pub", "id_rsa.pub"];

/// What `pallet models prepare` is told.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The node; it has to run
    #[arg(value_name = "NODE", add = complete::nodes_and_groups())]
    node: String,
    /// The account that is made [default: the admin user of the file, or you]
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// The public key that may log in as it [default: the first of ~/.ssh/id_*.pub]
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// The account to log in with now, which may become root [default: as for other commands]
    #[arg(long, value_name = "NAME")]
    login: Option<String>,
    /// Leave a step out; may be given several times
    #[arg(long, value_name = "STEP")]
    without: Vec<String>,
    /// Shut the node down afterwards
    #[arg(long, conflicts_with = "dry_run")]
    shut_down: bool,
    /// Look at each step and change nothing
    #[arg(long)]
    dry_run: bool,
}

/// What was found and done, and whether the new account works.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
struct Prepared {
    node: String,
    /// The account.
    user: String,
    steps: Vec<Row>,
    /// Whether the node can be shut down and become a model; nothing in a dry run.
    is_ready: Option<bool>,
    /// Why not, where it is no step's fault.
    reason: Option<String>,
    /// Whether it was shut down.
    is_off: bool,
}

/// How a step stands.
#[derive(Debug, Serialize, JsonSchema)]
struct Row {
    step: String,
    /// What the node then is or has.
    title: String,
    /// `ready`, `open`, `changed`, `failed`, `advice`, or `later`.
    outcome: String,
    /// What the node said, or what goes wrong without it.
    reason: Option<String>,
}

/// Carries it out.
pub(super) async fn run(global: &Global, args: &Args, output: &Output) -> Result<Ended, CliError> {
    let project = Project::load(global)?;
    let admin = project.infrastructure.admin_user.as_ref();
    let user = match (&args.user, admin) {
        (Some(user), _) => user.clone(),
        (None, Some(admin)) => admin.username.clone(),
        (None, None) => current_user()?,
    };
    let prepare = wanted(&user, args)?;
    let found = find::find(project, std::slice::from_ref(&args.node), None).await?;
    let prepared = on_node(&found, &prepare, user, args, output).await;
    found.close().await;
    let prepared = prepared?;
    output.result(&prepared, || prepared.text(output.out));
    Ok(if prepared.is_ready == Some(false) { Ended::Failed } else { Ended::Done })
}

fn wanted(user: &str, args: &Args) -> Result<Prepare, CliError> {
    let refused = |error: vmfest::prepare::PrepareError| {
        let refused = CliError::input(error.to_string());
        match error {
            vmfest::prepare::PrepareError::NoKey => refused
                .hint("name the file with --key, or make a key pair with `ssh-keygen -t ed25519`"),
            _ => refused,
        }
    };
    let keys = public_keys(args.key.as_deref())?;
    let prepare = Prepare::new(user, keys.lines()).map_err(refused)?;
    args.without.iter().try_fold(prepare, |prepare, step| prepare.without(step)).map_err(refused)
}

/// The lines of the file, or of the first usual one that is there.
fn public_keys(file: Option<&Path>) -> Result<String, CliError> {
    match file {
        Some(file) => std::fs::read_to_string(file)
            .map_err(|error| CliError::input(format!("cannot read {}: {error}", file.display()))),
        None => {
            let folder = std::env::home_dir().unwrap_or_default().join(".ssh");
            let mut usual = USUAL_KEYS.iter();
            let first = usual.find_map(|name| std::fs::read_to_string(folder.join(name)).ok());
            Ok(first.unwrap_or_default())
        }
    }
}

async fn on_node(
    found: &Found,
    prepare: &Prepare,
    user: String,
    args: &Args,
    output: &Output,
) -> Result<Prepared, CliError> {
    let node = one(found, args)?;
    let name = node.node.name.clone();
    let failed = |(why, help): Trouble| {
        let error = CliError::new(Kind::Failed, format!("{name}: {why}"));
        CliError { hints: help.into_iter().collect(), ..error }
    };
    let session = Session::begin(&node, found).await.map_err(failed)?;
    let done = if args.dry_run {
        session.run(&prepare.check_script()).await.map(|findings| (findings, None))
    } else {
        output.progress(&format!("{name}: making it ready …"));
        make_ready(&session, prepare, &user, &node, found, args).await
    };
    let (findings, reason) = done.map_err(failed)?;
    let is_done = reason.is_none() && prepare.is_done(&findings);
    let is_off = is_done && args.shut_down;
    if is_off {
        output.progress(&format!("{name}: shutting down …"));
        let stopped = node.stop().await;
        stopped.map_err(|ComputeError { message, help, .. }| failed((message, help)))?;
    }
    Ok(Prepared {
        node: name,
        user,
        is_off,
        steps: findings.iter().map(Row::from).collect(),
        is_ready: (!args.dry_run).then_some(is_done),
        reason,
    })
}

/// The node, and who logs in now.
fn one(found: &Found, args: &Args) -> Result<FoundNode, CliError> {
    let [node] = found.nodes.as_slice() else {
        let several: Vec<&str> = found.nodes.iter().map(|one| one.node.name.as_str()).collect();
        return Err(CliError::input(format!("`{}` means several nodes", args.node))
            .hint(format!("choose one: {}", names(&several))));
    };
    if node.node.state != NodeState::Running {
        return Err(CliError::new(Kind::Failed, format!("{} does not run", node.node.name))
            .hint(format!("`pallet converge {}` starts it", node.node.group)));
    }
    Ok(match &args.login {
        Some(login) => node.with_login(Login { username: login.clone(), ..node.login.clone() }),
        None => node.clone(),
    })
}

/// Does what is missing. What seals the node comes after the new account was seen to work: then
/// nobody can log in any more. What is wrong with the account is told beside the findings.
async fn make_ready(
    session: &Session,
    prepare: &Prepare,
    user: &str,
    node: &FoundNode,
    found: &Found,
    args: &Args,
) -> Result<(Vec<Finding>, Option<String>), Trouble> {
    let seals: Vec<&str> =
        prepare.steps().filter(|step| step.kind == StepKind::Seal).map(|step| step.name).collect();
    let open = seals.iter().try_fold(prepare.clone(), |open, seal| open.without(seal));
    let open = open.map_err(|error| (error.to_string(), None))?;
    let mut findings = session.run(&open.apply_script()).await?;
    if !open.is_done(&findings) {
        return Ok((findings, None));
    }
    if let Err((why, _)) = log_in(user, node, found, args).await {
        return Ok((findings, Some(why)));
    }
    let sealed = session.run(&prepare.apply_script()).await?;
    findings.extend(sealed.into_iter().filter(|one| seals.contains(&one.step.name)));
    Ok((findings, None))
}

/// Logs in as the new account, and becomes root: what will be done on copies.
async fn log_in(user: &str, node: &FoundNode, found: &Found, args: &Args) -> Result<(), Trouble> {
    let private = args.key.as_ref().map(|key| key.with_extension(""));
    let private = private.filter(|key| key.is_file());
    let login = Login { private_key_path: private, ..Login::new(user) };
    let node = node.with_login(login.or_keys_of(&node.login));
    let session = Session::begin(&node, found).await?;
    let look = if session.login.username == "root" { "true" } else { "sudo -k -n true" };
    let (code, _, stderr) = said(session.transport.as_ref(), look, "").await?;
    session.transport.close().await;
    match code {
        0 => Ok(()),
        _ => Err((format!("{user} logs in, and cannot become root: {}", stderr.trim()), None)),
    }
}

/// A connection to the node.
struct Session {
    transport: std::sync::Arc<dyn Transport>,
    login: Login,
}

impl Session {
    async fn begin(node: &FoundNode, found: &Found) -> Result<Self, Trouble> {
        let reached = node.reach(&found.connector).await;
        let (transport, login) = reached.map_err(|error| (error.to_string(), error.help()))?;
        Ok(Self { transport, login })
    }

    /// Runs a script as root, and reads what it has found.
    async fn run(&self, script: &str) -> Result<Vec<Finding>, Trouble> {
        let transport = self.transport.as_ref();
        let (command, first) = as_root(transport, &self.login, "exec sh -s").await?;
        let (code, stdout, stderr) = said(transport, &command, &(first + script)).await?;
        let findings = read_findings(&stdout);
        match findings.is_empty() {
            true => Err((format!("the script ended with status {code}: {}", stderr.trim()), None)),
            false => Ok(findings),
        }
    }
}

impl From<&Finding> for Row {
    fn from(finding: &Finding) -> Self {
        let unsolved = matches!(finding.outcome, Outcome::Open | Outcome::Failed | Outcome::Advice);
        let why = || unsolved.then(|| finding.step.why.to_owned());
        Self {
            step: finding.step.name.to_owned(),
            title: finding.step.title.to_owned(),
            outcome: finding.outcome.as_str().to_owned(),
            reason: finding.reason.clone().or_else(why),
        }
    }
}

impl Prepared {
    fn text(&self, paint: Paint) -> String {
        let mut text: String = self.steps.iter().map(|row| row.text(paint)).collect();
        let Self { node, user, .. } = self;
        match (self.is_ready, &self.reason) {
            (Some(true), _) if self.is_off => {
                text += &format!("\n{node} is ready: `pallet models clone {node} MODEL`\n");
            }
            (Some(true), _) => {
                text += &format!(
                    "\n{node} is ready, and nobody can log in to it any more: shut it down, then \
                     `pallet models clone {node} MODEL`\n"
                );
            }
            (_, Some(reason)) => {
                text += &format!("\n{node} is not ready: {user}: {}\n", visible(reason));
            }
            (Some(false), None) => text += &format!("\n{node} is not ready\n"),
            (None, None) => {}
        }
        text
    }
}

impl Row {
    fn text(&self, paint: Paint) -> String {
        let word = format!("{:7}", self.outcome);
        let word = match self.outcome.as_str() {
            "failed" => paint.red(&word),
            "open" | "changed" | "advice" => paint.yellow(&word),
            _ => paint.green(&word),
        };
        let reason = self.reason.as_ref().map(|why| format!(" ({})", visible(why)));
        format!("{word}  {:14}  {}{}\n", self.step, self.title, reason.unwrap_or_default())
    }
}

/// The schema of what programs read.
pub(crate) fn schema() -> serde_json::Value {
    crate::commands::outputs::of::<Prepared>()
}
