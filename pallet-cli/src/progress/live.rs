//! The live view: what goes on now, in a few lines that stay calm whatever the number of nodes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::Step;
use crate::screen::{Size, fit};
use crate::text::{Paint, visible};

/// So many nodes are shown at the same time.
const MOST: usize = 10;

/// An action that is over sooner is not named: it could not be read.
const READABLE: Duration = Duration::from_millis(500);

/// Columns of the bar.
const BAR: usize = 20;

/// Columns of a node's name, and of a phase's.
const NODE: usize = 24;
const PHASE: usize = 14;

/// What the view remembers from one frame to the next.
#[derive(Debug, Default)]
pub(super) struct Live {
    /// The nodes that are shown, each in its line until it has nothing to do any more.
    shown: Vec<String>,
    /// How far each phase is.
    phases: BTreeMap<String, Way>,
    /// How many actions of its phase a node has behind it, and how many there are.
    actions: BTreeMap<String, (usize, usize)>,
    /// What was told so far.
    pub changed: usize,
    pub failed: usize,
}

/// How far a phase is.
#[derive(Debug, Default)]
struct Way {
    /// Nodes that have begun it, and those of them that have left it; some come back.
    begun: BTreeSet<String>,
    left: BTreeSet<String>,
    /// Actions that it has on these nodes, and those that are settled.
    actions: usize,
    settled: usize,
}

impl Way {
    /// How much of `whole` is behind it.
    fn part(&self, whole: usize) -> usize {
        let (done, all) = match self.actions {
            0 => (self.left.len(), self.begun.len()),
            actions => (self.settled, actions),
        };
        (whole * done).checked_div(all).unwrap_or(0).min(whole)
    }
}

impl Live {
    /// A node has so many actions in a phase.
    pub(super) fn has(&mut self, node: &str, phase: &str, actions: usize) {
        self.phases.entry(phase.to_owned()).or_default().actions += actions;
        self.actions.insert(node.to_owned(), (0, actions));
    }

    /// An action of a node is settled.
    pub(super) fn settles(&mut self, node: &str, phase: &str) {
        if let Some((settled, _)) = self.actions.get_mut(node) {
            *settled += 1;
        }
        if let Some(way) = self.phases.get_mut(phase) {
            way.settled += 1;
        }
    }

    /// A node begins a phase, or something like one: creating, connecting.
    pub(super) fn enters(&mut self, node: &str, phase: &str) {
        let way = self.phases.entry(phase.to_owned()).or_default();
        way.left.remove(node);
        way.begun.insert(node.to_owned());
    }

    /// A node has left it.
    pub(super) fn leaves(&mut self, node: &str, phase: &str) {
        if let Some(way) = self.phases.get_mut(phase) {
            way.left.insert(node.to_owned());
        }
    }

    /// The lines to show; none where nothing goes on.
    pub(super) fn frame(
        &mut self,
        going_on: &BTreeMap<String, Step>,
        since: Instant,
        size: Size,
        paint: Paint,
    ) -> Vec<String> {
        let now = Instant::now();
        self.choose(going_on, size);
        let Some(phase) = busiest(going_on) else { return Vec::new() };
        let mut lines = vec![self.heading(phase, now - since, size, paint)];
        for node in &self.shown {
            if let Some(step) = going_on.get(node) {
                lines.push(self.row(node, step, now, size, paint));
            }
        }
        let more = going_on.len().saturating_sub(self.shown.len());
        if more > 0 {
            lines.push(paint.dim(&fit(&format!("… and {more} more"), last_column(size))));
        }
        lines
    }

    /// Nodes keep their lines; lines that have become free go to those who are at it longest.
    fn choose(&mut self, going_on: &BTreeMap<String, Step>, size: Size) {
        // The heading, the line about the rest, and one that stays free.
        let most = MOST.min(size.rows.saturating_sub(3));
        self.shown.retain(|node| going_on.contains_key(node));
        self.shown.truncate(most);
        let mut waiting: Vec<(&String, &Step)> =
            going_on.iter().filter(|(node, _)| !self.shown.contains(node)).collect();
        waiting.sort_by_key(|(_, step)| step.entered);
        let free = most - self.shown.len();
        self.shown.extend(waiting.into_iter().take(free).map(|(node, _)| node.clone()));
    }

    fn heading(&self, phase: &str, elapsed: Duration, size: Size, paint: Paint) -> String {
        let (full, left, begun) = match self.phases.get(phase) {
            Some(way) => (way.part(BAR), way.left.len(), way.begun.len()),
            None => (0, 0, 0),
        };
        let mut words = vec![format!("{left} of {begun} nodes")];
        words.push(format!("{} changed", self.changed));
        if self.failed > 0 {
            words.push(format!("{} failed", self.failed));
        }
        words.push(clock(elapsed));
        let phase = format!("{:<PHASE$}", fit(&visible(phase), PHASE));
        let rest = last_column(size).saturating_sub(PHASE + BAR + 2);
        let words = fit(&words.join(" · "), rest);
        let words = if self.failed > 0 { paint.red(&words) } else { words };
        let bar = paint.cyan(&"━".repeat(full)) + &paint.dim(&"─".repeat(BAR - full));
        format!("{} {bar} {words}", paint.bold(&phase))
    }

