//! Nodes that are not there, are no sshd, or die; connections that are closed.

use std::time::{Duration, Instant};

use pallet_core::session::{Session, SessionError};
use pallet_core::transport::ssh::{SshOptions, SshTransport};
use pallet_core::transport::{Endpoint, Output, Transport, TransportError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use xtask::lab::Node;

use crate::support::{
    SOON, Server, connect, finish, listen, node, options, pinned, public_key, refusal, with_key,
};

fn tasks() -> usize {
    tokio::runtime::Handle::current().metrics().num_alive_tasks()
}

/// Waits until no more than these tasks are left.
async fn only_tasks(before: usize) {
    let deadline = Instant::now() + SOON;
    while tasks() > before {
        assert!(Instant::now() < deadline, "{} tasks are left", tasks() - before);
        sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn what_does_not_listen_or_is_no_sshd_is_told_apart() {
    let node = node(6);
    let login = with_key(&node.user, &node.key);
    let keys = pinned(&node.host_key);
    let closed = Endpoint { host: node.address.to_string(), port: 1 };
    let error = refusal(&closed, &login, &keys, &options()).await;
    assert!(matches!(error, TransportError::Unreachable { .. }), "{error}");

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to = Endpoint { host: "127.0.0.1".to_owned(), port: listener.local_addr().unwrap().port() };
    let silent = tokio::spawn(async move {
        let (_kept, _) = listener.accept().await.unwrap();
        let (mut web, _) = listener.accept().await.unwrap();
        web.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        drop(web);
        sleep(SOON).await;
    });
    let before = tasks();
    let short = SshOptions { handshake_timeout: Duration::from_millis(300), ..options() };
    let error = refusal(&to, &login, &keys, &short).await;
    assert!(matches!(error, TransportError::TimedOut { what: "the SSH handshake", .. }), "{error}");
    let error = refusal(&to, &login, &keys, &options()).await;
    assert!(matches!(error, TransportError::HandshakeFailed { .. }), "{error}");
    only_tasks(before).await;
    silent.abort();
}

/// A relay to `node` that can be frozen: it then neither forwards nor closes.
async fn relay(node: &Node) -> (Endpoint, watch::Sender<bool>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let target = (node.address, node.port);
    let (freeze, frozen) = watch::channel(false);
    tokio::spawn(async move {
        let (client, _) = listener.accept().await.unwrap();
        let server = TcpStream::connect(target).await.unwrap();
        let (client_reads, client_writes) = client.into_split();
        let (server_reads, server_writes) = server.into_split();
        let pump = |mut from: tokio::net::tcp::OwnedReadHalf,
                    mut to: tokio::net::tcp::OwnedWriteHalf| {
            let mut frozen = frozen.clone();
            async move {
                let mut buffer = vec![0; 16 * 1024];
                loop {
                    frozen.wait_for(|frozen| !frozen).await.unwrap();
                    let length = from.read(&mut buffer).await.unwrap();
                    frozen.wait_for(|frozen| !frozen).await.unwrap();
                    to.write_all(&buffer[..length]).await.unwrap();
                }
            }
        };
        tokio::join!(pump(client_reads, server_writes), pump(server_reads, client_writes))
    });
    (Endpoint { host: "127.0.0.1".to_owned(), port }, freeze)
}

#[tokio::test]
async fn a_dead_node_is_noticed_idle_or_in_the_middle_of_an_upload() {
    let node = node(7);
    let login = with_key(&node.user, &node.key);
    let quick = SshOptions {
        keepalive_interval: Duration::from_millis(200),
        keepalive_missed: 2,
        ..options()
    };
    for upload in [false, true] {
        let (to, freeze) = relay(&node).await;
        let keys = pinned(&node.host_key);
        let (transport, _) = SshTransport::connect(&to, &login, &keys, &quick).await.unwrap();
        let mut process = transport.exec("echo started; cat > /dev/null").await.unwrap();
        let Some(Output::Stdout(_)) = process.output.recv().await else { panic!("no start") };
        let silence = Instant::now();
        freeze.send(true).unwrap();
        if upload {
            let written = timeout(SOON, process.stdin.write_all(&vec![0; 64 << 20])).await;
            written.expect("writing to a dead node hangs").unwrap_err();
        }
        let end = listen(&mut process).await.2;
        let Output::Lost(TransportError::Lost { reason, .. }) = end else { panic!("{end:?}") };
        assert!(reason.contains("the node"), "{reason}");
        assert!(silence.elapsed() < SOON, "{:?}", silence.elapsed());
        let error = transport.exec("true").await.err().unwrap();
        assert!(matches!(error, TransportError::Lost { .. }), "{error}");
        timeout(Duration::from_secs(1), transport.close()).await.expect("closing takes too long");
    }
}

#[tokio::test]
async fn a_session_that_is_killed_is_lost() {
    let transport = connect(&node(7)).await;
    let (_, _, end) = finish(transport.exec("kill -KILL $PPID; sleep 5").await.unwrap()).await;
    let Output::Lost(error) = end else { panic!("{end:?}") };
    assert!(error.to_string().contains("closed the connection"), "{error}");
}

#[tokio::test]
async fn a_node_that_closes_after_the_login_gives_no_session() {
    let node = node(7);
    let key = public_key(&node.key);
    let extra = "-o \"ForceCommand=kill -KILL \\$PPID\"";
    let server = Server::start(&node, 2216, "ed25519", &key, extra).await;
    let login = with_key(&node.user, &node.key);
    let transport = server.connect(&login, &options()).await;
    let begun = Instant::now();
    let error = Session::open(&transport, &login, None, SOON).await.unwrap_err();
    assert!(matches!(error, SessionError::Transport(TransportError::Lost { .. })), "{error}");
    assert!(error.to_string().contains("the node closed the connection"), "{error}");
    assert!(begun.elapsed() < SOON);
}

#[tokio::test]
async fn closing_and_dropping_end_everything() {
    let node = node(7);
    for close in [true, false] {
        let before = tasks();
        let transport = connect(&node).await;
        let mut process = transport.exec("sleep 60").await.unwrap();
        assert!(tasks() > before);
        if close {
            timeout(Duration::from_secs(1), transport.close()).await.expect("closing is slow");
        }
        drop(transport);
        let end = listen(&mut process).await.2;
        let Output::Lost(TransportError::Lost { reason, .. }) = end else { panic!("{end:?}") };
        assert!(reason.contains("closed on this side"), "{reason}");
        only_tasks(before).await;
    }
}
