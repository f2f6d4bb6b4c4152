//! Carrying out one phase on one node.

use std::time::{Duration, Instant};

use tracing::Instrument;

use super::connection::Connection;
use super::control::Control;
use super::deeds::{self, Deed, Deeds};
use super::exchange::{Halt, Pace, Told, exchange};
use super::foresight::Foresight;
use super::output::shorten;
use super::wave::Waves;
use crate::action::{Knowledge, Mode, ProbeSet};
use crate::event::{Event, Events};
use crate::plan::PlannedAction;
use crate::report::PhaseReport;
use crate::session::{LockRequest, Program, SessionError};

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
    let span = tracing::info_span!("phase", name = run.phase);
    carry_out(connection, run).instrument(span).await
}

async fn carry_out(connection: &mut Connection, run: PhaseRun<'_>) -> PhaseReport {
    let started = Instant::now();
    let facts = connection.facts().clone();
    let mut foresight = std::mem::take(&mut connection.foresight);
    // To look at a phase once more is a new beginning, and what is changed need not be foreseen.
    if run.mode == Mode::Apply || foresight.is_of(run.phase) {
        foresight = Foresight::default();
    }
    let mut runner = Runner {
        run,
        waves: Waves::new(run.actions, &facts, run.mode, foresight),
        work: run.actions.iter().map(|_| Work::default()).collect(),
        ids: Vec::new(),
        deeds: Vec::new(),
    };
    run.events.send(Event::PhaseStarted {
        node: run.node.to_owned(),
        phase: run.phase.to_owned(),
        actions: run.actions.len(),
    });
    let stop = runner.run(connection).await.err();
    connection.foresight = runner.waves.foresight(run.phase);
    let report = runner.report(stop, started.elapsed());
    if let Some(failure) = &report.failure {
        run.events.send(Event::Failed { failure: failure.clone() });
        if run.control.fail_fast {
            run.control.stop(format!("{} failed", run.node));
        }
    }
    run.events
        .send(Event::PhaseFinished { node: run.node.to_owned(), phase: run.phase.to_owned() });
    report
}

pub(super) struct Runner<'a> {
    pub run: PhaseRun<'a>,
    pub waves: Waves<'a>,
    /// What each action did on the node.
    pub work: Vec<Work>,
    /// The actions' names in the run log and the journal, once one is needed.
    pub ids: Vec<String>,
    /// What the broken part of a resumed run has done of each action; empty for other runs.
    pub deeds: Vec<Option<Deed>>,
}

#[derive(Default, Clone)]
pub(super) struct Work {
    pub output: String,
    pub begun: Option<u64>,
    pub duration: Duration,
    pub is_told: bool,
}

/// Why a phase stopped.
pub(super) enum Stop {
    /// Something failed.
    Failed { position: Option<usize>, message: String, help: Option<String>, output: String },
    /// The run is to stop: nobody failed.
    Asked,
}

impl Stop {
    /// Says which action failed, unless that is known.
    pub fn at(mut self, failed: Option<usize>) -> Self {
        if let Self::Failed { position, .. } = &mut self {
            *position = position.or(failed);
        }
        self
    }
}

impl From<SessionError> for Stop {
    fn from(error: SessionError) -> Self {
        Self::Failed {
            position: None,
            help: error.help(),
            message: error.to_string(),
            output: String::new(),
        }
    }
}

impl From<Halt> for Stop {
    fn from(halt: Halt) -> Self {
        match halt {
            Halt::Session(error) => error.into(),
            Halt::Stopped => Self::Asked,
        }
    }
}

