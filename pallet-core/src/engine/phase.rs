//! Carrying out one phase on one node.

use std::time::{Duration, Instant};

use super::connection::Connection;
use super::control::Control;
use super::output::shorten;
use super::wave::{Outcome, Pending, Waves};
use crate::action::{Knowledge, Mode, ProbeSet};
use crate::event::{Event, Events};
use crate::plan::PlannedAction;
use crate::report::{ActionReport, Failure, PhaseReport, Status};
use crate::session::{Program, Progress, SessionError};

/// What is to be carried out, and who is told.
#[derive(Debug, Clone, Copy)]
pub struct PhaseRun<'a> {
    /// The node's name, for events and reports.
    pub node: &'a str,
    /// The phase's name.
    pub phase: &'a str,
    /// The actions, in order.
    pub actions: &'a [PlannedAction],
    /// Whether to change or only to look.
    pub mode: Mode,
    /// Who is told.
    pub events: &'a Events,
    /// What all nodes of the run share.
    pub control: &'a Control,
}

/// Carries out one phase on one node. What fails is in the report.
pub async fn run_phase(connection: &mut Connection, run: PhaseRun<'_>) -> PhaseReport {
    let started = Instant::now();
    let facts = connection.facts().clone();
    let mut runner = Runner {
        run,
        waves: Waves::new(run.actions, &facts, run.mode, std::mem::take(&mut connection.foresight)),
        work: run.actions.iter().map(|_| Work::default()).collect(),
    };
    run.events.send(Event::PhaseStarted {
        node: run.node.to_owned(),
        phase: run.phase.to_owned(),
        actions: run.actions.len(),
    });
    let failure = runner.run(connection).await.err().map(|stop| runner.failure(stop));
    connection.foresight = runner.waves.foresight(run.phase);
    let report = runner.report(failure, started.elapsed());
    if let Some(failure) = &report.failure {
        run.events.send(Event::Failed { failure: failure.clone() });
    }
    run.events
        .send(Event::PhaseFinished { node: run.node.to_owned(), phase: run.phase.to_owned() });
    report
}

struct Runner<'a> {
    run: PhaseRun<'a>,
    waves: Waves<'a>,
    /// What each action did on the node.
    work: Vec<Work>,
}

#[derive(Default, Clone)]
struct Work {
    output: String,
    duration: Duration,
    is_told: bool,
}

/// Why a phase stopped.
struct Stop {
    position: Option<usize>,
    message: String,
    help: Option<String>,
    output: String,
}

impl From<SessionError> for Stop {
    fn from(error: SessionError) -> Self {
        Self {
            position: None,
            help: error.help(),
            message: error.to_string(),
            output: String::new(),
        }
    }
}

