//! The byte stream under a session, with two ways to end it that the session itself lacks.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;
use tokio::time::{Sleep, sleep};

/// Dropping it ends the line at once, whatever the session is waiting for.
pub(super) type HangUp = oneshot::Sender<Infallible>;

/// What a session can run over: a TCP stream, or a channel of a jump host's session.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// How much is read ahead at most.
const AHEAD: usize = 8 * 1024;

/// A byte stream that fails when it is hung up, or when what was written stays unsent for too long.
///
/// It reads ahead: the session reads each packet in several pieces, and to ask the operating system
/// for every one of them costs more than what is done with them.
///
/// The session's task sees neither on its own: during a key exchange it listens to nobody but the
/// node, and while a write is stuck it sends no keep-alive messages.
pub(super) struct Line {
    stream: Box<dyn Stream>,
    hang_up: Option<oneshot::Receiver<Infallible>>,
    patience: Duration,
    stuck: Option<Pin<Box<Sleep>>>,
    /// What was read ahead, and which part of it was not taken yet.
    ahead: Box<[u8]>,
    untaken: Range<usize>,
}

impl Line {
    pub(super) fn new(stream: Box<dyn Stream>, patience: Duration) -> (Self, HangUp) {
        let (sender, receiver) = oneshot::channel();
        let line = Self {
            stream,
            hang_up: Some(receiver),
            patience,
            stuck: None,
            ahead: vec![0; AHEAD].into(),
            untaken: 0..0,
        };
        (line, sender)
    }

    fn check(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let ended = match &mut self.hang_up {
            Some(receiver) => Pin::new(receiver).poll(cx).is_ready(),
            None => true,
        };
        if !ended {
            return Ok(());
        }
        self.hang_up = None;
        Err(io::Error::new(io::ErrorKind::ConnectionAborted, "it was closed on this side"))
    }
}

impl AsyncRead for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(cx)?;
        let Self { stream, ahead, untaken, .. } = &mut *self;
        if untaken.start == untaken.end {
            if buffer.remaining() >= ahead.len() {
                return Pin::new(stream).poll_read(cx, buffer);
            }
            let mut read = ReadBuf::new(ahead);
            ready!(Pin::new(stream).poll_read(cx, &mut read))?;
            *untaken = 0..read.filled().len();
        }
        let there = ahead.get(untaken.clone()).unwrap_or_default();
        let (taken, _) = there.split_at(there.len().min(buffer.remaining()));
        buffer.put_slice(taken);
        untaken.start += taken.len();
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Line {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        if written.is_ready() {
            self.stuck = None;
            return written;
        }
        let patience = self.patience;
        let stuck = self.stuck.get_or_insert_with(|| Box::pin(sleep(patience)));
        if stuck.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("the node took nothing that was sent for {} s", patience.as_secs()),
            )));
        }
        Poll::Pending
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A line that is down already is what was wanted; an error here would hide the real one.
        Pin::new(&mut self.stream).poll_shutdown(cx).map(|_| Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    async fn line(patience: Duration) -> (Line, HangUp, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (peer, _) = listener.accept().await.unwrap();
        let (line, hang_up) = Line::new(Box::new(stream), patience);
        (line, hang_up, peer)
    }

    #[tokio::test]
    async fn hanging_up_wakes_a_reader() {
        let (mut line, hang_up, _peer) = line(Duration::from_secs(60)).await;
        let reader = tokio::spawn(async move { line.read_u8().await });
        tokio::task::yield_now().await;
        drop(hang_up);
        let error = reader.await.unwrap().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionAborted);
    }

    #[tokio::test]
    async fn what_is_read_ahead_comes_in_order_whatever_is_asked_for() {
        let (mut line, _hang_up, mut peer) = line(Duration::from_secs(60)).await;
        let sent: Vec<u8> = (0..200_000_u32).map(|at| (at * 7 / 3) as u8).collect();
        let expected = sent.clone();
        let sender = tokio::spawn(async move {
            peer.write_all(&sent).await.unwrap();
            peer.shutdown().await.unwrap();
            peer
        });
        let mut received: Vec<u8> = Vec::new();
        for length in [1, 4, 9000, 5, 8192, 3, 70_000].into_iter().cycle() {
            let mut piece = vec![0; length];
            let read = line.read(&mut piece).await.unwrap();
            if read == 0 {
                break;
            }
            received.extend_from_slice(&piece[..read]);
        }
        assert!(received == expected, "{} bytes", received.len());
        sender.await.unwrap();
    }

    #[tokio::test]
    async fn a_peer_that_reads_nothing_fails_the_write() {
        let (mut line, _hang_up, _peer) = line(Duration::from_millis(200)).await;
        let error = line.write_all(&vec![0; 64 << 20]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
