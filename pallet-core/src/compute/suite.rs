//! What every provider has to do, as tests that are written once.
//!
//! A provider's own tests open the service against the real thing and hand it to [`creating`], or
//! to [`fixed`] where it has nodes but makes none:
//!
//! ```no_run
//! # use pallet_core::compute::suite::{Subject, creating};
//! # async fn test(subject: Subject) {
//! creating(&subject).await.unwrap();
//! # }
//! ```

use std::collections::BTreeSet;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{ComputeError, ComputeService, CreateNode, Node, NodeState};
use crate::engine::{Connector, Reach};
use crate::login::Login;
use crate::spec::NodeSpec;

type Opened<'a> =
    Pin<Box<dyn Future<Output = Result<Arc<dyn ComputeService>, ComputeError>> + Send + 'a>>;
type Cut<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// How long a call may go on after the time that it was given.
const SLACK: Duration = Duration::from_secs(10);

/// A provider that creates nodes, ready to be tested.
pub struct Subject {
    /// Opens the service, each time as another process would.
    pub open: Box<dyn Fn() -> Opened<'static> + Send + Sync>,
    /// A node that can be made, as small and quick as possible.
    pub good: NodeSpec,
    /// A node that cannot be made, which the service is expected to know beforehand.
    pub bad: NodeSpec,
    /// A group that nobody else uses.
    pub group: String,
    /// As whom nodes can be worked on, and how long one may take to be ready. `None`: the nodes
    /// have no system on them and never are.
    pub answers: Option<(Login, Duration)>,
    /// Switches a node off past the service, where its system would not hear that it is to stop.
    pub cut_power: Option<Box<dyn Fn(Node) -> Cut<'static> + Send + Sync>>,
}

/// A rule of providers that one does not keep.
#[derive(Debug)]
pub struct Violation {
    /// The rule.
    pub rule: &'static str,
    /// What was seen.
    pub found: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not so: {}\nseen: {}", self.rule, self.found)
    }
}

impl std::error::Error for Violation {}

/// Checks a provider that has nodes and makes none.
///
/// # Errors
/// [`Violation`] of the first rule that it does not keep.
pub async fn fixed(service: &dyn ComputeService) -> Result<(), Violation> {
    let nodes = listed(service).await?;
    holds("a fixed service has nodes", !nodes.is_empty(), &nodes)?;
    holds("names are unique", unique(&nodes, |node| &node.name), &nodes)?;
    holds("ids are unique", unique(&nodes, |node| &node.id), &nodes)?;
    let is_input = |error: &ComputeError| error.is_input && error.help.is_some();
    let error =
        refused("creating is refused beforehand", service.check(&NodeSpec::default()).await)?;
    holds("the refusal is about the description, and helps", is_input(&error), &error)?;
    let request = CreateNode {
        name: "another-1".to_owned(),
        group: "another".to_owned(),
        spec: NodeSpec::default(),
    };
    let made = service.create(vec![request.clone(), request]).await;
    holds("there is one result per request", made.len() == 2, &made)?;
    holds("creating is refused", made.iter().all(Result::is_err), &made)?;
    for node in &nodes {
        holds("a node that is there is bootstrapped", node.bootstrapped, node)?;
        allowed("noting a bootstrap is fine", service.set_bootstrapped(node).await)?;
        let ready = allowed("a node is ready", service.ready(node, Duration::from_secs(5)).await)?;
        holds("it stays the same node", ready.id == node.id, &ready)?;
        let refusals = [
            service.check_destroy(node).await,
            service.destroy(node).await,
            service.stop(node).await,
        ];
        for refusal in refusals {
            let error = refused("destroying and stopping are refused", refusal)?;
            holds("the refusal is about the description, and helps", is_input(&error), &error)?;
        }
    }
    let after = listed(service).await?;
    holds("nothing has changed", names(&after) == names(&nodes), &after)
}

/// Checks a provider that creates nodes. It makes at most four at a time and destroys them; where a
/// rule is not kept, what it has made may be left.
///
/// # Errors
/// [`Violation`] of the first rule that it does not keep.
pub async fn creating(subject: &Subject) -> Result<(), Violation> {
    let service = allowed("the service opens", (subject.open)().await)?;
    let service = service.as_ref();
    let before = listed(service).await?;
    let foreign: Vec<Node> =
        before.into_iter().filter(|node| node.group != subject.group).collect();
    let nodes = subject.nodes(service).await?;
    holds("the group is free for the test", nodes.is_empty(), &nodes)?;

    subject.creation(service).await?;
    subject.races(service).await?;
    subject.tags(service).await?;
    subject.power(service).await?;
    subject.destruction(service).await?;

    let after = listed(service).await?;
    let after = names(&after);
    let kept = foreign.iter().all(|node| after.contains(&node.name));
    holds("nodes of other groups are left alone", kept, &(names(&foreign), after))?;
    service.close().await;
    Ok(())
}

