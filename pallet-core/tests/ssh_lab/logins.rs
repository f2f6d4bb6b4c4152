//! Ways to log in.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use pallet_core::login::Login;
use pallet_core::secret::Secret;
use pallet_core::transport::TransportError;
use pallet_core::transport::ssh::{SshOptions, SshTransport};
use tempfile::TempDir;
use tokio::time::sleep;
use xtask::lab::PWSUDO_PASSWORD;

use crate::support::{Server, endpoint, node, options, pinned, public_key, refusal, run, with_key};

fn keygen(folder: &TempDir, arguments: &[&str]) -> PathBuf {
    let file = folder.path().join("key");
    let mut command = Command::new("ssh-keygen");
    command.args(["-q", "-C", "", "-f"]).arg(&file).args(arguments);
    assert!(command.status().unwrap().success());
    file
}

#[tokio::test]
async fn encrypted_and_rsa_keys_log_in() {
    let node = node(5);
    let folder = TempDir::new().unwrap();
    let key = keygen(&folder, &["-t", "rsa", "-b", "2048", "-N", "open sesame", "-a", "2"]);
    let server = Server::start(&node, 2204, "ed25519", &public_key(&key), "").await;
    let locked = with_key(&node.user, &key);
    let login = Login { passphrase: Some(Secret::new("open sesame")), ..locked.clone() };
    server.connect(&login, &options()).await;

    let error = refusal(&server.endpoint, &locked, &server.pinned(), &options()).await;
    let TransportError::KeyFile { reason, .. } = &error else { panic!("{error}") };
    assert!(reason.contains("passphrase"), "{error}");
}

/// An ssh-agent that ends with the test.
pub struct Agent {
    process: Child,
    socket: PathBuf,
}

impl Agent {
    pub async fn start(socket: &Path) -> Self {
        let process = Command::new("ssh-agent").args(["-D", "-a"]).arg(socket).spawn().unwrap();
        let agent = Self { process, socket: socket.to_owned() };
        while !socket.exists() {
            sleep(Duration::from_millis(10)).await;
        }
        agent
    }

    pub fn add(&self, key: &Path) {
        let mut command = Command::new("ssh-add");
        let added = command.arg("-q").arg(key).env("SSH_AUTH_SOCK", &self.socket).status();
        assert!(added.unwrap().success());
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test]
async fn the_agent_and_the_usual_files_log_in() {
    let node = node(5);
    let folder = TempDir::new().unwrap();
    let wrong = keygen(&folder, &["-t", "ed25519", "-N", ""]);
    let socket = folder.path().join("agent");
    let agent = Agent::start(&socket).await;
    let to = endpoint(&node);
    let keys = pinned(&node.host_key);
    let login = Login::new(&node.user);
    let with_agent = SshOptions { identity_agent: Some(socket.clone()), ..options() };

    agent.add(&wrong);
    let error = refusal(&to, &login, &keys, &with_agent).await.to_string();
    assert!(error.contains("the SSH agent's ssh-ed25519 SHA256:"), "{error}");
    agent.add(&node.key);
    SshTransport::connect(&to, &login, &keys, &with_agent).await.unwrap();

    // The file is locked, the agent holds its key.
    let locked = folder.path().join("locked");
    fs::copy(&node.key, &locked).unwrap();
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o600)).unwrap();
    let relocked =
        Command::new("ssh-keygen").args(["-q", "-p", "-N", "secret", "-f"]).arg(&locked).output();
    assert!(relocked.unwrap().status.success());
    SshTransport::connect(&to, &with_key(&node.user, &locked), &keys, &with_agent).await.unwrap();

    let files = vec![folder.path().join("missing"), locked, wrong.clone(), node.key.clone()];
    let usual = SshOptions { identity_files: files, ..options() };
    SshTransport::connect(&to, &login, &keys, &usual).await.unwrap();
}

#[tokio::test]
async fn passwords_log_in_both_ways() {
    let node = node(6);
    for (port, extra) in [
        (2205, "-o PasswordAuthentication=yes -o KbdInteractiveAuthentication=no"),
        (2206, "-o PasswordAuthentication=no -o KbdInteractiveAuthentication=yes"),
    ] {
        let server = Server::start(&node, port, "ed25519", "", extra).await;
        let login = |password: &str| Login {
            password: Some(Secret::new(password)),
            ..Login::new("pwsudo")
        };
        let right = login(PWSUDO_PASSWORD);
        let transport = server.connect(&right, &options()).await;
        assert_eq!(run(&transport, "id -un").await.0, "pwsudo\n");

        let error = refusal(&server.endpoint, &login("wrong"), &server.pinned(), &options()).await;
        let TransportError::LoginRefused { username, reason, .. } = &error else {
            panic!("{error}")
        };
        assert_eq!(username, "pwsudo");
        assert!(reason.contains("password"), "{error}");
        assert!(!error.to_string().contains("wrong"), "{error}");

        // A wrong password is answered late on purpose.
        let hasty = SshOptions { login_timeout: Duration::from_millis(300), ..options() };
        let error = refusal(&server.endpoint, &login("wrong"), &server.pinned(), &hasty).await;
        assert!(matches!(error, TransportError::TimedOut { what: "the login", .. }), "{error}");
    }
}

#[tokio::test]
async fn a_refused_login_says_what_was_tried_and_what_is_taken() {
    let node = node(6);
    let folder = TempDir::new().unwrap();
    let wrong = keygen(&folder, &["-t", "ed25519", "-N", ""]);
    let login = with_key(&node.user, &wrong);
    let error = refusal(&endpoint(&node), &login, &pinned(&node.host_key), &options()).await;
    let TransportError::LoginRefused { reason, .. } = &error else { panic!("{error}") };
    assert!(reason.contains(&format!("tried {} (ssh-ed25519 SHA256:", wrong.display())), "{error}");
    assert!(reason.contains("the node takes publickey"), "{error}");

    let nothing = Login::new(&node.user);
    let error = refusal(&endpoint(&node), &nothing, &pinned(&node.host_key), &options()).await;
    assert!(error.to_string().contains("no private key"), "{error}");

    let missing = with_key(&node.user, &folder.path().join("missing"));
    let error = refusal(&endpoint(&node), &missing, &pinned(&node.host_key), &options()).await;
    assert!(matches!(error, TransportError::KeyFile { .. }), "{error}");
}

#[tokio::test]
async fn a_node_that_loses_its_patience_is_quoted() {
    let node = node(6);
    let folders: Vec<_> = (0..3).map(|_| TempDir::new().unwrap()).collect();
    let files = folders.iter().map(|folder| keygen(folder, &["-t", "ed25519", "-N", ""])).collect();
    let server = Server::start(&node, 2207, "ed25519", "", "-o MaxAuthTries=2").await;
    let options = SshOptions { identity_files: files, ..options() };
    let login = Login::new(&node.user);
    let error = refusal(&server.endpoint, &login, &server.pinned(), &options).await;
    assert!(matches!(error, TransportError::LoginRefused { .. }), "{error}");
    assert!(error.to_string().contains("Too many authentication failures"), "{error}");
}
