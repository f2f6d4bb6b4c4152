//! What failed, before everything else.

use std::fmt::Write;

use pallet_core::report::{Failure, Report};

use super::all_failures;
use super::escape::{output, text};

/// All failures; nothing where there is none.
pub(super) fn section(report: &Report) -> String {
    let failures: String = all_failures(report).map(failure).collect();
    let stopped = report.stopped.iter().map(|reason| {
        format!("<p>The run was stopped before its end, since {}.</p>\n", text(reason))
    });
    let stopped: String = stopped.collect();
    if failures.is_empty() && stopped.is_empty() {
        return String::new();
    }
    let heading = if failures.is_empty() { "Stopped" } else { "Failures" };
    format!(
        "<section aria-labelledby=\"failures\"><h2 id=\"failures\">{heading}</h2>\n{stopped}{failures}</section>\n"
    )
}

fn failure(failure: &Failure) -> String {
    let place: Vec<&str> =
        failure.node.as_deref().into_iter().chain([failure.phase.as_str()]).collect();
    let mut html = format!("<div class=\"failure\"><h3>{}</h3>\n", text(&place.join(", ")));
    if let Some(action) = &failure.action {
        let _ = writeln!(html, "<code>{}</code>", text(action));
    }
    if let Some(origin) = &failure.origin {
        let _ = writeln!(html, "<span class=\"place\">{}</span>", text(&origin.to_string()));
    }
    let _ = writeln!(html, "<p class=\"message\">{}</p>", text(&failure.message));
    html += &output(&failure.output);
    if let Some(help) = &failure.help {
        let _ = writeln!(html, "<p class=\"help\">{}</p>", text(help));
    }
    html + "</div>\n"
}
