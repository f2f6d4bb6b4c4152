//! Programs: their streams, how they end, how many at once.

use std::sync::Arc;
use std::time::Duration;

use pallet_core::transport::ssh::SshOptions;
use pallet_core::transport::{Output, Transport, TransportError};
use tokio::io::AsyncWriteExt;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::support::{
    SOON, Server, connect, finish, listen, node, options, public_key, run, with_key,
};

#[tokio::test]
async fn output_and_status_of_programs() {
    let transport = connect(&node(1)).await;
    let text = |out: &str, err: &str, status| (out.to_owned(), err.to_owned(), status);
    assert_eq!(run(&transport, "echo out; echo err >&2").await, text("out\n", "err\n", 0));
    assert_eq!(run(&transport, "exit 7").await, text("", "", 7));
    assert_eq!(run(&transport, "printf 'no line end'; exit 255").await.2, 255);
    assert_eq!(run(&transport, "kill -TERM $$").await.2, 143);
    assert_eq!(run(&transport, "kill -KILL $$").await.2, 137);
    assert_eq!(run(&transport, "no-such-program").await.2, 127);
    transport.close().await;
}

#[tokio::test]
async fn a_megabyte_there_and_back() {
    let transport = connect(&node(1)).await;
    let sent: Vec<u8> = (0..1_048_583_u32).map(|number| (number % 251) as u8).collect();
    let mut process = transport.exec("cat").await.unwrap();
    process.stdin.write_all(&sent).await.unwrap();
    let (received, _, end) = finish(process).await;
    assert!(matches!(end, Output::Exit(0)), "{end:?}");
    assert!(received == sent, "{} of {} bytes came back right", received.len(), sent.len());
}

#[tokio::test]
async fn a_program_that_ends_without_reading_breaks_the_pipe() {
    let transport = connect(&node(1)).await;
    let mut process = transport.exec("true").await.unwrap();
    let written = timeout(SOON, process.stdin.write_all(&vec![0; 32 << 20])).await;
    let error = written.expect("writing hangs").unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
    assert!(matches!(listen(&mut process).await.2, Output::Exit(0)));
}

#[tokio::test]
async fn an_abandoned_program_does_not_stall_the_others() {
    let transport = connect(&node(1)).await;
    drop(transport.exec("yes").await.unwrap());
    assert_eq!(run(&transport, "echo on").await.0, "on\n");
}

#[tokio::test]
async fn twenty_programs_at_once_even_where_only_three_are_allowed() {
    let node = node(2);
    let key = public_key(&node.key);
    let server = Server::start(&node, 2201, "ed25519", &key, "-o MaxSessions=3").await;
    let login = with_key(&node.user, &node.key);
    for transport in [connect(&node).await, server.connect(&login, &options()).await] {
        let transport = Arc::new(transport);
        let mut programs = JoinSet::new();
        for number in 0..20 {
            let transport = Arc::clone(&transport);
            programs.spawn(async move {
                run(&transport, &format!("head -c 100000 /dev/zero; exit {number}")).await
            });
        }
        let mut states: Vec<u32> = programs.join_all().await.into_iter().map(|end| end.2).collect();
        states.sort_unstable();
        assert_eq!(states, (0..20).collect::<Vec<u32>>());
    }
}

#[tokio::test]
async fn a_program_that_finds_no_channel_is_refused_in_time() {
    let node = node(2);
    let key = public_key(&node.key);
    let server = Server::start(&node, 2202, "ed25519", &key, "-o MaxSessions=1").await;
    let login = with_key(&node.user, &node.key);
    let options = SshOptions { exec_timeout: Duration::from_secs(2), ..options() };
    let transport = server.connect(&login, &options).await;
    let _one = transport.exec("sleep 60").await.unwrap();
    let error = transport.exec("true").await.err().unwrap();
    assert!(matches!(error, TransportError::ProcessRefused { .. }), "{error}");
}
