//! The cases of `cases_lab.rs`, as far as no node is needed: each can be read, and none is missing.

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

#[test]
fn every_action_has_cases_that_can_be_read() {
    let all = case::all();
    // Owner, group and mode drift, and that is found.
    let told: Vec<String> = all.iter().filter_map(|case| case.report.clone()).collect();
    for drift in ["owner root → ", "group root → ", "mode 0777 → "] {
        assert!(told.iter().any(|told| told.contains(drift)), "{drift}");
    }
}

#[test]
fn patterns() {
    for (pattern, told, expected) in [
        ("a", "a", true),
        ("a", "ab", false),
        ("a*", "ab", true),
        ("a*c*e", "abcde", true),
        ("a*c*e", "abde", false),
        ("*", "", true),
        ("a*a", "a", false),
    ] {
        assert_eq!(case::fits(pattern, told), expected, "{pattern} {told}");
    }
}
