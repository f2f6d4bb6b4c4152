//! Linux nodes: each has a root, namespaces and an sshd of its own.

pub(crate) mod cgroup;
mod claim;
pub(crate) mod network;
pub(crate) mod root;

use std::fs;
use std::io::Read as _;
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

pub use claim::ClaimedNode;

use super::layout::Lab;
use super::state::{Node, NodeKind, State};
use super::system::debian;
use super::system::holder::Holder;
use super::system::namespace::{CLEAN_ENVIRONMENT, ROOT_FUNCTIONS, start_namespaces};
use super::system::say::{say, step};
use super::system::tool::{Tool, tail_of_file};

const BOOT: &str = include_str!("boot.sh");
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// Most plain nodes a lab can have: their addresses end in 11 to 190.
pub(crate) const MOST_PLAIN: u8 = 180;
/// Most systemd nodes a lab can have: their addresses end in 201 to 240.
pub(crate) const MOST_SYSTEMD: u8 = 40;
/// Most nodes with Debian 13 a lab can have: their addresses end in 241 to 250.
pub(crate) const MOST_TRIXIE: u8 = 10;

impl NodeKind {
    fn name_prefix(self) -> &'static str {
        match self {
            Self::Plain => "node-",
            Self::Systemd => "systemd-",
            Self::Trixie => "trixie-",
        }
    }

    fn first_host(self) -> u8 {
        match self {
            Self::Plain => 11,
            Self::Systemd => 201,
            Self::Trixie => 241,
        }
    }
}

/// Starts nodes of one kind until there are `count`, and returns all of that kind that the lab
/// then has. `known` are those it has already.
pub(crate) fn up(
    lab: &Lab,
    kind: NodeKind,
    count: u8,
    known: &[Node],
) -> anyhow::Result<Vec<Node>> {
    root::make(lab, kind)?;
    network::up(lab)?;
    let mut nodes = Vec::new();
    for index in 0..count.max(u8::try_from(known.len()).unwrap_or(u8::MAX)) {
        nodes.push(prepare(lab, kind, index)?);
    }
    let down: Vec<&Node> = nodes.iter().filter(|node| !node.is_up()).collect();
    let prefix = kind.name_prefix();
    if down.len() < nodes.len() {
        say(format_args!(
            "{} of the nodes {prefix}1 to {prefix}{} run already",
            nodes.len() - down.len(),
            nodes.len()
        ));
    }
    if !down.is_empty() {
        let names: Vec<&str> = down.iter().map(|node| node.name.as_str()).collect();
        step(format_args!("starting {}", names.join(" ")), || start_all(lab, &down))?;
    }
    Ok(nodes)
}

/// Names a node and gives it a host key unless it has one.
fn prepare(lab: &Lab, kind: NodeKind, index: u8) -> anyhow::Result<Node> {
    let name = format!("{}{}", kind.name_prefix(), index + 1);
    Ok(Node {
        address: lab.address(kind.first_host() + index),
        port: 22,
        user: "pallet-admin".to_owned(),
        key: lab.node_key(),
        host_key: host_key(lab, &name)?,
        name,
        kind,
    })
}

fn host_key_file(lab: &Lab, name: &str) -> PathBuf {
    lab.node_dir(name).join("ssh_host_ed25519_key")
}

/// The node's public host key, made if there is none.
fn host_key(lab: &Lab, name: &str) -> anyhow::Result<String> {
    let file = host_key_file(lab, name);
    let public = file.with_extension("pub");
    if !public.exists() {
        fs::create_dir_all(lab.node_dir(name))
            .with_context(|| format!("could not make {}", lab.node_dir(name).display()))?;
        fs::remove_file(&file).ok();
        Tool::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"])
            .arg(&file)
            .run()?;
    }
    let text = fs::read_to_string(&public)
        .with_context(|| format!("could not read {}", public.display()))?;
    let words: Vec<&str> = text.split_whitespace().take(2).collect();
    Ok(words.join(" "))
}

fn holder_file(lab: &Lab, name: &str) -> PathBuf {
    lab.node_dir(name).join("holder.json")
}

/// Starts nodes that do not run, all at once, and waits until they answer.
fn start_all(lab: &Lab, nodes: &[&Node]) -> anyhow::Result<()> {
    let mtu = network::mtu();
    let mut started = Vec::new();
    for node in nodes {
        started.push((node, boot(lab, node, mtu)?));
    }
    for (node, holder) in started {
        wait(lab, node, &holder)?;
    }
    Ok(())
}

