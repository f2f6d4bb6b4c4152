//! Sessions: one bash on a node, as one user, that runs program after program.

mod facts;
mod frame;
mod privilege;
mod program;

use std::time::Duration;

use tokio::io::AsyncWriteExt;

use self::frame::{Frame, Frames};
use self::privilege::Invocation;
pub(crate) use self::program::Program;
use crate::facts::Facts;
use crate::login::Login;
use crate::transport::{Output, Process, Transport, TransportError};

const RUNTIME: &str = include_str!("runtime.sh");

/// A running session.
pub struct Session {
    process: Process,
    frames: Frames,
    stderr: Tail,
    facts: Facts,
}

/// What a program did, told while it runs.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// A section begins.
    Began(usize),
    /// A section ended with this exit status, having written this.
    Ended { section: usize, status: u32, output: Vec<u8> },
}

/// Why a session could not be opened or used.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SessionError {
    /// The connection failed.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// sudo did not let us in.
    #[error("sudo refused {username} on the node: {reason}")]
    SudoRefused {
        /// The login.
        username: String,
        /// What sudo said.
        reason: String,
    },
    /// The node's bash did not start.
    #[error("no session could be started on the node: {reason}")]
    NotStarted {
        /// What the node said.
        reason: String,
    },
    /// The session took too long to start.
    #[error("the node did not start a session within {} s", after.as_secs())]
    TimedOut {
        /// How long was waited.
        after: Duration,
    },
    /// The session ended in the middle of a program.
    #[error("the session ended unexpectedly: {reason}")]
    Ended {
        /// Exit status and last words.
        reason: String,
    },
    /// The node answered something that makes no sense.
    #[error("the node's answer was not understood: {reason}")]
    Protocol {
        /// What was odd.
        reason: String,
    },
}

impl SessionError {
    /// What to do about it.
    pub fn help(&self) -> Option<String> {
        match self {
            Self::Transport(error) => error.help(),
            Self::SudoRefused { username, .. } => Some(format!(
                "give {username} the right to use sudo without a password (sudoers: `{username} ALL=(ALL) NOPASSWD: ALL`), \
                 set `sudo-password` of the admin user, or set `no-sudo = true`"
            )),
            Self::NotStarted { .. } => {
                Some("the node needs bash 3.2 or newer, coreutils and sudo".to_owned())
            }
            Self::TimedOut { .. } | Self::Ended { .. } | Self::Protocol { .. } => None,
        }
    }
}

impl Session {
    /// Starts a session as root, or as `as_user`.
    ///
    /// # Errors
    /// [`SessionError`]: sudo refuses, bash is missing, the connection is lost, or nothing
    /// happens within `timeout`.
    pub async fn open(
        transport: &dyn Transport,
        login: &Login,
        as_user: Option<&str>,
        timeout: Duration,
    ) -> Result<Self, SessionError> {
        let opening = Self::start(transport, login, as_user);
        tokio::time::timeout(timeout, opening)
            .await
            .unwrap_or(Err(SessionError::TimedOut { after: timeout }))
    }

    async fn start(
        transport: &dyn Transport,
        login: &Login,
        as_user: Option<&str>,
    ) -> Result<Self, SessionError> {
        let token = random_token()?;
        let invocation = Invocation::new(login, as_user, random_token()?);
        let process = transport.exec(&invocation.command(RUNTIME)).await?;
        let mut session = Self {
            process,
            frames: Frames::new(&token),
            stderr: Tail::default(),
            facts: Facts::default(),
        };
        session
            .greet(&invocation, &token)
            .await
            .map_err(|error| invocation.explain(error, &session.stderr.text()))?;
        Ok(session)
    }

    /// Answers sudo's question, sends the token and reads the facts.
    async fn greet(
        &mut self,
        invocation: &Invocation<'_>,
        token: &str,
    ) -> Result<(), SessionError> {
        if let Some((prompt, password)) = invocation.prompt()
            && self.wait_for_prompt(prompt).await?
        {
            self.write(format!("{}\n", password.reveal()).as_bytes()).await?;
            if self.wait_for_prompt(prompt).await? {
                return Err(SessionError::SudoRefused {
                    username: invocation.username().to_owned(),
                    reason: "the password is wrong".to_owned(),
                });
            }
        }
        self.write(format!("{token}\n").as_bytes()).await?;
        self.expect("facts").await?;
        let listing = self.expect("done").await?;
        self.facts = facts::parse(&String::from_utf8_lossy(&listing.data));
        Ok(())
    }

    /// Waits until sudo asks (true) or bash is there (false).
    async fn wait_for_prompt(&mut self, prompt: &str) -> Result<bool, SessionError> {
        loop {
            if self.stderr.take_prompt(prompt) {
                return Ok(true);
            }
            if contains(self.frames.rest(), b"pallet-ready\n") {
                return Ok(false);
            }
            self.receive().await?;
        }
    }

    /// The node's facts, as read when the session was opened.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// The end of what the session wrote to standard error outside of actions.
    pub(crate) fn last_words(&self) -> String {
        self.stderr.text()
    }

