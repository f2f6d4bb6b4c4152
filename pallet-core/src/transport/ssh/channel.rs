//! Programs on a session's channels.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use russh::client::{Handle, Msg};
use russh::{Channel, ChannelMsg, ChannelReadHalf, ChannelWriteHalf, Sig};
use tokio::io::{AsyncReadExt, DuplexStream, duplex};
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, timeout, timeout_at};

use crate::transport::Output;

use super::session::{Client, Link};
use super::{Process, TransportError};

/// Standard input goes out in pieces of up to this size, and as much is held of what a process has
/// not taken yet. A packet may have twice as much; with many nodes the buffers count more.
const PIECE: usize = 16 * 1024;
/// A refused channel is asked for again after this time, then after twice as much, and so on.
const FIRST_RETRY: Duration = Duration::from_millis(10);
const LONGEST_RETRY: Duration = Duration::from_secs(1);
/// With no other channel open, this many refusals in a row are the node's last word.
const REFUSALS: usize = 6;

/// The channels of one session.
///
/// Nodes limit them (OpenSSH's `MaxSessions` is 10) without saying so in advance: a refused channel
/// is asked for again as others end.
pub(super) struct Channels {
    link: Arc<Link>,
    limit: Duration,
    usage: Arc<Usage>,
}

#[derive(Default)]
struct Usage {
    open: AtomicUsize,
    ended: Notify,
}

impl Channels {
    pub(super) fn new(link: Arc<Link>, limit: Duration) -> Self {
        Self { link, limit, usage: Arc::default() }
    }

    /// Starts a program.
    pub(super) async fn exec(
        &self,
        session: &Handle<Client>,
        command: &str,
    ) -> Result<Process, TransportError> {
        let channel = self.open(session).await?;
        let in_use = InUse::new(&self.usage);
        // The answer is not waited for: it comes with the output, and a refusal ends the channel.
        if channel.exec(true, command).await.is_err() {
            return Err(self.link.lost().await);
        }
        let (from_node, to_node) = channel.split();
        let (stdin, stdin_of_node) = duplex(PIECE);
        let (sender, output) = mpsc::unbounded_channel();
        let link = Arc::clone(&self.link);
        tokio::spawn(async move {
            let end = carry(from_node, &to_node, stdin_of_node, &sender, &link).await;
            drop(in_use);
            let _ = sender.send(end);
        });
        Ok(Process { stdin: Box::new(stdin), output })
    }

    async fn open(&self, session: &Handle<Client>) -> Result<Channel<Msg>, TransportError> {
        let deadline = Instant::now() + self.limit;
        let mut pause = FIRST_RETRY;
        let mut refused_alone = 0;
        loop {
            let mut ended = pin!(self.usage.ended.notified());
            ended.as_mut().enable();
            // The deadline counts between requests: giving one up leaves a channel open on the node.
            let opened = timeout(self.limit, session.channel_open_session())
                .await
                .map_err(|_| self.link.timed_out("the start of a program", self.limit))?;
            let reason = match opened {
                Ok(channel) => return Ok(channel),
                Err(russh::Error::ChannelOpenFailure(reason)) => reason,
                Err(_) => return Err(self.link.lost().await),
            };
            let others = self.usage.open.load(Ordering::Acquire);
            refused_alone = if others == 0 { refused_alone + 1 } else { 0 };
            if refused_alone == REFUSALS || Instant::now() >= deadline {
                return Err(TransportError::ProcessRefused {
                    endpoint: self.link.endpoint.clone(),
                    reason: format!(
                        "no channel was granted ({reason:?}) beside {others} open ones"
                    ),
                });
            }
            let _ = timeout_at(deadline.min(Instant::now() + pause), ended).await;
            pause = (pause * 2).min(LONGEST_RETRY);
        }
    }
}

/// Counts a channel for as long as it lives.
struct InUse(Arc<Usage>);

impl InUse {
    fn new(usage: &Arc<Usage>) -> Self {
        usage.open.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(usage))
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::AcqRel);
        self.0.ended.notify_waiters();
    }
}

