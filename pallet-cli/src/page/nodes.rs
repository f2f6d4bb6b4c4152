//! Every node with all of its actions, folded.

use std::fmt::Write;
use std::time::Duration;

use pallet_core::report::{ActionReport, NodeReport, PhaseReport, Report, Status};

use super::escape::{output, text};
use super::{ended, has_failed};
use crate::text::duration;

const TOOLS: &str = "<div class=\"tools\" id=\"tools\" hidden>\
<input type=\"search\" id=\"filter\" placeholder=\"Find nodes\" aria-label=\"Find nodes by name\">\
<label><input type=\"checkbox\" id=\"trouble\"> only failed nodes</label>\
<label><input type=\"checkbox\" id=\"unchanged\"> unchanged actions, too</label>\
<button type=\"button\" id=\"open\">Unfold or fold all</button>\
<output id=\"told\" aria-live=\"polite\"></output></div>\n";

/// All nodes.
pub(super) fn section(report: &Report) -> String {
    if report.nodes.is_empty() {
        return String::new();
    }
    let mut html = String::from(
        "<section aria-labelledby=\"by-node\" id=\"nodes\"><h2 id=\"by-node\">Node by node</h2>\n",
    );
    html += TOOLS;
    for (at, node) in report.nodes.iter().enumerate() {
        html += &one(at, node);
    }
    html + "</section>\n"
}

fn one(at: usize, node: &NodeReport) -> String {
    let name = text(&node.node);
    let failed = if has_failed(node) { "yes" } else { "no" };
    let took: Duration = node.phases.iter().map(|phase| phase.duration).sum();
    let number = |wanted: &str| {
        let actions = node.phases.iter().flat_map(|phase| &phase.actions);
        actions.filter(|action| ended(&action.status).0 == wanted).count()
    };
    let mut html = format!(
        "<details class=\"node\" id=\"node-{at}\" data-node=\"{name}\" data-failed=\"{failed}\">\
         <summary><b>{name}</b>"
    );
    if has_failed(node) {
        html += "<span class=\"failed\">failed</span>";
    }
    let (changed, unchanged, skipped) = (number("changed"), number("unchanged"), number("skipped"));
    let look = if changed > 0 { "changed" } else { "" };
    let _ = write!(html, "<span class=\"{look}\">{changed} changed</span>");
    let _ = write!(html, "<span>{unchanged} unchanged</span>");
    if skipped > 0 {
        let _ = write!(html, "<span>{skipped} skipped</span>");
    }
    let group = if node.group.is_empty() { String::new() } else { format!("group {}", node.group) };
    let _ = writeln!(
        html,
        "<span>{}</span><span>{}</span></summary><div>",
        duration(took),
        text(&group)
    );
    html.extend(node.phases.iter().map(phase));
    html + "</div></details>\n"
}

fn phase(phase: &PhaseReport) -> String {
    let mut html = format!("<h3>{} · {}</h3>\n", text(&phase.phase), duration(phase.duration));
    if let Some(failure) = &phase.failure {
        let what = failure.action.as_deref().unwrap_or(&failure.phase);
        let message = format!("{what}: {}", failure.message);
        let _ = writeln!(html, "<p class=\"failure message\">{}</p>", text(&message));
        html += &output(&failure.output);
    }
    if phase.actions.is_empty() {
        return html;
    }
    let rows: String = phase.actions.iter().map(row).collect();
    let _ = writeln!(
        html,
        "<table><thead><tr><th scope=\"col\">status</th><th scope=\"col\">action</th>\
         <th scope=\"col\">where it is described</th><th scope=\"col\" class=\"time\">time</th></tr></thead>\
         <tbody>{rows}</tbody></table>"
    );
    html
}

fn row(action: &ActionReport) -> String {
    let (class, words) = ended(&action.status);
    let mut notes = String::new();
    if let Status::Skipped { reason } | Status::MayChange { reason } = &action.status {
        let _ = write!(notes, "<div class=\"place\">{}</div>", text(reason));
    }
    if action.earlier {
        notes += "<div class=\"place\">before the run was resumed</div>";
    }
    for detail in &action.details {
        let _ = write!(notes, "<div class=\"place\">{}</div>", text(detail));
    }
    if class != "failed" {
        notes += &output(&action.output);
    }
    let took = match action.begun {
        Some(_) => duration(action.duration),
        None => String::new(),
    };
    format!(
        "<tr class=\"{class}\"><td class=\"status\">{words}</td><td><code>{} {}</code>{notes}</td>\
         <td class=\"place\">{}</td><td class=\"time\">{took}</td></tr>\n",
        text(&action.action),
        text(&action.subject),
        text(&action.origin.to_string())
    )
}
