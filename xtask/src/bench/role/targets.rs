//! The hosts that the role is applied to.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, ensure};

use super::delay::delayed;
use crate::lab::{ClaimedNode, NodeKind, State};

/// The file that the role edits, as it is before.
const SEED: &str = "printf '# kernel settings\\nnet.core.somaxconn = 128\\nvm.swappiness = 60\\nfs.file-max = 1000\\n# end\\n' >/etc/sysctl.d/99-bench.conf";

/// Prints everything that the role manages: contents, owners, modes, links and accounts. The order of
/// authorized keys means nothing, and neither do empty lines between them.
pub(in crate::bench) const STATE: &str =
    "set -e; keys=/home/benchdep/.ssh/authorized_keys; cd /etc/bench
for path in /etc/bench/* /etc/cron.d/bench-* /etc/sysctl.d/99-bench.conf; do
  stat -c '%n %a %U:%G' \"$path\"; sha256sum <\"$path\"; done
stat -c '%n %a %U:%G' $keys; grep . $keys | sort
stat -c '%n %a %U:%G' /opt/bench /opt/bench/data /var/lib/bench /etc/bench /home/benchdep/.ssh
readlink /opt/bench/current-{1,2,3,4,5}; grep ^bench /etc/passwd /etc/group; cat /run/bench.reload";

/// Sshd nodes of the lab, and how they are reached.
pub(super) struct Targets {
    nodes: Vec<ClaimedNode>,
    pub(super) addresses: Vec<SocketAddr>,
}

impl Targets {
    /// Takes `count` nodes, pristine, behind a line with a delay.
    pub(super) fn claim(lab: &State, count: usize, round_trip: Duration) -> anyhow::Result<Self> {
        let nodes = lab.claim(NodeKind::Plain, count)?;
        let mut addresses = Vec::new();
        for node in &nodes {
            let address = SocketAddr::from((node.address, node.port));
            addresses.push(match round_trip {
                Duration::ZERO => address,
                _ => (Ipv4Addr::LOCALHOST, delayed(address, round_trip)?).into(),
            });
        }
        let targets = Self { nodes, addresses };
        targets.seed()?;
        Ok(targets)
    }

    /// Makes all pristine again.
    pub(super) fn reset(&self) -> anyhow::Result<()> {
        std::thread::scope(|scope| {
            let resets: Vec<_> =
                self.nodes.iter().map(|node| scope.spawn(move || node.reset())).collect();
            for reset in resets {
                reset.join().ok().context("a reset panicked")??;
            }
            anyhow::Ok(())
        })?;
        self.seed()
    }

    fn seed(&self) -> anyhow::Result<()> {
        for node in &self.nodes {
            node.run(&["sh", "-c", SEED])?;
        }
        Ok(())
    }

    /// What the role manages, as it is now on each host.
    pub(super) fn state(&self) -> anyhow::Result<Vec<String>> {
        self.nodes
            .iter()
            .map(|node| {
                node.run(&["bash", "-c", STATE])
                    .with_context(|| format!("{} is not what the role describes", node.name))
            })
            .collect()
    }

    /// Each host with its address.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&ClaimedNode, SocketAddr)> {
        self.nodes.iter().zip(self.addresses.iter().copied())
    }

    /// The hosts' keys in the format of OpenSSH's `known_hosts`.
    pub(super) fn known_hosts(&self) -> anyhow::Result<String> {
        let mut text = String::new();
        for (node, address) in self.iter() {
            match address.port() {
                22 => writeln!(text, "{} {}", address.ip(), node.host_key)?,
                port => writeln!(text, "[{}]:{port} {}", address.ip(), node.host_key)?,
            }
        }
        Ok(text)
    }

    /// How many hosts there are.
    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Fails with the lines that differ unless two sets of end states are the same.
    pub(super) fn same(first: &[String], other: &[String]) -> anyhow::Result<()> {
        for (one, two) in first.iter().zip(other) {
            let lacking = |text: &str, other: &str| {
                let lines = text.lines().filter(|line| !other.lines().any(|it| it == *line));
                lines.collect::<Vec<_>>().join("\n")
            };
            let (before, after) = (lacking(one, two), lacking(two, one));
            ensure!(one == two, "end states differ:\n--- first\n{before}\n--- this\n{after}");
        }
        Ok(())
    }
}
