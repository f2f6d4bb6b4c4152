//! Waiting until a node can be worked on.

use std::time::Duration;

use pallet_core::compute::ComputeError;
use pallet_core::transport::Endpoint;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use super::failed;
use super::notes::{SSH, address};
use crate::client::{Client, Error, Instance};

/// Where sshd keeps its keys, the kind that is taken first.
const KEYS: [&str; 3] = [
    "/etc/ssh/ssh_host_ed25519_key.pub",
    "/etc/ssh/ssh_host_ecdsa_key.pub",
    "/etc/ssh/ssh_host_rsa_key.pub",
];

/// The first pause between two looks, and the longest: each look costs the server some work.
const PAUSE: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(1);
/// How long an sshd may take to greet.
const GREETING: Duration = Duration::from_secs(5);

/// A node that can be worked on over SSH.
pub(super) struct Ready {
    pub(super) endpoint: Endpoint,
    /// Its host key, `ssh-ed25519 AAAA…`.
    pub(super) key: String,
}

/// What is still missing.
#[derive(Debug, Clone)]
enum Missing {
    Address,
    HostKey(String),
    Greeting(Endpoint, String),
    Answer(String),
}

/// Waits until a running instance has an address and a host key, and its sshd answers.
pub(super) async fn over_ssh(
    client: &Client,
    instance: &Instance,
    patience: Duration,
) -> Result<Ready, ComputeError> {
    let (begun, mut pause) = (Instant::now(), PAUSE);
    let mut missing = Missing::Address;
    loop {
        let left = patience.saturating_sub(begun.elapsed());
        match timeout(left, look(client, instance)).await {
            Ok(Ok(Ok(ready))) => return Ok(ready),
            Ok(Ok(Err(still))) => missing = still,
            Ok(Err(error)) => return Err(error),
            Err(_) => break,
        }
        if begun.elapsed() + pause > patience {
            break;
        }
        sleep(pause).await;
        pause = (pause * 3 / 2).min(LONGEST);
    }
    Err(diagnose(client, instance, patience, missing).await)
}

/// Waits until programs can be started in a running instance.
pub(super) async fn over_exec(
    client: &Client,
    instance: &Instance,
    patience: Duration,
) -> Result<(), ComputeError> {
    let (begun, mut pause) = (Instant::now(), PAUSE);
    loop {
        let left = patience.saturating_sub(begun.elapsed());
        let name = instance.name.as_str();
        let tried = timeout(left, async {
            let mut program = client.exec(name, &["true"], &[].into()).await?;
            program.exit.wait().await
        });
        let reason = match tried.await {
            Ok(Ok(0)) => return Ok(()),
            Ok(Ok(status)) => format!("`true` ended with status {status}"),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "a program was started and did not end".to_owned(),
        };
        runs(client, instance).await?;
        if begun.elapsed() + pause > patience {
            return Err(diagnose(client, instance, patience, Missing::Answer(reason)).await);
        }
        sleep(pause).await;
        pause = (pause * 3 / 2).min(LONGEST);
    }
}

/// One look at everything; what is missing first is what is said.
async fn look(
    client: &Client,
    instance: &Instance,
) -> Result<Result<Ready, Missing>, ComputeError> {
    let name = instance.name.as_str();
    let state = match client.state(name).await {
        Ok(state) => state,
        Err(error) => {
            return Err(explained(client, &instance.name, &instance.location, &error).await);
        }
    };
    if !state.is_running() {
        return Err(not_running(name, &state.status));
    }
    let Some(host) = address(instance, &state) else { return Ok(Err(Missing::Address)) };
    let key = match host_key(client, name).await {
        Ok(Some(key)) => key,
        Ok(None) => return Ok(Err(Missing::HostKey("it has none yet".to_owned()))),
        // A virtual machine says it once its agent runs.
        Err(error @ (Error::Refused { .. } | Error::Failed { .. })) => {
            return Ok(Err(Missing::HostKey(error.to_string())));
        }
        Err(error) => {
            return Err(explained(client, &instance.name, &instance.location, &error).await);
        }
    };
    let endpoint = Endpoint { host, port: SSH };
    Ok(match greeting(&endpoint).await {
        Ok(()) => Ok(Ready { endpoint, key }),
        Err(reason) => Err(Missing::Greeting(endpoint, reason)),
    })
}

