//! The end of what a session writes to standard error.

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

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0).trim().to_owned()
    }
}
