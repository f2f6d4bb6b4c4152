//! The end of what a session writes to standard error.

use crate::secret::redact;

/// The end of what a session writes to standard error, for explanations.
#[derive(Debug, Default)]
pub(super) struct Tail(Vec<u8>);

impl Tail {
    const LIMIT: usize = 8 * 1024;

    pub fn push(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
        let surplus = self.0.len().saturating_sub(Self::LIMIT);
        self.0.drain(..surplus);
    }

    /// Removes `prompt` if it is there, so that a second one is noticed.
    pub fn take_prompt(&mut self, prompt: &str) -> bool {
        let found = self.0.windows(prompt.len()).position(|window| window == prompt.as_bytes());
        if let Some(at) = found {
            self.0.drain(at..at + prompt.len());
        }
        found.is_some()
    }

    /// The text, without secrets. What was cut off may be the beginning of one, so the rest of
    /// the first line goes with it.
    pub fn text(&self) -> String {
        let mut bytes = self.0.as_slice();
        if bytes.len() == Self::LIMIT {
            let line_end = bytes.iter().position(|byte| *byte == b'\n');
            bytes = bytes.get(line_end.unwrap_or(0)..).unwrap_or_default();
        }
        redact(String::from_utf8_lossy(bytes).trim()).into_owned()
    }
}