/// The host key that a node shows, read past the network.
async fn host_key(client: &Client, name: &str) -> Result<Option<String>, Error> {
    for path in KEYS {
        let Some(content) = client.file(name, path).await? else { continue };
        let text = String::from_utf8_lossy(&content);
        // Without the comment. Half a key is none: it is being written.
        let words: Vec<&str> = text.split_whitespace().take(2).collect();
        if words.len() == 2 && text.ends_with('\n') {
            return Ok(Some(words.join(" ")));
        }
    }
    Ok(None)
}

async fn greeting(endpoint: &Endpoint) -> Result<(), String> {
    let heard = timeout(GREETING, async {
        let mut stream = TcpStream::connect((endpoint.host.as_str(), endpoint.port)).await?;
        let mut greeting = [0; 4];
        stream.read_exact(&mut greeting).await?;
        Ok::<_, std::io::Error>(greeting)
    });
    match heard.await {
        Ok(Ok(greeting)) if &greeting == b"SSH-" => Ok(()),
        Ok(Ok(_)) => Err("something answers that is no sshd".to_owned()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("nobody answers".to_owned()),
    }
}

async fn runs(client: &Client, instance: &Instance) -> Result<(), ComputeError> {
    match client.state(&instance.name).await {
        Ok(state) if state.is_running() => Ok(()),
        Ok(state) => Err(not_running(&instance.name, &state.status)),
        Err(error) => Err(explained(client, &instance.name, &instance.location, &error).await),
    }
}

fn not_running(name: &str, status: &str) -> ComputeError {
    ComputeError::failed(format!("{name} does not run: it is {}", status.to_lowercase()))
}

/// An error about an instance, with what is known of the member that it is on: one that has died
/// is the reason, although the API may speak of connections.
pub(super) async fn explained(
    client: &Client,
    name: &str,
    place: &str,
    error: &Error,
) -> ComputeError {
    let members = client.members().await.unwrap_or_default();
    let member = members.iter().find(|member| member.server_name == place);
    let failure = failed(error);
    let Some(member) = member else { return failure };
    let says = &failure.message;
    if member.is_online() {
        let help = failure.help.clone();
        let told = ComputeError::failed(format!("{name}, on the member {place}: {says}"));
        return match help {
            Some(help) => told.help(help),
            None => told,
        };
    }
    ComputeError::failed(format!(
        "{name} is on the member {place}, which is {}: {} ({says})",
        member.status.to_lowercase(),
        member.message
    ))
    .help("converge once more when the member is back; its nodes keep their names")
}

async fn diagnose(
    client: &Client,
    instance: &Instance,
    patience: Duration,
    missing: Missing,
) -> ComputeError {
    let (name, command) = (&instance.name, client.dialect().command());
    let after = patience.as_secs();
    let (what, help) = match missing {
        Missing::Address => (
            "it runs and has no address".to_owned(),
            format!(
                "look at its network: `{command} info {name}`, `{command} console {name} --show-log`"
            ),
        ),
        Missing::HostKey(reason) => (
            format!("its host key cannot be read: {reason}"),
            "without an sshd in the image, work with `reach = \"exec\"`".to_owned(),
        ),
        Missing::Greeting(endpoint, reason) => (
            format!("its sshd does not answer at {endpoint}: {reason}"),
            format!(
                "check that its network is reached from here; if it is not, work with `reach = \
                 \"exec\"`; `{command} console {name} --show-log` shows what it did"
            ),
        ),
        Missing::Answer(reason) => (
            format!("no program can be started in it: {reason}"),
            format!("`{command} exec {name} true` shows more"),
        ),
    };
    ComputeError::failed(format!("{name} is not ready after {after} s: {what}")).help(help)
}