    fn row(&self, node: &str, step: &Step, now: Instant, size: Size, paint: Paint) -> String {
        let lasts = now - step.since;
        let time = if lasts >= Duration::from_secs(1) { clock(lasts) } else { String::new() };
        let is_told = !step.what.is_empty() && (!step.is_action || lasts >= READABLE);
        let what = match self.actions.get(node) {
            _ if is_told => step.what.replace('\n', " "),
            Some((settled, all)) => format!("{settled} of {all}"),
            None => String::new(),
        };
        let node = fit(&visible(node), NODE);
        let phase = fit(&visible(&step.phase), PHASE);
        let line = format!("  {node:<NODE$} {phase:<PHASE$} {}", visible(&what));
        let columns = last_column(size).saturating_sub(10);
        let line = fit(&line, columns);
        let filled = " ".repeat(columns.saturating_sub(crate::screen::width(&line)));
        format!("{line}{filled} {}", paint.dim(&format!("{time:>9}")))
    }
}

/// What most nodes are at.
fn busiest(going_on: &BTreeMap<String, Step>) -> Option<&str> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for step in going_on.values() {
        *counts.entry(&step.phase).or_default() += 1;
    }
    counts.into_iter().max_by_key(|(_, count)| *count).map(|(phase, _)| phase)
}

/// The last column stays free: terminals differ in what happens there.
fn last_column(size: Size) -> usize {
    size.columns.saturating_sub(1)
}

/// Whole seconds: tenths would be unrest.
fn clock(duration: Duration) -> String {
    match duration.as_secs() {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds => format!("{} min {:02} s", seconds / 60, seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::width;

    fn going_on(nodes: usize) -> BTreeMap<String, Step> {
        let since = Instant::now().checked_sub(Duration::from_secs(3)).unwrap();
        let step = Step {
            phase: "configure".to_owned(),
            what: "exec-script make\nit".to_owned(),
            since,
            entered: since,
            is_action: true,
            is_told: false,
        };
        (0..nodes).map(|at| (format!("web-{at}"), step.clone())).collect()
    }

    fn frame(live: &mut Live, nodes: &BTreeMap<String, Step>, size: Size) -> Vec<String> {
        live.frame(nodes, Instant::now(), size, Paint::new(true))
    }

    #[test]
    fn the_view_is_bounded_and_fits() {
        let nodes = going_on(100);
        for (columns, rows) in [(80, 24), (40, 10), (20, 5), (200, 60), (1, 1)] {
            let size = Size { columns, rows };
            let lines = frame(&mut Live::default(), &nodes, size);
            assert!(lines.len() <= 12 && lines.len() <= rows.max(2), "{size:?}: {lines:#?}");
            if columns >= 40 {
                let fits = |line: &String| width(line) < columns;
                assert!(lines.iter().all(fits), "{size:?}: {lines:#?}");
            }
        }
        assert!(
            frame(&mut Live::default(), &going_on(0), Size { columns: 80, rows: 24 }).is_empty()
        );
    }

    #[test]
    fn nodes_that_come_back_count_once() {
        let size = Size { columns: 80, rows: 24 };
        let mut live = Live::default();
        live.enters("web-0", "configure");
        live.leaves("web-0", "configure");
        live.enters("web-0", "configure");
        live.enters("web-1", "configure");
        live.leaves("web-1", "configure");
        assert!(frame(&mut live, &going_on(1), size).join("").contains("1 of 2 nodes"));
    }

    #[test]
    fn nodes_keep_their_lines() {
        let size = Size { columns: 80, rows: 24 };
        let mut live = Live::default();
        let mut nodes = going_on(30);
        let before = frame(&mut live, &nodes, size);
        nodes.remove("web-11");
        let after = frame(&mut live, &nodes, size);
        let gone = before.iter().position(|line| line.contains("web-11")).unwrap();
        assert_eq!(before.get(1..gone), after.get(1..gone));
        assert_eq!(before.get(gone + 1..11), after.get(gone..10));
    }

    #[test]
    fn short_actions_are_not_named() {
        let size = Size { columns: 80, rows: 24 };
        let mut nodes = going_on(1);
        assert!(frame(&mut Live::default(), &nodes, size).join("").contains("make it"));
        nodes.values_mut().for_each(|step| step.since = Instant::now());
        assert!(!frame(&mut Live::default(), &nodes, size).join("").contains("make"));
    }
}
