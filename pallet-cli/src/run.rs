//! What all commands that work on nodes have in common: open the services, work, tell.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use pallet_core::action::Mode;
use pallet_core::engine::{Connector, Control};
use pallet_core::event::Events;
use pallet_core::login::Login;
use pallet_core::report::Report;
use pallet_core::run::{Fleet, RunOptions, ServiceScope, default_lock_folder};
use pallet_core::spec::{GroupName, GroupSpec};

use crate::args::Limits;
use crate::commands::Ended;
use crate::error::CliError;
use crate::interrupt::{INTERRUPTED, Interrupts, unless_stopped};
use crate::output::Output;
use crate::page::{self, Ending, Page};
use crate::page_file;
use crate::progress::Progress;
use crate::project::Project;
use crate::services;
use crate::summary::Outcome;
use crate::text::{names, visible};

/// What is to be worked on, and how.
#[derive(Debug, Clone, Copy)]
pub struct Job<'a> {
    /// The groups.
    pub groups: &'a [GroupSpec],
    /// Limits.
    pub limits: Limits,
    /// Whether to change or only to look.
    pub mode: Mode,
    /// Whether nodes that were created and never answered are left for a look.
    pub keep_failed: bool,
    /// What is done, in one word.
    pub verb: &'static str,
    /// Where a page for browsers that tells of it is written to.
    pub page: Option<&'a Path>,
}

/// Opens the services, does `work` with them while telling what happens, and writes the report.
pub async fn run(
    project: Project,
    job: Job<'_>,
    control: Control,
    output: &Output,
    work: impl AsyncFnOnce(&Fleet) -> Result<Report, CliError>,
) -> Result<Ended, CliError> {
    let begun = Instant::now();
    let journal = control.journal.clone();
    let told = Told::new(&project, job, &control);
    let others = others(&project, job.groups);
    let can_be_resumed = journal.is_some();
    if let Err(error) = job.page.map_or(Ok(()), page_file::check) {
        journal.iter().for_each(|journal| journal.discard());
        return Err(error);
    }
    let report = with_fleet(project, job, control, output, work).await.inspect_err(|_| {
        journal.iter().for_each(|journal| journal.discard());
    })?;
    let outcome = Outcome::new(report, job.mode, begun.elapsed());
    output.result(&outcome, || outcome.text(output.out));
    let came_or_went = !outcome.report.created.is_empty() || !outcome.report.destroyed.is_empty();
    if job.verb == "converge" && came_or_went && !others.is_empty() && !output.is_json() {
        let others = names(&others);
        output.progress(&format!("not looked at, though it may list these nodes: {others}"));
    }
    if let Err(error) = told.write(&outcome.report) {
        // The result was written: that there is no page is all that is left to say.
        output.complain(&error);
        return Ok(Ended::Failed);
    }
    if outcome.report.stopped.as_deref() == Some(INTERRUPTED) {
        if !output.is_json() {
            let rest = if can_be_resumed { "; `pallet resume` does the rest" } else { "" };
            output.progress(&format!("interrupted: not everything was done{rest}"));
        }
        return Ok(Ended::Stopped);
    }
    Ok(if outcome.report.failed() { Ended::Failed } else { Ended::Done })
}

/// The names of the groups that a run is not about.
fn others(project: &Project, groups: &[GroupSpec]) -> Vec<String> {
    let names = project.infrastructure.groups.keys();
    let is_other = |name: &&GroupName| groups.iter().all(|group| group.name != **name);
    names.filter(is_other).map(|name| visible(name.as_str()).into_owned()).collect()
}

/// What a page tells of a run besides its report.
pub struct Told<'a> {
    path: Option<&'a Path>,
    title: String,
    line: String,
    mode: Mode,
}

