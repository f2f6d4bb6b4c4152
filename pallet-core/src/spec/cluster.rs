//! Groups that belong together.

use serde_json::{Map, Value};

use super::server::merge;
use super::{GroupName, GroupSpec, NodeSpec, ServerSpec};

/// Groups that are one system, with what they have in common.
///
/// Within a cluster a group is called `<cluster>-<group>`, so that several clusters can be made of
/// the same groups. What the cluster says comes before what its groups say: its phases run first,
/// and of settings, node-spec and environment the group's own win. Roles are united.
///
/// ```
/// use pallet_core::spec::{ClusterSpec, GroupSpec, NodeSpec, ServerSpec};
/// let web = GroupSpec::new("web".parse()?, NodeSpec::new(), ServerSpec::new()).count(2);
/// let prod = ClusterSpec::new("prod".parse()?).group(web).server(ServerSpec::new().role("live"));
/// let groups = prod.groups()?;
/// assert_eq!(groups[0].name.as_str(), "prod-web");
/// assert!(groups[0].server.roles.contains("live"));
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone)]
pub struct ClusterSpec {
    /// Its name, and the beginning of its groups' names.
    pub name: GroupName,
    /// How many times each group's count there shall be. `None`: once.
    pub count: Option<u32>,
    /// The groups, under the names that they have within the cluster.
    pub members: Vec<GroupSpec>,
    /// What the nodes of all groups are made of, as far as the groups do not say otherwise.
    pub node: NodeSpec,
    /// What is on the nodes of all groups.
    pub server: ServerSpec,
    /// Values for plan functions and templates on all nodes.
    pub environment: Map<String, Value>,
}

impl ClusterSpec {
    /// A cluster without groups.
    pub fn new(name: GroupName) -> Self {
        Self {
            name,
            count: None,
            members: Vec::new(),
            node: NodeSpec::new(),
            server: ServerSpec::new(),
            environment: Map::new(),
        }
    }

    /// Adds a group.
    #[must_use]
    pub fn group(mut self, group: GroupSpec) -> Self {
        self.members.push(group);
        self
    }

    /// Says how many times each group's count there shall be; zero is none at all.
    #[must_use]
    pub fn count(mut self, count: u32) -> Self {
        self.count = Some(count);
        self
    }

    /// Says what the nodes of all groups are made of.
    #[must_use]
    pub fn node(mut self, node: NodeSpec) -> Self {
        self.node = node;
        self
    }

    /// Says what is on the nodes of all groups.
    #[must_use]
    pub fn server(mut self, server: ServerSpec) -> Self {
        self.server = server;
        self
    }

    /// The groups as they are converged.
    ///
    /// # Errors
    /// A sentence that says which group's name becomes too long.
    pub fn groups(&self) -> Result<Vec<GroupSpec>, String> {
        self.members
            .iter()
            .map(|member| {
                let mut group = member.clone();
                group.server = group.server.extends(&self.server);
                self.adopt(group)
            })
            .collect()
    }

    /// A group as part of the cluster; what is on the servers has been merged already.
    pub(crate) fn adopt(&self, mut group: GroupSpec) -> Result<GroupSpec, String> {
        group.name = self.name.within(&group.name)?;
        group.count = match self.count {
            Some(times) => Some(group.count.unwrap_or(1).saturating_mul(times)),
            None => group.count,
        };
        group.node = self.node.clone().overlaid_with(&group.node);
        let own = std::mem::replace(&mut group.environment, self.environment.clone());
        merge(&mut group.environment, own);
        group.cluster = Some(self.name.clone());
        Ok(group)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::spec::{ImageSpec, Phase, Step};

    #[test]
    fn a_clusters_groups_have_what_it_says_under_their_own() {
        let step = |id: &str| Step::plan(std::sync::Arc::new(|_plan| Ok(()))).id(id);
        let server = |id: &str| {
            ServerSpec::new()
                .phase("configure", Phase::new().step(step(id)))
                .role(id)
                .setting("app", json!({ "by": id, id: true }))
        };
        let web =
            GroupSpec::new("web".parse().unwrap(), NodeSpec::new().service("lab"), server("group"));
        let cluster = ClusterSpec::new("prod".parse().unwrap())
            .group(web.clone().count(2))
            .group(web)
            .count(3)
            .node(NodeSpec::new().service("other").image(ImageSpec::family("debian")))
            .server(server("cluster"));
        let groups = cluster.groups().unwrap();
        let [first, second] = groups.as_slice() else { panic!("{groups:?}") };
        assert_eq!((first.count, second.count), (Some(6), Some(3)));
        assert_eq!(first.name.as_str(), "prod-web");
        assert_eq!(first.node, NodeSpec::new().service("lab").image(ImageSpec::family("debian")));
        let ids: Vec<_> = first.server.phases["configure"].steps.iter().map(|s| &s.id).collect();
        assert_eq!(ids, [&Some("cluster".to_owned()), &Some("group".to_owned())]);
        assert_eq!(
            first.server.settings["app"],
            json!({ "by": "group", "cluster": true, "group": true })
        );
        assert_eq!(first.server.roles.len(), 2);

        let long = ClusterSpec::new("p".repeat(49).parse().unwrap()).group(first.clone());
        assert!(long.groups().unwrap_err().contains("at most 50"));
    }
}
