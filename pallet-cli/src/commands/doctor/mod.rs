//! `pallet doctor`: what is wrong here, and what to do about it.

mod files;
mod nodes;
mod service;
mod ssh;

use std::fmt::Write;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use tokio::task::JoinSet;

use super::Ended;
use crate::args::Global;
use crate::error::CliError;
use crate::interrupt::Interrupts;
use crate::output::Output;
use crate::text::{Paint, count, visible};

/// What `pallet doctor` is told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// How long each look may take
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = crate::args::seconds)]
    timeout: Duration,
    /// Leave the nodes alone
    #[arg(long)]
    no_nodes: bool,
}

/// Everything that was looked at.
#[derive(Debug, Serialize, JsonSchema)]
struct Findings {
    findings: Vec<Finding>,
    problems: usize,
    warnings: usize,
}

/// Something that was looked at.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
struct Finding {
    /// What it belongs to: `files`, `ssh`, `service lab`, `nodes`.
    area: String,
    what: String,
    state: State,
    /// What is wrong.
    reason: Option<String>,
    /// What to do about it.
    remedy: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum State {
    /// As it should be.
    Fine,
    /// It may do harm one day, or to some commands.
    Warning,
    /// Something cannot work because of it.
    Problem,
}

impl Finding {
    fn fine(area: &str, what: impl Into<String>) -> Self {
        let (area, what) = (area.to_owned(), what.into());
        Self { area, what, state: State::Fine, reason: None, remedy: None }
    }

    fn bad(
        state: State,
        area: &str,
        what: impl Into<String>,
        reason: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        let (reason, remedy) = (Some(reason.into()), Some(remedy.into()));
        Self { state, reason, remedy, ..Self::fine(area, what) }
    }
}

/// Carries it out. All is looked at at the same time, and nothing is waited for without end.
pub async fn run(global: &Global, args: &Args, output: &Output) -> Result<Ended, CliError> {
    let (findings, mistakes) = files::look(global);
    let looked = Interrupts::new()?.race(look(global, args, mistakes.is_none())).await;
    let Some(more) = looked else { return Err(CliError::interrupted()) };
    let findings: Vec<Finding> = findings.into_iter().chain(more).collect();
    let number = |state| findings.iter().filter(|finding| finding.state == state).count();
    let (problems, warnings) = (number(State::Problem), number(State::Warning));
    let findings = Findings { findings, problems, warnings };
    output.result(&findings, || findings.text(output.out));
    if let Some(mistakes) = mistakes {
        output.complain(&mistakes);
        return Ok(Ended::from(mistakes.kind));
    }
    Ok(if problems > 0 { Ended::Failed } else { Ended::Done })
}

async fn look(global: &Global, args: &Args, has_project: bool) -> Vec<Finding> {
    let mut looks = JoinSet::new();
    let limit = args.timeout;
    let project = || if has_project { crate::project::Project::load(global).ok() } else { None };
    let login = project().and_then(|project| project.infrastructure.admin_user);
    looks.spawn(async move { (0, ssh::look(login, limit).await) });
    if let Some(project) = project() {
        for (number, (name, service)) in project.infrastructure.services.into_iter().enumerate() {
            looks.spawn(async move { (number + 1, service::look(name, service, limit).await) });
        }
    }
    if !args.no_nodes
        && let Some(project) = project()
    {
        looks.spawn(async move { (usize::MAX, nodes::look(project, limit).await) });
    }
    let mut looked = looks.join_all().await;
    // The order in which things are told, whatever was done first.
    looked.sort_by_key(|(number, _)| *number);
    looked.into_iter().flat_map(|(_, findings)| findings).collect()
}

impl Findings {
    fn text(&self, paint: Paint) -> String {
        let mut text = String::new();
        let mut area = "";
        for finding in &self.findings {
            if finding.area != area {
                let space = if area.is_empty() { "" } else { "\n" };
                let _ = writeln!(text, "{space}{}", paint.bold(&visible(&finding.area)));
                area = &finding.area;
            }
            let mark = match finding.state {
                State::Fine => paint.green("ok     "),
                State::Warning => paint.yellow("warning"),
                State::Problem => paint.red("problem"),
            };
            let what = visible(&finding.what);
            let _ = match &finding.reason {
                Some(reason) => writeln!(text, "  {mark}  {what}: {}", visible(reason)),
                None => writeln!(text, "  {mark}  {what}"),
            };
            if let Some(remedy) = &finding.remedy {
                let _ = writeln!(text, "           {} {}", paint.cyan("do:"), visible(remedy));
            }
        }
        let (problems, warnings) =
            (count(self.problems, "problem"), count(self.warnings, "warning"));
        let _ = writeln!(text, "\n{problems}, {warnings}");
        text
    }
}

/// The schema of what programs read.
pub(super) fn schema() -> serde_json::Value {
    crate::commands::outputs::of::<Findings>()
}
