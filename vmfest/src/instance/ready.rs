//! Waiting for a guest.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use super::{Instance, State};
use crate::console::{self, KeyReader};
use crate::error::{Error, Silence};
use crate::host_key::HostKey;
use crate::manager::SSH_PORT;
use crate::tag;

/// How often the console and the VM are looked at.
const PAUSE: Duration = Duration::from_millis(200);
/// How long one attempt may take from connecting to the banner. VirtualBox's NAT accepts a
/// connection whether or not the guest does, so the banner is what counts; a slow guest may need
/// seconds for it.
const ATTEMPT: Duration = Duration::from_secs(15);
/// How many lines of the console a diagnosis shows.
const SHOWN_LINES: usize = 8;

/// A guest whose sshd answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshReady {
    /// Where it answers.
    pub address: SocketAddr,
    /// The host keys that it announced on its console, by way of VirtualBox and not of the
    /// network.
    pub host_keys: Vec<HostKey>,
}

impl Instance {
    /// Waits until the guest has printed its SSH host keys on its console: as lines
    /// `ssh-host-key: ssh-ed25519 AAAA…`, or in the block that cloud-init prints.
    ///
    /// The keys are kept with the VM, see [`Instance::known_host_keys`].
    ///
    /// # Errors
    /// [`Error::GuestSilent`] after `timeout`, or as soon as the VM has ended.
    pub async fn host_keys_from_console(&self, timeout: Duration) -> Result<Vec<HostKey>, Error> {
        self.host_keys_since(Instant::now(), timeout).await
    }

