//! What happens while it happens: on terminals a view of what goes on, elsewhere calm lines.

mod live;
mod rehearse;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use pallet_core::action::Mode;
use pallet_core::engine::Control;
use pallet_core::event::Event;
use pallet_core::report::{ActionReport, Failure, Status};
use tokio::sync::mpsc::UnboundedReceiver;

use self::live::Live;
pub use self::rehearse::rehearse;
use crate::output::Output;
use crate::screen::{self, Size};
use crate::text::{Paint, count, duration, visible};

/// What takes longer than this is told of before it ends.
const LONG: Duration = Duration::from_secs(5);

/// The live view is looked at that often, and drawn if it has changed.
const FRAME: Duration = Duration::from_millis(100);

/// Of more nodes it is no longer told in lines what changed on each: the view counts it, and the
/// result tells of it.
const FEW: usize = 8;

/// Waiting for nodes, connecting to them and logging in.
const CONNECT: &str = "connect";

/// Turns events into lines, and remembers what is going on.
#[derive(Debug)]
pub struct Progress {
    output: Output,
    paint: Paint,
    mode: Mode,
    going_on: BTreeMap<String, Step>,
    /// Nodes that were created or started in this run; others should answer at once.
    fresh: BTreeSet<String>,
    node_width: usize,
    phase_width: usize,
    /// What the live view shows, if there is one.
    live: Option<Live>,
    /// All nodes that were told of.
    nodes: BTreeSet<String>,
    began: Instant,
}

/// What is going on on a node.
#[derive(Debug, Clone)]
struct Step {
    phase: String,
    what: String,
    since: Instant,
    /// When the node came into the phase.
    entered: Instant,
    /// An action, and not the time around it.
    is_action: bool,
    is_told: bool,
}

impl Progress {
    /// Nothing has happened yet.
    pub fn new(output: Output, mode: Mode) -> Self {
        Self {
            output,
            paint: output.err,
            mode,
            going_on: BTreeMap::new(),
            fresh: BTreeSet::new(),
            node_width: 0,
            phase_width: 0,
            live: output.is_live().then(Live::default),
            nodes: BTreeSet::new(),
            began: Instant::now(),
        }
    }

    /// Tells of events until there are no more.
    pub async fn follow(mut self, mut events: UnboundedReceiver<Event>, control: Control) {
        let second = Duration::from_secs(1);
        let mut clock = tokio::time::interval(if self.live.is_some() { FRAME } else { second });
        clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut is_stopping = false;
        loop {
            let lines = tokio::select! {
                event = events.recv() => match event {
                    Some(event) => self.tell(event),
                    None => break,
                },
                _ = clock.tick() => self.tick(),
                () = control.until_stopped(), if !is_stopping => {
                    is_stopping = true;
                    self.stopping(&control.stopped().unwrap_or_default())
                }
            };
            if !self.output.is_json() {
                lines.iter().for_each(|line| self.output.progress(line));
            }
        }
        screen::clear();
    }

    /// Draws the live view; without one, tells what takes long.
    fn tick(&mut self) -> Vec<String> {
        let Some(live) = &mut self.live else { return self.long_ones() };
        if let Some(size) = Size::now() {
            screen::draw(live.frame(&self.going_on, self.began, size, self.paint), size.columns);
        }
        Vec::new()
    }

    /// Notes an event; gives the lines that stay of it.
    fn tell(&mut self, event: Event) -> Vec<String> {
        let stays = self.stays(&event);
        let before = self.live.as_ref().and_then(|_| self.place_of(&event));
        let lines = self.lines(event);
        if let (Some(live), Some((node, before))) = (&mut self.live, before) {
            let after = self.going_on.get(&node).map(|step| step.phase.clone());
            if before != after {
                before.iter().for_each(|phase| live.leaves(&node, phase));
                after.iter().for_each(|phase| live.enters(&node, phase));
            }
        }
        if stays { lines } else { Vec::new() }
    }

    /// Of which node an event is, and what that was at until now.
    fn place_of(&self, event: &Event) -> Option<(String, Option<String>)> {
        let node = event.node()?.to_owned();
        let phase = self.going_on.get(&node).map(|step| step.phase.clone());
        Some((node, phase))
    }

