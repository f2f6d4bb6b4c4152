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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compute::{HostKeySetting, ListedNode, NodeList, NodeListConfig};
    use crate::event::Events;
    use crate::login::Login;
    use crate::run::RunOptions;
    use crate::spec::{NodeSpec, ServerSpec};

    fn fleet() -> Fleet {
        let listed = |number: u32| ListedNode {
            name: format!("web-{number}"),
            group: "web".to_owned(),
            host: None,
            port: 22,
            host_key: None,
        };
        let nodes = (1..=3).map(listed).collect();
        let config = NodeListConfig { nodes, host_key: HostKeySetting::KnownHosts };
        let service: Arc<dyn ComputeService> = Arc::new(NodeList::new("rack", config));
        Fleet {
            services: BTreeMap::from([("rack".to_owned(), service)]),
            default_service: None,
            connector: Default::default(),
            admin: Login::new("root"),
            environment: Default::default(),
            options: RunOptions::default(),
            events: Events::none(),
            control: Default::default(),
        }
    }

    fn web(count: u32) -> [GroupSpec; 1] {
        let name = "web".parse().unwrap();
        [GroupSpec::new(name, NodeSpec::default(), ServerSpec::new()).count(count)]
    }

    #[tokio::test]
    async fn what_is_shown_is_what_is_done() {
        let fleet = fleet();
        let preview = fleet.preview(&web(0), &[]).await.unwrap();
        assert_eq!((preview.create().count(), preview.start().count()), (0, 0));
        let shown: Vec<String> = preview.destroy().map(|node| node.name.clone()).collect();
        assert_eq!(shown, ["web-1", "web-2", "web-3"]);
        // A list of nodes refuses to destroy; that it was asked to is seen by its refusals.
        let report = fleet.carry_out(preview).await;
        let tried = report.failures.into_iter().filter_map(|failure| failure.node);
        assert_eq!(tried.collect::<Vec<_>>(), shown);
    }

    #[tokio::test]
    async fn what_cannot_be_created_is_known_before_anything_is_touched() {
        let error = fleet().preview(&web(4), &[]).await.unwrap_err();
        assert!(error.is_input(), "{error}");
    }
}
