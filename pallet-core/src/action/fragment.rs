//! Fragments: the shell code with which one action changes a node.

use super::digest::digest;
use crate::shell;

/// The part of an apply program that carries out one action.
///
/// A fragment runs in a bash subshell of its own under `set -e`, with standard input closed, as
/// the step's user. Contents travel beside the code, not in it: [`Fragment::payload`] gives a
/// command that writes the next payload to standard output, and must run exactly once, in order.
///
/// ```
/// use pallet_core::action::Fragment;
/// let mut fragment = Fragment::new();
/// fragment.run(["install", "-d", "-m", "0755", "/opt/my app"]);
/// assert_eq!(fragment.code(), "install -d -m 0755 '/opt/my app'\n");
/// ```
#[derive(Debug, Clone, Default)]
pub struct Fragment {
    code: String,
    payloads: Vec<Vec<u8>>,
}

impl Fragment {
    /// A fragment that does nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a command; every word is quoted.
    pub fn run<I>(&mut self, words: I) -> &mut Self
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        self.line(&shell::command(words))
    }

    /// Adds a line of shell code as it is. Values in it go through [`shell::quote`].
    pub fn line(&mut self, code: &str) -> &mut Self {
        self.code.push_str(code);
        self.code.push('\n');
        self
    }

    /// Adds bytes that travel with the program, and returns the shell command that writes them to
    /// its standard output.
    ///
    /// The command has to run exactly once, and payloads have to be taken in the order in which
    /// they were added, since they are read from one stream.
    pub fn payload(&mut self, bytes: impl Into<Vec<u8>>) -> String {
        let bytes = bytes.into();
        let command = format!("pallet_payload {}", bytes.len());
        self.payloads.push(bytes);
        command
    }

    /// The shell code.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// The payloads, in the order in which the code takes them.
    pub fn payloads(&self) -> &[Vec<u8>] {
        &self.payloads
    }

    /// Digest of all that the fragment does.
    pub(crate) fn digest(&self) -> String {
        let payloads = self.payloads.iter().map(Vec::as_slice);
        digest(std::iter::once(self.code.as_bytes()).chain(payloads))
    }
}