    /// Whether lines of an event stay. What the live view shows need not be said, too.
    fn stays(&mut self, event: &Event) -> bool {
        self.nodes.extend(event.node().map(str::to_owned));
        let is_few = self.nodes.len() <= FEW || self.output.verbose > 0;
        let Some(live) = &mut self.live else { return true };
        match event {
            Event::PhaseStarted { node, phase, actions } => {
                live.has(node, phase, *actions);
                self.output.verbose > 0
            }
            Event::ActionFinished { node, phase, report } => {
                live.settles(node, phase);
                let is_change =
                    !matches!(report.status, Status::Unchanged | Status::Skipped { .. });
                live.changed += usize::from(is_change);
                is_few
            }
            Event::Failed { .. } => {
                live.failed += 1;
                true
            }
            Event::HostKeyAccepted { .. }
            | Event::NodeBusy { .. }
            | Event::NodeNotLocked { .. } => true,
            Event::Destroyed { .. } => is_few,
            _ => self.output.verbose > 0,
        }
    }

    /// Tells that the run stops, and what is finished first.
    fn stopping(&self, reason: &str) -> Vec<String> {
        let first = if self.going_on.is_empty() { "" } else { "; this is finished first:" };
        let mut lines = vec![visible(&format!("stopping, since {reason}{first}")).into_owned()];
        lines.extend(self.unfinished().into_iter().map(|line| format!("  {line}")));
        lines
    }

    fn unfinished(&self) -> Vec<String> {
        let line = |(node, step): (&String, &Step)| {
            visible(&format!("{node}  {}  {}", step.phase, step.what)).trim_end().to_owned()
        };
        self.going_on.iter().map(line).collect()
    }

    /// Notes an event; gives the lines that tell of it.
    fn lines(&mut self, event: Event) -> Vec<String> {
        match event {
            Event::Creating { node } => {
                self.fresh.insert(node.clone());
                self.begins(&node, "create", "creating")
            }
            Event::Starting { node } => {
                self.fresh.insert(node.clone());
                self.begins(&node, "start", "starting")
            }
            Event::Waiting { node } => {
                let is_fresh = self.fresh.contains(&node);
                let lines = self.begins(&node, CONNECT, "waiting until it answers");
                if is_fresh { lines } else { Vec::new() }
            }
            Event::Answered { node, address } => {
                self.going_on.remove(&node);
                let place = address.map(|at| format!(" at {at}")).unwrap_or_default();
                let line = self.line(&node, CONNECT, &format!("answers{place}"));
                let is_fresh = self.fresh.contains(&node);
                if is_fresh { vec![line] } else { self.if_verbose(vec![line]) }
            }
            Event::Destroying { node } => self.begins(&node, "destroy", "destroying"),
            Event::Destroyed { node } => {
                self.going_on.remove(&node);
                vec![self.line(&node, "destroy", &self.paint.yellow("destroyed"))]
            }
            Event::Connecting { node, address } => {
                let lines = self.begins(&node, CONNECT, &format!("connecting to {address}"));
                self.if_verbose(lines)
            }
            Event::Connected { node, user } => {
                self.going_on.remove(&node);
                let line = self.line(&node, CONNECT, &format!("connected as {user}"));
                self.if_verbose(vec![line])
            }
            Event::HostKeyAccepted { node, fingerprint } => {
                let what = format!("accepted the host key {fingerprint} on first contact");
                vec![self.line(&node, CONNECT, &what)]
            }
            Event::NodeBusy { node, holder, patience } => {
                let what = format!("waiting up to {patience} s: another run works on it, {holder}");
                vec![self.line(&node, "lock", &what)]
            }
            Event::NodeNotLocked { node } => {
                let what = "it has no `flock`: nothing keeps other runs away from it";
                vec![self.line(&node, "lock", what)]
            }
            Event::PhaseStarted { node, phase, actions } => {
                let lines = self.begins(&node, &phase, &count(actions, "action"));
                self.if_verbose(lines)
            }
            Event::ActionStarted { node, phase, action, subject } => {
                self.step(&node, &phase, &format!("{action} {subject}"), true);
                Vec::new()
            }
            Event::ActionFinished { node, phase, report } => {
                self.step(&node, &phase, "", false);
                self.action(&node, &phase, &report)
            }
            Event::PhaseFinished { node, .. } => {
                self.going_on.remove(&node);
                Vec::new()
            }
            Event::Failed { failure } => self.failure(&failure),
        }
    }

