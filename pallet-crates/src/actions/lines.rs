//! The lines of a text file.

/// A text as lines, without their ends. Bytes: the encoding is nobody's business here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lines(Vec<Vec<u8>>);

impl Lines {
    /// Takes a text apart. Carriage returns belong to the lines.
    pub fn of(text: &[u8]) -> Self {
        let body = text.strip_suffix(b"\n").unwrap_or(text);
        if text.is_empty() {
            return Self(Vec::new());
        }
        Self(body.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect())
    }

    /// The text; each line is ended, the last one too.
    pub fn text(&self) -> Vec<u8> {
        let mut text = Vec::new();
        for line in &self.0 {
            text.extend_from_slice(line);
            text.push(b'\n');
        }
        text
    }

    /// The position of the last line that fits.
    pub fn last(&self, fits: impl Fn(&[u8]) -> bool) -> Option<usize> {
        self.0.iter().rposition(|line| fits(line))
    }

    /// The position of the first line that fits.
    pub fn first(&self, fits: impl Fn(&[u8]) -> bool) -> Option<usize> {
        self.0.iter().position(|line| fits(line))
    }

    /// The first line that fits.
    pub fn find(&self, fits: impl Fn(&[u8]) -> bool) -> Option<&[u8]> {
        self.0.iter().map(Vec::as_slice).find(|line| fits(line))
    }

    /// Puts `line` in place of the first line that fits and removes all others that do. `false`
    /// if none does.
    pub fn replace(&mut self, line: &[u8], fits: impl Fn(&[u8]) -> bool) -> bool {
        let Some(first) = self.first(&fits) else { return false };
        if let Some(place) = self.0.get_mut(first) {
            *place = line.to_vec();
        }
        let mut position = 0;
        self.0.retain(|other| {
            position += 1;
            position - 1 <= first || !fits(other)
        });
        true
    }

    /// Removes all lines that fit.
    pub fn remove(&mut self, fits: impl Fn(&[u8]) -> bool) {
        self.0.retain(|line| !fits(line));
    }

    /// Puts what `change` makes of each line in its place; `None` removes the line.
    pub fn edit(&mut self, change: impl FnMut(&Vec<u8>) -> Option<Vec<u8>>) {
        self.0 = self.0.iter().filter_map(change).collect();
    }

    /// Inserts a line before the one at `position`; at the end if there is no such line.
    pub fn insert(&mut self, position: usize, line: &[u8]) {
        self.0.insert(position.min(self.0.len()), line.to_vec());
    }

    /// Adds a line at the end.
    pub fn push(&mut self, line: &[u8]) {
        self.0.push(line.to_vec());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_come_back() {
        for text in ["", "\n", "a\n", "a\n\n\nb\n", "a\r\nb\n"] {
            assert_eq!(Lines::of(text.as_bytes()).text(), text.as_bytes(), "{text:?}");
        }
        assert_eq!(Lines::of(b"a\nb").text(), b"a\nb\n", "the last line is ended");
    }

    #[test]
    fn editing() {
        let lines = Lines::of(b"x1\na\nx2\nx3\n");
        let is_x = |line: &[u8]| line.starts_with(b"x");
        let mut edited = lines.clone();
        assert!(edited.replace(b"y", is_x));
        assert_eq!(edited.text(), b"y\na\n");
        assert!(!edited.replace(b"z", is_x));
        assert_eq!((lines.first(is_x), lines.last(is_x)), (Some(0), Some(3)));
        let mut edited = lines.clone();
        edited.remove(is_x);
        edited.insert(0, b"0");
        edited.insert(99, b"9");
        assert_eq!(edited.text(), b"0\na\n9\n");
    }
}
