//! The report at the end of a run.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write;
use std::time::Duration;

use pallet_core::action::Mode;
use pallet_core::report::{Failure, PhaseReport, Report, Status};
use schemars::JsonSchema;
use serde::Serialize;

use crate::text::{Paint, Table, count, duration, names, visible};

/// Of more nodes the result is told by their groups.
const MANY: usize = 20;

/// A report with its sums: what is written for programs.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Outcome {
    /// What happened.
    #[serde(flatten)]
    pub report: Report,
    summary: Summary,
}

/// A run in numbers.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
struct Summary {
    /// Nodes that something was done to, or tried; without those that were destroyed.
    nodes: usize,
    /// Nodes that were destroyed, or would be in a dry run.
    #[serde(skip_serializing_if = "is_zero")]
    destroyed: usize,
    /// Actions that changed something, or would or may in a dry run.
    changed: usize,
    /// Those of them that were changed before the run broke off and was resumed.
    #[serde(skip_serializing_if = "is_zero")]
    earlier: usize,
    unchanged: usize,
    skipped: usize,
    /// Failures: a node that cannot be reached is one, too.
    failed: usize,
    millis: u64,
    /// Nothing was touched.
    dry_run: bool,
}

impl Outcome {
    /// Counts.
    pub fn new(report: Report, mode: Mode, took: Duration) -> Self {
        let totals = report.totals();
        let mut nodes: BTreeSet<&str> =
            report.nodes.iter().map(|node| node.node.as_str()).collect();
        for names in [&report.created, &report.started] {
            nodes.extend(names.iter().map(String::as_str));
        }
        nodes.extend(report.failures.iter().filter_map(|failure| failure.node.as_deref()));
        let summary = Summary {
            nodes: nodes.len(),
            destroyed: report.destroyed.len(),
            changed: totals.changed,
            earlier: totals.earlier,
            unchanged: totals.unchanged,
            skipped: totals.skipped,
            failed: failures(&report).count(),
            millis: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            dry_run: mode == Mode::Check,
        };
        Self { report, summary }
    }

    /// The report for people.
    pub fn text(&self, paint: Paint) -> String {
        let parts = [self.table(), self.nodes(), self.failed(paint), self.last_line(paint)];
        let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        parts.join("\n")
    }

    /// One line for each phase of each node, or of many nodes for each phase of each group.
    fn table(&self) -> String {
        if self.report.nodes.len() > MANY {
            return self.table_of_groups();
        }
        let headings = ["node", "phase", "changed", "unchanged", "failed", "skipped", "time"];
        let mut table = Table::new(&headings, 2);
        let mut is_empty = true;
        for node in &self.report.nodes {
            for phase in &node.phases {
                is_empty = false;
                let [changed, unchanged, failed, skipped] = counts(phase).map(|n| n.to_string());
                let (name, took) = (visible(&node.node), duration(phase.duration));
                let phase = visible(&phase.phase);
                let words = [name, phase].map(|word| word.into_owned());
                let [name, phase] = words;
                table.row([name, phase, changed, unchanged, failed, skipped, took]);
            }
        }
        if is_empty { String::new() } else { table.to_string() }
    }

    /// Times are those of the slowest nodes.
    fn table_of_groups(&self) -> String {
        let headings = ["nodes", "phase", "changed", "unchanged", "failed", "skipped", "longest"];
        let mut table = Table::new(&headings, 2);
        let mut order: Vec<(&str, &str)> = Vec::new();
        let mut sums: HashMap<(&str, &str), (usize, [usize; 4], Duration)> = HashMap::new();
        for node in &self.report.nodes {
            for phase in &node.phases {
                let key = (node.group.as_str(), phase.phase.as_str());
                let (nodes, sum, longest) = sums.entry(key).or_insert_with(|| {
                    order.push(key);
                    (0, [0; 4], Duration::ZERO)
                });
                *nodes += 1;
                sum.iter_mut().zip(counts(phase)).for_each(|(sum, one)| *sum += one);
                *longest = (*longest).max(phase.duration);
            }
        }
        order.sort_by_key(|(group, _)| *group);
        for key in order {
            let Some((nodes, sum, longest)) = sums.get(&key) else { continue };
            let [changed, unchanged, failed, skipped] = sum.map(|number| number.to_string());
            let group = format!("{}: {}", visible(key.0), count(*nodes, "node"));
            let phase = visible(key.1).into_owned();
            table.row([group, phase, changed, unchanged, failed, skipped, duration(*longest)]);
        }
        table.to_string()
    }

    fn nodes(&self) -> String {
        let would = if self.summary.dry_run { "would be " } else { "" };
        let lists = [
            ("created", &self.report.created),
            ("started", &self.report.started),
            ("destroyed", &self.report.destroyed),
        ];
        let lines = lists.into_iter().filter(|(_, nodes)| !nodes.is_empty());
        lines.map(|(verb, nodes)| format!("{would}{verb}: {}\n", visible(&names(nodes)))).collect()
    }

    fn failed(&self, paint: Paint) -> String {
        let texts: Vec<String> =
            failures(&self.report).map(|failure| failure_text(failure, paint)).collect();
        texts.join("\n")
    }

