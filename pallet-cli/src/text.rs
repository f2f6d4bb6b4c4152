//! Words, numbers and tables for people.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

/// Colours, or none.
#[derive(Debug, Clone, Copy)]
pub struct Paint {
    is_on: bool,
}

impl Paint {
    /// With colours or without.
    pub fn new(is_on: bool) -> Self {
        Self { is_on }
    }

    /// Something changed.
    pub fn yellow(self, text: &str) -> String {
        self.with("33", text)
    }

    /// Something failed.
    pub fn red(self, text: &str) -> String {
        self.with("31", text)
    }

    /// Something is fine.
    pub fn green(self, text: &str) -> String {
        self.with("32", text)
    }

    /// Something may help.
    pub fn cyan(self, text: &str) -> String {
        self.with("36", text)
    }

    /// Something matters less.
    pub fn dim(self, text: &str) -> String {
        self.with("2", text)
    }

    /// Something to see first.
    pub fn bold(self, text: &str) -> String {
        self.with("1", text)
    }

    fn with(self, code: &str, text: &str) -> String {
        if self.is_on { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

/// Text of nodes and services with control characters made visible: they must not steer the
/// terminal of whoever reads it.
pub fn visible(text: &str) -> Cow<'_, str> {
    let steers = |c: char| c.is_control() && c != '\n' && c != '\t';
    if !text.contains(steers) {
        return Cow::Borrowed(text);
    }
    // Windows line ends are common and harmless.
    let text = text.replace("\r\n", "\n");
    let show = |c: char| match c {
        c if steers(c) => c.escape_default().to_string(),
        c => c.to_string(),
    };
    Cow::Owned(text.chars().map(show).collect())
}

/// `12 ms`, `8.2 s`, `3 min 5 s`.
pub fn duration(duration: Duration) -> String {
    let millis = duration.as_millis();
    match millis {
        0..1_000 => format!("{millis} ms"),
        // Rounded to tenths first: 59.96 s is a minute.
        1_000..59_950 => format!("{:.1} s", duration.as_secs_f64()),
        _ => {
            let seconds = (millis + 500) / 1_000;
            format!("{} min {} s", seconds / 60, seconds % 60)
        }
    }
}

/// `1 node`, `2 nodes`.
pub fn count(number: usize, noun: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{ending}")
}

/// `a, b, c`, shortened when they are very many.
pub fn names<S: AsRef<str>>(names: &[S]) -> String {
    const MOST: usize = 20;
    let shown: Vec<&str> = names.iter().take(MOST).map(AsRef::as_ref).collect();
    let shown = shown.join(", ");
    match names.len().checked_sub(MOST) {
        Some(more @ 1..) => format!("{shown} and {more} more"),
        _ => shown,
    }
}

/// The known name that was probably meant: a third of the letters may be wrong, and of short
/// names one.
pub fn closest<'a>(given: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let given = given.to_lowercase();
    let length = given.chars().count();
    known
        .map(|name| (strsim::damerau_levenshtein(&given, &name.to_lowercase()), name))
        .filter(|(wrong, _)| *wrong < length && *wrong <= (length / 3).max(1))
        .min_by_key(|(wrong, _)| *wrong)
        .map(|(_, name)| name)
}

/// A table with a heading.
#[derive(Debug)]
pub struct Table<const N: usize> {
    rows: Vec<[String; N]>,
    /// That many columns hold words; the others hold numbers and stand to the right.
    words: usize,
}

impl<const N: usize> Table<N> {
    /// A table with these headings, of which the first `words` are of columns of words.
    pub fn new(headings: &[&str; N], words: usize) -> Self {
        Self { rows: vec![headings.map(str::to_owned)], words }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: [String; N]) {
        self.rows.push(cells);
    }
}

impl<const N: usize> fmt::Display for Table<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut widths = [0; N];
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        for row in &self.rows {
            let cells = row.iter().zip(widths).enumerate().map(|(column, (cell, width))| {
                if column < self.words {
                    format!("{cell:<width$}")
                } else {
                    format!("{cell:>width$}")
                }
            });
            writeln!(f, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_at_their_edges() {
        let at = |millis| duration(Duration::from_millis(millis));
        assert_eq!([at(0), at(999), at(1_000)], ["0 ms", "999 ms", "1.0 s"]);
        assert_eq!([at(8_240), at(59_949), at(59_950)], ["8.2 s", "59.9 s", "1 min 0 s"]);
        assert_eq!(at(185_000), "3 min 5 s");
    }

    #[test]
    fn control_characters_become_visible() {
        assert_eq!(visible("a\tb\n"), "a\tb\n");
        assert_eq!(visible("\u{1b}[2Jx\r\ny\u{7}"), "\\u{1b}[2Jx\ny\\u{7}");
    }

    #[test]
    fn many_names_are_shortened() {
        let many: Vec<String> = (1..=22).map(|number| format!("n{number}")).collect();
        assert!(names(&many).ends_with("n20 and 2 more"));
        assert!(names(many.get(..20).unwrap()).ends_with("n19, n20"));
    }

    #[test]
    fn near_names_are_found() {
        let known = || ["web", "database"].into_iter();
        assert_eq!(closest("wbe", known()), Some("web"));
        assert_eq!(closest("databse", known()), Some("database"));
        assert_eq!(closest("cache", known()), None);
        assert_eq!(closest("bd", ["db", "a"].into_iter()), Some("db"));
        assert_eq!(closest("x", ["a"].into_iter()), None);
    }
}
