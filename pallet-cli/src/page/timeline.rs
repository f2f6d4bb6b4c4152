//! When what happened where: nodes from top to bottom, time from left to right.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use pallet_core::report::{ActionReport, NodeReport, PhaseReport, Report, Status};

use super::escape::text;
use super::{has_failed, millis, span};
use crate::text::{count, duration};

/// So many phases have a colour of their own.
const COLORS: usize = 6;

/// Marks on the axis, both ends included.
const MARKS: u64 = 5;

/// The section; nothing where no times are known.
pub(super) fn section(report: &Report) -> String {
    let Some((begun, ended)) = span(report) else { return String::new() };
    let scale = Scale { begun, length: ended - begun };
    let mut colors: BTreeMap<&str, usize> = BTreeMap::new();
    for phase in report.nodes.iter().flat_map(|node| &node.phases) {
        let next = colors.len() % COLORS;
        colors.entry(&phase.phase).or_insert(next);
    }
    let mut order: Vec<(&str, usize)> = colors.iter().map(|(name, at)| (*name, *at)).collect();
    order.sort_by_key(|(_, at)| *at);
    let mut html = String::from(
        "<section aria-labelledby=\"timeline\"><h2 id=\"timeline\">Timeline</h2>\n<ul class=\"legend\">",
    );
    for (name, at) in order {
        let _ = write!(html, "<li><i class=\"phase-{at}\"></i>{}</li>", text(name));
    }
    html += "<li><i class=\"changed-fill\"></i>action that changed something</li>\
             <li><i class=\"failed-fill\"></i>action that failed</li>\
             <li><i class=\"wait\"></i>created, waited for, connected</li></ul>\n";
    html += "<div class=\"timeline\" tabindex=\"0\" aria-label=\"Timeline of all nodes\">";
    html += &axis(scale.length);
    html += "<ol>\n";
    for (at, node) in report.nodes.iter().enumerate() {
        html += &row(at, node, &scale, &colors);
    }
    html + "</ol></div></section>\n"
}

/// From moments to places.
struct Scale {
    begun: u64,
    length: u64,
}

impl Scale {
    /// Where something that begins at `from` and takes `length` is drawn.
    fn place(&self, from: u64, length: u64) -> String {
        #[expect(clippy::cast_precision_loss, reason = "a thousandth of the width is enough")]
        let percent = |millis: u64| 100.0 * millis as f64 / self.length as f64;
        let from = from.saturating_sub(self.begun).min(self.length);
        let length = length.min(self.length - from);
        format!("style=\"--from:{:.3}%;--width:{:.3}%\"", percent(from), percent(length))
    }
}

fn axis(length: u64) -> String {
    let marks = (0..MARKS).map(|at| {
        let moment = Duration::from_millis(length * at / (MARKS - 1));
        let label = if at == 0 { "0".to_owned() } else { duration(moment) };
        format!("<span>{label}</span>")
    });
    let marks: String = marks.collect();
    format!(
        "<div class=\"axis\" aria-hidden=\"true\"><span></span><div>{marks}</div><span></span></div>\n"
    )
}

fn row(at: usize, node: &NodeReport, scale: &Scale, colors: &BTreeMap<&str, usize>) -> String {
    let name = text(&node.node);
    let first = node.phases.iter().filter_map(|phase| phase.begun).min();
    let mut bars = String::new();
    if let Some(first) = first {
        let place = scale.place(scale.begun, first.saturating_sub(scale.begun));
        let _ = write!(bars, "<span class=\"bar wait\" {place}></span>");
    }
    for phase in &node.phases {
        let color = colors.get(phase.phase.as_str()).copied().unwrap_or_default();
        bars += &phase_bars(phase, color, scale);
    }
    let told: Vec<String> = node.phases.iter().map(words).collect();
    let took: Duration = node.phases.iter().map(|phase| phase.duration).sum();
    let failed = if has_failed(node) { "yes" } else { "no" };
    format!(
        "<li data-node=\"{name}\" data-failed=\"{failed}\"><a href=\"#node-{at}\">{name}</a>\
         <div class=\"track\" aria-hidden=\"true\">{bars}</div>\
         <span class=\"took\">{}</span><span class=\"unseen\">{}</span></li>\n",
        duration(took),
        text(&told.join("; "))
    )
}

fn phase_bars(phase: &PhaseReport, color: usize, scale: &Scale) -> String {
    let Some(begun) = phase.begun else { return String::new() };
    let failed = if phase.failure.is_some() { " failed" } else { "" };
    let mut bars = format!(
        "<span class=\"bar phase-{color}{failed}\" {} title=\"{}\"></span>",
        scale.place(begun, millis(phase.duration)),
        text(&words(phase))
    );
    for action in &phase.actions {
        bars += &action_bar(action, scale);
    }
    bars
}

fn action_bar(action: &ActionReport, scale: &Scale) -> String {
    let fill = match action.status {
        Status::Changed if !action.earlier => "changed-fill",
        Status::Failed => "failed-fill",
        _ => return String::new(),
    };
    let Some(begun) = action.begun else { return String::new() };
    format!(
        "<span class=\"act {fill}\" {} title=\"{}\"></span>",
        scale.place(begun, millis(action.duration)),
        text(&format!("{} {}, {}", action.action, action.subject, duration(action.duration)))
    )
}

/// A phase in words.
fn words(phase: &PhaseReport) -> String {
    let is_change = |action: &&ActionReport| {
        matches!(action.status, Status::Changed | Status::WillChange | Status::MayChange { .. })
    };
    let changed = phase.actions.iter().filter(is_change).count();
    let failed = if phase.failure.is_some() { ", failed" } else { "" };
    format!("{}, {}, {}{failed}", phase.phase, duration(phase.duration), count(changed, "change"))
}