    /// The same, for somebody who has begun to wait before.
    async fn host_keys_since(
        &self,
        started: Instant,
        timeout: Duration,
    ) -> Result<Vec<HostKey>, Error> {
        let mut reader = KeyReader::new(self.console());
        loop {
            let (keys, new) = reader.read()?;
            // The lines may come one by one: the last one has come when a look brings no more.
            if !keys.is_empty() && !new {
                let keys = keys.to_vec();
                self.keep_host_keys(&keys).await?;
                return Ok(keys);
            }
            if started.elapsed() >= timeout || (!new && !self.state().await?.is_online()) {
                return Err(self.silent(Attempt::new("SSH host key", started)).await);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// The host keys that were read from the console, now or at an earlier start.
    ///
    /// # Errors
    /// When VirtualBox cannot be asked.
    pub async fn known_host_keys(&self) -> Result<Vec<HostKey>, Error> {
        let kept = self.extra_data(tag::HOST_KEYS).await?.unwrap_or_default();
        Ok(kept.lines().filter_map(HostKey::parse).collect())
    }

    async fn keep_host_keys(&self, keys: &[HostKey]) -> Result<(), Error> {
        if self.known_host_keys().await? == keys {
            return Ok(());
        }
        let lines: Vec<_> = keys.iter().map(HostKey::to_string).collect();
        self.set_extra_data(tag::HOST_KEYS, &lines.join("\n")).await
    }

    /// Waits until the guest has printed its host keys and its sshd sends its greeting, and, where
    /// no port of the host is forwarded, until the guest has told its address. Nobody is logged in.
    ///
    /// A VM that continues from a saved state prints nothing; the keys of its earlier start are
    /// taken then.
    ///
    /// # Errors
    /// [`Error::GuestSilent`] after `timeout`, or as soon as the VM has ended, with what was seen;
    /// [`Error::NoSshForward`]; [`Error::PortTaken`] if something else than the guest answers.
    pub async fn wait_for_ssh(&self, timeout: Duration) -> Result<SshReady, Error> {
        let started = Instant::now();
        let address = match self.ssh_address().await {
            Ok(address) => address,
            // The guest has not told it yet.
            Err(Error::NoSshForward { .. }) if self.has_reachable_adapter().await? => {
                SocketAddr::new(self.wait_for_address(timeout).await?, SSH_PORT)
            }
            Err(error) => return Err(error),
        };
        self.check_forward(address)?;
        let printed = self.console().metadata().is_ok_and(|file| file.len() > 0);
        let known = self.known_host_keys().await?;
        let host_keys = if known.is_empty() || printed {
            self.host_keys_since(started, timeout).await?
        } else {
            known
        };
        let mut attempt = Attempt::new("SSH greeting", started);
        attempt.address = Some(address);
        loop {
            let left = timeout.saturating_sub(started.elapsed());
            if left.is_zero() || !self.state().await?.is_online() {
                return Err(self.silent(attempt).await);
            }
            match greeting(address, ATTEMPT.min(left)).await {
                Ok(()) => return Ok(SshReady { address, host_keys }),
                Err(problem) => attempt.last = Some(problem),
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// VirtualBox starts a VM even if the port of its forward was taken at the last moment; its
    /// log tells.
    fn check_forward(&self, address: SocketAddr) -> Result<(), Error> {
        if !crate::ports::forward_failed(&self.log(), address.port()) {
            return Ok(());
        }
        Err(Error::PortTaken {
            name: self.name().to_owned(),
            rule: crate::ports::SSH_RULE.to_owned(),
            address: address.ip().to_string(),
            port: address.port(),
        })
    }

    pub(super) async fn silent(&self, attempt: Attempt) -> Error {
        let seen = async { Ok((self.state().await?, self.interfaces().await?)) };
        let (state, interfaces) = match seen.await {
            Ok(seen) => seen,
            Err(error) => return error,
        };
        let console = self.console();
        Error::GuestSilent(Box::new(Silence {
            name: self.name().to_owned(),
            awaited: attempt.awaited,
            waited: attempt.started.elapsed(),
            state: match state {
                State::Running => "still running".to_owned(),
                state => state.to_string(),
            },
            address: attempt.address,
            last_attempt: attempt.last,
            interfaces,
            last_lines: console::last_lines(&console, SHOWN_LINES),
            console,
        }))
    }
}

/// What was tried so far.
pub(super) struct Attempt {
    awaited: &'static str,
    started: Instant,
    address: Option<SocketAddr>,
    last: Option<String>,
}

impl Attempt {
    pub(super) fn new(awaited: &'static str, started: Instant) -> Self {
        Self { awaited, started, address: None, last: None }
    }
}

/// Connects and reads the greeting that every SSH server begins with.
async fn greeting(address: SocketAddr, limit: Duration) -> Result<(), String> {
    let exchange = async {
        let mut stream =
            TcpStream::connect(address).await.map_err(|e| format!("cannot connect: {e}"))?;
        let mut start = [0; 4];
        match stream.read_exact(&mut start).await {
            Ok(_) if &start == b"SSH-" => Ok(()),
            Ok(_) => Err("something answers there that is not an SSH server".to_owned()),
            Err(_) => Err("connected, but closed before any greeting".to_owned()),
        }
    };
    match tokio::time::timeout(limit, exchange).await {
        Ok(result) => result,
        Err(_) => Err(format!("connected, but no greeting in {} s", limit.as_secs())),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    use super::*;

    async fn server(answer: Option<&'static [u8]>) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            match answer {
                Some(bytes) => stream.write_all(bytes).await.expect("sends"),
                None => std::future::pending().await,
            }
        });
        address
    }

    #[tokio::test]
    async fn only_an_ssh_server_counts() {
        let limit = Duration::from_millis(300);
        let ssh = server(Some(b"SSH-2.0-OpenSSH_9.2\r\n")).await;
        assert_eq!(greeting(ssh, limit).await, Ok(()));
        for (answer, part) in [
            (Some(&b"HTTP/1.1 400\r\n"[..]), "not an SSH server"),
            (Some(b""), "closed before"),
            (None, "no greeting"),
        ] {
            let problem = greeting(server(answer).await, limit).await.expect_err(part);
            assert!(problem.contains(part), "{problem}");
        }
        let nobody = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = nobody.local_addr().expect("an address");
        drop(nobody);
        let problem = greeting(address, limit).await.expect_err("nobody listens");
        assert!(problem.contains("cannot connect"), "{problem}");
    }
}
