//! Previews: what a converge is about to do to nodes, before it does it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use super::counts::{Delta, delta};
use super::lock::GroupLock;
use super::member::Membership;
use super::shown::Shown;
use super::stages::{Stage, stages};
use super::{Fleet, RunError, list, service_error};
use crate::action::Mode;
use crate::compute::{ComputeService, Node, NodeState};
use crate::plan::Target;
use crate::spec::{GroupName, GroupSpec, PhaseCall};

/// What a converge is about to do. It is worked out by [`Fleet::preview`] and done, exactly so,
/// by [`Fleet::carry_out`]; in between there is time to ask. As long as it lives, no other
/// converge of this user works on the groups.
pub struct Preview {
    pub(super) changes: Vec<GroupChange>,
    pub(super) memberships: Memberships,
    pub(super) stages: Vec<Stage>,
    pub(super) others: Vec<Target>,
    /// What a plan allows to be changed on nodes; without a plan, everything.
    pub(super) shown: Option<Shown>,
    pub(super) locks: Vec<GroupLock>,
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

/// Which groups nodes are in, by service and id.
#[derive(Debug, Default)]
pub(super) struct Memberships(BTreeMap<(String, String), Arc<Membership>>);

impl Memberships {
    /// The groups of a node that `change` is about.
    pub fn of(&self, node: &Node, change: &GroupChange) -> Arc<Membership> {
        let key = (change.service.name().to_owned(), node.id.clone());
        self.0.get(&key).cloned().unwrap_or_else(|| Arc::new(Membership::of(&change.group)))
    }
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
            .field("stages", &self.stages)
            .finish_non_exhaustive()
    }
}

impl Fleet {
    /// Compares groups with what there is, and asks the services whether they can do what is
    /// missing and surplus, before anything is touched.
    ///
    /// # Errors
    /// [`RunError`] when the run cannot begin.
    pub async fn preview(
        &self,
        groups: &[GroupSpec],
        asked: &[PhaseCall],
    ) -> Result<Preview, RunError> {
        let stages = stages(groups, asked)?;
        // Counting is worth nothing if somebody else is about to change what was counted.
        let locks = match self.options.mode {
            Mode::Apply => self.lock(groups)?,
            Mode::Check => Vec::new(),
        };
        let (changes, memberships) = self.changes(groups).await?;
        for change in &changes {
            let GroupChange { group, service, delta, .. } = change;
            let of_service = |error| service_error(service.as_ref(), error);
            if !delta.create.is_empty() {
                service.check(&group.node).await.map_err(of_service)?;
            }
            for node in &delta.destroy {
                service.check_destroy(node).await.map_err(of_service)?;
            }
        }
        let others = self.others().await;
        Ok(Preview { changes, memberships, stages, others, shown: None, locks })
    }

    fn lock(&self, groups: &[GroupSpec]) -> Result<Vec<GroupLock>, RunError> {
        let mut names = BTreeSet::new();
        for group in groups.iter().filter(|group| group.filter.is_none()) {
            let service = self.service_of(group)?;
            let names_of_service = (service.identity(), service.name().to_owned());
            names.insert((names_of_service, group.name.clone()));
        }
        let take = |((identity, service), group): ((String, String), GroupName)| {
            GroupLock::take(&self.locks, &service, &identity, group.as_str())
        };
        names.into_iter().map(take).collect()
    }

    /// Compares groups with the nodes that there are.
    ///
    /// # Errors
    /// [`RunError`] when a service is not known or cannot be asked.
    pub(super) async fn changes(
        &self,
        groups: &[GroupSpec],
    ) -> Result<(Vec<GroupChange>, Memberships), RunError> {
        let mut nodes: BTreeMap<String, Vec<Node>> = BTreeMap::new();
        let mut changes = Vec::new();
        for group in groups {
            if group.filter.is_some() && group.count.is_some() {
                return Err(RunError::CountOfExisting { group: group.name.to_string() });
            }
            let service = self.service_of(group)?;
            if !nodes.contains_key(service.name()) {
                nodes.insert(service.name().to_owned(), list(service.as_ref()).await?);
            }
            let present = nodes.get(service.name()).map(Vec::as_slice).unwrap_or_default();
            if group.filter.is_none() {
                let taken: BTreeSet<String> =
                    present.iter().map(|node| node.name.clone()).collect();
                changes.push(group_change(group, service, delta(group, present, &taken)));
            } else {
                let chosen = present.iter().filter(|node| group.has(node)).cloned();
                changes.push(group_change(group, service, existing(chosen)));
            }
        }
        let memberships = join(&mut changes);
        tell_apart(&changes)?;
        Ok((changes, memberships))
    }
}