impl Subject {
    fn request(&self, number: u32, spec: &NodeSpec) -> CreateNode {
        let (group, spec) = (self.group.clone(), spec.clone());
        CreateNode { name: format!("{group}-{number}"), group, spec }
    }

    /// The nodes of the test's group, by name.
    async fn nodes(&self, service: &dyn ComputeService) -> Result<Vec<Node>, Violation> {
        let mut nodes = listed(service).await?;
        nodes.retain(|node| node.group == self.group);
        nodes.sort_by(|one, two| one.name.cmp(&two.name));
        Ok(nodes)
    }

    /// The node of this number.
    async fn node(&self, service: &dyn ComputeService, number: u32) -> Result<Node, Violation> {
        let name = format!("{}-{number}", self.group);
        let nodes = self.nodes(service).await?;
        nodes.iter().find(|node| node.name == name).cloned().ok_or_else(|| Violation {
            rule: "a node that was created is listed",
            found: format!("no {name} in {:?}", names(&nodes)),
        })
    }

    /// Good and bad ones, and one twice, in one call.
    async fn creation(&self, service: &dyn ComputeService) -> Result<(), Violation> {
        allowed("a node that can be made is approved of", service.check(&self.good).await)?;
        let error = refused("one that cannot is not", service.check(&self.bad).await)?;
        holds("it is the description that is wrong", error.is_input, &error)?;
        let nodes = self.nodes(service).await?;
        holds("looking creates nothing", nodes.is_empty(), &nodes)?;

        let requests = vec![
            self.request(1, &self.good),
            self.request(2, &self.bad),
            self.request(3, &self.good),
            self.request(1, &self.good),
        ];
        let made = service.create(requests).await;
        let outcome: Vec<bool> = made.iter().map(Result::is_ok).collect();
        let [first, bad, third, again] = outcome.as_slice() else {
            return holds("there is one result per request", false, &made);
        };
        holds("what cannot be made fails alone", !*bad && *third, &made)?;
        holds("of two with one name one is made", first ^ again, &made)?;
        let named = |place: usize, number: u32| {
            let node = made.get(place).and_then(|result| result.as_ref().ok());
            node.is_none_or(|node| node.name == format!("{}-{number}", self.group))
        };
        let in_order = named(0, 1) && named(2, 3) && named(3, 1);
        holds("results are in the order of requests", in_order, &made)?;

        let nodes = self.nodes(service).await?;
        let expected = [1, 3].map(|number| format!("{}-{number}", self.group));
        holds("what failed has left nothing behind", names(&nodes) == expected, &nodes)?;
        holds("ids are unique", unique(&nodes, |node| &node.id), &nodes)?;
        for node in &nodes {
            holds("a created node runs", node.state == NodeState::Running, node)?;
            holds("it has not been bootstrapped", !node.bootstrapped, node)?;
        }
        let addresses: Vec<_> = nodes.iter().filter_map(|node| node.endpoint.clone()).collect();
        let differ = addresses.iter().collect::<std::collections::HashSet<_>>().len();
        holds("no two nodes have one address", differ == addresses.len(), &addresses)?;

        let taken = service.create(vec![self.request(3, &self.good)]).await;
        holds("a name that is taken is refused", taken.iter().all(Result::is_err), &taken)?;
        let now = self.nodes(service).await?;
        let ids = |nodes: &[Node]| nodes.iter().map(|node| node.id.clone()).collect::<Vec<_>>();
        holds("and its node is left as it is", ids(&now) == ids(&nodes), &now)
    }

    /// Two processes want the same name at the same time.
    async fn races(&self, service: &dyn ComputeService) -> Result<(), Violation> {
        let other = allowed("the service opens twice", (self.open)().await)?;
        let (one, two) = tokio::join!(
            service.create(vec![self.request(4, &self.good)]),
            other.create(vec![self.request(4, &self.good)])
        );
        let made = one.iter().chain(&two).filter(|result| result.is_ok()).count();
        holds("of two who create one name one succeeds", made == 1, &(one, two))?;
        let node = self.node(other.as_ref(), 4).await?;
        holds("both see it", node.state == NodeState::Running, &node)?;
        allowed("the other one can destroy it", other.destroy(&node).await)?;
        let nodes = self.nodes(service).await?;
        holds("then it is gone for both", nodes.len() == 2, &nodes)?;
        other.close().await;
        Ok(())
    }

    /// What is noted of nodes.
    async fn tags(&self, service: &dyn ComputeService) -> Result<(), Violation> {
        let node = self.node(service, 1).await?;
        allowed("a bootstrap can be noted", service.set_bootstrapped(&node).await)?;
        let other = allowed("the service opens again", (self.open)().await)?;
        let noted = self.node(other.as_ref(), 1).await?;
        holds("the note outlives the process", noted.bootstrapped, &noted)?;
        let sibling = self.node(other.as_ref(), 3).await?;
        holds("and is of that node alone", !sibling.bootstrapped, &sibling)?;
        other.close().await;
        Ok(())
    }

