//! Carrying out what a wave has decided.

use std::time::{Duration, Instant};

use super::connection::Connection;
use super::exchange::{Halt, Pace, Told, exchange};
use super::hints::hint;
use super::output::shorten;
use super::phase::{Runner, Stop};
use super::wave::Pending;
use crate::report;
use crate::secret::redact;
use crate::session::{Program, Task};

/// How the actions of one program ended.
struct Ran<'a> {
    /// When the action that runs has begun, or could have: when the one before was over.
    begun: Instant,
    /// The action that runs.
    current: Option<usize>,
    /// Those that have ended, with whether they succeeded.
    ended: Vec<(&'a Pending, bool)>,
    failed: Option<Stop>,
    /// Of the action that runs.
    span: tracing::Span,
}

impl Runner<'_> {
    /// Carries out changes, in order, in one program.
    pub(super) async fn apply(
        &mut self,
        connection: &mut Connection,
        user: Option<&str>,
        mut changes: Vec<Pending>,
    ) -> Result<(), Stop> {
        self.name_actions();
        let uploads = self.upload(connection, user, &changes).await?;
        let boot = connection.boot().to_owned();
        let names = self.ids.clone();
        let name = |change: &Pending| names.get(change.position).map_or("", String::as_str);
        let ids = |changes: &[&Pending]| {
            changes.iter().map(|change| name(change)).collect::<Vec<_>>().join(" ")
        };
        // The log is root's: what happens in other sessions is written there before and after.
        if user.is_some() {
            let sent = format!("sent {}", ids(&changes.iter().collect::<Vec<_>>()));
            self.say(connection, &[sent]).await?;
        }

        let opener = connection.opener();
        let session = connection.session(user).await?;
        let tasks: Vec<Task<'_>> = changes
            .iter()
            .map(|change| Task {
                fragment: &change.fragment,
                id: name(change),
                ends_session: change.fragment.restart().is_some(),
            })
            .collect();
        session.send(&Program::fragments(tasks, uploads.as_deref()));
        changes.iter_mut().for_each(|change| change.fragment.forget_code());
        let limits: Vec<Duration> = changes.iter().map(|change| self.limit(change)).collect();
        let run = self.run;
        let limit =
            |section: usize| limits.get(section).copied().unwrap_or(run.control.limits.action);
        let mut ran = Ran {
            begun: Instant::now(),
            current: None,
            ended: Vec::new(),
            failed: None,
            span: tracing::Span::none(),
        };
        let over = exchange(session, (&opener, user), &run, Pace::Apply(&limit), |told| {
            self.take_step(&changes, &mut ran, told);
        })
        .await;

        let Ran { current, ended, failed, .. } = ran;
        let restart = changes.last().and_then(|last| Some((last, last.fragment.restart()?)));
        if let Some((change, patience)) = restart
            && failed.is_none()
            && !matches!(over, Err(Halt::Stopped))
            && (current == Some(change.position)
                || ended.last().is_some_and(|(last, _)| last.position == change.position))
        {
            return self.restart(connection, change, &boot, patience).await;
        }
        if user.is_some() && !matches!(over, Err(Halt::Session(_))) {
            let with = |wanted: bool| {
                let of = ended.iter().filter(|(_, ok)| *ok == wanted);
                of.map(|(change, _)| *change).collect::<Vec<_>>()
            };
            let begun =
                |change: &&Pending| ended.iter().any(|(it, _)| it.position == change.position);
            let unsent: Vec<_> = changes.iter().filter(|change| !begun(change)).collect();
            let notes = [("done", with(true)), ("failed", with(false)), ("unsent", unsent)];
            let notes = notes.into_iter().filter(|(_, changes)| !changes.is_empty());
            let notes: Vec<_> =
                notes.map(|(word, changes)| format!("{word} {}", ids(&changes))).collect();
            self.say(connection, &notes).await?;
        }
        // What an action said of its own failure explains more than how the session ended then;
        // a session that breaks while an action runs is that action's failure.
        match failed {
            Some(stop) => Err(stop),
            None => over.map_err(|halt| Stop::from(halt).at(current)),
        }
    }

    /// How long a change may take.
    fn limit(&self, change: &Pending) -> Duration {
        let planned = self.run.actions.get(change.position);
        planned.and_then(|planned| planned.timeout).unwrap_or(self.run.control.limits.action)
    }

    fn take_step<'c>(&mut self, changes: &'c [Pending], ran: &mut Ran<'c>, told: Told) {
        match told {
            Told::Began(section) => {
                ran.current = changes.get(section).map(|change| change.position);
                if let Some(planned) = ran.current.and_then(|at| self.run.actions.get(at)) {
                    let subject = planned.action.subject();
                    let (name, subject) = (planned.action.name(), &*redact(&subject));
                    ran.span = tracing::debug_span!("action", name, subject);
                }
                self.tell_started(ran.current);
            }
            Told::Ended { section, status, output, overdue, took } => {
                let Some(change) = changes.get(section) else { return };
                let output = shorten(&output);
                ran.span.in_scope(|| tracing::debug!(status, "ended"));
                ran.span = tracing::Span::none();
                if let Some(work) = self.work.get_mut(change.position) {
                    work.duration = took.unwrap_or_else(|| ran.begun.elapsed());
                    work.begun = Some(report::begun(ran.begun.elapsed()));
                    work.output.clone_from(&output);
                }
                // Those that are told of together were one after the other.
                let now = Instant::now();
                ran.begun = took.map_or(now, |took| now.min(ran.begun + took));
                ran.current = None;
                ran.ended.push((change, status == 0));
                if status == 0 {
                    self.waves.applied(change);
                    self.tell_settled();
                    return;
                }
                let (message, help) = match overdue {
                    Some(limit) => (
                        format!("it took longer than {} s and was ended", limit.as_secs_f32()),
                        Some("give its step more time with `timeout`".to_owned()),
                    ),
                    None => (format!("it ended with exit status {status}"), hint(status, &output)),
                };
                if let Some(journal) = &self.run.control.journal {
                    let id = self.id(change.position);
                    journal.failed(self.run.node, self.run.phase, id, &message);
                }
                ran.failed =
                    Some(Stop::Failed { position: Some(change.position), message, help, output });
            }
            Told::Locked(_) => {}
        }
    }

    /// Puts long contents on the node. The folder in which they are is returned, if there are any.
    async fn upload(
        &mut self,
        connection: &mut Connection,
        user: Option<&str>,
        changes: &[Pending],
    ) -> Result<Option<String>, Stop> {
        let control = self.run.control;
        let folder = connection.folder(control);
        let mut there = None;
        for change in changes {
            for upload in change.fragment.uploads() {
                let put = connection.put(user, upload, folder.as_deref());
                let put = tokio::select! {
                    put = put => put,
                    () = control.until_stopped() => return Err(Stop::Asked),
                };
                there = Some(put.map_err(|error| Stop::from(error).at(Some(change.position)))?);
            }
        }
        Ok(there)
    }

    /// Waits until the node has started anew; then the change is done.
    async fn restart(
        &mut self,
        connection: &mut Connection,
        change: &Pending,
        boot: &str,
        patience: Duration,
    ) -> Result<(), Stop> {
        let begun = Instant::now();
        let control = self.run.control;
        let back = tokio::select! {
            back = connection.come_back(boot, patience) => back,
            () = control.until_stopped() => return Err(Stop::Asked),
        };
        back.map_err(|error| {
            let message = format!("the node did not start anew: {error}");
            let help =
                Some("look at its console; `timeout` of the step gives it more time".to_owned());
            Stop::Failed { position: Some(change.position), message, help, output: String::new() }
        })?;
        if let Some(work) = self.work.get_mut(change.position) {
            work.duration += begun.elapsed();
            work.begun = Some(report::begun(work.duration));
        }
        self.waves.applied(change);
        self.tell_settled();
        self.take_node(connection, true).await?;
        let done = format!("done {}", self.id(change.position));
        self.say(connection, &[done]).await
    }
}
