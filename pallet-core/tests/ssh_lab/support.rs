//! Nodes, logins and servers for the tests.

use std::fs;
use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use pallet_core::login::Login;
use pallet_core::transport::ssh::{SshOptions, SshTransport};
use pallet_core::transport::{Endpoint, HostKeys, Output, Process, Transport, TransportError};
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;
use xtask::lab::{ClaimedNode, Node, NodeKind, State};

pub const SOON: Duration = Duration::from_secs(20);

/// The plain nodes as new, for these tests alone: others leave them without a network, or full.
static NODES: LazyLock<Vec<ClaimedNode>> = LazyLock::new(|| {
    let lab = State::load().unwrap();
    lab.claim(NodeKind::Plain, lab.nodes_of(NodeKind::Plain).count()).unwrap()
});

pub fn lab() -> State {
    LazyLock::force(&NODES);
    State::load().unwrap()
}

pub fn node(number: usize) -> Node {
    lab().node(&format!("node-{number}")).unwrap().clone()
}

pub fn endpoint(node: &Node) -> Endpoint {
    Endpoint { host: node.address.to_string(), port: node.port }
}

pub fn pinned(key: &str) -> HostKeys {
    HostKeys::Pinned { keys: vec![key.to_owned()] }
}

pub fn with_key(user: &str, key: &Path) -> Login {
    Login { private_key_path: Some(key.to_owned()), ..Login::new(user) }
}

/// Nothing of the machine that runs the tests: no agent, no known hosts, no keys.
pub fn options() -> SshOptions {
    SshOptions::isolated()
}

pub async fn connect(node: &Node) -> SshTransport {
    let login = with_key(&node.user, &node.key);
    let keys = pinned(&node.host_key);
    SshTransport::connect(&endpoint(node), &login, &keys, &options()).await.unwrap().0
}

pub async fn refusal(
    endpoint: &Endpoint,
    login: &Login,
    keys: &HostKeys,
    options: &SshOptions,
) -> TransportError {
    timeout(SOON, SshTransport::connect(endpoint, login, keys, options))
        .await
        .expect("the connection attempt takes too long")
        .expect_err("the connection is expected to fail")
}

/// Standard output, standard error, and the end.
pub async fn finish(mut process: Process) -> (Vec<u8>, Vec<u8>, Output) {
    process.stdin.shutdown().await.unwrap();
    listen(&mut process).await
}

pub async fn listen(process: &mut Process) -> (Vec<u8>, Vec<u8>, Output) {
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    loop {
        let output = timeout(SOON, process.output.recv()).await.expect("no output for too long");
        match output.expect("the output ends without an end") {
            Output::Stdout(bytes) => stdout.extend(bytes),
            Output::Stderr(bytes) => stderr.extend(bytes),
            end => return (stdout, stderr, end),
        }
    }
}

pub async fn run(transport: &SshTransport, command: &str) -> (String, String, u32) {
    let (stdout, stderr, end) = finish(transport.exec(command).await.unwrap()).await;
    let Output::Exit(status) = end else { panic!("`{command}`: {end:?}") };
    (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap(), status)
}

/// One more sshd on a node, with settings of its own. It ends with the connection that started it.
pub struct Server {
    pub endpoint: Endpoint,
    pub host_keys: Vec<String>,
    _transport: SshTransport,
    _process: Process,
}

impl Server {
    /// Starts it with host keys of these types, letting `public_key` in.
    pub async fn start(node: &Node, port: u16, types: &str, public_key: &str, extra: &str) -> Self {
        let transport = connect(node).await;
        let script = format!(
            "exec 2>&1; set -e; d=$(mktemp -d); chmod 711 $d; keys=; mkdir -p /run/sshd
             for t in {types}; do
               ssh-keygen -q -t $t -N '' -C '' -f $d/$t; keys=\"$keys -h $d/$t\"; cat $d/$t.pub
             done
             echo '{public_key}' > $d/authorized
             /usr/sbin/sshd -D -f /dev/null -p {port} $keys -o UsePAM=yes -o PidFile=none \
               -o StrictModes=no -o AuthorizedKeysFile=$d/authorized {extra} &
             until : 2>/dev/null < /dev/tcp/127.0.0.1/{port}; do kill -0 $!; sleep 0.05; done
             echo ready; cat; kill $!; rm -r $d"
        );
        let quoted = script.replace('\'', r"'\''");
        let mut process = transport.exec(&format!("sudo -n bash -c '{quoted}'")).await.unwrap();
        let mut said = String::new();
        while !said.contains("ready\n") {
            match timeout(SOON, process.output.recv()).await.unwrap() {
                Some(Output::Stdout(bytes)) => said.push_str(&String::from_utf8(bytes).unwrap()),
                other => panic!("sshd did not start: {said} {other:?}"),
            }
        }
        let host_keys = said.lines().filter(|line| *line != "ready").map(str::to_owned).collect();
        let endpoint = Endpoint { host: node.address.to_string(), port };
        Self { endpoint, host_keys, _transport: transport, _process: process }
    }

    pub fn pinned(&self) -> HostKeys {
        HostKeys::Pinned { keys: self.host_keys.clone() }
    }

    pub async fn connect(&self, login: &Login, options: &SshOptions) -> SshTransport {
        SshTransport::connect(&self.endpoint, login, &self.pinned(), options).await.unwrap().0
    }
}

pub fn public_key(file: &Path) -> String {
    fs::read_to_string(file.with_extension("pub")).unwrap().trim().to_owned()
}
