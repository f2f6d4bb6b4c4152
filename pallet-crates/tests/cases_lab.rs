//! Every case of every action on real nodes, Debian 12 and 13: the preview says what happens and
//! changes nothing, the run does it, and a second run finds nothing to do.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "lab/case.rs"]
#[allow(dead_code, reason = "other tests use more of it")]
mod case;
#[path = "lab/node.rs"]
#[allow(dead_code, reason = "other tests use more of it")]
mod node;

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};

use case::{Case, Release, fits};
use node::{LabNode, told};
use pallet_core::action::Mode;
use pallet_core::plan::PlanError;
use pallet_core::report::PhaseReport;
use xtask::lab::NodeKind;

/// What became of a case in one run.
fn outcome(report: &Result<PhaseReport, PlanError>) -> String {
    match report {
        Err(error) => format!("failed: {error}"),
        Ok(report) => match &report.failure {
            Some(failure) => format!("failed: {} {}", failure.message, failure.output),
            None => report.actions.iter().map(told).collect(),
        },
    }
}

/// All that has been written to the node's disk, with its attributes, but for what the system writes
/// at any time, what logging in does, and apt's cache of its own lists, made for whoever looks.
fn written(node: &LabNode) -> BTreeSet<String> {
    let list = node.claim().written().unwrap();
    let traces = [
        "var/log/wtmp",
        "var/log/lastlog",
        "var/log/btmp",
        "var/log/journal",
        "var/lib/systemd",
        "var/cache/apt",
    ];
    let is_trace = |line: &&str| traces.iter().any(|trace| line.starts_with(trace));
    list.lines().filter(|line| !is_trace(line)).map(str::to_owned).collect()
}

/// Runs one case; what is wrong, line by line.
async fn run(node: &mut LabNode, case: &Case) -> Vec<String> {
    let mut wrong = Vec::new();
    if let Err(error) = node.shell(&case.preparation()) {
        return vec![format!("before: {error}")];
    }
    let expected = case.report.clone().unwrap_or_else(|| "failed: *".to_owned());
    let mut expect = |when: &str, pattern: &str, told: &str| {
        let is_right = match &case.fails {
            Some(part) if pattern.starts_with("failed") => {
                told.starts_with("failed: ") && told.contains(part.as_str())
            }
            _ => fits(pattern, told),
        };
        if !is_right {
            let part = case.fails.as_deref().unwrap_or_default();
            wrong.push(format!("{when}: {told}\n    expected: {pattern} {part}"));
        }
    };

    let before = written(node);
    let preview = node.try_run(Mode::Check, vec![case.step()]).await;
    expect("preview", case.check.as_deref().unwrap_or(&expected), &outcome(&preview));
    let after = written(node);
    let traces: Vec<&String> = before.symmetric_difference(&after).collect();
    if !traces.is_empty() {
        expect("what the preview has written", "", &format!("{traces:#?}"));
    }
    if let Some(part) = &case.diff {
        let actions = preview.iter().flat_map(|report| &report.actions);
        let diffs = actions.filter_map(|action| action.diff.as_deref());
        let shown: String = diffs.collect();
        if !shown.contains(part.as_str()) {
            expect("difference", part, &shown);
        }
    }

    expect("run", &expected, &outcome(&node.try_run(Mode::Apply, vec![case.step()]).await));
    if case.fails.is_none() {
        let again = case.again.as_deref().unwrap_or("unchanged");
        expect("second run", again, &outcome(&node.try_run(Mode::Apply, vec![case.step()]).await));
    }
    for (path, content) in &case.left {
        match node.shell(&format!("cat -- {}; echo .", pallet_core::shell::quote(path))) {
            Ok(found) => {
                let found = found.trim_end().strip_suffix('.').unwrap_or_default();
                if found != content {
                    expect(path, content, found);
                }
            }
            Err(error) => expect(path, content, &error),
        }
    }
    if !case.after.is_empty() {
        match node.shell(&case.after) {
            Ok(printed) => expect("after", case.prints.trim_end(), printed.trim_end()),
            Err(error) => expect("after", &case.prints, &error),
        }
    }
    let clean = format!("cd /\n( :\n{}\n) >/dev/null 2>&1 </dev/null || :", case.clean);
    if let Err(error) = node.shell(&clean) {
        wrong.push(format!("clean: {error}"));
    }
    wrong
}

/// Works off a queue of cases on one node.
async fn work(kind: NodeKind, queue: Arc<Mutex<VecDeque<Case>>>) -> Vec<String> {
    let mut node = LabNode::new(kind).await;
    let mut wrong = Vec::new();
    loop {
        let next = queue.lock().unwrap().pop_front();
        let Some(case) = next else { return wrong };
        let found = run(&mut node, &case).await;
        if !found.is_empty() {
            wrong.push(format!("{} on {kind:?}\n  {}", case.name(), found.join("\n  ")));
        }
    }
}

async fn all_cases_on(kind: NodeKind, release: Release, nodes: usize) {
    // One case alone: CASE=directory/drift cargo test …
    let only = std::env::var("CASE").ok();
    let is_meant = |case: &Case| only.as_ref().is_none_or(|only| case.name().contains(only));
    let cases = case::all().into_iter();
    let cases: VecDeque<Case> =
        cases.filter(|case| case.nodes.contains(&release) && is_meant(case)).collect();
    assert!(only.is_some() || !cases.is_empty());
    let queue = Arc::new(Mutex::new(cases));
    let workers: Vec<_> = (0..nodes).map(|_| tokio::spawn(work(kind, queue.clone()))).collect();
    let mut wrong = Vec::new();
    for worker in workers {
        wrong.extend(worker.await.unwrap());
    }
    assert!(wrong.is_empty(), "{} cases:\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test]
async fn on_debian_12() {
    all_cases_on(NodeKind::Plain, Release::Plain, 2).await;
}

#[tokio::test]
async fn on_debian_13() {
    all_cases_on(NodeKind::Trixie, Release::Trixie, 1).await;
}

#[tokio::test]
async fn with_systemd() {
    all_cases_on(NodeKind::Systemd, Release::Systemd, 1).await;
}
