//! Phases over many nodes: a phase is a barrier, nodes run in parallel.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tracing::Instrument;

use super::Fleet;
use super::crew::Crew;
use super::member::Member;
use super::shown::Shown;
use super::stages::Stage;
use crate::action::Mode;
use crate::engine::{Connector, Control, PhaseRun, run_phase};
use crate::plan::{Compiled, Nodes, PlanError, PlannedAction, Scene, compile};
use crate::report::{ActionReport, Failure, PhaseReport, Report, Status};
use crate::secret::redact;
use crate::spec::{GroupName, Phase, Step};

/// What a run does with its nodes once they are there.
pub(super) struct Course<'a> {
    /// The phases, in order.
    pub stages: &'a [Stage],
    /// Groups that had no nodes before this run.
    pub new_groups: &'a BTreeSet<GroupName>,
    /// What a plan allows.
    pub shown: Option<&'a Shown>,
}

impl Fleet {
    /// Connects to all members and brings them through `settings`, `bootstrap`, `create-group` and
    /// the stages. Returns them for more.
    pub(super) async fn work(&self, crew: Crew, course: &Course<'_>) -> Crew {
        let mut crew = self.connect_first(crew).await;
        self.settle_settings(&mut crew);
        crew = self.bootstrap(crew, course.shown).await;
        let is_new = |member: &Member| course.new_groups.contains(&member.role.group.name);
        crew = self.phase(crew, &Stage::everywhere("create-group"), is_new, course.shown).await;
        for stage in course.stages {
            let is_meant = |member: &Member| member.role.names.iter().any(|it| stage.is_for(it));
            crew = self.phase(crew, stage, is_meant, course.shown).await;
        }
        for member in &mut crew.members {
            member.settle_note(&self.events).await;
        }
        crew
    }

    /// New nodes are connected to as their image's user, all others as admin.
    pub(super) async fn connect_first(&self, crew: Crew) -> Crew {
        let members = self
            .each(crew.members, |mut member, fleet| {
                let admin = self.admin_of(member.service.name()).clone();
                let span = member.span();
                let connect = async move {
                    let image_user =
                        member.node.image_user.clone().filter(|_| !member.node.bootstrapped);
                    let login = match image_user {
                        Some(user) => user.or_keys_of(&admin),
                        None => admin,
                    };
                    tokio::select! {
                        () = member.connect(&login, &fleet.connector, &fleet.events) => {}
                        () = fleet.control.until_stopped() => {}
                    }
                    member
                };
                connect.instrument(span)
            })
            .await;
        Crew { members, ..crew }
    }

    /// Runs the pure `settings` phase of every node; what it sets is seen by all afterwards.
    pub(super) fn settle_settings(&self, crew: &mut Crew) {
        let targets = Nodes::from(crew.targets());
        for member in &mut crew.members {
            let role = member.role.clone();
            let Some(phase) = role.group.server.phases.get("settings") else { continue };
            let environment = self.environment_of(member.service.name(), &role.group.environment);
            let scene = Scene::new(&targets, &environment);
            let compiled = compile("settings", phase, &member.target, scene);
            match compiled.and_then(only_settings) {
                Ok(settings) => member.target.settings.extend(settings),
                Err(error) => {
                    member.fail(plan_failure("settings", error), Duration::ZERO, &self.events);
                }
            }
        }
        for other in &mut crew.others {
            let group = self.considered.iter().find(|group| group.name.as_str() == other.group);
            let Some(group) = group else { continue };
            let Some(phase) = group.server.phases.get("settings") else { continue };
            let service = self.service_of(group);
            let service = service.as_ref().map_or("", |service| service.name());
            let environment = self.environment_of(service, &group.environment);
            let compiled = compile("settings", phase, other, Scene::new(&targets, &environment));
            match compiled.and_then(only_settings) {
                Ok(settings) => other.settings.extend(settings),
                // It is not worked on: that it could not be is no failure of this run.
                Err(error) => tracing::warn!(%error, node = other.name, "settings are not known"),
            }
        }
    }