fn boot(lab: &Lab, node: &Node, mtu: u32) -> anyhow::Result<Holder> {
    let disk = lab.node_dir(&node.name).join("disk");
    write_identity(lab, node)?;
    // The overlay's scratch folder never outlives its mount; a left-over one would be refused.
    debian::remove(&disk.join("work"))?;
    for folder in ["work", "root"] {
        fs::create_dir_all(disk.join(folder))
            .with_context(|| format!("could not make {}", disk.join(folder).display()))?;
    }
    let arguments = [
        "sh".to_owned(),
        "-c".to_owned(),
        format!("{ROOT_FUNCTIONS}\n{BOOT}"),
        "boot".to_owned(),
        match node.kind {
            NodeKind::Plain | NodeKind::Trixie => "plain".to_owned(),
            NodeKind::Systemd => "systemd".to_owned(),
        },
        node.name.clone(),
        node.address.to_string(),
        lab.address(1).to_string(),
        mtu.to_string(),
        root::folder(lab, node.kind).display().to_string(),
        disk.display().to_string(),
    ];
    let mut kinds = vec!["--mount", "--pid", "--uts", "--ipc", "--net"];
    let mut groups = Vec::new();
    if node.kind == NodeKind::Systemd {
        kinds.push("--cgroup");
        groups = cgroup::make(lab, &node.name)?;
    }
    let log = lab.log(&node.name);
    let holder = start_namespaces(&kinds, &groups, &arguments, &log)?;
    holder.save(&holder_file(lab, &node.name))?;
    network::plug(lab, host(node), holder.pid())?;
    Ok(holder)
}

/// What tells this node from its siblings, written to the part of the disk that is its own.
fn write_identity(lab: &Lab, node: &Node) -> anyhow::Result<()> {
    let etc = lab.node_dir(&node.name).join("disk/upper/etc");
    fs::create_dir_all(etc.join("ssh"))
        .with_context(|| format!("could not make {}", etc.display()))?;
    debian::write(&etc.join("hostname"), &format!("{}\n", node.name))?;
    debian::write(
        &etc.join("hosts"),
        &format!("127.0.0.1 localhost\n{} {}\n", node.address, node.name),
    )?;
    debian::write_resolver(&etc)?;
    let key = etc.join("ssh/ssh_host_ed25519_key");
    let source = host_key_file(lab, &node.name);
    for (source, copy, mode) in [
        (source.clone(), key.clone(), 0o600),
        (source.with_extension("pub"), key.with_extension("pub"), 0o644),
    ] {
        fs::copy(&source, &copy).with_context(|| format!("could not copy {}", source.display()))?;
        debian::set_mode(&copy, mode)?;
    }
    Ok(())
}

fn wait(lab: &Lab, node: &Node, holder: &Holder) -> anyhow::Result<()> {
    let deadline = Instant::now() + START_TIMEOUT;
    let log = lab.log(&node.name);
    let tail = || format!("The last lines of {}:\n{}", log.display(), tail_of_file(&log));
    // Nothing is sent before the cable works: a lost question for the node's hardware address would
    // be repeated only after a second.
    while !network::is_connected(lab, host(node)) || !node.greets(Duration::from_millis(100)) {
        if !holder.is_alive() {
            bail!("the node {} ended at its start. {}", node.name, tail());
        }
        if Instant::now() > deadline {
            bail!(
                "no sshd answers at the node {} ({}) after {} s. {}",
                node.name,
                node.address,
                START_TIMEOUT.as_secs(),
                tail()
            );
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    if node.kind == NodeKind::Systemd {
        let script = "systemctl is-system-running --wait >/dev/null || \
                      { systemctl --failed --no-legend; journalctl --no-pager --lines=50; exit 1; }";
        node.run(&["sh", "-c", script])
            .with_context(|| format!("systemd on {} did not start all units", node.name))?;
    }
    Ok(())
}

/// Ends nodes; their disks stay.
fn stop_all(lab: &Lab, names: &[&str]) -> anyhow::Result<()> {
    for name in names {
        if let Some(holder) = Holder::running(&holder_file(lab, name)) {
            holder.end()?;
        }
        fs::remove_file(holder_file(lab, name)).ok();
    }
    for name in names {
        wait_for_namespaces_to_vanish(lab, name)?;
        cgroup::remove(lab, name)?;
    }
    Ok(())
}

/// The kernel takes a moment to drop the mounts and the network card after the last process ended.
fn wait_for_namespaces_to_vanish(lab: &Lab, name: &str) -> anyhow::Result<()> {
    let Some(host) = host_of(name) else {
        return Ok(());
    };
    let cable = network::cable(lab, host);
    let deadline = Instant::now() + Duration::from_secs(5);
    while network::exists(&cable) && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(10));
    }
    network::unplug(&cable)
}

/// The last part of its address.
fn host(node: &Node) -> u8 {
    let [.., host] = node.address.octets();
    host
}

fn host_of(name: &str) -> Option<u8> {
    [NodeKind::Plain, NodeKind::Systemd, NodeKind::Trixie].into_iter().find_map(|kind| {
        let number: u8 = name.strip_prefix(kind.name_prefix())?.parse().ok()?;
        kind.first_host().checked_add(number)?.checked_sub(1)
    })
}

/// Ends all nodes that have a folder, known to the state or not.
pub(crate) fn down(lab: &Lab) -> anyhow::Result<()> {
    let names: Vec<String> = fs::read_dir(lab.run_dir().join("nodes"))
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    if !names.is_empty() {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        step(format_args!("ending {} nodes", names.len()), || stop_all(lab, &names))?;
    }
    network::down(lab)
}

