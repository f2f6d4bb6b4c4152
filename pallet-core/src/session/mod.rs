//! Sessions: one bash on a node, as one user, that runs program after program.

mod error;
mod facts;
mod frame;
mod lock;
mod privilege;
mod program;
mod progress;
mod tail;
mod upload;

use std::collections::VecDeque;
use std::sync::LazyLock;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use zeroize::Zeroizing;

pub use self::error::SessionError;
use self::frame::{Frame, Frames};
pub use self::lock::Holder;
pub(crate) use self::lock::LockRequest;
use self::privilege::Invocation;
pub(crate) use self::program::{Program, Task};
pub(crate) use self::progress::Progress;
use self::tail::Tail;
use crate::facts::Facts;
use crate::login::Login;
use crate::transport::{Output, Process, Transport};

/// The node's side, without what is written for readers: every session sends it.
static RUNTIME: LazyLock<String> = LazyLock::new(|| {
    let lines = include_str!("runtime.sh").lines().map(str::trim_start);
    let code = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    code.flat_map(|line| [line, "\n"]).collect()
});
/// Ends what another session's program runs.
const END: &str = include_str!("end.sh");

/// A running session.
pub struct Session {
    process: Process,
    frames: Frames,
    stderr: Tail,
    facts: Facts,
    /// The session's process on the node.
    process_id: u32,
    /// What tells one start of the node from another; empty where it cannot be known.
    boot: String,
    /// What is still to be sent.
    outgoing: VecDeque<u8>,
    /// Whether what runs there goes on without us.
    is_shielded: bool,
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
        let process = transport.exec(&invocation.command(&RUNTIME)).await?;
        let mut session = Self {
            process,
            frames: Frames::new(&token),
            stderr: Tail::default(),
            facts: Facts::default(),
            process_id: 0,
            boot: String::new(),
            outgoing: VecDeque::new(),
            is_shielded: false,
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
            let answer = Zeroizing::new(format!("{}\n", password.reveal()?));
            self.write(answer.as_bytes()).await?;
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
        let listing = String::from_utf8_lossy(&listing.data).replace('\u{1f}', "\n");
        self.facts = facts::parse(&listing);
        let value = |name: &str| {
            listing.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
        };
        self.process_id = value("PALLET_PID").and_then(|text| text.parse().ok()).unwrap_or(0);
        self.boot = value("PALLET_BOOT").unwrap_or_default().to_owned();
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

    /// What tells one start of the node from another; empty where that cannot be known.
    pub(crate) fn boot(&self) -> &str {
        &self.boot
    }

    /// The session's process on the node.
    pub(crate) fn process_id(&self) -> u32 {
        self.process_id
    }

    /// Sends a program. What comes of it is told by [`progress`](Self::progress).
    pub(crate) fn send(&mut self, program: &Program) {
        if program.changes && !std::mem::replace(&mut self.is_shielded, true) {
            self.outgoing.extend(b"shield\n");
        }
        program.encode(&mut self.outgoing);
    }

    /// Asks for the node. Sent before a program, that waits until the node is this run's.
    pub(crate) fn send_lock(&mut self, request: LockRequest<'_>) {
        self.outgoing.extend(request.encode());
    }

    /// Writes a line to the run log.
    pub(crate) fn send_note(&mut self, words: &str) {
        self.outgoing.extend(format!("note {words}\n").into_bytes());
    }

    /// Says that no further section of the running program is to begin.
    pub(crate) fn send_stop(&mut self) {
        self.outgoing.extend(b"stop\n");
    }

    /// Announces a content of `size` bytes; those that [`Progress::Has`] does not name are to be
    /// [fed](Self::feed).
    pub(crate) fn send_put(&mut self, sha256: &str, size: u64, folder: Option<&str>) {
        let folder = folder.unwrap_or_default();
        self.outgoing.extend(format!("put {sha256} {size}\n{folder}\n").into_bytes());
    }

    /// Sends a piece of a content; returns when it is on its way, or when the node says something.
    pub(crate) async fn feed(&mut self, piece: &[u8]) -> Result<Option<Progress>, SessionError> {
        self.outgoing.extend(piece);
        loop {
            if let Some(progress) = self.told()? {
                return Ok(Some(progress));
            }
            if self.outgoing.is_empty() {
                return Ok(None);
            }
            self.exchange().await?;
        }
    }

    /// Waits for the next thing that the session does. May be given up and called again.
    pub(crate) async fn progress(&mut self) -> Result<Progress, SessionError> {
        loop {
            if let Some(progress) = self.told()? {
                return Ok(progress);
            }
            self.exchange().await?;
        }
    }

    /// What the session has told already.
    fn told(&mut self) -> Result<Option<Progress>, SessionError> {
        let Some(Frame { data, mark }) = self.frames.next() else { return Ok(None) };
        progress::parse(&mark, data, &|| self.stderr.text()).map(Some)
    }

    /// Sends or receives something. Writing and reading go on together: a node that writes much
    /// while it is sent much would otherwise stall.
    async fn exchange(&mut self) -> Result<(), SessionError> {
        let (unsent, _) = self.outgoing.as_slices();
        if unsent.is_empty() {
            return self.receive().await;
        }
        tokio::select! {
            written = self.process.stdin.write(unsent) => match written {
                Ok(length) if length > 0 => {
                    self.outgoing.drain(..length);
                    if self.outgoing.is_empty() {
                        // A program is long, and it may take long.
                        self.outgoing = VecDeque::new();
                        // An error shows when more is sent, or as the end of the session.
                        let _ = self.process.stdin.flush().await;
                    }
                }
                // What the node said before it closed its end explains more than a broken pipe.
                _ => self.outgoing.clear(),
            },
            output = self.process.output.recv() => self.take(output)?,
        }
        Ok(())
    }

    /// Ends what the program of another session runs, the program itself not.
    pub(crate) async fn end_work_of(&mut self, process_id: u32) -> Result<(), SessionError> {
        self.send(&Program::code(&format!("SESSION={process_id}\n{END}")));
        while self.progress().await? != Progress::Done {}
        Ok(())
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