    /// Bootstraps new nodes as their image's user, then connects to them as admin.
    async fn bootstrap(&self, crew: Crew, shown: Option<&Shown>) -> Crew {
        let is_new = |member: &Member| !member.node.bootstrapped;
        let crew = self.phase(crew, &Stage::everywhere("bootstrap"), is_new, shown).await;
        let members = self
            .each(crew.members, |mut member, fleet| {
                let admin = self.admin_of(member.service.name()).clone();
                async move {
                    let is_settled = member.node.bootstrapped || member.is_failed();
                    let is_begun = fleet.control.stopped().is_none();
                    if is_settled || !is_begun || fleet.options.mode == Mode::Check {
                        return member;
                    }
                    member.connect(&admin, &fleet.connector, &fleet.events).await;
                    if !member.is_failed() {
                        member.note_bootstrapped();
                    }
                    member
                }
            })
            .await;
        Crew { members, ..crew }
    }

    /// Carries out one phase on all members that are meant, have it and have not failed. After
    /// the run was stopped no phase is begun.
    pub(super) async fn phase(
        &self,
        mut crew: Crew,
        stage: &Stage,
        is_meant: impl Fn(&Member) -> bool,
        shown: Option<&Shown>,
    ) -> Crew {
        self.heed_failures(&crew.members);
        if self.control.stopped().is_some() {
            return crew;
        }
        let has_it = |member: &Member| {
            is_meant(member) && member.role.group.server.phases.contains_key(&stage.call.name)
        };
        let (meant, resting): (Vec<_>, Vec<_>) =
            std::mem::take(&mut crew.members).into_iter().partition(has_it);
        crew.members = resting;
        if meant.is_empty() {
            return crew;
        }
        let mut targets = crew.targets();
        targets.extend(meant.iter().map(|member| member.target.clone()));
        targets.sort_by(|one, two| one.name.cmp(&two.name));
        let targets = Nodes::from(targets);
        let name: Arc<str> = stage.label.as_str().into();
        let mut compiled: Vec<(Member, Option<Compiled>)> = Vec::new();
        for mut member in meant {
            let mut found = self.compile(&mut member, stage, &targets);
            if let (Some(found), Some(shown)) = (&mut found, shown) {
                shown.restrict(&member.node.name, &name, &mut found.actions);
            }
            compiled.push((member, found));
        }
        let worked = self
            .each(compiled, |(mut member, compiled), fleet| {
                let name = name.clone();
                let span = member.span();
                let work = async move {
                    let Some(compiled) = compiled else { return member };
                    member.target.settings.extend(compiled.settings);
                    let actions = &compiled.actions;
                    if member.is_expected {
                        member.report.phases.push(expected_phase(&name, actions));
                    } else if let Some(connection) = &mut member.connection {
                        let run = PhaseRun {
                            node: &member.node.name,
                            phase: &name,
                            actions,
                            mode: fleet.options.mode,
                            events: &fleet.events,
                            control: &fleet.control,
                        };
                        let mut report = run_phase(connection, run).await;
                        member.target.values.extend(report.values.clone());
                        for value in report.values.values_mut() {
                            *value = redact(value).into_owned();
                        }
                        member.report.phases.push(report);
                    }
                    member
                };
                work.instrument(span)
            })
            .await;
        crew.members.extend(worked);
        crew.sort();
        crew
    }

    /// With fail-fast, a node that has failed outside of any phase stops the run, too.
    fn heed_failures(&self, members: &[Member]) {
        let failed = members.iter().find(|member| member.is_failed());
        if let Some(member) = failed.filter(|_| self.control.fail_fast) {
            self.control.stop(format!("{} failed", member.node.name));
        }
    }

    fn compile(&self, member: &mut Member, stage: &Stage, targets: &Nodes) -> Option<Compiled> {
        if member.is_failed() {
            return None;
        }
        let (name, label) = (&stage.call.name, &stage.label);
        let role = member.role.clone();
        let phase: &Phase = role.group.server.phases.get(name)?;
        let environment = self.environment_of(member.service.name(), &role.group.environment);
        let scene = Scene::new(targets, &environment).with_arguments(&stage.call.arguments);
        match compile(name, phase, &member.target, scene) {
            Ok(compiled) => Some(compiled),
            // What is wrong may well be only that the node is not known yet.
            Err(error) if member.is_expected => {
                member.report.phases.push(unknown_phase(label, phase, &error));
                None
            }
            Err(error) => {
                member.fail(plan_failure(label, error), Duration::ZERO, &self.events);
                None
            }
        }
    }