/// Gives nodes back the disks they were made with. They end and start anew, with the same host
/// keys and addresses.
pub(crate) fn reset_all(nodes: &[&Node]) -> anyhow::Result<()> {
    let lab = Lab::from_env()?;
    let names: Vec<&str> = nodes.iter().map(|node| node.name.as_str()).collect();
    stop_all(&lab, &names)?;
    for name in names {
        debian::remove(&lab.node_dir(name).join("disk"))?;
    }
    start_all(&lab, nodes)
}

/// What tests do to nodes besides logging in. All of it needs root.
impl Node {
    /// Whether its first process runs.
    pub fn is_up(&self) -> bool {
        self.holder().is_ok_and(|holder| holder.is_some())
    }

    /// Whether an SSH server answers at its address.
    pub fn answers(&self) -> bool {
        self.greets(Duration::from_secs(1))
    }

    fn greets(&self, patience: Duration) -> bool {
        let address = SocketAddr::from((self.address, self.port));
        let mut greeting = [0; 4];
        TcpStream::connect_timeout(&address, patience)
            .and_then(|mut stream| {
                // A busy machine may take a while to say it.
                stream.set_read_timeout(Some(Duration::from_secs(5)))?;
                stream.read_exact(&mut greeting)
            })
            .is_ok_and(|()| &greeting == b"SSH-")
    }

    /// Ends it as if its power were cut. Its disk stays.
    pub fn stop(&self) -> anyhow::Result<()> {
        stop_all(&Lab::from_env()?, &[&self.name])
    }

    /// Starts it with the disk it had, unless it runs, and waits until its sshd answers.
    pub fn start(&self) -> anyhow::Result<()> {
        if self.is_up() {
            return Ok(());
        }
        let lab = Lab::from_env()?;
        network::up(&lab)?;
        start_all(&lab, &[self])
    }

    /// Gives it back the disk it was made with: it ends and starts anew, with the same host key.
    pub fn reset(&self) -> anyhow::Result<()> {
        reset_all(&[self])
    }

    /// Gives it another host key and starts it anew; returns the new public key.
    ///
    /// The lab's state and `known_hosts` get the new key as well: to see a mismatch, use the host
    /// key or a copy of `known_hosts` from before.
    pub fn rekey(&self) -> anyhow::Result<String> {
        let lab = Lab::from_env()?;
        let _lock = lab.lock()?;
        stop_all(&lab, &[&self.name])?;
        fs::remove_file(host_key_file(&lab, &self.name).with_extension("pub")).ok();
        let key = host_key(&lab, &self.name)?;
        start_all(&lab, &[self])?;
        let mut state = State::load_of(&lab)?;
        for node in &mut state.nodes {
            if node.name == self.name {
                node.host_key.clone_from(&key);
            }
        }
        state.save(&lab)?;
        Ok(key)
    }

    /// Runs a program on it as root, past sshd, and returns what it prints: to prepare a node for
    /// a test, and to look at it afterwards.
    pub fn run(&self, command: &[&str]) -> anyhow::Result<String> {
        let Some(holder) = self.holder()? else {
            bail!(
                "the node {} does not run: start it with `cargo xtask lab node start {0}`",
                self.name
            );
        };
        Tool::new("nsenter")
            .arg(format!("--target={}", holder.pid()))
            .args(["--mount", "--pid", "--uts", "--ipc", "--net", "--cgroup"])
            .args(["--root", "--wdns=/", "env"])
            .args(CLEAN_ENVIRONMENT)
            .args(command)
            .run()
    }

    /// What has been written to its disk since it was made: a line for each file with its
    /// attributes. What lies in memory, such as `/run`, is not among it.
    pub fn written(&self) -> anyhow::Result<String> {
        let upper = Lab::from_env()?.node_dir(&self.name).join("disk/upper");
        let attributes = "%P %y %m %U %G %s %T@ %C@ %l\\n";
        Tool::new("find").arg(upper).args(["-mindepth", "1", "-printf", attributes]).run()
    }

    fn holder(&self) -> anyhow::Result<Option<Holder>> {
        Ok(Holder::running(&holder_file(&Lab::from_env()?, &self.name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_to_an_address() {
        assert_eq!(host_of("node-1"), Some(11));
        assert_eq!(host_of("node-180"), Some(190));
        assert_eq!(host_of("systemd-40"), Some(240));
        assert_eq!(host_of("trixie-10"), Some(250));
        assert_eq!(host_of("stranger"), None);
    }

    #[test]
    fn addresses_of_the_kinds_do_not_meet() {
        assert!(NodeKind::Plain.first_host() + (MOST_PLAIN - 1) < NodeKind::Systemd.first_host());
        assert!(
            NodeKind::Systemd.first_host() + (MOST_SYSTEMD - 1) < NodeKind::Trixie.first_host()
        );
        assert!(NodeKind::Trixie.first_host().checked_add(MOST_TRIXIE - 1).is_some());
    }
}
