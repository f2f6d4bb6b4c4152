//! Fragments: the shell code with which one action changes a node.

use std::time::Duration;

use super::Upload;
use super::digest::digest;
use crate::shell;

/// Texts up to this size are part of the code.
const SHORT: usize = 64 * 1024;
/// Contents above this size travel on a channel of their own.
const LARGE: usize = 1024 * 1024;

/// The part of an apply program that carries out one action.
///
/// A fragment runs in a bash subshell of its own under `set -e`, with standard input closed, as
/// the step's user. [`Fragment::payload`] gives a command that writes a content to standard output,
/// whether the content travels in the code or beside it, and must run exactly once, in order.
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
    is_brief: bool,
    /// Where in the code the last command begins, if it takes the shell's place.
    last: Option<u32>,
    /// What not all fragments have.
    extras: Option<Box<Extras>>,
}

#[derive(Debug, Clone, Default)]
struct Extras {
    payloads: Vec<Vec<u8>>,
    /// How the paths of its temporary files begin.
    temporaries: Vec<String>,
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
        self.last = None;
        self.code.push_str(code);
        self.code.push('\n');
        self
    }

    /// Adds a program to run, like [`line`](Self::line). If nothing is added behind it, it takes the
    /// place of the shell, which spares a process.
    pub fn last(&mut self, code: &str) -> &mut Self {
        let start = u32::try_from(self.code.len()).ok();
        self.line(code).last = start;
        self
    }

    /// Returns the name of a file beside `path`, as a word of shell code. The code may create that
    /// file: if it fails, or is ended, the file is removed.
    ///
    /// ```
    /// use pallet_core::action::Fragment;
    /// let mut fragment = Fragment::new();
    /// let new = fragment.temporary_beside("/etc/motd");
    /// fragment.line(&format!("date > {new}"));
    /// fragment.last(&format!("mv -fT -- {new} /etc/motd"));
    /// ```
    pub fn temporary_beside(&mut self, path: &str) -> String {
        let folder = path.rsplit_once('/').map_or(".", |(folder, _)| folder);
        let start = format!("{folder}/.pallet.");
        let word = format!("{}\"$pallet_unique\"", shell::quote(&start));
        let temporaries = &mut self.extras().temporaries;
        if !temporaries.contains(&start) {
            temporaries.push(start);
        }
        word
    }

    /// How the paths of its temporary files begin; behind it stands `$pallet_unique`.
    pub fn temporaries(&self) -> &[String] {
        self.extras.as_ref().map_or(&[], |extras| &extras.temporaries)
    }

    /// Adds bytes that travel with the program, or above 1 MiB ahead of it, and returns the shell
    /// command that writes them to its standard output.
    ///
    /// The command has to run exactly once, and payloads have to be taken in the order in which
    /// they were added, since they are read from one stream. Short texts are written by the command
    /// itself, which spares a process. Nothing of them is ever an argument of a process.
    pub fn payload(&mut self, bytes: impl Into<Vec<u8>>) -> String {
        let bytes = bytes.into();
        if let Some(text) = short_text(&bytes) {
            return format!("printf %s {}", shell::quote(text));
        }
        if bytes.len() > LARGE {
            return self.upload(Upload::bytes(bytes));
        }
        let command = format!("pallet_payload {}", bytes.len());
        self.extras().payloads.push(bytes);
        command
    }

    /// Adds a content that is put on the node ahead of the program, and returns the shell command
    /// that writes it to its standard output.
    pub fn upload(&mut self, upload: Upload) -> String {
        let command = format!("pallet_uploaded {}", upload.sha256());
        self.extras().uploads.push(upload);
        command
    }

    /// Adds all that `other` does. Its code must not have been added in another way.
    pub fn append(&mut self, other: &Fragment) -> &mut Self {
        self.line(other.code.trim_end());
        if let Some(theirs) = &other.extras {
            let ours = self.extras();
            ours.payloads.extend(theirs.payloads.iter().cloned());
            ours.temporaries.extend(theirs.temporaries.iter().cloned());
            ours.uploads.extend(theirs.uploads.iter().cloned());
            ours.restart = ours.restart.or(theirs.restart);
        }
        self
    }

    /// Says that it only takes moments, as what is done to a file or two does: it is told of together
    /// with its neighbours, and its standard output when it is over.
    pub fn brief(&mut self) -> &mut Self {
        self.is_brief = true;
        self
    }

    /// Whether it only takes moments.
    pub fn is_brief(&self) -> bool {
        self.is_brief && self.restart().is_none()
    }

    /// Says that the node starts anew at the end of this fragment. The engine waits for so long
    /// until it is there again, and looks at everything anew.
    pub fn restarts(&mut self, patience: Duration) -> &mut Self {
        self.extras().restart = Some(patience);
        self
    }

    /// How long the node may take to start anew, if it does.
    pub fn restart(&self) -> Option<Duration> {
        self.extras.as_ref()?.restart
    }

    /// The contents that are put on the node ahead of the program.
    pub fn uploads(&self) -> &[Upload] {
        self.extras.as_ref().map_or(&[], |extras| &extras.uploads)
    }

    /// The shell code.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// The code as it is run: whatever is last takes the shell's place.
    pub(crate) fn body(&self) -> String {
        let mut body = self.code.clone();
        if let Some(start) = self.last {
            body.insert_str(start as usize, "exec ");
        }
        body
    }

    /// The payloads, in the order in which the code takes them.
    pub fn payloads(&self) -> &[Vec<u8>] {
        self.extras.as_ref().map_or(&[], |extras| &extras.payloads)
    }

    /// Drops what was sent: with many nodes it would be a lot to keep.
    pub(crate) fn forget_code(&mut self) {
        self.code = String::new();
        if let Some(extras) = &mut self.extras {
            extras.payloads = Vec::new();
        }
    }

    fn extras(&mut self) -> &mut Extras {
        self.extras.get_or_insert_default()
    }

    /// Digest of all that the fragment does.
    pub(crate) fn digest(&self) -> String {
        let payloads = self.payloads().iter().map(Vec::as_slice);
        let uploads = self.uploads().iter().map(|upload| upload.sha256().as_bytes());
        digest(std::iter::once(self.code.as_bytes()).chain(payloads).chain(uploads))
    }
}

/// The bytes as text that can stand in code, if they are that: there must be nothing in them that some
/// bash takes for something else.
fn short_text(bytes: &[u8]) -> Option<&str> {
    let is_odd = |byte: &u8| byte.is_ascii_control() && !matches!(byte, b'\n' | b'\t');
    if bytes.len() > SHORT || bytes.iter().any(is_odd) {
        return None;
    }
    std::str::from_utf8(bytes).ok()
}