    /// Does something to each item in parallel, bounded; the order stays.
    pub(super) async fn each<T, R, F, W>(&self, items: Vec<T>, work: F) -> Vec<R>
    where
        T: Send + 'static,
        R: Send + 'static,
        F: Fn(T, Shared) -> W,
        W: Future<Output = R> + Send + 'static,
    {
        let gate = Arc::new(Semaphore::new(self.options.parallel.max(1)));
        let shared = Shared {
            connector: Arc::new(self.connector.clone()),
            options: self.options,
            events: self.events.clone(),
            control: self.control.clone(),
        };
        let mut tasks = JoinSet::new();
        for (position, item) in items.into_iter().enumerate() {
            let (gate, job) = (gate.clone(), work(item, shared.clone()));
            let task = async move {
                let _permit = gate.acquire_owned().await;
                (position, job.await)
            };
            tasks.spawn(task.in_current_span());
        }
        let mut done = tasks.join_all().await;
        done.sort_by_key(|(position, _)| *position);
        done.into_iter().map(|(_, result)| result).collect()
    }
}

/// What tasks of one node need of the fleet.
#[derive(Clone)]
pub(super) struct Shared {
    pub connector: Arc<Connector>,
    pub options: super::RunOptions,
    pub events: crate::event::Events,
    pub control: Control,
}

/// Ends all connections and adds what happened to the report.
pub(super) async fn finish(crew: Crew, report: &mut Report) {
    for member in crew.members {
        report.nodes.push(member.finish().await);
    }
    report.nodes.sort_by(|one, two| one.node.cmp(&two.node));
}

fn only_settings(compiled: Compiled) -> Result<Map<String, Value>, PlanError> {
    match compiled.actions.first() {
        None => Ok(compiled.settings),
        Some(planned) => Err(PlanError {
            action: Some(planned.action.name().to_owned()),
            ..PlanError::new(
                &planned.origin,
                "the phase `settings` is pure and cannot carry out actions",
            )
            .help("move the step to `configure`")
        }),
    }
}

fn plan_failure(phase: &str, error: PlanError) -> Failure {
    Failure {
        node: None,
        phase: phase.to_owned(),
        action: error.action,
        origin: Some(error.origin),
        message: error.message,
        help: error.help,
        output: String::new(),
    }
}

const NOT_THERE: &str = "the node does not run yet";

/// What a phase would do on a node that cannot be looked at.
fn expected_phase(phase: &str, actions: &[PlannedAction]) -> PhaseReport {
    let told = |planned: &PlannedAction| ActionReport {
        action: planned.action.name().to_owned(),
        subject: planned.action.subject(),
        origin: planned.origin.clone(),
        status: Status::MayChange { reason: NOT_THERE.to_owned() },
        details: Vec::new(),
        diff: None,
        output: String::new(),
        begun: None,
        duration: Duration::ZERO,
        ground: None,
        earlier: false,
    };
    phase_report(phase, actions.iter().map(told).collect())
}

/// A phase of which it is not known what it would do.
fn unknown_phase(name: &str, phase: &Phase, error: &PlanError) -> PhaseReport {
    let origin = phase.steps.first().map_or(&error.origin, |step: &Step| &step.origin);
    phase_report(
        name,
        vec![ActionReport {
            action: "phase".to_owned(),
            subject: name.to_owned(),
            origin: origin.clone(),
            status: Status::MayChange {
                reason: format!("{NOT_THERE}, and as far as it is known: {error}"),
            },
            details: Vec::new(),
            diff: None,
            output: String::new(),
            begun: None,
            duration: Duration::ZERO,
            ground: None,
            earlier: false,
        }],
    )
}

fn phase_report(phase: &str, actions: Vec<ActionReport>) -> PhaseReport {
    PhaseReport {
        phase: phase.to_owned(),
        actions,
        begun: None,
        duration: Duration::ZERO,
        failure: None,
        values: BTreeMap::new(),
    }
}