    fn last_line(&self, paint: Paint) -> String {
        let Summary { nodes, destroyed, changed, earlier, unchanged, .. } = self.summary;
        let Summary { skipped, failed, millis, dry_run, .. } = self.summary;
        let verb = match (dry_run, earlier) {
            (true, _) => "would change".to_owned(),
            (false, 0) => "changed".to_owned(),
            (false, earlier) => format!("changed ({earlier} before it was resumed)"),
        };
        let mut parts = Vec::new();
        // Where all that happened is that nodes went away, there is nothing to count on nodes.
        if nodes > 0 || destroyed == 0 {
            let done = [count(nodes, "node"), format!("{changed} {verb}")];
            parts.extend(done.into_iter().chain([format!("{unchanged} unchanged")]));
        }
        if destroyed > 0 {
            let noun =
                if parts.is_empty() { count(destroyed, "node") } else { destroyed.to_string() };
            let verb = if dry_run { "would be destroyed" } else { "destroyed" };
            parts.push(format!("{noun} {verb}"));
        }
        parts.push(format!("{failed} failed"));
        if skipped > 0 {
            parts.push(format!("{skipped} skipped"));
        }
        parts.push(duration(Duration::from_millis(millis)));
        let line = parts.join(" · ");
        let line = match (failed, changed + destroyed) {
            (1.., _) => paint.red(&line),
            (0, 1..) => paint.yellow(&line),
            (0, 0) => paint.green(&line),
        };
        paint.bold(&line) + "\n"
    }
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// All failures, those of nodes first.
pub fn failures(report: &Report) -> impl Iterator<Item = &Failure> {
    let phases = report.nodes.iter().flat_map(|node| &node.phases);
    phases.filter_map(|phase| phase.failure.as_ref()).chain(&report.failures)
}

/// Changed, unchanged, failed, skipped. A phase that failed outside of its actions counts as one
/// failure, as in the summary.
fn counts(phase: &PhaseReport) -> [usize; 4] {
    let [mut changed, mut unchanged, mut skipped] = [0; 3];
    for action in &phase.actions {
        match action.status {
            Status::Changed | Status::WillChange | Status::MayChange { .. } => changed += 1,
            Status::Unchanged => unchanged += 1,
            Status::Skipped { .. } => skipped += 1,
            // At most one: it is the phase's failure.
            Status::Failed => {}
        }
    }
    [changed, unchanged, usize::from(phase.failure.is_some()), skipped]
}

fn failure_text(failure: &Failure, paint: Paint) -> String {
    let who = failure.node.as_deref().map(|node| format!("{node}, ")).unwrap_or_default();
    let place = format!("failed: {who}{}", failure.phase);
    let mut text = paint.red(&visible(&place));
    if let Some(action) = &failure.action {
        let _ = write!(text, ", {}", visible(action));
    }
    text.push('\n');
    if let Some(origin) = &failure.origin {
        let _ = writeln!(text, "  at {origin}");
    }
    for line in visible(&failure.message).lines() {
        let _ = writeln!(text, "  {line}");
    }
    for line in visible(&failure.output).lines() {
        let _ = writeln!(text, "    | {line}");
    }
    if let Some(help) = &failure.help {
        let _ = writeln!(text, "  {} {}", paint.cyan("help:"), visible(help));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_with_everything_in_it() {
        let report: Report = serde_json::from_value(serde_json::json!({
            "created": ["web-2"], "started": [], "destroyed": ["web-3", "web-4"],
            "nodes": [{
                "node": "web-1", "group": "web",
                "phases": [
                    { "phase": "install", "actions": [], "millis": 3, "failure": null },
                    {
                        "phase": "configure", "millis": 8200,
                        "actions": [
                            action("unchanged"), action("changed"), action("failed"),
                            action("skipped"),
                        ],
                        "failure": {
                            "node": "web-1", "phase": "configure", "action": "exec-script make it",
                            "origin": { "file": "pallet.toml", "line": 9, "column": 3 },
                            "message": "it ended with exit status 7",
                            "help": "look at it", "output": "one\n\u{1b}[2Jtwo\n",
                        },
                    },
                ],
            }],
            "failures": [{
                "node": "web-5", "phase": "destroy", "action": null, "origin": null,
                "message": "it is locked", "help": null, "output": "",
            }],
        }))
        .unwrap();
        let outcome = Outcome::new(report, Mode::Apply, Duration::from_millis(9_100));
        let expected = "\
node   phase      changed  unchanged  failed  skipped   time
web-1  install          0          0       0        0   3 ms
web-1  configure        1          1       1        1  8.2 s

created: web-2
destroyed: web-3, web-4

failed: web-1, configure, exec-script make it
  at pallet.toml:9:3
  it ended with exit status 7
    | one
    | \\u{1b}[2Jtwo
  help: look at it

failed: web-5, destroy
  it is locked

3 nodes · 1 changed · 1 unchanged · 2 destroyed · 2 failed · 1 skipped · 9.1 s
";
        assert_eq!(outcome.text(Paint::new(false)), expected);
    }

    #[test]
    fn many_nodes_are_told_by_group() {
        let node = |at: u32| {
            serde_json::json!({ "node": format!("web-{at}"), "group": "web", "phases": [{
                "phase": "configure", "actions": [action("changed")], "millis": at * 100,
                "failure": null,
            }] })
        };
        let nodes: Vec<_> = (1..=30).map(node).collect();
        let report = serde_json::from_value(serde_json::json!({
            "created": [], "started": [], "destroyed": [], "failures": [], "nodes": nodes,
        }));
        let outcome = Outcome::new(report.unwrap(), Mode::Apply, Duration::from_secs(3));
        let text = outcome.text(Paint::new(false));
        let row = "web: 30 nodes  configure       30          0       0        0    3.0 s";
        assert_eq!(text.lines().nth(1), Some(row), "{text}");
    }

    fn action(status: &str) -> serde_json::Value {
        serde_json::json!({
            "action": "a", "subject": "s", "status": status, "reason": "the node failed before",
            "origin": { "file": "pallet.toml", "line": 1, "column": 1 },
            "details": [], "diff": null, "output": "", "millis": 1,
        })
    }
}
