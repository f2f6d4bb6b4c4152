//! Phases over many nodes: a phase is a barrier, nodes run in parallel.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::Fleet;
use super::member::Member;
use crate::action::Mode;
use crate::engine::{Connector, Control, PhaseRun, run_phase};
use crate::plan::{Compiled, PlanError, Scene, compile};
use crate::report::{Failure, Report};
use crate::spec::Phase;

impl Fleet {
    /// Connects to all members and brings them through `phases`. Returns them for more.
    pub(super) async fn work(&self, members: Vec<Member>, phases: &[String]) -> Vec<Member> {
        let mut members = self.connect_first(members).await;
        self.settle_settings(&mut members);
        members = self.bootstrap(members).await;
        for phase in phases {
            members = self.phase(members, phase).await;
        }
        members
    }

    /// New nodes are connected to as their image's user, all others as admin.
    pub(super) async fn connect_first(&self, members: Vec<Member>) -> Vec<Member> {
        let admin = Arc::new(self.admin.clone());
        self.each(members, |mut member, fleet| {
            let admin = admin.clone();
            async move {
                let image_user =
                    member.node.image_user.clone().filter(|_| !member.node.bootstrapped);
                let login = image_user.as_ref().unwrap_or(&admin);
                member.connect(login, &fleet.connector, &fleet.events).await;
                member
            }
        })
        .await
    }

    /// Runs the pure `settings` phase of every member; what it sets is seen by all afterwards.
    fn settle_settings(&self, members: &mut [Member]) {
        let targets: Vec<_> = members.iter().map(|member| member.target.clone()).collect();
        let scene = Scene { nodes: &targets, environment: &self.environment };
        for member in members {
            let group = member.group.clone();
            let Some(phase) = group.server.phases.get("settings") else { continue };
            let compiled = compile("settings", phase, &member.target, scene);
            match compiled.and_then(only_settings) {
                Ok(settings) => member.target.settings.extend(settings),
                Err(error) => {
                    member.fail(plan_failure("settings", error), Duration::ZERO, &self.events);
                }
            }
        }
    }

    /// Bootstraps new nodes as their image's user, then connects to them as admin.
    async fn bootstrap(&self, members: Vec<Member>) -> Vec<Member> {
        let (new, mut others): (Vec<_>, Vec<_>) = members
            .into_iter()
            .partition(|member| !member.node.bootstrapped && !member.is_failed());
        let new = self.phase(new, "bootstrap").await;
        let admin = Arc::new(self.admin.clone());
        let new = self
            .each(new, |mut member, fleet| {
                let admin = admin.clone();
                async move {
                    if member.is_failed() || fleet.options.mode == Mode::Check {
                        return member;
                    }
                    member.connect(&admin, &fleet.connector, &fleet.events).await;
                    if member.is_failed() {
                        return member;
                    }
                    match member.service.set_bootstrapped(&member.node).await {
                        Ok(()) => member.node.bootstrapped = true,
                        Err(error) => {
                            let failure = Failure::new("bootstrap", error.message).help(error.help);
                            member.fail(failure, Duration::ZERO, &fleet.events);
                        }
                    }
                    member
                }
            })
            .await;
        others.extend(new);
        others.sort_by(|one, two| one.node.name.cmp(&two.node.name));
        others
    }

    /// Carries out one phase on all members that have it and have not failed.
    pub(super) async fn phase(&self, members: Vec<Member>, name: &str) -> Vec<Member> {
        let targets: Vec<_> = members.iter().map(|member| member.target.clone()).collect();
        let scene = Scene { nodes: &targets, environment: &self.environment };
        let name: Arc<str> = name.into();

        let compiled: Vec<(Member, Option<Compiled>)> = members
            .into_iter()
            .map(|mut member| {
                let compiled = self.compile(&mut member, &name, scene);
                (member, compiled)
            })
            .collect();
        self.each(compiled, |(mut member, compiled), fleet| {
            let name = name.clone();
            async move {
                if let (Some(connection), Some(compiled)) = (&mut member.connection, compiled) {
                    let run = PhaseRun {
                        node: &member.node.name,
                        phase: &name,
                        actions: &compiled.actions,
                        mode: fleet.options.mode,
                        events: &fleet.events,
                        control: &fleet.control,
                    };
                    member.report.phases.push(run_phase(connection, run).await);
                }
                member
            }
        })
        .await
    }

    fn compile(&self, member: &mut Member, name: &str, scene: Scene<'_>) -> Option<Compiled> {
        if member.is_failed() {
            return None;
        }
        let group = member.group.clone();
        let phase: &Phase = group.server.phases.get(name)?;
        compile(name, phase, &member.target, scene)
            .map_err(|error| member.fail(plan_failure(name, error), Duration::ZERO, &self.events))
            .ok()
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
            tasks.spawn(async move {
                let _permit = gate.acquire_owned().await;
                (position, job.await)
            });
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
pub(super) async fn finish(members: Vec<Member>, report: &mut Report) {
    for member in members {
        report.nodes.push(member.finish().await);
    }
}

fn only_settings(
    compiled: Compiled,
) -> Result<serde_json::Map<String, serde_json::Value>, PlanError> {
    match compiled.actions.first() {
        None => Ok(compiled.settings),
        Some(planned) => Err(PlanError {
            message: "the phase `settings` is pure and cannot carry out actions".to_owned(),
            help: Some("move the step to `configure`".to_owned()),
            origin: planned.origin.clone(),
            action: Some(planned.action.name().to_owned()),
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