    /// Runs a program, telling what its sections do.
    pub(crate) async fn run(
        &mut self,
        program: &Program,
        mut tell: impl FnMut(Progress),
    ) -> Result<(), SessionError> {
        // Writing and reading go on together: a node that writes much while it is sent much
        // would otherwise stall.
        let bytes = program.encode();
        let mut sent = 0;
        loop {
            while let Some(frame) = self.frames.next() {
                match parse_mark(&frame.mark)? {
                    Mark::Begin(section) => tell(Progress::Began(section)),
                    Mark::End(section, status) => {
                        tell(Progress::Ended { section, status, output: frame.data });
                    }
                    Mark::Done(0) => return Ok(()),
                    Mark::Done(status) => {
                        return Err(SessionError::Protocol {
                            reason: format!(
                                "a program could not be run (status {status}): {}",
                                self.stderr.text()
                            ),
                        });
                    }
                }
            }
            let unsent = bytes.get(sent..).unwrap_or_default();
            if unsent.is_empty() {
                self.receive().await?;
                continue;
            }
            tokio::select! {
                written = self.process.stdin.write(unsent) => {
                    let length = written.map_err(|error| self.ended(&error.to_string()))?;
                    if length == 0 {
                        return Err(self.ended("the node reads no more"));
                    }
                    sent += length;
                    if sent == bytes.len() {
                        self.process.stdin.flush().await.map_err(|error| self.ended(&error.to_string()))?;
                    }
                }
                output = self.process.output.recv() => self.take(output)?,
            }
        }
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), SessionError> {
        let written = async {
            self.process.stdin.write_all(bytes).await?;
            self.process.stdin.flush().await
        };
        if let Err(error) = written.await {
            // What the node said before it closed its end explains more than a broken pipe.
            loop {
                self.receive().await.map_err(|last| match last {
                    SessionError::Transport(_) => self.ended(&error.to_string()),
                    other => other,
                })?;
            }
        }
        Ok(())
    }

    async fn expect(&mut self, mark: &str) -> Result<Frame, SessionError> {
        loop {
            if let Some(frame) = self.frames.next() {
                if frame.mark.split(' ').next() == Some(mark) {
                    return Ok(frame);
                }
                let reason = format!("`{}` in place of `{mark}`", frame.mark);
                return Err(SessionError::Protocol { reason });
            }
            self.receive().await?;
        }
    }

    async fn receive(&mut self) -> Result<(), SessionError> {
        let output = self.process.output.recv().await;
        self.take(output)
    }

    fn take(&mut self, output: Option<Output>) -> Result<(), SessionError> {
        match output {
            Some(Output::Stdout(bytes)) => self.frames.push(&bytes),
            Some(Output::Stderr(bytes)) => self.stderr.push(&bytes),
            Some(Output::Exit(status)) => return Err(self.ended(&format!("exit status {status}"))),
            Some(Output::Lost(error)) => return Err(error.into()),
            None => return Err(self.ended("its end was not reported")),
        }
        Ok(())
    }

    fn ended(&self, how: &str) -> SessionError {
        let last_words = self.stderr.text();
        let reason =
            if last_words.is_empty() { how.to_owned() } else { format!("{last_words} ({how})") };
        SessionError::Ended { reason }
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("facts", &self.facts).finish_non_exhaustive()
    }
}

enum Mark {
    Begin(usize),
    End(usize, u32),
    Done(u32),
}

fn parse_mark(mark: &str) -> Result<Mark, SessionError> {
    let odd = || SessionError::Protocol { reason: format!("the mark `{mark}`") };
    let words: Vec<&str> = mark.split(' ').collect();
    match words.as_slice() {
        ["begin", section] => Ok(Mark::Begin(section.parse().map_err(|_| odd())?)),
        ["end", section, status] => {
            Ok(Mark::End(section.parse().map_err(|_| odd())?, status.parse().map_err(|_| odd())?))
        }
        ["done", status] => Ok(Mark::Done(status.parse().map_err(|_| odd())?)),
        _ => Err(odd()),
    }
}

fn random_token() -> Result<String, SessionError> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(|error| SessionError::NotStarted {
        reason: format!("this machine gives no random numbers: {error}"),
    })?;
    Ok(bytes.iter().fold(String::from("pallet-"), |token, byte| token + &format!("{byte:02x}")))
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

/// The end of what a session writes to standard error, for explanations.
#[derive(Debug, Default)]
struct Tail(Vec<u8>);

impl Tail {
    const LIMIT: usize = 8 * 1024;

    fn push(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
        let surplus = self.0.len().saturating_sub(Self::LIMIT);
        self.0.drain(..surplus);
    }

    /// Removes `prompt` if it is there, so that a second one is noticed.
    fn take_prompt(&mut self, prompt: &str) -> bool {
        let found = self.0.windows(prompt.len()).position(|window| window == prompt.as_bytes());
        if let Some(at) = found {
            self.0.drain(at..at + prompt.len());
        }
        found.is_some()
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0).trim().to_owned()
    }
}
