//! From byte offsets to lines and columns.

use std::cell::Cell;
use std::sync::Arc;

/// Finds lines and columns in a text.
///
/// Offsets are mostly asked for in ascending order, so the last answer is where the count for the
/// next one starts: a document written on one enormous line stays cheap.
#[derive(Debug)]
pub(super) struct Positions {
    text: Arc<str>,
    line_starts: Vec<usize>,
    last: Cell<(usize, usize)>,
}

impl Positions {
    /// Indexes `text`.
    pub(super) fn new(text: Arc<str>) -> Self {
        // A byte order mark is no column of the first line.
        let first = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        let ends = text.match_indices('\n').map(|(at, _)| at + 1);
        let line_starts = std::iter::once(first).chain(ends).collect();
        Self { text, line_starts, last: Cell::new((first, 1)) }
    }

    /// Line and column of a byte offset, both from 1; columns are characters.
    pub(super) fn locate(&self, offset: usize) -> (u32, u32) {
        let offset = offset.min(self.text.len());
        let line = self.line_starts.partition_point(|start| *start <= offset).max(1);
        let start = self.line_starts.get(line - 1).copied().unwrap_or_default();
        let (known, column) = match self.last.get() {
            last @ (known, _) if (start..=offset).contains(&known) => last,
            _ => (start, 1),
        };
        let between = self.text.get(known..offset).unwrap_or_default();
        let column = column + between.chars().count();
        self.last.set((offset, column));
        (saturated(line), saturated(column))
    }
}

/// The byte offset of a line and a column, both from 1; the end of the text where there is no such
/// place.
pub(super) fn offset(text: &str, line: u32, column: u32) -> usize {
    let before = |number: u32| usize::try_from(number.saturating_sub(1)).unwrap_or(usize::MAX);
    let ends = text.match_indices('\n').map(|(at, _)| at + 1);
    let start = std::iter::once(0).chain(ends).nth(before(line)).unwrap_or(text.len());
    let line = text.get(start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
    let within = line.char_indices().nth(before(column)).map_or(line.len(), |(at, _)| at);
    start + within
}

fn saturated(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_have_offsets() {
        let text = "ab\näöx\n";
        let at = |line, column| offset(text, line, column);
        assert_eq!(
            [at(1, 1), at(1, 2), at(1, 9), at(2, 3), at(3, 1), at(9, 9)],
            [0, 1, 2, 7, 9, 9]
        );
    }

    #[test]
    fn lines_and_columns_count_from_one_in_any_order() {
        let text = "ab\näöx\n\nlast";
        let positions = Positions::new(text.into());
        let expected = [
            (0, (1, 1)),
            (1, (1, 2)),
            (2, (1, 3)),
            (3, (2, 1)),
            (7, (2, 3)),
            (8, (2, 4)),
            (9, (3, 1)),
            (10, (4, 1)),
            (14, (4, 5)),
            (99, (4, 5)),
        ];
        for (offset, place) in expected.into_iter().chain(expected.into_iter().rev()) {
            assert_eq!(positions.locate(offset), place, "offset {offset}");
        }
    }

    #[test]
    fn a_byte_order_mark_is_no_column() {
        let positions = Positions::new("\u{feff}ab\nc".into());
        let found = [3, 4, 6, 0].map(|offset| positions.locate(offset));
        assert_eq!(found, [(1, 1), (1, 2), (2, 1), (1, 1)]);
    }

    #[test]
    fn an_empty_text_has_one_place() {
        assert_eq!(Positions::new("".into()).locate(0), (1, 1));
    }
}
