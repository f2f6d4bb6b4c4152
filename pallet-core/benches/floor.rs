//! The floor under any tool that works over SSH: one connection per host, one script on its standard input, and
//! nothing else. No checks in Rust, no report. `cargo xtask bench role` measures `pallet` against it.
//!
//! `floor INVENTORY PARALLEL`: each line of the inventory is `ADDRESS PORT USER KEY-FILE HOST-KEY SCRIPT`, separated by
//! tabs. The script runs as root through sudo; its output is one line per host.

#![allow(missing_docs, clippy::print_stdout, clippy::print_stderr)]

use std::process::ExitCode;
use std::sync::Arc;

use russh::keys::{HashAlg, PrivateKeyWithHashAlg, PublicKeyOrCertificate, load_secret_key};
use russh::{ChannelMsg, Disconnect, client};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

type Failure = Box<dyn std::error::Error + Send + Sync>;

struct Pinned {
    host_key: String,
}

impl client::Handler for Pinned {
    type Error = russh::Error;

    async fn check_server_key(
        &mut self,
        key: &PublicKeyOrCertificate,
    ) -> Result<bool, Self::Error> {
        let PublicKeyOrCertificate::PublicKey { key, .. } = key else { return Ok(false) };
        let offered = key.to_openssh()?;
        Ok(offered.split(' ').take(2).eq(self.host_key.split(' ').take(2)))
    }
}

struct Host {
    address: String,
    port: u16,
    user: String,
    key_file: String,
    host_key: String,
    script: String,
}

impl Host {
    fn parse(line: &str) -> Result<Self, Failure> {
        let fields: Vec<&str> = line.split('\t').collect();
        let [address, port, user, key_file, host_key, script] = fields.as_slice() else {
            return Err(format!("`{line}` has not six fields").into());
        };
        Ok(Self {
            address: (*address).to_owned(),
            port: port.parse()?,
            user: (*user).to_owned(),
            key_file: (*key_file).to_owned(),
            host_key: (*host_key).to_owned(),
            script: (*script).to_owned(),
        })
    }

    async fn run(self, config: Arc<client::Config>) -> Result<String, Failure> {
        let script = std::fs::read(&self.script)?;
        let key = Arc::new(load_secret_key(&self.key_file, None)?);
        let pinned = Pinned { host_key: self.host_key };
        let mut session =
            client::connect(config, (self.address.as_str(), self.port), pinned).await?;
        let key = PrivateKeyWithHashAlg::new(key, None::<HashAlg>);
        if !session.authenticate_publickey(self.user, key).await?.success() {
            return Err("the key was refused".into());
        }
        let mut channel = session.channel_open_session().await?;
        channel.exec(true, "sudo -n bash -s").await?;
        channel.data(script.as_slice()).await?;
        channel.eof().await?;
        let (mut output, mut status) = (Vec::new(), None);
        while let Some(message) = channel.wait().await {
            match message {
                ChannelMsg::Data { data } | ChannelMsg::ExtendedData { data, .. } => {
                    output.extend_from_slice(&data);
                }
                ChannelMsg::ExitStatus { exit_status } => status = Some(exit_status),
                _ => {}
            }
        }
        session.disconnect(Disconnect::ByApplication, "", "").await?;
        let output = String::from_utf8_lossy(&output).into_owned();
        match status {
            Some(0) => Ok(format!("{} {output}", self.address)),
            status => Err(format!("{}: status {status:?}: {output}", self.address).into()),
        }
    }
}

async fn run(inventory: &str, parallel: usize) -> Result<(), Failure> {
    let config = Arc::new(client::Config { nodelay: true, ..client::Config::default() });
    let permits = Arc::new(Semaphore::new(parallel));
    let mut hosts = JoinSet::new();
    for line in std::fs::read_to_string(inventory)?.lines() {
        let host = Host::parse(line)?;
        let (config, permits) = (config.clone(), permits.clone());
        hosts.spawn(async move {
            let _permit = permits.acquire().await?;
            host.run(config).await
        });
    }
    while let Some(output) = hosts.join_next().await {
        print!("{}", output??);
    }
    Ok(())
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // `cargo bench` adds `--bench`.
    let arguments: Vec<&str> =
        arguments.iter().map(String::as_str).filter(|argument| *argument != "--bench").collect();
    let [inventory, parallel] = arguments.as_slice() else {
        eprintln!("usage: floor INVENTORY PARALLEL");
        return ExitCode::from(2);
    };
    let Ok(parallel) = parallel.parse() else { return ExitCode::from(2) };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(run(inventory, parallel)),
        Err(error) => Err(error.into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
