//! Ways to nodes: jump hosts and the SSH configuration.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use pallet_core::login::Login;
use pallet_core::transport::ssh::{SshConfig, SshOptions, SshTransport};
use pallet_core::transport::{Endpoint, HostKeys, JumpHost, TransportError};
use tempfile::TempDir;
use tokio::task::JoinSet;
use xtask::lab::Node;

use crate::support::{
    SOON, Server, endpoint, lab, node, options, pinned, public_key, refusal, run, with_key,
};

fn hop(node: &Node) -> JumpHost {
    JumpHost {
        user: Some(node.user.clone()),
        host: node.address.to_string(),
        port: Some(node.port),
    }
}

/// Through `hops`, all of which are known.
fn through(hops: &[&Node]) -> SshOptions {
    SshOptions {
        proxy_jump: Some(hops.iter().map(|node| hop(node)).collect()),
        known_hosts: vec![lab().known_hosts],
        ..options()
    }
}

async fn came_from(transport: &SshTransport) -> String {
    let (seen, _, _) = run(transport, "echo $SSH_CONNECTION").await;
    seen.split(' ').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_chain_of_jump_hosts_ends_at_the_node() {
    let (one, two, target) = (node(8), node(9), node(10));
    let login = with_key(&target.user, &target.key);
    for hops in [&[&one][..], &[&one, &two]] {
        let keys = pinned(&target.host_key);
        let options = through(hops);
        let (transport, connected) =
            SshTransport::connect(&endpoint(&target), &login, &keys, &options).await.unwrap();
        assert_eq!(came_from(&transport).await, hops.last().unwrap().address.to_string());
        assert_eq!(connected.username, target.user);
    }
}

/// Established connections to one of its ports.
fn connections(node: &Node, port: u16) -> usize {
    let table = node.run(&["cat", "/proc/net/tcp"]).unwrap();
    let local = format!(":{port:04X}");
    let rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    rows.filter(|row| row[1].ends_with(&local) && row[3] == "01").count()
}

#[tokio::test]
async fn twenty_nodes_share_one_jump_host() {
    let (bastion, target) = (node(8), node(11));
    let server = Server::start(&bastion, 2217, "ed25519", &public_key(&bastion.key), "").await;
    let folder = TempDir::new().unwrap();
    let known = folder.path().join("known_hosts");
    fs::write(&known, format!("[{}]:2217 {}\n", bastion.address, server.host_keys[0])).unwrap();
    let options = SshOptions {
        proxy_jump: Some(vec![JumpHost { port: Some(2217), ..hop(&bastion) }]),
        known_hosts: vec![known],
        ..options()
    };
    let mut connecting = JoinSet::new();
    for _ in 0..20 {
        let (options, target) = (options.clone(), target.clone());
        connecting.spawn(async move {
            let login = with_key(&target.user, &target.key);
            let keys = pinned(&target.host_key);
            SshTransport::connect(&endpoint(&target), &login, &keys, &options).await.unwrap().0
        });
    }
    let transports = connecting.join_all().await;
    assert_eq!(came_from(&transports[19]).await, bastion.address.to_string());
    assert_eq!(connections(&bastion, 2217), 1);
    // It ends with the last connection through it.
    drop(transports);
    let deadline = Instant::now() + SOON;
    while connections(&bastion, 2217) > 0 {
        assert!(Instant::now() < deadline, "the jump host's connection stays");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_dead_jump_host_costs_its_nodes_one_time_limit_together() {
    let target = node(11);
    let nowhere = JumpHost { user: None, host: "192.0.2.1".to_owned(), port: None };
    let options = SshOptions {
        proxy_jump: Some(vec![nowhere]),
        connect_timeout: Duration::from_secs(1),
        ..options()
    };
    let begun = Instant::now();
    let mut connecting = JoinSet::new();
    for _ in 0..20 {
        let (options, target) = (options.clone(), target.clone());
        connecting.spawn(async move {
            let login = with_key(&target.user, &target.key);
            refusal(&endpoint(&target), &login, &pinned(&target.host_key), &options).await
        });
    }
    for error in connecting.join_all().await {
        let TransportError::JumpHost { hop, .. } = &error else { panic!("{error}") };
        assert_eq!(hop.to_string(), "192.0.2.1:22");
    }
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn every_host_on_the_way_is_checked() {
    let (bastion, target) = (node(8), node(9));
    let login = with_key(&target.user, &target.key);
    let keys = pinned(&target.host_key);

    let unknown = SshOptions { known_hosts: Vec::new(), ..through(&[&bastion]) };
    for policy in [&keys, &HostKeys::FirstContact] {
        let error = refusal(&endpoint(&target), &login, policy, &unknown).await;
        let TransportError::JumpHost { error, .. } = &error else { panic!("{error}") };
        assert!(matches!(**error, TransportError::HostKeyUnknown { .. }), "{error}");
        assert!(error.help().unwrap().contains("known_hosts"));
    }

    let wrong = pinned(&bastion.host_key);
    let error = refusal(&endpoint(&target), &login, &wrong, &through(&[&bastion])).await;
    assert!(matches!(error, TransportError::HostKeyChanged { .. }), "{error}");
}

#[tokio::test]
async fn what_a_jump_host_cannot_reach_is_told() {
    let (bastion, target) = (node(8), node(9));
    let login = with_key(&target.user, &target.key);
    let keys = pinned(&target.host_key);
    let closed = Endpoint { host: target.address.to_string(), port: 1 };
    let error = refusal(&closed, &login, &keys, &through(&[&bastion])).await;
    let TransportError::Unreachable { reason, .. } = &error else { panic!("{error}") };
    assert!(reason.contains("jump host") && reason.contains("nothing there"), "{error}");

    let key = public_key(&bastion.key);
    let server = Server::start(&bastion, 2210, "ed25519", &key, "-o AllowTcpForwarding=no").await;
    let folder = TempDir::new().unwrap();
    let known = folder.path().join("known_hosts");
    let name = format!("[{}]:2210", server.endpoint.host);
    fs::write(&known, format!("{name} {}\n", server.host_keys[0])).unwrap();
    let closed_hop = JumpHost { port: Some(2210), ..hop(&bastion) };
    let options =
        SshOptions { proxy_jump: Some(vec![closed_hop]), known_hosts: vec![known], ..options() };
    let error = refusal(&endpoint(&target), &login, &keys, &options).await;
    assert!(error.to_string().contains("does not forward"), "{error}");
}

fn config(folder: &TempDir, text: &str) -> SshConfig {
    let file = folder.path().join("config");
    fs::write(&file, text).unwrap();
    SshConfig::file(file)
}

fn quoted(path: &Path) -> String {
    format!("\"{}\"", path.display())
}

#[tokio::test]
async fn the_ssh_configuration_leads_to_a_node_by_its_alias() {
    let (bastion, target) = (node(8), node(10));
    let folder = TempDir::new().unwrap();
    let known: PathBuf = lab().known_hosts;
    let text = format!(
        "Host web\n  HostName {}\n  ProxyJump bastion\n\
         Host bastion\n  HostName {}\n\
         Host *\n  User {}\n  IdentityFile {}\n  UserKnownHostsFile {}\n  Compression yes\n",
        target.address,
        bastion.address,
        target.user,
        quoted(&target.key),
        quoted(&known),
    );
    let options = SshOptions { config: config(&folder, &text), ..options() };
    let web = Endpoint { host: "web".to_owned(), port: 22 };
    let login = Login::assumed("nobody-here");
    let (transport, connected) =
        SshTransport::connect(&web, &login, &HostKeys::KnownHosts, &options).await.unwrap();
    assert_eq!(connected.username, target.user);
    assert_eq!(came_from(&transport).await, bastion.address.to_string());

    // `none` in the settings wins over the configuration.
    let direct = SshOptions { proxy_jump: Some(Vec::new()), ..options };
    let (transport, _) =
        SshTransport::connect(&web, &login, &HostKeys::KnownHosts, &direct).await.unwrap();
    assert_ne!(came_from(&transport).await, bastion.address.to_string());
}

#[tokio::test]
async fn a_configuration_that_cannot_be_followed_is_an_error_with_its_place() {
    let folder = TempDir::new().unwrap();
    let config = config(&folder, "Host web\n  ProxyCommand nc %h %p\n");
    let options = SshOptions { config, ..options() };
    let web = Endpoint { host: "web".to_owned(), port: 22 };
    let error = refusal(&web, &Login::new("me"), &HostKeys::KnownHosts, &options).await;
    let TransportError::Configuration { place, reason } = &error else { panic!("{error}") };
    assert!(place.ends_with("config:2") && reason.contains("ProxyJump"), "{error}");
}
