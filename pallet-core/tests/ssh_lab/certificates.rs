//! Certificates of users and of hosts.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use pallet_core::login::Login;
use pallet_core::transport::ssh::{SshOptions, SshTransport};
use pallet_core::transport::{Endpoint, HostKeys, TransportError};
use tempfile::TempDir;
use xtask::lab::Node;

use crate::logins::Agent;
use crate::support::{Server, node, options, public_key, refusal, run, with_key};

fn keygen(arguments: &[&str], file: &Path) {
    let mut command = Command::new("ssh-keygen");
    assert!(command.arg("-q").args(arguments).arg(file).status().unwrap().success());
}

fn new_key(folder: &TempDir, name: &str) -> PathBuf {
    let file = folder.path().join(name);
    keygen(&["-t", "ed25519", "-N", "", "-C", "", "-f"], &file);
    file
}

/// Certifies a public key as `names`.
fn sign(authority: &Path, names: &str, more: &[&str], key: &Path) {
    let authority = authority.to_str().unwrap();
    let arguments = [&["-s", authority, "-I", "test", "-n", names], more].concat();
    keygen(&arguments, &key.with_extension("pub"));
}

#[tokio::test]
async fn user_certificates_log_in_from_files_and_agents() {
    let node = node(12);
    let folder = TempDir::new().unwrap();
    let authority = new_key(&folder, "authority");
    let trusted = format!("cert-authority {}", public_key(&authority));
    let server = Server::start(&node, 2211, "ed25519", &trusted, "").await;

    let key = new_key(&folder, "key");
    let login = with_key(&node.user, &key);
    let error = refusal(&server.endpoint, &login, &server.pinned(), &options()).await;
    assert!(matches!(error, TransportError::LoginRefused { .. }), "{error}");

    sign(&authority, &node.user, &[], &key);
    let transport = server.connect(&login, &options()).await;
    assert_eq!(run(&transport, "id -un").await.0, format!("{}\n", node.user));

    // The agent holds the key without its certificate, which lies beside the public key.
    let socket = folder.path().join("agent");
    let agent = Agent::start(&socket).await;
    let alone = folder.path().join("alone");
    fs::copy(&key, &alone).unwrap();
    agent.add(&alone);
    let public = folder.path().join("public");
    fs::copy(key.with_extension("pub"), public.with_extension("pub")).unwrap();
    fs::copy(folder.path().join("key-cert.pub"), folder.path().join("public-cert.pub")).unwrap();
    let with_agent = SshOptions { identity_agent: Some(socket), ..options() };
    let by_public_key = with_key(&node.user, &public.with_extension("pub"));
    server.connect(&by_public_key, &with_agent).await;

    // The agent holds both.
    let nothing_named = Login::new(&node.user);
    let error = refusal(&server.endpoint, &nothing_named, &server.pinned(), &with_agent).await;
    assert!(matches!(error, TransportError::LoginRefused { .. }), "{error}");
    agent.add(&key);
    server.connect(&nothing_named, &with_agent).await;
}

#[tokio::test]
async fn an_expired_certificate_is_told_and_not_offered() {
    let node = node(12);
    let folder = TempDir::new().unwrap();
    let authority = new_key(&folder, "authority");
    let trusted = format!("cert-authority {}", public_key(&authority));
    let server = Server::start(&node, 2212, "ed25519", &trusted, "").await;
    let key = new_key(&folder, "key");
    sign(&authority, &node.user, &["-V", "20200101:20200102"], &key);
    let login = with_key(&node.user, &key);
    let error = refusal(&server.endpoint, &login, &server.pinned(), &options()).await;
    assert!(error.to_string().contains("expired"), "{error}");
}

/// A server that shows a certificate signed by `authority` for these names.
async fn certified(node: &Node, port: u16, authority: &Path, names: &str, more: &[&str]) -> Server {
    let folder = TempDir::new().unwrap();
    let key = new_key(&folder, "host");
    sign(authority, names, &[&["-h"], more].concat(), &key);
    let place = format!("/root/certified-{port}");
    let mut script = format!("mkdir -m 700 -p {place}; cd {place}; umask 077;");
    for name in ["host", "host-cert.pub"] {
        let text = fs::read_to_string(folder.path().join(name)).unwrap();
        script.push_str(&format!("printf '%s\\n' '{}' > {name};", text.trim()));
    }
    node.run(&["sh", "-c", &script]).unwrap();
    let extra = format!("-h {place}/host -o HostCertificate={place}/host-cert.pub");
    Server::start(node, port, "", &public_key(&node.key), &extra).await
}

/// What happens with this line in known_hosts.
async fn connect_knowing(
    node: &Node,
    to: &Endpoint,
    line: &str,
) -> Result<Option<String>, TransportError> {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("known_hosts");
    fs::write(&file, format!("{line}\n")).unwrap();
    let options = SshOptions { known_hosts: vec![file], ..options() };
    let login = with_key(&node.user, &node.key);
    SshTransport::connect(to, &login, &HostKeys::FirstContact, &options)
        .await
        .map(|(_, connected)| connected.accepted_host_key)
}

#[tokio::test]
async fn host_certificates_are_good_for_the_hosts_of_their_authority() {
    let node = node(12);
    let folder = TempDir::new().unwrap();
    let authority = new_key(&folder, "authority");
    let address = node.address.to_string();
    let trust = format!("@cert-authority * {}", public_key(&authority));

    let good = certified(&node, 2213, &authority, &address, &[]).await;
    // Neither remembered nor reported as a first contact.
    assert_eq!(connect_knowing(&node, &good.endpoint, &trust).await.unwrap(), None);

    let revoked = format!("{trust}\n@revoked * {}", public_key(&authority));
    let error = connect_knowing(&node, &good.endpoint, &revoked).await.unwrap_err();
    assert!(matches!(error, TransportError::HostKeyRevoked { .. }), "{error}");

    // Of another authority it is worth as much as the key in it: a first contact here.
    let other = new_key(&folder, "other");
    let distrust = format!("@cert-authority * {}", public_key(&other));
    assert!(connect_knowing(&node, &good.endpoint, &distrust).await.unwrap().is_some());

    let stranger = certified(&node, 2214, &authority, "db.example.net", &[]).await;
    let error = connect_knowing(&node, &stranger.endpoint, &trust).await.unwrap_err();
    let TransportError::HostCertificate { reason, authority: place, .. } = &error else {
        panic!("{error}")
    };
    assert!(reason.contains("db.example.net") && place.ends_with("known_hosts:1"), "{error}");

    let past = &["-V", "20200101:20200102"];
    let expired = certified(&node, 2215, &authority, &address, past).await;
    let error = connect_knowing(&node, &expired.endpoint, &trust).await.unwrap_err();
    assert!(error.to_string().contains("expired"), "{error}");
}
