//! Frames: telling our marks from everything else that a node writes.

/// What stands around a mark, and nearly nowhere else.
const SEPARATOR: u8 = 0x1e;

/// Splits a byte stream at marks, which begin with a token that nobody else knows.
#[derive(Debug)]
pub(super) struct Frames {
    /// Separator, token, space.
    needle: Vec<u8>,
    buffer: Vec<u8>,
    /// No mark begins before this offset of the buffer.
    searched: usize,
}

/// A mark, and what was written since the one before.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub data: Vec<u8>,
    pub mark: String,
}

impl Frames {
    pub fn new(token: &str) -> Self {
        let needle = [&[SEPARATOR], token.as_bytes(), b" "].concat();
        Self { needle, buffer: Vec::new(), searched: 0 }
    }

    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next complete frame.
    pub fn next(&mut self) -> Option<Frame> {
        let unsearched = self.buffer.get(self.searched..)?;
        let Some(at) = find(unsearched, &self.needle).map(|at| at + self.searched) else {
            self.searched = self.buffer.len().saturating_sub(self.needle.len() - 1);
            return None;
        };
        self.searched = at;
        let words = self.buffer.get(at + self.needle.len()..)?;
        let length = words.iter().position(|byte| *byte == SEPARATOR)?;
        let mark = String::from_utf8_lossy(words.get(..length)?).into_owned();
        let rest = self.buffer.split_off(at + self.needle.len() + length + 1);
        let mut data = std::mem::replace(&mut self.buffer, rest);
        data.truncate(at);
        self.searched = 0;
        Some(Frame { data, mark })
    }

    /// What was written since the last mark.
    pub fn rest(&self) -> &[u8] {
        &self.buffer
    }
}

/// Where `needle` begins in `haystack`. The first byte is so rare that looking for it first makes
/// this fast.
fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    let first = *needle.first()?;
    let mut from = 0;
    while let Some(at) = haystack.get(from..)?.iter().position(|byte| *byte == first) {
        if haystack.get(from + at..)?.starts_with(needle) {
            return Some(from + at);
        }
        from += at + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_found_however_the_stream_is_cut() {
        let stream =
            b"noise\x1eTOK facts\x1ea=1\n\x1eTOK begin 0\x1ex\x1eTOKEN \n\0\xff\x1eTOK end 0 0\x1e";
        let expected = [("noise", "facts"), ("a=1\n", "begin 0")];
        for step in 1..stream.len() {
            let mut frames = Frames::new("TOK");
            let mut found = Vec::new();
            for piece in stream.chunks(step) {
                frames.push(piece);
                while let Some(frame) = frames.next() {
                    found.push(frame);
                }
            }
            assert_eq!(found.len(), 3, "step {step}");
            for (frame, (data, mark)) in found.iter().zip(expected) {
                assert_eq!((frame.data.as_slice(), frame.mark.as_str()), (data.as_bytes(), mark));
            }
            assert_eq!(found[2].data, b"x\x1eTOKEN \n\0\xff");
            assert!(frames.rest().is_empty());
        }
    }
}
