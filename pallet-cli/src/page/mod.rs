//! A run as a page for browsers: one file, which needs no network and works without scripts.
//!
//! Whatever nodes and descriptions say is text in it and nothing else: it goes through
//! [`escape::text`], and the page's policy runs no script but our own.

mod changes;
mod escape;
mod failures;
mod nodes;
mod timeline;

use std::collections::hash_map::RandomState;
use std::fmt::Write;
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

use pallet_core::report::{Failure, NodeReport, Report, Status};

use self::escape::text;
use crate::text::{count, duration};

const PAGE: &str = include_str!("assets/page.html");
const STYLE: &str = include_str!("assets/style.css");
const SCRIPT: &str = include_str!("assets/script.js");

/// What a page tells.
#[derive(Debug)]
pub struct Page<'a> {
    /// What was done: `converge of pallet.toml`.
    pub title: String,
    /// How it ended.
    pub ending: Ending,
    /// When it began, which run it was, who began it; as far as that is known.
    pub lines: Vec<String>,
    /// What happened.
    pub report: &'a Report,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// All was done.
    Done,
    /// Something failed.
    Failed,
    /// It was stopped.
    Stopped,
    /// Nothing was touched: it was only looked at.
    Plan,
    /// It still goes on.
    Running,
    /// It was cut off.
    CutOff,
}

impl Ending {
    /// The words for it, and how they look.
    fn mark(self) -> (&'static str, &'static str) {
        match self {
            Self::Done => ("done", "good"),
            Self::Failed => ("failed", "failed"),
            Self::Stopped => ("stopped", "changed"),
            Self::Plan => ("plan: nothing was touched", "good"),
            Self::Running => ("goes on", "changed"),
            Self::CutOff => ("cut off", "failed"),
        }
    }
}

/// The whole page.
pub fn html(page: &Page<'_>) -> String {
    let body = body(page);
    let nonce = format!("{:016x}{:016x}", random(), random());
    let title = text(&page.title);
    // In one pass: what is filled in may itself look like a gap.
    let mut whole = String::with_capacity(body.len() + STYLE.len() + SCRIPT.len() + PAGE.len());
    for (at, part) in PAGE.split("{{").enumerate() {
        let (gap, rest) = part.split_once("}}").filter(|_| at > 0).unwrap_or(("", part));
        whole += match gap {
            "nonce" => &nonce,
            "title" => &title,
            "style" => STYLE,
            "script" => SCRIPT,
            "body" => &body,
            _ => "",
        };
        whole += rest;
    }
    whole
}

/// A number that what is on the page cannot know.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

fn body(page: &Page<'_>) -> String {
    let report = page.report;
    let mut body = String::new();
    let (words, look) = page.ending.mark();
    let _ = writeln!(
        body,
        "<a class=\"skip\" href=\"#main\">Skip to the content</a>\n\
         <header class=\"wide\"><div class=\"line\"><h1>{}</h1>\
         <span class=\"mark {look}\">{words}</span>\
         <button id=\"theme\" type=\"button\" hidden></button></div>",
        text(&page.title)
    );
    for line in &page.lines {
        let _ = writeln!(body, "<p>{}</p>", text(line));
    }
    body += "</header>\n<main id=\"main\" class=\"wide\">\n";
    body += &sums(page);
    body += &failures::section(report);
    body += &fates(page);
    body += &timeline::section(report);
    body += &changes::section(report);
    body += &nodes::section(report);
    body += "</main>\n<footer class=\"wide\">Written by pallet ";
    body += env!("CARGO_PKG_VERSION");
    body += "</footer>";
    body
}

/// The run in numbers.
fn sums(page: &Page<'_>) -> String {
    let report = page.report;
    let totals = report.totals();
    let failed = all_failures(report).count();
    let changed = if page.ending == Ending::Plan { "would change" } else { "changed" };
    let took = span(report).map(|(begun, ended)| duration(Duration::from_millis(ended - begun)));
    let mut sums = String::from("<dl class=\"sums\" aria-label=\"The run in numbers\">\n");
    let mut sum = |label: &str, look: &str, value: &str| {
        let _ = writeln!(sums, "<div class=\"{look}\"><dt>{label}</dt><dd>{value}</dd></div>");
    };
    let look = |number: usize, look| if number > 0 { look } else { "" };
    sum("nodes", "", &report.nodes.len().to_string());
    sum(changed, look(totals.changed, "changed"), &totals.changed.to_string());
    sum("unchanged", "", &totals.unchanged.to_string());
    sum("skipped", "", &totals.skipped.to_string());
    sum("failed", look(failed, "failed"), &failed.to_string());
    if let Some(took) = took {
        sum("time", "", &took);
    }
    sums + "</dl>\n"
}

/// What became of whole nodes.
fn fates(page: &Page<'_>) -> String {
    let report = page.report;
    let lists = [
        ("created", &report.created),
        ("started", &report.started),
        ("destroyed", &report.destroyed),
    ];
    let would = if page.ending == Ending::Plan { "would be " } else { "" };
    let lists = lists.into_iter().filter(|(_, nodes)| !nodes.is_empty());
    let lines: String = lists
        .map(|(verb, nodes)| {
            let names = text(&nodes.join(", "));
            format!(
                "<h3>{} {would}{verb}</h3><p class=\"nodes\">{names}</p>\n",
                count(nodes.len(), "node")
            )
        })
        .collect();
    if lines.is_empty() {
        return lines;
    }
    format!(
        "<section aria-labelledby=\"fates\"><h2 id=\"fates\">Nodes that came and went</h2>\n{lines}</section>\n"
    )
}

/// From when to when a run went, in milliseconds since 1970, as far as that is known.
fn span(report: &Report) -> Option<(u64, u64)> {
    let phases = || report.nodes.iter().flat_map(|node| &node.phases);
    let begun = report.begun.into_iter().chain(phases().filter_map(|phase| phase.begun)).min()?;
    let ends = phases().filter_map(|phase| Some(phase.begun? + millis(phase.duration)));
    let ended = report.ended.into_iter().chain(ends).max()?;
    (ended > begun).then_some((begun, ended))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// All failures, those of nodes first.
fn all_failures(report: &Report) -> impl Iterator<Item = &Failure> {
    let phases = report.nodes.iter().flat_map(|node| &node.phases);
    phases.filter_map(|phase| phase.failure.as_ref()).chain(&report.failures)
}

fn has_failed(node: &NodeReport) -> bool {
    node.failure().is_some()
}

/// The class of an action's row, and the words for how it ended.
fn ended(status: &Status) -> (&'static str, &'static str) {
    match status {
        Status::Unchanged => ("unchanged", "unchanged"),
        Status::Changed => ("changed", "changed"),
        Status::WillChange => ("changed", "would change"),
        Status::MayChange { .. } => ("changed", "may change"),
        Status::Failed => ("failed", "failed"),
        Status::Skipped { .. } => ("skipped", "skipped"),
    }
}

#[cfg(test)]
mod tests;
