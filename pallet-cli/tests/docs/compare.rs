//! Holds the output that a page shows against what a command has written.
//!
//! `…` stands for anything: alone on a line, for lines; in a line, for text. Lengths of time, points
//! of time, runs' ids and the width of columns are not compared. Nodes are worked on at once, so
//! that the order of lines counts among lines with the same first word only.

use std::collections::BTreeMap;

use regex::Regex;

/// Ends of lines that are written while something takes long.
const SLOW: [&str; 2] = [" still running", " no answer yet"];

/// Whether `shown` describes `written`.
pub fn matches(shown: &[String], written: &str) -> bool {
    let shown = lines(shown.iter().map(String::as_str));
    let mut written = lines(written.lines());
    // What a slow machine says more.
    written.retain(|line| !SLOW.iter().any(|words| line.ends_with(words)) || shown.contains(line));
    if shown.iter().any(|line| line == "…") {
        let shown: Vec<String> = shown.into_iter().filter(|line| line != "…").collect();
        return in_order(&shown, &written);
    }
    shown.len() == written.len() && {
        let (shown, written) = (by_first_word(&shown), by_first_word(&written));
        shown.iter().zip(&written).all(|(shown, written)| fits(shown, written))
    }
}

/// Lines as they are compared: without blank ones.
fn lines<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<String> {
    lines.map(plain).filter(|line| !line.is_empty()).collect()
}

/// A line without what differs from run to run.
fn plain(line: &str) -> String {
    const UNSTEADY: [(&str, &str); 6] = [
        (r"\b\d{8}T\d{6}Z-[0-9a-f]{8}\b", "RUN"),
        (r"\b\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?( UTC|Z)?", "MOMENT"),
        (r"\b\d+ min( \d+ s)?\b", "TIME"),
        (r"\b\d+(\.\d+)? (ms|s)\b", "TIME"),
        (r"\b10\.\d+\.\d+\.\d+\b", "ADDRESS"),
        (r#""millis": \d+"#, r#""millis": N"#),
    ];
    let mut line = line.split_whitespace().collect::<Vec<_>>().join(" ");
    for (pattern, word) in UNSTEADY {
        line = Regex::new(pattern).unwrap().replace_all(&line, word).into_owned();
    }
    line
}

fn first_word(line: &str) -> &str {
    line.split(' ').next().unwrap_or(line)
}

fn by_first_word(lines: &[String]) -> Vec<&String> {
    let mut sorted: Vec<&String> = lines.iter().collect();
    sorted.sort_by_key(|line| first_word(line));
    sorted
}

/// Whether the shown lines are among the written ones, those with the same first word in order.
fn in_order(shown: &[String], written: &[String]) -> bool {
    let mut reached: BTreeMap<&str, usize> = BTreeMap::new();
    shown.iter().all(|line| {
        let start = reached.entry(first_word(line)).or_default();
        let found = written.iter().skip(*start).position(|it| fits(line, it));
        found.inspect(|found| *start += found + 1).is_some()
    })
}

fn fits(shown: &str, written: &str) -> bool {
    let Some((head, rest)) = shown.split_once('…') else { return shown == written };
    let Some(mut left) = written.strip_prefix(head) else { return false };
    let mut parts: Vec<&str> = rest.split('…').collect();
    let tail = parts.pop().unwrap_or_default();
    for part in parts {
        let Some(at) = left.find(part) else { return false };
        left = &left[at + part.len()..];
    }
    left.ends_with(tail)
}

#[test]
fn what_is_compared_and_what_is_not() {
    let same = |shown: &str, written: &str| {
        let shown: Vec<String> = shown.lines().map(str::to_owned).collect();
        matches(&shown, written)
    };
    assert!(same("a  changed  3 ms\nb  changed  1.5 s", "b changed 2 s\na  changed 1 min 3 s\n"));
    assert!(!same("a  changed\na  failed", "a failed\na changed\n"), "the order on a node counts");
    assert!(!same("a  changed", "a changed\nb changed\n"), "what is not shown must not be there");
    assert!(same("a  changed\n…", "a changed\nb changed\n"));
    assert!(!same("c  changed\n…", "a changed\nb changed\n"));
    assert!(!same("…\na changed\na changed", "a changed\n"), "each line counts once");
    assert!(same("run … is done", "run 7 is done"));
    assert!(!same("run … is done", "run 7 is done, nearly"));
    assert!(!same("2 nodes", "3 nodes"));
}