impl Runner<'_> {
    async fn run(&mut self, connection: &mut Connection) -> Result<(), Stop> {
        if connection.is_taken {
            self.remember(&connection.deeds);
        }
        while !self.waves.is_done() {
            if self.run.control.stopped().is_some() {
                return Err(Stop::Asked);
            }
            let wanted = self.waves.wanted();
            let open_before = self.waves.open();
            let looks = !wanted.is_empty();
            self.take_node(connection, looks).await?;
            if looks {
                let seen = self.probe(connection, &wanted).await?;
                self.waves.learn(seen);
            }
            let user = self.waves.user().map(str::to_owned);
            let changes = self.waves.decide().map_err(|(position, error)| Stop::Failed {
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
        Stop::Failed {
            position: self.waves.outcomes().iter().position(Option::is_none),
            message: "the action asks for something that its probes never answer".to_owned(),
            help: Some("this is a mistake in the action".to_owned()),
            output: String::new(),
        }
    }

    /// Asks for the node's lock, unless it is this run's. The question goes ahead of the first
    /// probes, and costs no exchange of its own where there are some.
    pub(super) async fn take_node(
        &mut self,
        connection: &mut Connection,
        looks: bool,
    ) -> Result<(), Stop> {
        if self.run.mode == Mode::Check || connection.is_taken {
            return Ok(());
        }
        connection.is_taken = true;
        let control = self.run.control;
        let folder = connection.folder(control);
        let session = connection.session(None).await?;
        session.send_lock(LockRequest {
            wait: control.limits.lock.as_secs(),
            run: &control.run,
            resumes: control.resumes(),
            holder: &control.holder,
            folder: folder.as_deref(),
        });
        if !looks || self.waves.user().is_some() {
            self.say(connection, &[]).await?;
        }
        Ok(())
    }

    /// Writes lines to the node's run log.
    pub(super) async fn say(
        &mut self,
        connection: &mut Connection,
        notes: &[String],
    ) -> Result<(), Stop> {
        let opener = connection.opener();
        let session = connection.session(None).await?;
        notes.iter().for_each(|note| session.send_note(note));
        session.send(&Program::default());
        let mut log = None;
        let pace = Pace::Look(self.run.control.limits.look);
        exchange(session, (&opener, None), &self.run, pace, |told| {
            if let Told::Locked(lines) = told {
                log = Some(lines);
            }
        })
        .await?;
        self.take_in(connection, log);
        Ok(())
    }

    async fn probe(
        &mut self,
        connection: &mut Connection,
        wanted: &ProbeSet,
    ) -> Result<Knowledge, Stop> {
        let opener = connection.opener();
        let user = self.waves.user();
        let session = connection.session(user).await?;
        let mut answers: Vec<Option<(u32, Vec<u8>)>> = wanted.batches().map(|_| None).collect();
        let mut log = None;
        session.send(&Program::probes(wanted));
        let pace = Pace::Look(self.run.control.limits.look);
        exchange(session, (&opener, user), &self.run, pace, |told| match told {
            Told::Ended { section, status, output, .. } => {
                if let Some(answer) = answers.get_mut(section) {
                    *answer = Some((status, output));
                }
            }
            Told::Locked(lines) => log = Some(lines),
            Told::Began(_) => {}
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
            learned.map_err(|reason| Stop::Failed {
                position: None,
                message: format!("the node could not be looked at ({}): {reason}", batch.name()),
                help: None,
                output: session.last_words(),
            })?;
        }
        self.take_in(connection, log);
        Ok(seen)
    }

    /// Takes in what the node's log says of an earlier part of this run.
    fn take_in(&mut self, connection: &mut Connection, log: Option<String>) {
        let Some(log) = log else { return };
        let control = self.run.control;
        let boot = connection.boot().to_owned();
        let mut deeds = Deeds::parse(&log, &boot);
        if let Some(journal) = control.journal.as_deref().filter(|_| control.resumes()) {
            journal.complete(self.run.node, &mut deeds);
        }
        connection.deeds = deeds;
        self.remember(&connection.deeds);
    }

    fn remember(&mut self, deeds: &Deeds) {
        if self.run.control.resumes() {
            self.name_actions();
            self.deeds = self.ids.iter().map(|id| deeds.get(id)).collect();
            self.waves.remember(self.deeds.clone(), self.run.control.again);
        }
    }

    /// Names the actions; that is put off until a name is needed, since mostly none is.
    pub(super) fn name_actions(&mut self) {
        if self.ids.is_empty() {
            self.ids = deeds::ids(self.run.phase, self.run.actions);
        }
    }

    pub(super) fn id(&self, position: usize) -> &str {
        self.ids.get(position).map(String::as_str).unwrap_or_default()
    }
}