fn group_change(group: &GroupSpec, service: Arc<dyn ComputeService>, delta: Delta) -> GroupChange {
    let stays = !delta.keep.is_empty() || !delta.start.is_empty();
    let is_made = group.filter.is_none();
    GroupChange {
        is_new: is_made && !stays && delta.destroy.is_empty(),
        is_going: is_made && !stays && delta.create.is_empty() && !delta.destroy.is_empty(),
        group: Arc::new(group.clone()),
        service,
        delta,
    }
}

/// Nodes that are all to be kept.
fn existing(nodes: impl Iterator<Item = Node>) -> Delta {
    let (start, keep) = nodes.partition(|node| node.state == NodeState::Stopped);
    Delta { start, keep, ..Delta::default() }
}

/// Makes each node part of one change only: that of the group that it was made for, else of the
/// first that chose it. What is about to be destroyed is no part of any other.
fn join(changes: &mut [GroupChange]) -> Memberships {
    let (mut owners, mut memberships) = (BTreeMap::new(), BTreeMap::new());
    let made_first = |is_made: bool| {
        move |(_, change): &(usize, &mut GroupChange)| change.group.filter.is_none() == is_made
    };
    for is_made in [true, false] {
        for (at, change) in changes.iter_mut().enumerate().filter(made_first(is_made)) {
            let service = change.service.name().to_owned();
            let group = &change.group;
            let delta = &mut change.delta;
            for node in &delta.destroy {
                owners.insert((service.clone(), node.id.clone()), None);
            }
            let mut claim = |node: &Node| {
                let key = (service.clone(), node.id.clone());
                match owners.get(&key) {
                    None => {
                        owners.insert(key.clone(), Some(at));
                        memberships.insert(key, Membership::of(group));
                        true
                    }
                    Some(owner) => {
                        if owner.is_some()
                            && let Some(membership) = memberships.get_mut(&key)
                        {
                            membership.join(group);
                        }
                        false
                    }
                }
            };
            delta.keep.retain(&mut claim);
            delta.start.retain(&mut claim);
        }
    }
    Memberships(memberships.into_iter().map(|(key, it)| (key, Arc::new(it))).collect())
}