    fn action(&mut self, node: &str, phase: &str, report: &ActionReport) -> Vec<String> {
        let is_verbose = self.output.verbose > 0;
        if !self.output.tells_changes && !is_verbose {
            return Vec::new();
        }
        let status = match &report.status {
            Status::Unchanged if is_verbose => self.paint.green("unchanged"),
            Status::Skipped { reason } if is_verbose => {
                self.paint.dim(&format!("skipped: {}", visible(reason)))
            }
            // Failures have an event of their own.
            Status::Unchanged | Status::Skipped { .. } | Status::Failed => return Vec::new(),
            Status::Changed => self.paint.yellow("changed"),
            Status::WillChange => self.paint.yellow("would change"),
            Status::MayChange { reason } => {
                self.paint.yellow(&format!("may change: {}", visible(reason)))
            }
        };
        let subject = visible(&report.subject);
        let mut what = format!("{} {subject}  {status}", report.action);
        if self.mode == Mode::Apply && report.status == Status::Changed {
            what += &format!("  {}", self.paint.dim(&duration(report.duration)));
        }
        let mut lines = vec![self.line(node, phase, &what)];
        if self.mode == Mode::Check || is_verbose {
            lines.extend(report.details.iter().map(|detail| format!("    {}", visible(detail))));
            lines.extend(report.diff.iter().flat_map(|diff| diff.lines()).map(|line| {
                let shown = visible(line);
                match line.chars().next() {
                    Some('+') => format!("    {}", self.paint.green(&shown)),
                    Some('-') => format!("    {}", self.paint.red(&shown)),
                    _ => format!("    {shown}"),
                }
            }));
        }
        if is_verbose {
            lines.extend(visible(&report.output).lines().map(|line| format!("    | {line}")));
        }
        lines
    }

    fn failure(&mut self, failure: &Failure) -> Vec<String> {
        let node = failure.node.as_deref().unwrap_or("-");
        self.going_on.remove(node);
        let action = failure.action.iter().map(|action| format!("{}  ", visible(action)));
        let why = failure.message.lines().next().unwrap_or_default();
        let what: String =
            action.chain([self.paint.red(&format!("failed: {}", visible(why)))]).collect();
        vec![self.line(node, &failure.phase, &what)]
    }

    /// What has been going on for long and has not been told of.
    fn long_ones(&mut self) -> Vec<String> {
        let mut waiting = Vec::new();
        let mut actions = Vec::new();
        for (node, step) in &mut self.going_on {
            let is_long = step.since.elapsed() >= LONG && !step.is_told;
            if is_long && step.is_action {
                actions.push((node.clone(), step.phase.clone(), step.what.clone()));
            } else if is_long && step.phase == CONNECT {
                waiting.push(node.clone());
            } else {
                continue;
            }
            step.is_told = true;
        }
        let mut lines = Vec::new();
        match waiting.as_slice() {
            [] => {}
            [node] => lines.push(self.line(node, CONNECT, &self.paint.dim("no answer yet"))),
            nodes => {
                let what = format!("not all of {} have answered yet", nodes.len());
                lines.push(self.line("-", CONNECT, &self.paint.dim(&what)));
            }
        }
        lines.extend(actions.into_iter().map(|(node, phase, what)| {
            let what = format!("{}  {}", visible(&what), self.paint.dim("still running"));
            self.line(&node, &phase, &what)
        }));
        lines
    }

    fn begins(&mut self, node: &str, phase: &str, what: &str) -> Vec<String> {
        self.step(node, phase, what, false);
        vec![self.line(node, phase, &visible(what))]
    }

    fn step(&mut self, node: &str, phase: &str, what: &str, is_action: bool) {
        self.node_width = self.node_width.max(node.chars().count());
        self.phase_width = self.phase_width.max(phase.chars().count());
        let (phase, what) = (phase.to_owned(), what.to_owned());
        let since = Instant::now();
        let known = self.going_on.get(node).filter(|step| step.phase == phase);
        let entered = known.map_or(since, |step| step.entered);
        let step = Step { phase, what, since, entered, is_action, is_told: false };
        self.going_on.insert(node.to_owned(), step);
    }

    fn if_verbose(&self, lines: Vec<String>) -> Vec<String> {
        if self.output.verbose > 0 { lines } else { Vec::new() }
    }