/// Carries a program's streams until its channel ends, and says how it ended.
///
/// The channel is drained even when nobody listens any more: one that is not stalls the session.
async fn carry(
    mut from_node: ChannelReadHalf,
    to_node: &ChannelWriteHalf<Msg>,
    stdin: DuplexStream,
    output: &mpsc::UnboundedSender<Output>,
    link: &Link,
) -> Output {
    let mut feeding = pin!(feed(stdin, to_node));
    let (mut fed, mut abandoned) = (false, false);
    let mut exit = None;
    let mut end_of_output = false;
    loop {
        tokio::select! {
            message = from_node.wait() => match message {
                // Nobody listening is no error: what matters is that it was taken.
                Some(ChannelMsg::Data { data }) => {
                    let _ = output.send(Output::Stdout(data.into()));
                }
                Some(ChannelMsg::ExtendedData { data, .. }) => {
                    let _ = output.send(Output::Stderr(data.into()));
                }
                Some(ChannelMsg::Eof) => end_of_output = true,
                Some(ChannelMsg::ExitStatus { exit_status }) => exit = Some(exit_status),
                Some(ChannelMsg::ExitSignal { signal_name, .. }) => {
                    exit = Some(128 + signal_number(&signal_name));
                }
                Some(ChannelMsg::Failure) => {
                    let _ = to_node.close().await;
                    return Output::Lost(TransportError::ProcessRefused {
                        endpoint: link.endpoint.clone(),
                        reason: "the node does not run programs for this login".to_owned(),
                    });
                }
                Some(ChannelMsg::Close) => {
                    return exit.map_or_else(
                        || Output::Lost(link.lost_because(NO_STATUS.to_owned())),
                        Output::Exit,
                    );
                }
                // The connection ended. A status without the end of the output may lack output.
                None => {
                    return match exit.filter(|_| end_of_output) {
                        Some(status) => Output::Exit(status),
                        None => Output::Lost(link.lost().await),
                    };
                }
                Some(_) => {}
            },
            () = &mut feeding, if !fed => fed = true,
            () = output.closed(), if !abandoned => {
                abandoned = true;
                let _ = to_node.close().await;
            }
        }
    }
}

const NO_STATUS: &str = "the program's channel was closed without an exit status";

/// Sends standard input, then its end.
async fn feed(mut stdin: DuplexStream, to_node: &ChannelWriteHalf<Msg>) {
    let mut buffer = vec![0; PIECE];
    while let Ok(length) = stdin.read(&mut buffer).await {
        let Some(bytes) = buffer.get(..length).filter(|bytes| !bytes.is_empty()) else { break };
        if to_node.data_bytes(bytes.to_vec()).await.is_err() {
            return;
        }
    }
    let _ = to_node.eof().await;
}

/// Linux' number of a signal; SSH sends names.
fn signal_number(signal: &Sig) -> u32 {
    match signal {
        Sig::HUP => 1,
        Sig::INT => 2,
        Sig::QUIT => 3,
        Sig::ILL => 4,
        Sig::ABRT => 6,
        Sig::FPE => 8,
        Sig::KILL => 9,
        Sig::SEGV => 11,
        Sig::PIPE => 13,
        Sig::ALRM => 14,
        Sig::TERM => 15,
        Sig::USR1 => 10,
        Sig::Custom(name) => match name.as_str() {
            "TRAP" => 5,
            "BUS" => 7,
            "USR2" => 12,
            "XCPU" => 24,
            "XFSZ" => 25,
            "SYS" => 31,
            // OpenSSH has no names for the rest.
            _ => 127,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_have_the_numbers_of_linux() {
        assert_eq!(signal_number(&Sig::KILL), 9);
        assert_eq!(signal_number(&Sig::TERM), 15);
        assert_eq!(signal_number(&Sig::Custom("USR2".to_owned())), 12);
        assert_eq!(128 + signal_number(&Sig::Custom("SIG@openssh.com".to_owned())), 255);
    }
}