/// Names are unique within a service; a run that works on several needs them to be altogether.
fn tell_apart(changes: &[GroupChange]) -> Result<(), RunError> {
    let mut services: BTreeMap<&str, &str> = BTreeMap::new();
    for change in changes {
        let Delta { create, start, keep, destroy } = &change.delta;
        let there = start.iter().chain(keep).chain(destroy).map(|node| &node.name);
        for name in create.iter().chain(there) {
            let service = change.service.name();
            let other = *services.entry(name).or_insert(service);
            if other != service {
                let services = (other.to_owned(), service.to_owned());
                return Err(RunError::SameName { node: name.clone(), services });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compute::{HostKeySetting, ListedNode, NodeList, NodeListConfig};
    use crate::event::Events;
    use crate::login::Login;
    use crate::run::RunOptions;
    use crate::spec::{NodeFilter, NodeSpec, Phase, ServerSpec, Step};

    fn fleet(locks: &tempfile::TempDir) -> Fleet {
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
            scopes: Default::default(),
            options: RunOptions::default(),
            events: Events::none(),
            control: Default::default(),
            considered: Vec::new(),
            locks: locks.path().to_owned(),
        }
    }

    fn web() -> GroupSpec {
        GroupSpec::new("web".parse().unwrap(), NodeSpec::default(), ServerSpec::new())
    }

    #[tokio::test]
    async fn what_a_service_cannot_do_is_known_before_anything_is_touched() {
        let locks = tempfile::tempdir().unwrap();
        for (count, verb) in [(4, "create"), (0, "destroy"), (2, "destroy")] {
            let error = fleet(&locks).preview(&[web().count(count)], &[]).await.unwrap_err();
            assert!(error.is_input() && error.to_string().contains(verb), "{error}");
        }
        fleet(&locks).preview(&[web().count(3)], &[]).await.unwrap();
    }

    #[tokio::test]
    async fn a_group_is_converged_by_one_at_a_time_and_looking_is_free() {
        let locks = tempfile::tempdir().unwrap();
        let first = fleet(&locks);
        let held = first.preview(&[web()], &[]).await.unwrap();
        let second = fleet(&locks);
        let busy = second.preview(&[web()], &[]).await.unwrap_err();
        assert!(busy.is_refusal() && busy.to_string().contains("web"), "{busy}");
        second.plan(&[], &[]).await.unwrap();
        let mut looking = fleet(&locks);
        looking.options.mode = Mode::Check;
        looking.preview(&[web()], &[]).await.unwrap();
        drop(held);
        second.preview(&[web()], &[]).await.unwrap();
    }

    #[tokio::test]
    async fn two_nodes_of_one_name_are_refused() {
        let locks = tempfile::tempdir().unwrap();
        let mut fleet = fleet(&locks);
        let rack = fleet.services["rack"].clone();
        let listed = ListedNode {
            name: "web-2".to_owned(),
            group: "db".to_owned(),
            host: None,
            port: 22,
            host_key: None,
        };
        let config = NodeListConfig { nodes: vec![listed], host_key: HostKeySetting::KnownHosts };
        let cellar: Arc<dyn ComputeService> = Arc::new(NodeList::new("cellar", config));
        fleet.services = BTreeMap::from([("rack".to_owned(), rack), ("cellar".to_owned(), cellar)]);
        fleet.default_service = Some("rack".to_owned());
        let in_cellar = NodeSpec::new().service("cellar");
        let db = GroupSpec::new("db".parse().unwrap(), in_cellar, ServerSpec::new());
        let error = fleet.changes(&[web(), db.clone()]).await.map(drop).unwrap_err();
        assert!(error.is_input() && error.to_string().contains("`web-2`"), "{error}");
        assert_eq!(fleet.changes(&[db]).await.unwrap().0.len(), 1);
    }

    #[tokio::test]
    async fn a_node_in_several_groups_gets_what_all_of_them_say_once() {
        let locks = tempfile::tempdir().unwrap();
        let step = |id: &str| Step::plan(Arc::new(|_plan| Ok(()))).id(id);
        let base = ServerSpec::new().phase("configure", Phase::new().step(step("base")));
        let server = |id: &str| {
            let own = Phase::new().step(step(id));
            ServerSpec::new().role(id).phase("configure", own).extends(&base)
        };
        let filter = NodeFilter::named("web-[12]").unwrap();
        assert!(filter.names[0].fits("web-[12]"), "brackets mean nothing");
        let chosen = GroupSpec::of_existing(
            "odd".parse().unwrap(),
            NodeFilter::when(|node| node.name != "web-2"),
            server("odd"),
        );
        let web = GroupSpec::new("web".parse().unwrap(), NodeSpec::new(), server("web"));
        // The order in which groups are given does not matter.
        let (changes, memberships) = fleet(&locks).changes(&[chosen.clone(), web]).await.unwrap();
        let told = |change: &GroupChange| {
            let node = |node: &Node| {
                let role = memberships.of(node, change);
                let steps = &role.group.server.phases["configure"].steps;
                let ids: Vec<&str> = steps.iter().filter_map(|step| step.id.as_deref()).collect();
                format!("{} {}: {}", node.name, role.group.server.roles.len(), ids.join(" "))
            };
            change.delta.keep.iter().map(node).collect::<Vec<_>>()
        };
        assert_eq!(told(&changes[0]), [""; 0]);
        assert_eq!(
            told(&changes[1]),
            ["web-1 2: base web odd", "web-2 1: base web", "web-3 2: base web odd"]
        );
        let error = fleet(&locks).changes(&[chosen.count(2)]).await.map(drop).unwrap_err();
        assert!(error.is_input(), "{error}");
    }
}
