//! One exchange with a node: a program runs, within its time, and unless the run is to stop.

use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout};

use tracing::Instrument;

use super::connection::Opener;
use super::phase::PhaseRun;
use crate::event::Event;
use crate::session::{Progress, Session, SessionError};

/// How long ending what a program runs may take.
const ENDING: Duration = Duration::from_secs(20);

/// How long the parts of a program may take.
pub(super) enum Pace<'a> {
    /// Probes: this long, all together. They can be given up at any time.
    Look(Duration),
    /// Actions: each so long. The one that runs is always finished.
    Apply(&'a (dyn Fn(usize) -> Duration + Sync)),
}

/// Why an exchange did not come to its end.
pub(super) enum Halt {
    /// The session failed.
    Session(SessionError),
    /// The run is to stop.
    Stopped,
}

impl From<SessionError> for Halt {
    fn from(error: SessionError) -> Self {
        Self::Session(error)
    }
}

/// What a program told on the way, for the caller.
pub(super) enum Told {
    /// A section begins.
    Began(usize),
    /// A section has ended; it was ended if it took longer than `overdue`. How long it `took` is known
    /// of those that are told of late.
    Ended {
        section: usize,
        status: u32,
        output: Vec<u8>,
        overdue: Option<Duration>,
        took: Option<Duration>,
    },
    /// The node is this run's; these are the lines of its log that were asked for.
    Locked(String),
}

/// Waits until a program that was sent is over.
pub(super) async fn exchange(
    session: &mut Session,
    (opener, user): (&Opener, Option<&str>),
    run: &PhaseRun<'_>,
    pace: Pace<'_>,
    tell: impl FnMut(Told),
) -> Result<(), Halt> {
    let span = tracing::debug_span!("exchange");
    follow(session, (opener, user), run, pace, tell).instrument(span).await
}

async fn follow(
    session: &mut Session,
    (opener, user): (&Opener, Option<&str>),
    run: &PhaseRun<'_>,
    pace: Pace<'_>,
    mut tell: impl FnMut(Told),
) -> Result<(), Halt> {
    let control = run.control;
    let (is_look, first) = match pace {
        Pace::Look(limit) => (true, limit),
        Pace::Apply(_) => (false, control.limits.action),
    };
    let mut limit = first;
    let mut deadline = Instant::now() + limit;
    let mut overdue = None;
    let mut is_told_to_stop = false;
    let mut is_stopped = false;
    loop {
        tokio::select! {
            progress = session.progress() => match progress? {
                Progress::Began(section) => {
                    if let Pace::Apply(limit_of) = &pace {
                        limit = limit_of(section);
                        deadline = Instant::now() + limit;
                    }
                    tell(Told::Began(section));
                }
                Progress::Ended { section, status, output, took } => {
                    let overdue = overdue.take();
                    tell(Told::Ended { section, status, output, overdue, took });
                    if !is_look {
                        limit = first;
                        deadline = Instant::now() + limit;
                    }
                }
                Progress::Stopped => is_stopped = true,
                Progress::Done if is_stopped => return Err(Halt::Stopped),
                Progress::Done => return Ok(()),
                Progress::Waiting(holder) => {
                    deadline = Instant::now() + control.limits.lock + ENDING;
                    run.events.send(Event::NodeBusy {
                        node: run.node.to_owned(),
                        holder: holder.to_string(),
                        patience: control.limits.lock.as_secs(),
                    });
                }
                Progress::Unlockable => {
                    run.events.send(Event::NodeNotLocked { node: run.node.to_owned() });
                }
                Progress::Locked { log } => {
                    deadline = Instant::now() + limit;
                    tell(Told::Locked(log));
                }
                Progress::Noted => {}
                odd @ (Progress::Has(_) | Progress::Put { .. } | Progress::PutWrong | Progress::PutFailed) => {
                    let reason = format!("{odd:?} from a program");
                    return Err(SessionError::Protocol { reason }.into());
                }
            },
            () = sleep_until(deadline) => {
                let what = if is_look { "being looked at" } else { "an action" };
                let given_up = SessionError::Overdue { what, after: limit };
                if overdue.replace(limit).is_some() {
                    return Err(given_up.into());
                }
                deadline = Instant::now() + ENDING;
                let process = session.process_id();
                let ended = timeout(ENDING, async {
                    opener.open(user).await?.end_work_of(process).await
                });
                if !matches!(ended.await, Ok(Ok(()))) || is_look {
                    return Err(given_up.into());
                }
            }
            () = control.until_stopped(), if !is_told_to_stop => {
                if is_look {
                    return Err(Halt::Stopped);
                }
                is_told_to_stop = true;
                session.send_stop();
            }
        }
    }
}
