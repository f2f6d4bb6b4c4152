//! `pallet models prepare`.

use std::path::{Path, PathBuf};
use std::time::Instant;

use pallet_core::action::Mode;
use pallet_core::crates::Crate;
use pallet_core::login::Login;
use pallet_core::spec::{GroupSpec, NodeFilter, NodeSpec, Phase, ServerSpec};
use pallet_core::transport::Output as Said;
use pallet_crates::crates::AutomatedAdminUser;
use pallet_crates::{ExecCheckedScript, ExecScript, File, Packages, RemoteFile};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use crate::args::{Global, Limits};
use crate::commands::Ended;
use crate::complete;
use crate::error::CliError;
use crate::find::{self, FoundNode};
use crate::output::Output;
use crate::project::Project;
use crate::run::{self, Job, current_user};
use crate::summary::Outcome;
use crate::text::names;

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
    /// The account to log in with now, which may become root [default: the admin user]
    #[arg(long, value_name = "NAME")]
    login: Option<String>,
    /// Show what would be done and change nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    limits: Limits,
}

/// What was done, and whether the new account works.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
struct Prepared {
    #[serde(flatten)]
    outcome: Outcome,
    /// The account.
    user: String,
    /// Whether it could log in and become root; nothing if that was not tried.
    is_ready: Option<bool>,
    /// Why not.
    reason: Option<String>,
}

/// Carries it out.
pub(super) async fn run(global: &Global, args: &Args, output: &Output) -> Result<Ended, CliError> {
    let begun = Instant::now();
    let mut project = Project::load(global)?;
    let admin = project.infrastructure.admin_user.clone();
    let user = match (&args.user, &admin) {
        (Some(user), _) => user.clone(),
        (None, Some(admin)) => admin.username.clone(),
        (None, None) => current_user()?,
    };
    if let Some(login) = &args.login {
        let login = Login { username: login.clone(), ..admin.unwrap_or_else(|| Login::new(login)) };
        for service in project.infrastructure.services.values_mut() {
            service.admin_user = None;
        }
        project.infrastructure.admin_user = Some(login);
    }
    let node = one(Project::load(global)?, &args.node).await?;
    let groups = [group(&node, &user, args.key.as_deref()).map_err(CliError::input)?];
    let mode = if args.dry_run { Mode::Check } else { Mode::Apply };
    let (keep_failed, verb, page) = (false, "prepare", None);
    let job = Job { groups: &groups, limits: args.limits, mode, keep_failed, verb, page };
    let control = args.limits.control();
    let report = run::with_fleet(project, job, control, output, async |fleet| {
        Ok(fleet.lift(&groups, &[]).await?)
    })
    .await?;
    let has_failed = report.failed();
    let tried = match mode == Mode::Apply && !has_failed {
        true => Some(log_in(global, args, &user).await),
        false => None,
    };
    let outcome = Outcome::new(report, mode, begun.elapsed());
    let is_ready = tried.as_ref().map(Result::is_ok);
    let reason = tried.and_then(Result::err);
    let prepared = Prepared { outcome, user, is_ready, reason };
    output.result(&prepared, || prepared.text(output, &args.node));
    Ok(match has_failed || is_ready == Some(false) {
        true => Ended::Failed,
        false => Ended::Done,
    })
}

async fn one(project: Project, name: &str) -> Result<FoundNode, CliError> {
    let found = find::find(project, &[name.to_owned()], None).await?;
    let node = match found.nodes.as_slice() {
        [one] => Ok(one.clone()),
        several => {
            let several: Vec<&str> = several.iter().map(|one| one.node.name.as_str()).collect();
            Err(CliError::input(format!("`{name}` means several nodes"))
                .hint(format!("choose one: {}", names(&several))))
        }
    };
    found.close().await;
    node
}

