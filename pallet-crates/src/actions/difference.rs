//! Showing how contents differ.

use std::fmt::Write as _;
use std::time::Duration;

use similar::TextDiff;

use crate::probes::Seen;

/// A longer difference is cut.
const MOST_LINES: usize = 400;

/// A unified diff, or the reason why there is none.
pub(super) enum Difference {
    /// The diff.
    Unified(String),
    /// Why none is shown: `binary`.
    Hidden(&'static str),
}

/// Compares what was seen at `path` with what will be there.
pub(super) fn difference(path: &str, before: &Seen, after: &Seen) -> Difference {
    let before = match before {
        Seen::Nothing => "",
        Seen::Binary => return Difference::Hidden("binary"),
        Seen::Large => return Difference::Hidden("too large to show"),
        Seen::Text(text) => match std::str::from_utf8(text) {
            Ok(text) => text,
            Err(_) => return Difference::Hidden("not UTF-8"),
        },
    };
    let after = match after {
        Seen::Large => return Difference::Hidden("too large to show"),
        Seen::Text(text) => text,
        Seen::Binary | Seen::Nothing => return Difference::Hidden("binary"),
    };
    let Ok(after) = std::str::from_utf8(after) else { return Difference::Hidden("not UTF-8") };
    // Thousands of lines without one in common would take seconds to compare perfectly.
    let diff = TextDiff::configure().timeout(Duration::from_millis(200)).diff_lines(before, after);
    let unified = diff.unified_diff().context_radius(3).header(path, path).to_string();
    Difference::Unified(cut(unified))
}

fn cut(diff: String) -> String {
    let Some((end, _)) = diff.match_indices('\n').nth(MOST_LINES) else { return diff };
    let rest = diff.get(end + 1..).unwrap_or_default().lines().count();
    let mut shown = diff.get(..=end).unwrap_or_default().to_owned();
    if rest > 0 {
        let _ = writeln!(shown, "… {rest} more lines");
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(before: &Seen, after: &[u8]) -> String {
        match difference("/etc/motd", before, &Seen::of(after)) {
            Difference::Unified(diff) => diff,
            Difference::Hidden(reason) => format!("hidden: {reason}"),
        }
    }

    #[test]
    fn diff_table() {
        let text = |text: &[u8]| Seen::Text(text.to_vec());
        assert_eq!(
            shown(&text(b"a\nb\n"), b"a\nc\n"),
            "--- /etc/motd\n+++ /etc/motd\n@@ -1,2 +1,2 @@\n a\n-b\n+c\n"
        );
        assert_eq!(
            shown(&Seen::Nothing, b"new"),
            "--- /etc/motd\n+++ /etc/motd\n@@ -0,0 +1 @@\n+new\n\\ No newline at end of file\n"
        );
        assert_eq!(shown(&Seen::Binary, b"a"), "hidden: binary");
        assert_eq!(shown(&Seen::Large, b"a"), "hidden: too large to show");
        assert_eq!(shown(&text(b"\xff"), b"a"), "hidden: not UTF-8");
        assert_eq!(shown(&text(b"a"), b"\xff"), "hidden: not UTF-8");
        assert_eq!(shown(&text(b"a"), b"a\0"), "hidden: binary");
    }

    #[test]
    fn long_diffs_are_cut_and_say_so() {
        let after: String = (0..5000).map(|number| format!("{number}\n")).collect();
        let diff = shown(&Seen::Nothing, after.as_bytes());
        assert_eq!(diff.lines().count(), MOST_LINES + 2);
        assert!(diff.ends_with("more lines\n"), "{diff}");
    }
}
