//! Host keys: known, unknown, wrong, first seen.

use std::fs;
use std::process::Command;

use pallet_core::transport::ssh::{SshOptions, SshTransport};
use pallet_core::transport::{HostKeys, TransportError};
use tempfile::TempDir;

use crate::support::{Server, endpoint, lab, node, options, pinned, public_key, refusal, with_key};

#[tokio::test]
async fn host_keys_in_known_hosts_are_accepted_and_others_are_not() {
    let (lab, node) = (lab(), node(3));
    let login = with_key(&node.user, &node.key);
    let known = SshOptions { known_hosts: vec![lab.known_hosts.clone()], ..options() };
    let (_, connected) =
        SshTransport::connect(&endpoint(&node), &login, &HostKeys::KnownHosts, &known)
            .await
            .unwrap();
    assert_eq!(connected.accepted_host_key, None);

    let error = refusal(&endpoint(&node), &login, &HostKeys::KnownHosts, &options()).await;
    let TransportError::HostKeyUnknown { got, .. } = &error else { panic!("{error}") };
    assert!(got.contains("SHA256:"), "{error}");

    let other = &lab.node("node-4").unwrap().host_key;
    let error = refusal(&endpoint(&node), &login, &pinned(other), &options()).await;
    let TransportError::HostKeyChanged { source_of_truth, .. } = &error else { panic!("{error}") };
    assert_eq!(source_of_truth, "pinned");

    let folder = TempDir::new().unwrap();
    let file = folder.path().join("known_hosts");
    fs::write(&file, format!("\n{} {other}\n", node.address)).unwrap();
    let wrong = SshOptions { known_hosts: vec![file.clone()], ..options() };
    for policy in [HostKeys::KnownHosts, HostKeys::FirstContact] {
        let error = refusal(&endpoint(&node), &login, &policy, &wrong).await;
        let TransportError::HostKeyChanged { source_of_truth, .. } = &error else {
            panic!("{error}")
        };
        assert_eq!(*source_of_truth, format!("{}:2", file.display()));
    }
}

#[tokio::test]
async fn first_contact_is_reported_remembered_and_then_silent() {
    let node = node(3);
    let login = with_key(&node.user, &node.key);
    let home = TempDir::new().unwrap();
    let file = home.path().join(".ssh/known_hosts");
    let options = SshOptions { known_hosts: vec![file.clone()], ..options() };
    let to = endpoint(&node);
    let first =
        SshTransport::connect(&to, &login, &HostKeys::FirstContact, &options).await.unwrap();
    let fingerprint = first.1.accepted_host_key.unwrap();
    assert!(fingerprint.starts_with("SHA256:"), "{fingerprint}");
    let text = fs::read_to_string(&file).unwrap();
    assert_eq!(text, format!("{} {}\n", node.address, node.host_key));
    for policy in [HostKeys::FirstContact, HostKeys::KnownHosts] {
        let again = SshTransport::connect(&to, &login, &policy, &options).await.unwrap();
        assert_eq!(again.1.accepted_host_key, None);
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), text);
}

#[tokio::test]
async fn the_known_key_is_asked_for_where_a_host_has_several() {
    let node = node(4);
    let key = public_key(&node.key);
    let server = Server::start(&node, 2203, "ed25519 ecdsa rsa", &key, "").await;
    assert_eq!(server.host_keys.len(), 3);
    let login = with_key(&node.user, &node.key);
    for host_key in &server.host_keys {
        SshTransport::connect(&server.endpoint, &login, &pinned(host_key), &options())
            .await
            .unwrap();
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("known_hosts");
        fs::write(&file, format!("[{}]:2203 {host_key}\n", node.address)).unwrap();
        let hashed = Command::new("ssh-keygen").args(["-H", "-f"]).arg(&file).output().unwrap();
        assert!(hashed.status.success());
        assert!(fs::read_to_string(&file).unwrap().starts_with("|1|"));
        let known = SshOptions { known_hosts: vec![file], ..options() };
        SshTransport::connect(&server.endpoint, &login, &HostKeys::KnownHosts, &known)
            .await
            .unwrap();
    }
}
