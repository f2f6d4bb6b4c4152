//! Previews: what a converge is about to do to nodes, before it does it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use super::counts::{Delta, delta};
use super::{Fleet, RunError, list, service_error};
use crate::compute::{ComputeService, Node};
use crate::spec::GroupSpec;

/// What a converge is about to do. It is worked out by [`Fleet::preview`] and done, exactly so,
/// by [`Fleet::carry_out`]; in between there is time to ask.
pub struct Preview {
    pub(super) changes: Vec<GroupChange>,
    pub(super) phases: Vec<String>,
}

/// What has to happen to one group.
pub(super) struct GroupChange {
    pub group: Arc<GroupSpec>,
    pub service: Arc<dyn ComputeService>,
    pub delta: Delta,
    /// It has no nodes yet.
    pub is_new: bool,
    /// It will have no nodes.
    pub is_going: bool,
}

impl Preview {
    /// The names of the nodes that will be created.
    pub fn create(&self) -> impl Iterator<Item = &str> {
        self.changes.iter().flat_map(|change| &change.delta.create).map(String::as_str)
    }

    /// The stopped nodes that will be started.
    pub fn start(&self) -> impl Iterator<Item = &Node> {
        self.changes.iter().flat_map(|change| &change.delta.start)
    }

    /// The nodes that will be destroyed.
    pub fn destroy(&self) -> impl Iterator<Item = &Node> {
        self.changes.iter().flat_map(|change| &change.delta.destroy)
    }
}

impl fmt::Debug for Preview {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Preview")
            .field("deltas", &self.changes.iter().map(|change| &change.delta).collect::<Vec<_>>())
            .field("phases", &self.phases)
            .finish()
    }
}

impl Fleet {
    /// Compares groups with what there is, and asks the services whether they can do what is
    /// missing, before anything is touched.
    ///
    /// # Errors
    /// [`RunError`] when the run cannot begin.
    pub async fn preview(
        &self,
        groups: &[GroupSpec],
        asked: &[String],
    ) -> Result<Preview, RunError> {
        let phases = self.phases(groups, asked)?;
        let mut nodes: BTreeMap<String, Vec<Node>> = BTreeMap::new();
        let mut changes = Vec::new();
        for group in groups {
            let service = self.service_of(group)?;
            let present = match nodes.entry(service.name().to_owned()) {
                std::collections::btree_map::Entry::Occupied(there) => there.into_mut(),
                std::collections::btree_map::Entry::Vacant(place) => {
                    place.insert(list(service.as_ref()).await?)
                }
            };
            let taken: BTreeSet<String> = present.iter().map(|node| node.name.clone()).collect();
            let delta = delta(group, present, &taken);
            if !delta.create.is_empty() {
                let checked = service.check(&group.node).await;
                checked.map_err(|error| service_error(service.as_ref(), error))?;
            }
            let stays = !delta.keep.is_empty() || !delta.start.is_empty();
            changes.push(GroupChange {
                is_new: !stays && delta.destroy.is_empty(),
                is_going: !stays && delta.create.is_empty() && !delta.destroy.is_empty(),
                group: Arc::new(group.clone()),
                service,
                delta,
            });
        }
        Ok(Preview { changes, phases })
    }
}
