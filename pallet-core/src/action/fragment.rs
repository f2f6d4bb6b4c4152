//! Fragments: the shell code with which one action changes a node.

use std::time::Duration;

use super::Upload;
use super::digest::digest;
use crate::shell;

/// Contents above this size travel on a channel of their own.
const LARGE: usize = 1024 * 1024;

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
    /// What few fragments have.
    rare: Option<Box<Rare>>,
}

#[derive(Debug, Clone, Default)]
struct Rare {
    uploads: Vec<Upload>,
    restart: Option<Duration>,
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

    /// Adds bytes that travel with the program, or above 1 MiB ahead of it, and returns the shell
    /// command that writes them to its standard output.
    ///
    /// The command has to run exactly once, and payloads have to be taken in the order in which
    /// they were added, since they are read from one stream.
    pub fn payload(&mut self, bytes: impl Into<Vec<u8>>) -> String {
        let bytes = bytes.into();
        if bytes.len() > LARGE {
            return self.upload(Upload::bytes(bytes));
        }
        let command = format!("pallet_payload {}", bytes.len());
        self.payloads.push(bytes);
        command
    }

    /// Adds a content that is put on the node ahead of the program, and returns the shell command
    /// that writes it to its standard output.
    pub fn upload(&mut self, upload: Upload) -> String {
        let command = format!("pallet_uploaded {}", upload.sha256());
        self.rare.get_or_insert_default().uploads.push(upload);
        command
    }

    /// Adds all that `other` does. Its code must not have been added in another way.
    pub fn append(&mut self, other: &Fragment) -> &mut Self {
        self.code.push_str(&other.code);
        self.payloads.extend(other.payloads.iter().cloned());
        if let Some(theirs) = &other.rare {
            let ours = self.rare.get_or_insert_default();
            ours.uploads.extend(theirs.uploads.iter().cloned());
            ours.restart = ours.restart.or(theirs.restart);
        }
        self
    }

    /// Says that the node starts anew at the end of this fragment. The engine waits for so long
    /// until it is there again, and looks at everything anew.
    pub fn restarts(&mut self, patience: Duration) -> &mut Self {
        self.rare.get_or_insert_default().restart = Some(patience);
        self
    }

    /// How long the node may take to start anew, if it does.
    pub fn restart(&self) -> Option<Duration> {
        self.rare.as_ref()?.restart
    }

    /// The contents that are put on the node ahead of the program.
    pub fn uploads(&self) -> &[Upload] {
        self.rare.as_ref().map_or(&[], |rare| &rare.uploads)
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
        let uploads = self.uploads().iter().map(|upload| upload.sha256().as_bytes());
        digest(std::iter::once(self.code.as_bytes()).chain(payloads).chain(uploads))
    }
}
