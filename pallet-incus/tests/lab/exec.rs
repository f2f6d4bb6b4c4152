//! Nodes that can only be reached through the API: no sshd, and a network without a way in.

use std::collections::BTreeMap;
use std::time::Duration;

use pallet_core::engine::Connector;
use pallet_core::login::Login;
use pallet_core::transport::Output;
use pallet_incus::client::ExecOutput;
use serde_json::json;
use tokio::io::AsyncWriteExt as _;

use crate::support::{Lab, request};

crate::support::on_both! {
    a_node_without_sshd_is_worked_on_through_the_api,
}

async fn a_node_without_sshd_is_worked_on_through_the_api(lab: Lab) {
    let service = lab.open(json!({"reach": "exec"})).await;
    let node = request(
        "exec-1",
        "exec",
        json!({
            "image": {"image-id": lab.cluster.image},
            "network": lab.cluster.hidden_network,
            "provider": {"lxd": {"config": {"environment.LAB_SSHD": "no"}}},
        }),
    );
    let made = service.create(vec![node]).await.remove(0).unwrap();
    let node = service.ready(&made, Duration::from_secs(60)).await.unwrap();
    let client = lab.client().await;
    assert!(client.file("exec-1", "/etc/ssh/ssh_host_ed25519_key.pub").await.unwrap().is_none());

    // What a user asks for is not there; who comes through the API is root.
    let attached = service.attach(&node, &Login::new("somebody")).await.unwrap().unwrap();
    assert_eq!(attached.login.username, "root");

    // Long input arrives whole and in order, output and error apart, and the status is told.
    let mut process = attached.transport.exec("sha256sum; echo wrong >&2; exit 7").await.unwrap();
    let input: Vec<u8> = (0..3_000_000_u32).flat_map(u32::to_le_bytes).collect();
    process.stdin.write_all(&input).await.unwrap();
    process.stdin.shutdown().await.unwrap();
    drop(process.stdin);
    let (mut out, mut err, mut exit) = (Vec::new(), Vec::new(), None);
    while let Some(output) = process.output.recv().await {
        match output {
            Output::Stdout(bytes) => out.extend(bytes),
            Output::Stderr(bytes) => err.extend(bytes),
            Output::Exit(status) => exit = Some(status),
            Output::Lost(error) => panic!("{error}"),
        }
    }
    assert_eq!(String::from_utf8(out).unwrap(), format!("{}  -\n", sha256(&input)));
    assert_eq!((String::from_utf8(err).unwrap().as_str(), exit), ("wrong\n", Some(7)));

    // A program that nobody listens to any more is killed.
    let forgotten = attached.transport.exec("echo begun; exec sleep 987654").await.unwrap();
    let mut forgotten = forgotten;
    assert!(matches!(forgotten.output.recv().await, Some(Output::Stdout(_))));
    drop(forgotten);
    let is_there = || async {
        let mut list = client
            .exec("exec-1", &["pgrep", "-fx", "sleep 987654"], &BTreeMap::new())
            .await
            .unwrap();
        let mut found = false;
        while let Some(output) = list.output.recv().await {
            found |= matches!(output, ExecOutput::Stdout(_));
        }
        list.exit.wait().await.unwrap();
        found
    };
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    while is_there().await {
        assert!(tokio::time::Instant::now() < deadline, "it runs on");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }

    // The engine works over it as over every other way.
    let connection =
        Connector::default().work_over(attached.transport, attached.login).await.unwrap();
    assert_eq!(connection.facts().hostname, "exec-1");
    assert_eq!((connection.facts().os.as_str(), connection.username()), ("debian", "root"));
    connection.close().await;
    service.destroy(&node).await.unwrap();
    service.close().await;
}

fn sha256(bytes: &[u8]) -> String {
    use std::io::Write as _;
    let mut child = std::process::Command::new("sha256sum")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(bytes).unwrap();
    let output = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
    output.split_whitespace().next().unwrap().to_owned()
}
