//! Nodes for one test alone, although many tests run at once.

use std::fs::{File, TryLockError};
use std::ops::Deref;
use std::time::{Duration, Instant};

use anyhow::bail;

use super::reset_all;
use crate::lab::layout::Lab;
use crate::lab::state::{Node, NodeKind, State};

/// How long a test waits for nodes that other tests use.
const PATIENCE: Duration = Duration::from_secs(300);

/// A node that no other test uses until this value is dropped.
#[derive(Debug)]
pub struct ClaimedNode {
    node: Node,
    /// Holds the lock.
    _lock: File,
}

impl Deref for ClaimedNode {
    type Target = Node;

    fn deref(&self) -> &Node {
        &self.node
    }
}

impl State {
    /// Waits until `count` nodes of one kind are free, takes them and resets them, so that they
    /// are running and pristine. They are free again when the returned values are dropped.
    ///
    /// Claim all nodes of a test in one call: whoever waits holds up those who come later.
    pub fn claim(&self, kind: NodeKind, count: usize) -> anyhow::Result<Vec<ClaimedNode>> {
        let lab = Lab::from_env()?;
        let of_kind: Vec<&Node> = self.nodes_of(kind).collect();
        if of_kind.len() < count {
            let (what, option) = match kind {
                NodeKind::Plain => ("plain", "--nodes"),
                NodeKind::Systemd => ("systemd", "--systemd"),
                NodeKind::Trixie => ("Debian 13", "--trixie"),
            };
            bail!(
                "the lab has {} {what} nodes and the test wants {count}: run `cargo xtask lab up {option} {count}`",
                of_kind.len()
            );
        }
        // One at a time collects nodes, so that two never wait for each other's.
        let turn = lab.lock_named("claims")?;
        let deadline = Instant::now() + PATIENCE;
        let mut claimed: Vec<ClaimedNode> = Vec::new();
        while claimed.len() < count {
            for node in &of_kind {
                let held = claimed.iter().any(|claim| claim.node.name == node.name);
                if held || claimed.len() == count {
                    continue;
                }
                let lock = lab.lock_file(&format!("node-{}", node.name))?;
                match lock.try_lock() {
                    Ok(()) => claimed.push(ClaimedNode { node: (*node).clone(), _lock: lock }),
                    Err(TryLockError::WouldBlock) => {}
                    Err(TryLockError::Error(error)) => return Err(error.into()),
                }
            }
            if claimed.len() < count {
                if Instant::now() > deadline {
                    bail!(
                        "other tests keep the lab's nodes for more than {} s; start more of them with `cargo xtask lab up`",
                        PATIENCE.as_secs()
                    );
                }
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        drop(turn);
        // Whoever had a node before may have given it another host key.
        let now = Self::load_of(&lab)?;
        for claim in &mut claimed {
            claim.node = now.node(&claim.node.name)?.clone();
        }
        let nodes: Vec<&Node> = claimed.iter().map(|claim| &claim.node).collect();
        reset_all(&nodes)?;
        Ok(claimed)
    }
}