impl<'a> Told<'a> {
    /// Notes it before the run begins.
    pub fn new(project: &Project, job: Job<'a>, control: &Control) -> Self {
        let (run, holder) = (&control.run, &control.holder);
        Self {
            path: job.page,
            title: format!("{} of {}", job.verb, project.file.display()),
            line: format!("run {run}, begun {} by {holder}", run.began()),
            mode: job.mode,
        }
    }

    /// Writes the page, if one was asked for.
    pub fn write(&self, report: &Report) -> Result<(), CliError> {
        let Some(path) = self.path else { return Ok(()) };
        let ending = match (self.mode, &report.stopped) {
            (Mode::Apply, Some(_)) => Ending::Stopped,
            _ if report.failed() => Ending::Failed,
            (Mode::Check, _) => Ending::Plan,
            (Mode::Apply, None) => Ending::Done,
        };
        let (title, lines) = (self.title.clone(), vec![self.line.clone()]);
        page_file::write(path, &page::html(&Page { title, ending, lines, report }))
    }
}

/// Opens the services, and does `work` with them while telling what happens.
pub async fn with_fleet<T>(
    project: Project,
    job: Job<'_>,
    control: Control,
    output: &Output,
    work: impl AsyncFnOnce(&Fleet) -> Result<T, CliError>,
) -> Result<T, CliError> {
    let infrastructure = &project.infrastructure;
    infrastructure.check(job.groups)?;
    let default = infrastructure.default_service.as_deref();
    services::check_for(job.groups, &infrastructure.services, default)?;
    let (events, happening) = Events::channel();
    let progress = Progress::new(*output, job.mode).follow(happening, control.clone());
    let progress = tokio::spawn(progress);
    Interrupts::new()?.stop(control.clone());

    let opened = unless_stopped(&control, open(project, job, control.clone(), events)).await;
    let done = match opened {
        Ok(fleet) => {
            let done = work(&fleet).await;
            fleet.close().await;
            done
        }
        Err(error) => Err(error),
    };
    // The last sender of events is gone now, or is about to be.
    let _ = progress.await;
    done
}

async fn open(
    project: Project,
    job: Job<'_>,
    control: Control,
    events: Events,
) -> Result<Fleet, CliError> {
    let infrastructure = project.infrastructure;
    let is_worked_on = |group: &GroupSpec| job.groups.iter().any(|it| it.name == group.name);
    let others = infrastructure.groups.into_values().filter(|group| !is_worked_on(group));
    let considered = others.collect();
    let default_service = infrastructure.default_service;
    let scopes = infrastructure.services.iter().map(|(name, service)| {
        let environment = service.environment.clone();
        (name.clone(), ServiceScope { admin: service.admin_user.clone(), environment })
    });
    let scopes = scopes.collect();
    let services =
        services::open_for(job.groups, infrastructure.services, default_service.as_deref()).await?;
    let mut connector = Connector::default();
    infrastructure.ssh.apply(&mut connector.ssh);
    if let Some(limit) = job.limits.connect_timeout {
        connector.ssh.connect_timeout = limit;
    }
    Ok(Fleet {
        services,
        default_service,
        admin: match infrastructure.admin_user {
            Some(login) => login,
            None => Login::assumed(current_user()?),
        },
        environment: infrastructure.environment,
        scopes,
        connector,
        options: RunOptions {
            mode: job.mode,
            parallel: job.limits.parallel.get(),
            ready: job.limits.ready_timeout,
            keep_failed: job.keep_failed,
        },
        events,
        control,
        considered,
        locks: default_lock_folder(),
    })
}

/// The account that runs us, as ssh takes it: the environment may say something else.
pub fn current_user() -> Result<String, CliError> {
    let output = Command::new("id").arg("-un").output();
    let name = output.ok().and_then(|output| String::from_utf8(output.stdout).ok());
    match name.as_deref().map(str::trim) {
        Some(name) if !name.is_empty() => Ok(name.to_owned()),
        _ => Err(CliError::input("which account to log in to nodes with is not known")
            .hint("add an [admin-user] table with a `username`")),
    }
}
