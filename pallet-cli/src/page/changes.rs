//! What changed: the same change of many nodes once.

use std::collections::HashMap;
use std::fmt::Write;

use pallet_core::report::{ActionReport, Report, Status};

use super::ended;
use super::escape::{diff, output, text};
use crate::text::count;

/// A change, and the nodes that it was made on.
struct Change<'a> {
    phase: &'a str,
    action: &'a ActionReport,
    nodes: Vec<&'a str>,
}

/// All changes, in the order in which they were made on the first node that has them.
pub(super) fn section(report: &Report) -> String {
    let changes = changes(report);
    if changes.is_empty() {
        return "<section aria-labelledby=\"changes\"><h2 id=\"changes\">Changes</h2>\
                <p>Nothing differs from what is described.</p></section>\n"
            .to_owned();
    }
    let changes: String = changes.iter().map(|change| html(change, report.nodes.len())).collect();
    format!(
        "<section aria-labelledby=\"changes\"><h2 id=\"changes\">Changes</h2>\n{changes}</section>\n"
    )
}

fn changes(report: &Report) -> Vec<Change<'_>> {
    let mut changes: Vec<Change<'_>> = Vec::new();
    let mut places: HashMap<_, usize> = HashMap::new();
    for node in &report.nodes {
        for phase in &node.phases {
            for action in &phase.actions {
                if ended(&action.status).0 != "changed" {
                    continue;
                }
                let what = (&phase.phase, &action.action, &action.subject);
                let how = (ended(&action.status).1, &action.details, &action.diff);
                let place = *places.entry((what, how)).or_insert(changes.len());
                match changes.get_mut(place) {
                    Some(known) => known.nodes.push(&node.node),
                    None => changes.push(Change {
                        phase: &phase.phase,
                        action,
                        nodes: vec![&node.node],
                    }),
                }
            }
        }
    }
    changes
}

fn html(change: &Change<'_>, all: usize) -> String {
    let Change { phase, action, nodes } = change;
    let mut html = format!(
        "<div class=\"change\"><h3><code>{} {}</code> <span class=\"place\">{} · {}</span></h3>\n",
        text(&action.action),
        text(&action.subject),
        text(phase),
        text(&action.origin.to_string())
    );
    let who = match nodes.len() {
        1 => text(nodes.first().unwrap_or(&"")),
        number if number == all => format!("all {}", count(number, "node")),
        number => format!("{}: {}", count(number, "node"), text(&nodes.join(", "))),
    };
    let _ = writeln!(html, "<p class=\"nodes\">{}: {who}</p>", ended(&action.status).1);
    let reason = match &action.status {
        Status::MayChange { reason } => Some(reason),
        _ => None,
    };
    let details: String = reason
        .into_iter()
        .chain(&action.details)
        .map(|it| format!("<li>{}</li>", text(it)))
        .collect();
    if !details.is_empty() {
        let _ = writeln!(html, "<ul>{details}</ul>");
    }
    html.extend(action.diff.as_deref().map(diff));
    // Of many nodes each wrote something else: that stands with the nodes.
    if nodes.len() == 1 {
        html += &output(&action.output);
    }
    html + "</div>\n"
}