/// The node as a group of its own, with all that makes it ready.
fn group(node: &FoundNode, user: &str, key: Option<&Path>) -> Result<GroupSpec, String> {
    let keys: Vec<String> = match key {
        Some(key) => {
            let text = std::fs::read_to_string(key);
            let text = text.map_err(|error| format!("cannot read {}: {error}", key.display()))?;
            vec![text.trim().to_owned()]
        }
        None => Vec::new(),
    };
    let network = Phase::new()
        .action(Packages::new(["openssh-server"])?)
        .action(File::new("/etc/udev/rules.d/70-persistent-net.rules")?.absent())
        .action(RemoteFile::new("/etc/udev/rules.d/75-persistent-net-generator.rules")?.content(
            "# Network cards of copies are called as the original's, whatever their addresses are.\n",
        ))
        .action(ExecCheckedScript::new(ExecScript::new(look(user))));
    let ready = ServerSpec::new().phase("configure", network);
    let server = ServerSpec::new()
        .setting(AutomatedAdminUser::NAME, json!({ "username": user, "public-keys": keys }))
        .extends(&ready)
        .extends_crate::<AutomatedAdminUser>();
    let filter = NodeFilter::named(&node.node.name)?;
    let name = format!("prepare-{}", node.node.name).parse().or_else(|_| "prepare".parse())?;
    let group = GroupSpec::of_existing(name, filter, server);
    let node = NodeSpec { service: Some(node.service.clone()), ..group.node };
    Ok(GroupSpec { node, ..group })
}

/// Looks, on the node, at what was made.
fn look(user: &str) -> String {
    let user = pallet_core::shell::quote(user);
    format!(
        "user={user}\n\
         home=$(getent passwd \"$user\" | cut -d: -f6)\n\
         [ -s \"$home/.ssh/authorized_keys\" ]\n\
         [ \"$(id -u \"$user\")\" = 0 ] || sudo -l -U \"$user\" | grep -q NOPASSWD\n\
         [ ! -e /etc/udev/rules.d/70-persistent-net.rules ]\n\
         mkdir -p /run/sshd\n\
         \"$(command -v sshd || echo /usr/sbin/sshd)\" -t"
    )
}

/// Logs in as the new account, and becomes root: what Pallet will do on copies.
async fn log_in(global: &Global, args: &Args, user: &str) -> Result<(), String> {
    let project = Project::load(global).map_err(|error| error.message)?;
    let found = find::find(project, std::slice::from_ref(&args.node), None).await;
    let found = found.map_err(|error| error.message)?;
    let tried = match found.nodes.first() {
        Some(node) => {
            let private = args.key.as_ref().map(|key| key.with_extension(""));
            let private = private.filter(|key| key.is_file());
            let login = Login { private_key_path: private, ..Login::new(user) };
            let node = node.with_login(login.or_keys_of(&node.login));
            attempt(&node, &found).await
        }
        None => Err("the node is gone".to_owned()),
    };
    found.close().await;
    tried
}

async fn attempt(node: &FoundNode, found: &find::Found) -> Result<(), String> {
    let reached = node.reach(&found.connector).await;
    let (transport, login) = reached.map_err(|error| error.to_string())?;
    let look = if login.username == "root" { "true" } else { "sudo -k -n true" };
    let mut process = transport.exec(look).await.map_err(|error| error.to_string())?;
    let mut code = None;
    while let Some(said) = process.output.recv().await {
        match said {
            Said::Exit(exit) => code = Some(exit),
            Said::Lost(error) => return Err(error.to_string()),
            Said::Stdout(_) | Said::Stderr(_) => {}
        }
    }
    transport.close().await;
    match code {
        Some(0) => Ok(()),
        _ => Err(format!("{} logs in, and sudo does not let it work", login.username)),
    }
}

impl Prepared {
    fn text(&self, output: &Output, node: &str) -> String {
        let text = self.outcome.text(output.out);
        let last = match (self.is_ready, &self.reason) {
            (Some(true), _) => format!(
                "\n{node} is ready: {} logs in and becomes root. Stop it, then \
                 `pallet models clone {node} MODEL`\n",
                self.user
            ),
            (_, Some(reason)) => format!("\n{node} is not ready: {reason}\n"),
            (_, None) => String::new(),
        };
        text + &last
    }
}

/// The schema of what programs read.
pub(crate) fn schema() -> serde_json::Value {
    crate::commands::outputs::of::<Prepared>()
}
