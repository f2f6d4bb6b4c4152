//! Counting: which nodes have to appear, start or go so that a group has its size. Pure.

use std::collections::BTreeSet;

use crate::compute::{Node, NodeState};
use crate::spec::GroupSpec;

/// What has to happen to a group's nodes.
#[derive(Debug, Default)]
pub(super) struct Delta {
    /// Names of nodes to create.
    pub create: Vec<String>,
    /// Stopped nodes to start.
    pub start: Vec<Node>,
    /// Nodes that stay and run.
    pub keep: Vec<Node>,
    /// Nodes to destroy.
    pub destroy: Vec<Node>,
}

/// Compares what there is of a group with its count.
///
/// Nodes with low numbers stay, stopped or not: a stopped node is started before another one is
/// created. New nodes get the lowest free numbers. `taken` are the names of all nodes of the
/// service, so that a name is never used twice. Nodes that can be neither used nor started count
/// as there: their names are taken, and they are the first to go.
pub(super) fn delta(group: &GroupSpec, nodes: &[Node], taken: &BTreeSet<String>) -> Delta {
    let mut present: Vec<&Node> =
        nodes.iter().filter(|node| node.group == group.name.as_str()).collect();
    present.sort_by_key(|node| {
        let is_odd = matches!(node.state, NodeState::Other(_));
        (is_odd, group.name.node_number(&node.name).unwrap_or(u32::MAX), node.name.clone())
    });
    let wanted = group.count.map_or(present.len(), |count| count as usize);

    let mut delta = Delta::default();
    for (position, node) in present.iter().enumerate() {
        let node = (*node).clone();
        if position >= wanted {
            delta.destroy.push(node);
        } else if node.state == NodeState::Stopped {
            delta.start.push(node);
        } else {
            delta.keep.push(node);
        }
    }
    let missing = wanted.saturating_sub(present.len());
    delta.create = (1..)
        .map(|number| group.name.node_name(number))
        .filter(|name| !taken.contains(name))
        .take(missing)
        .collect();
    delta
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::spec::{NodeSpec, ServerSpec};
    use crate::transport::HostKeys;

    fn node(name: &str, state: NodeState) -> Node {
        Node {
            id: name.to_owned(),
            name: name.to_owned(),
            group: name.rsplit_once('-').map_or(name, |(group, _)| group).to_owned(),
            state,
            endpoint: None,
            host_keys: HostKeys::KnownHosts,
            image_user: None,
            bootstrapped: true,
            properties: BTreeMap::new(),
        }
    }

    /// Nodes as `1` (running), `2s` (stopped), `3x` (odd); the result as `create/start/destroy`.
    fn check(present: &str, count: Option<u32>, expected: &str) {
        let group = GroupSpec {
            count,
            ..GroupSpec::new("web".parse().unwrap(), NodeSpec::default(), ServerSpec::new())
        };
        let mut nodes =
            vec![node("web-server-1", NodeState::Running), node("db-1", NodeState::Stopped)];
        for word in present.split_whitespace() {
            let number = word.trim_end_matches(['s', 'x']);
            let state = match word.chars().last() {
                Some('s') => NodeState::Stopped,
                Some('x') => NodeState::Other("inaccessible".to_owned()),
                _ => NodeState::Running,
            };
            nodes.push(node(&format!("web-{number}"), state));
        }
        let taken = nodes.iter().map(|node| node.name.clone()).collect();
        let delta = delta(&group, &nodes, &taken);
        let names =
            |nodes: &[Node]| nodes.iter().map(|n| n.name.clone()).collect::<Vec<_>>().join(",");
        let found =
            format!("{}/{}/{}", delta.create.join(","), names(&delta.start), names(&delta.destroy));
        assert_eq!(found.replace("web-", ""), expected, "{present:?} to {count:?}");
    }

    #[test]
    fn counts_with_gaps_stopped_nodes_and_zero() {
        check("", Some(0), "//");
        check("", Some(2), "1,2//");
        check("1 2", Some(2), "//");
        check("1 2 3", Some(1), "//2,3");
        check("1 2 3", Some(0), "//1,2,3");
        check("1 3", Some(3), "2//");
        check("2 4", Some(4), "1,3//");
        check("3", Some(1), "//");
        check("1 2s", Some(2), "/2/");
        check("1s 2", Some(1), "/1/2");
        check("1 2s", Some(3), "3/2/");
        check("1x 2", Some(1), "//1");
        check("1x 2", Some(3), "3//");
        check("1 2s", None, "/2/");
        check("10 9 1", Some(2), "//10");
    }

    proptest::proptest! {
        /// Whatever there is: afterwards there are as many as described, low numbers stay, nothing
        /// of others is touched, and no name is used twice.
        #[test]
        fn counts_come_out_right(
            present in proptest::collection::btree_map(1..12_u32, 0..3_u8, 0..8),
            count in proptest::option::of(0..10_u32),
            others in proptest::collection::btree_set(1..12_u32, 0..4),
        ) {
            let group = GroupSpec {
                count,
                ..GroupSpec::new("web".parse().unwrap(), NodeSpec::default(), ServerSpec::new())
            };
            let state = |kind: &u8| match kind {
                0 => NodeState::Running,
                1 => NodeState::Stopped,
                _ => NodeState::Other("paused".to_owned()),
            };
            let mut nodes: Vec<Node> = present
                .iter()
                .map(|(number, kind)| node(&format!("web-{number}"), state(kind)))
                .collect();
            // Names like ours, of another group.
            let foreign = others.iter().filter(|number| !present.contains_key(number));
            nodes.extend(foreign.map(|number| Node {
                group: "other".to_owned(),
                ..node(&format!("web-{number}"), NodeState::Running)
            }));
            let taken: BTreeSet<String> = nodes.iter().map(|node| node.name.clone()).collect();
            let delta = delta(&group, &nodes, &taken);

            let stay = delta.keep.len() + delta.start.len();
            let wanted = count.map_or(present.len(), |count| count as usize);
            proptest::prop_assert_eq!(stay + delta.create.len(), wanted);
            proptest::prop_assert_eq!(stay + delta.destroy.len(), present.len());
            proptest::prop_assert!(delta.destroy.is_empty() || delta.create.is_empty());
            let ours = |node: &Node| node.group == "web";
            proptest::prop_assert!(delta.destroy.iter().chain(&delta.keep).all(ours));
            proptest::prop_assert!(delta.start.iter().all(|it| it.state == NodeState::Stopped));
            let fresh: BTreeSet<&String> = delta.create.iter().collect();
            proptest::prop_assert_eq!(fresh.len(), delta.create.len());
            proptest::prop_assert!(fresh.iter().all(|name| !taken.contains(*name)));
            let number = |node: &Node| group.name.node_number(&node.name);
            let usable = |node: &&Node| !matches!(node.state, NodeState::Other(_));
            let last_kept = delta.keep.iter().chain(&delta.start).filter(usable).map(number).max();
            let first_gone = delta.destroy.iter().filter(usable).map(number).min();
            if let (Some(kept), Some(gone)) = (last_kept, first_gone) {
                proptest::prop_assert!(kept < gone);
            }
        }
    }
}
