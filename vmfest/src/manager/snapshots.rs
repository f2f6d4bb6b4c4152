//! The tree of a machine's snapshots, and who builds upon them.

use std::collections::BTreeSet;

use vbox_soap::api::{IMachine, ISnapshot};

use super::{Machine, Manager};
use crate::error::{Doing, Error};
use crate::fault;

/// A snapshot in its tree.
pub(crate) struct TreeSnapshot {
    pub(crate) handle: ISnapshot,
    pub(crate) id: String,
    /// The id of the one that it builds upon.
    pub(crate) parent: Option<String>,
}

/// The snapshots of a machine, each after the one that it builds upon.
pub(crate) async fn snapshots(machine: &IMachine) -> Result<Vec<TreeSnapshot>, vbox_soap::Error> {
    if machine.get_snapshot_count().await? == 0 {
        return Ok(Vec::new());
    }
    // No name: the first one.
    let mut pending = vec![(machine.find_snapshot("").await?, None)];
    let mut found = Vec::new();
    while let Some((handle, parent)) = pending.pop() {
        let id = handle.get_id().await?;
        let children = handle.get_children().await?;
        pending.extend(children.into_iter().rev().map(|child| (child, Some(id.clone()))));
        found.push(TreeSnapshot { handle, id, parent });
    }
    Ok(found)
}

impl Manager {
    /// The names of machines whose disks build upon those of a machine's snapshots, or of one of
    /// them.
    pub(crate) async fn linked_clones(
        &self,
        machine: &Machine,
        snapshot: Option<&str>,
    ) -> Result<Vec<String>, Error> {
        let doing = || format!("look for linked clones of the VM {}", machine.name);
        let mut clones = BTreeSet::new();
        if !machine.accessible {
            return Ok(Vec::new());
        }
        let found = async {
            let all = snapshots(&machine.handle).await?;
            for found in all.into_iter().filter(|s| snapshot.is_none_or(|id| s.id == id)) {
                let frozen = found.handle.get_machine().await?;
                for attachment in frozen.get_medium_attachments().await? {
                    let Some(medium) = attachment.medium else { continue };
                    for child in medium.get_children().await? {
                        clones.extend(child.get_machine_ids().await?);
                    }
                }
            }
            Ok(())
        };
        match found.await {
            Err(e) if fault::is_gone(&e) => return Ok(Vec::new()),
            other => other.doing(doing)?,
        }
        clones.remove(&machine.id);
        let mut names = Vec::new();
        for id in &clones {
            names.push(self.name_of(id).await);
        }
        Ok(names)
    }
}
