//! A plan for people.

use std::fmt::Write;
use std::path::Path;

use pallet_core::report::{ActionReport, Failure, NodeReport, Status};
use pallet_core::run::RunPlan;

use crate::text::{Paint, count, names, visible};

/// The whole plan: what becomes of nodes, then what changes on them, then a sum. Nodes on which
/// the same would happen are told of together.
pub fn text(plan: &RunPlan, kept_in: Option<&Path>, paint: Paint) -> String {
    let report = &plan.report;
    let mut parts = vec![
        nodes("+", "create", &report.created, |line| paint.green(line)),
        nodes("+", "start", &report.started, |line| paint.green(line)),
        nodes("-", "destroy", &report.destroyed, |line| paint.red(line)),
    ];
    let mut alike: Vec<(Vec<&str>, String)> = Vec::new();
    for node in &report.nodes {
        let changes = changes(node, paint);
        match alike.iter_mut().find(|(_, known)| *known == changes) {
            Some((nodes, _)) => nodes.push(&node.node),
            None => alike.push((vec![&node.node], changes)),
        }
    }
    for (nodes, changes) in &alike {
        if !changes.is_empty() {
            let heading = paint.bold(&visible(&names(nodes)));
            parts.push(format!("{heading}\n{changes}"));
        }
    }
    parts.extend(report.failures.iter().map(|failure| failed(failure, paint)));
    parts.push(last_lines(plan, kept_in, paint));
    parts.retain(|part| !part.is_empty());
    parts.join("\n")
}

fn nodes(sign: &str, verb: &str, nodes: &[String], paint: impl Fn(&str) -> String) -> String {
    if nodes.is_empty() {
        return String::new();
    }
    paint(&format!("{sign} {verb} {}", visible(&nodes.join(", ")))) + "\n"
}

fn changes(node: &NodeReport, paint: Paint) -> String {
    let mut text = String::new();
    for phase in &node.phases {
        let actions: String = phase.actions.iter().map(|action| change(action, paint)).collect();
        if !actions.is_empty() {
            let _ = writeln!(text, "  {}", visible(&phase.phase));
            text += &actions;
        }
        if let Some(failure) = &phase.failure {
            text += &failed(failure, paint);
        }
    }
    text
}

fn change(action: &ActionReport, paint: Paint) -> String {
    let what = format!("{} {}", action.action, visible(&action.subject));
    let place = paint.dim(&format!("  {}", action.origin));
    let mut text = match &action.status {
        Status::WillChange => format!("    {} {what}{place}\n", paint.yellow("~")),
        Status::MayChange { reason } => format!(
            "    {} {what}{place}\n        may change: {}\n",
            paint.yellow("?"),
            visible(reason)
        ),
        _ => return String::new(),
    };
    for detail in &action.details {
        let _ = writeln!(text, "        {}", visible(detail));
    }
    for line in action.diff.iter().flat_map(|diff| diff.lines()) {
        let shown = visible(line);
        let shown = match line.chars().next() {
            Some('+') => paint.green(&shown),
            Some('-') => paint.red(&shown),
            _ => shown.into_owned(),
        };
        let _ = writeln!(text, "        {shown}");
    }
    text
}

fn failed(failure: &Failure, paint: Paint) -> String {
    let what = failure.action.as_deref().unwrap_or(&failure.phase);
    let mut text = format!("  {} {}\n", paint.red("cannot be told:"), visible(what));
    for line in visible(&failure.message).lines() {
        let _ = writeln!(text, "    {line}");
    }
    if let Some(help) = &failure.help {
        let _ = writeln!(text, "    {} {}", paint.cyan("help:"), visible(help));
    }
    text
}

fn last_lines(plan: &RunPlan, kept_in: Option<&Path>, paint: Paint) -> String {
    let report = &plan.report;
    let mut parts = Vec::new();
    let lists = [
        (report.created.len(), "to create"),
        (report.started.len(), "to start"),
        (report.destroyed.len(), "to destroy"),
    ];
    for (number, verb) in lists.into_iter().filter(|(number, _)| *number > 0) {
        parts.push(format!("{} {verb}", count(number, "node")));
    }
    let statuses = || {
        let phases = report.nodes.iter().flat_map(|node| &node.phases);
        phases.flat_map(|phase| &phase.actions).map(|action| &action.status)
    };
    let will = statuses().filter(|status| **status == Status::WillChange).count();
    let may = statuses().filter(|status| matches!(status, Status::MayChange { .. })).count();
    parts.push(format!("{will} will change"));
    if may > 0 {
        parts.push(format!("{may} may change"));
    }
    let failed = report.nodes.iter().filter(|node| node.failure().is_some()).count();
    let failed = failed + report.failures.len();
    if failed > 0 {
        parts.push(format!("{failed} failed"));
    }
    let line = parts.join(" · ");
    let line = match (failed, plan.has_changes()) {
        (1.., _) => paint.red(&line),
        (0, true) => paint.yellow(&line),
        (0, false) => paint.green("nothing to change"),
    };
    let mut text = paint.bold(&line) + "\n";
    if let Some(path) = kept_in {
        let _ = writeln!(text, "kept for: pallet converge {}", path.display());
    }
    text
}