impl Runner<'_> {
    async fn run(&mut self, connection: &mut Connection) -> Result<(), Stop> {
        while !self.waves.is_done() {
            let wanted = self.waves.wanted();
            let open_before = self.waves.open();
            let looks = !wanted.is_empty();
            if looks {
                let seen = self.probe(connection, &wanted).await?;
                self.waves.learn(seen);
            }
            let user = self.waves.user().map(str::to_owned);
            let changes = self.waves.decide().map_err(|(position, error)| Stop {
                position: Some(position),
                message: error.message,
                help: error.help,
                output: String::new(),
            })?;
            self.tell_settled();
            let stands_still = !looks && changes.is_empty() && self.waves.open() == open_before;
            if !changes.is_empty() {
                self.apply(connection, user.as_deref(), changes).await?;
            }
            if stands_still {
                return Err(self.stuck());
            }
            if self.run.mode == Mode::Apply {
                self.waves.wave_over();
            }
        }
        Ok(())
    }

    /// An action that never gets the answers it asks for would go on asking for ever.
    fn stuck(&self) -> Stop {
        Stop {
            position: self.waves.outcomes().iter().position(Option::is_none),
            message: "the action asks for something that its probes never answer".to_owned(),
            help: Some("this is a mistake in the action".to_owned()),
            output: String::new(),
        }
    }

    async fn probe(
        &self,
        connection: &mut Connection,
        wanted: &ProbeSet,
    ) -> Result<Knowledge, Stop> {
        let session = connection.session(self.waves.user()).await?;
        let mut answers: Vec<Option<(u32, Vec<u8>)>> = wanted.batches().map(|_| None).collect();
        session
            .run(&Program::probes(wanted), |progress| {
                if let Progress::Ended { section, status, output } = progress
                    && let Some(answer) = answers.get_mut(section)
                {
                    *answer = Some((status, output));
                }
            })
            .await?;
        let mut seen = Knowledge::new();
        for (batch, answer) in wanted.batches().zip(answers) {
            let learned = match answer {
                Some((0, output)) => batch.learn(&output, &mut seen),
                Some((status, output)) => {
                    Err(format!("exit status {status}: {}", shorten(&output)))
                }
                None => Err("no answer".to_owned()),
            };
            learned.map_err(|reason| Stop {
                position: None,
                message: format!("the node could not be looked at ({}): {reason}", batch.name()),
                help: None,
                output: session.last_words(),
            })?;
        }
        Ok(seen)
    }

    async fn apply(
        &mut self,
        connection: &mut Connection,
        user: Option<&str>,
        changes: Vec<Pending>,
    ) -> Result<(), Stop> {
        let session = connection.session(user).await?;
        let program = Program::fragments(changes.iter().map(|change| &change.fragment));
        let mut begun = Instant::now();
        let mut current = None;
        let mut failed = None;
        let ran = session
            .run(&program, |progress| match progress {
                Progress::Began(section) => {
                    begun = Instant::now();
                    current = changes.get(section).map(|change| change.position);
                    self.tell_started(current);
                }
                Progress::Ended { section, status, output } => {
                    let Some(change) = changes.get(section) else { return };
                    let output = shorten(&output);
                    if let Some(work) = self.work.get_mut(change.position) {
                        work.duration = begun.elapsed();
                        work.output.clone_from(&output);
                    }
                    current = None;
                    if status == 0 {
                        self.waves.applied(change);
                        self.tell_settled();
                    } else {
                        failed = Some(Stop {
                            position: Some(change.position),
                            message: format!("it ended with exit status {status}"),
                            help: None,
                            output,
                        });
                    }
                }
            })
            .await;
        // What an action said of its own failure explains more than how the session ended then;
        // a session that breaks while an action runs is that action's failure.
        match failed {
            Some(stop) => Err(stop),
            None => ran.map_err(|error| Stop { position: current, ..Stop::from(error) }),
        }
    }

    fn tell_started(&self, position: Option<usize>) {
        if let Some(planned) = position.and_then(|at| self.run.actions.get(at)) {
            self.run.events.send(Event::ActionStarted {
                node: self.run.node.to_owned(),
                phase: self.run.phase.to_owned(),
                action: planned.action.name().to_owned(),
                subject: planned.action.subject(),
            });
        }
    }

    /// Tells of every action that has been settled since the last time.
    fn tell_settled(&mut self) {
        for (position, outcome) in self.waves.outcomes().iter().enumerate() {
            let (Some(outcome), Some(planned), Some(work)) =
                (outcome, self.run.actions.get(position), self.work.get_mut(position))
            else {
                continue;
            };
            if !std::mem::replace(&mut work.is_told, true) {
                self.run.events.send(Event::ActionFinished {
                    node: self.run.node.to_owned(),
                    phase: self.run.phase.to_owned(),
                    report: action_report(planned, outcome.clone(), work.clone()),
                });
            }
        }
    }

    fn failure(&self, stop: Stop) -> Failure {
        let planned = stop.position.and_then(|at| self.run.actions.get(at));
        Failure {
            node: Some(self.run.node.to_owned()),
            phase: self.run.phase.to_owned(),
            action: planned.map(|p| format!("{} {}", p.action.name(), p.action.subject())),
            origin: planned.map(|p| p.origin.clone()),
            message: stop.message,
            help: stop.help,
            output: stop.output,
        }
    }

    fn report(self, failure: Option<Failure>, duration: Duration) -> PhaseReport {
        // The first open action is the one that failed; with a failure outside of any action it
        // was not tried either.
        let mut is_failed_here = failure.as_ref().is_some_and(|failure| failure.action.is_some());
        let mut actions = Vec::new();
        let values = self.waves.values().clone();
        for ((planned, outcome), work) in
            self.run.actions.iter().zip(self.waves.outcomes()).zip(self.work)
        {
            let outcome = outcome.clone().unwrap_or_else(|| {
                let reason = "the node failed before".to_owned();
                let status = match std::mem::take(&mut is_failed_here) {
                    true => Status::Failed,
                    false => Status::Skipped { reason },
                };
                Outcome::bare(status)
            });
            actions.push(action_report(planned, outcome, work));
        }
        PhaseReport { phase: self.run.phase.to_owned(), actions, duration, failure, values }
    }
}

fn action_report(planned: &PlannedAction, outcome: Outcome, work: Work) -> ActionReport {
    ActionReport {
        action: planned.action.name().to_owned(),
        subject: planned.action.subject(),
        origin: planned.origin.clone(),
        status: outcome.status,
        details: outcome.details,
        diff: outcome.diff,
        ground: outcome.ground,
        output: work.output,
        duration: work.duration,
    }
}
