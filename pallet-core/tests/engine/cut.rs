//! A transport whose connection breaks after so many bytes, and that counts them.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use async_trait::async_trait;
use pallet_core::transport::{LocalTransport, Process, Transport, TransportError};
use tokio::io::AsyncWrite;

/// This machine, over a line that breaks when `budget` bytes were sent.
#[derive(Clone)]
pub struct Cut {
    pub budget: usize,
    pub sent: Arc<AtomicUsize>,
}

impl Cut {
    pub fn after(budget: usize) -> Self {
        Self { budget, sent: Arc::default() }
    }
}

#[async_trait]
impl Transport for Cut {
    async fn exec(&self, command: &str) -> Result<Process, TransportError> {
        let process = LocalTransport.exec(command).await?;
        let stdin = Line { stdin: Some(process.stdin), cut: self.clone() };
        Ok(Process { stdin: Box::new(stdin), output: process.output })
    }

    async fn close(&self) {}
}

struct Line {
    /// Dropped when the line breaks: the node sees the end.
    stdin: Option<Box<dyn AsyncWrite + Send + Unpin>>,
    cut: Cut,
}

impl AsyncWrite for Line {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let left = self.cut.budget.saturating_sub(self.cut.sent.load(Ordering::SeqCst));
        if left == 0 {
            self.stdin = None;
        }
        let Some(stdin) = &mut self.stdin else {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        };
        let written = Pin::new(stdin).poll_write(cx, &bytes[..bytes.len().min(left)]);
        if let Poll::Ready(Ok(length)) = &written {
            self.cut.sent.fetch_add(*length, Ordering::SeqCst);
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stdin {
            Some(stdin) => Pin::new(stdin).poll_flush(cx),
            None => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stdin {
            Some(stdin) => Pin::new(stdin).poll_shutdown(cx),
            None => Poll::Ready(Ok(())),
        }
    }
}