    /// Ready, stopped, started again.
    async fn power(&self, service: &dyn ComputeService) -> Result<(), Violation> {
        let node = self.node(service, 1).await?;
        self.readiness(service, &node).await?;
        allowed("starting what runs is fine", service.start(&node).await)?;

        if let Some(cut) = &self.cut_power {
            cut(node.clone()).await;
        }
        allowed("a node can be stopped", service.stop(&node).await)?;
        let stopped = self.node(service, 1).await?;
        holds("then it is stopped", stopped.state == NodeState::Stopped, &stopped)?;
        holds("it is the same node", stopped.id == node.id && stopped.bootstrapped, &stopped)?;
        allowed("stopping what is stopped is fine", service.stop(&stopped).await)?;
        let begun = Instant::now();
        let limit = Duration::from_secs(1);
        refused("a stopped node is not ready", service.ready(&stopped, limit).await)?;
        holds("and that is known in time", begun.elapsed() < limit + SLACK, &begun.elapsed())?;
        let sibling = self.node(service, 3).await?;
        holds("its sibling runs on", sibling.state == NodeState::Running, &sibling)?;

        allowed("a stopped node can be started", service.start(&stopped).await)?;
        let started = self.node(service, 1).await?;
        holds("then it runs", started.state == NodeState::Running, &started)?;
        holds(
            "it is the same node still",
            started.id == node.id && started.bootstrapped,
            &started,
        )?;
        self.readiness(service, &started).await
    }

    async fn readiness(&self, service: &dyn ComputeService, node: &Node) -> Result<(), Violation> {
        let begun = Instant::now();
        let Some((login, limit)) = &self.answers else {
            let limit = Duration::from_secs(1);
            refused("a node without a system is not ready", service.ready(node, limit).await)?;
            return holds(
                "that is known in time",
                begun.elapsed() < limit + SLACK,
                &begun.elapsed(),
            );
        };
        let ready = allowed("a running node gets ready", service.ready(node, *limit).await)?;
        holds("in time", begun.elapsed() < *limit + SLACK, &begun.elapsed())?;
        holds("as the same node", ready.id == node.id && ready.name == node.name, &ready)?;
        let connector = Connector::default();
        let attached = allowed("it can be got at", service.attach(&ready, login).await)?;
        let connected = match attached {
            Some(attached) => connector.work_over(attached.transport, attached.login).await,
            None => {
                let endpoint = ready.endpoint.clone();
                connector
                    .connect(&Reach { endpoint, host_keys: ready.host_keys.clone() }, login)
                    .await
            }
        };
        let connection = allowed("it can be worked on", connected)?;
        let facts = connection.facts().clone();
        connection.close().await;
        holds("it says what it is", !facts.hostname.is_empty() && facts.cpus > 0, &facts)
    }

    /// One goes, then all; each twice.
    async fn destruction(&self, service: &dyn ComputeService) -> Result<(), Violation> {
        let node = self.node(service, 1).await?;
        allowed("a running node can be destroyed", service.destroy(&node).await)?;
        let left = self.nodes(service).await?;
        let sibling = format!("{}-3", self.group);
        holds("its sibling is left", names(&left) == [sibling], &left)?;
        allowed("destroying what is gone is fine", service.destroy(&node).await)?;

        let made = service.create(vec![self.request(1, &self.good)]).await;
        holds("its name is free again", made.iter().all(Result::is_ok), &made)?;
        let fresh = self.node(service, 1).await?;
        holds("a new node begins anew", !fresh.bootstrapped, &fresh)?;

        if let Some(cut) = &self.cut_power {
            cut(fresh.clone()).await;
        }
        allowed("it can be stopped", service.stop(&fresh).await)?;
        for node in self.nodes(service).await? {
            allowed("stopped or not, a node can be destroyed", service.destroy(&node).await)?;
        }
        let nodes = self.nodes(service).await?;
        holds("then none is left", nodes.is_empty(), &nodes)
    }
}

async fn listed(service: &dyn ComputeService) -> Result<Vec<Node>, Violation> {
    allowed("nodes can be listed", service.nodes().await)
}

fn names(nodes: &[Node]) -> Vec<String> {
    nodes.iter().map(|node| node.name.clone()).collect()
}

fn unique<'a>(nodes: &'a [Node], key: impl Fn(&'a Node) -> &'a String) -> bool {
    nodes.iter().map(key).collect::<BTreeSet<_>>().len() == nodes.len()
}

fn holds(rule: &'static str, does: bool, seen: &dyn fmt::Debug) -> Result<(), Violation> {
    if does { Ok(()) } else { Err(Violation { rule, found: format!("{seen:?}") }) }
}

fn allowed<T, E: fmt::Display>(rule: &'static str, result: Result<T, E>) -> Result<T, Violation> {
    result.map_err(|error| Violation { rule, found: error.to_string() })
}

fn refused<T, E>(rule: &'static str, result: Result<T, E>) -> Result<E, Violation> {
    match result {
        Ok(_) => Err(Violation { rule, found: "it was done".to_owned() }),
        Err(error) => Ok(error),
    }
}