    fn line(&self, node: &str, phase: &str, what: &str) -> String {
        let (node, phase) = (visible(node), visible(phase));
        let (node_width, phase_width) = (self.node_width, self.phase_width);
        format!("{node:<node_width$}  {phase:<phase_width$}  {what}")
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use pallet_core::spec::Origin;

    use super::*;
    use crate::args::{Color, Format};

    fn finished(status: Status) -> Event {
        let origin = Origin { file: Path::new("pallet.toml").into(), line: 1, column: 1 };
        Event::ActionFinished {
            node: "web-1".to_owned(),
            phase: "configure".to_owned(),
            report: ActionReport {
                action: "remote-file".to_owned(),
                subject: "/etc/motd".to_owned(),
                origin,
                status,
                details: vec!["mode 0600 -> 0644".to_owned()],
                diff: Some("-a\n+b\n".to_owned()),
                output: "done\n".to_owned(),
                begun: None,
                duration: Duration::from_millis(12),
                ground: None,
                earlier: false,
            },
        }
    }

    fn progress(verbose: u8, mode: Mode) -> Progress {
        Progress::new(Output::new(Format::Text, Color::Never, verbose), mode)
    }

    #[test]
    fn waiting_is_told_at_once_placeit_is_expected_to_last() {
        let mut progress = progress(0, Mode::Apply);
        let waiting = |node: &str| Event::Waiting { node: node.to_owned() };
        let created = progress.lines(Event::Creating { node: "web-2".to_owned() });
        assert_eq!(created, ["web-2  create  creating"]);
        assert_eq!(progress.lines(waiting("web-2")), ["web-2  connect  waiting until it answers"]);
        assert!(progress.lines(waiting("web-1")).is_empty());
    }

    #[test]
    fn what_changes_is_told_and_the_rest_when_asked_for() {
        let line = "web-1  configure  remote-file /etc/motd  changed  12 ms";
        assert_eq!(progress(0, Mode::Apply).lines(finished(Status::Changed)), [line]);
        assert!(progress(0, Mode::Apply).lines(finished(Status::Unchanged)).is_empty());
        assert_eq!(progress(1, Mode::Apply).lines(finished(Status::Unchanged)).len(), 5);
        let reason = "it runs each time".to_owned();
        let dry = progress(0, Mode::Check).lines(finished(Status::MayChange { reason }));
        let first = "web-1  configure  remote-file /etc/motd  may change: it runs each time";
        assert_eq!(dry, [first, "    mode 0600 -> 0644", "    -a", "    +b"]);
    }

    #[test]
    fn what_takes_long_is_told_once() {
        let mut progress = progress(0, Mode::Apply);
        let long_ago = |progress: &mut Progress| {
            for step in progress.going_on.values_mut() {
                step.since = step.since.checked_sub(LONG).unwrap();
            }
        };
        let waiting = |node: &str| Event::Waiting { node: node.to_owned() };
        progress.lines(waiting("web-1"));
        assert!(progress.long_ones().is_empty());
        long_ago(&mut progress);
        assert_eq!(progress.long_ones(), ["web-1  connect  no answer yet"]);
        assert!(progress.long_ones().is_empty());
        progress.lines(waiting("web-1"));
        progress.lines(waiting("web-2"));
        long_ago(&mut progress);
        assert_eq!(progress.long_ones(), ["-      connect  not all of 2 have answered yet"]);

        for node in ["web-1", "web-2"] {
            let address = Some("192.0.2.1:22".to_owned());
            let answered = Event::Answered { node: node.to_owned(), address };
            assert!(progress.lines(answered).is_empty());
        }
        let (node, phase) = ("web-1".to_owned(), "configure".to_owned());
        progress.lines(Event::PhaseStarted {
            node: node.clone(),
            phase: phase.clone(),
            actions: 1,
        });
        assert_eq!(progress.unfinished(), ["web-1  configure  1 action"]);
        let (action, subject) = ("exec-script".to_owned(), "make".to_owned());
        progress.lines(Event::ActionStarted { node, phase, action, subject });
        long_ago(&mut progress);
        assert_eq!(progress.long_ones(), ["web-1  configure  exec-script make  still running"]);
    }

    #[test]
    fn what_has_ended_is_no_longer_going_on() {
        let mut progress = progress(0, Mode::Apply);
        let (node, phase) = ("web-1".to_owned(), "configure".to_owned());
        let (action, subject) = ("exec-script".to_owned(), "make\u{7}".to_owned());
        progress.lines(Event::ActionStarted { node: node.clone(), phase, action, subject });
        assert_eq!(progress.unfinished(), ["web-1  configure  exec-script make\\u{7}"]);
        assert!(progress.long_ones().is_empty());
        let failure = Failure::new("configure", "it broke\nbadly").node(node);
        let told = progress.lines(Event::Failed { failure });
        assert_eq!(told, ["web-1  configure  failed: it broke"]);
        assert!(progress.unfinished().is_empty());
    }
}
