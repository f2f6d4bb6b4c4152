//! Members: the nodes that take part in a run.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tracing::Instrument;

use crate::compute::{ComputeError, ComputeService, Node, NodeState};
use crate::engine::{Connection, ConnectionError, Connector, Reach};
use crate::event::{Event, Events};
use crate::facts::Facts;
use crate::login::Login;
use crate::plan::{KNOWN_AFTER_CREATE, Target};
use crate::report::{self, Failure, NodeReport, PhaseReport};
use crate::spec::{GroupName, GroupSpec};

/// A node with its description, its connection and what has happened to it.
pub(super) struct Member {
    pub node: Node,
    pub role: Arc<Membership>,
    pub service: Arc<dyn ComputeService>,
    pub connection: Option<Connection>,
    /// The login that the connection was asked for. The service may have attached another one.
    connected_as: String,
    pub target: Target,
    /// The record of its bootstrap, while that is being made.
    noting: JoinSet<Result<(), ComputeError>>,
    pub report: NodeReport,
    /// Check mode: it does not run yet, so that there is nothing to look at.
    pub is_expected: bool,
}

/// The groups that a node is in, and what they describe together.
#[derive(Debug, Clone)]
pub(super) struct Membership {
    /// Everything merged, under the name of the node's own group.
    pub group: GroupSpec,
    /// The names of all groups.
    pub names: Vec<GroupName>,
}

impl Membership {
    /// In one group alone.
    pub fn of(group: &GroupSpec) -> Self {
        Self { group: group.clone(), names: vec![group.name.clone()] }
    }

    /// In another group, too: what it says comes after what is here.
    pub fn join(&mut self, other: &GroupSpec) {
        let server = other.server.clone().extends(&self.group.server);
        self.group.server = server.without_repetitions();
        let mut environment = self.group.environment.clone();
        crate::spec::merge(&mut environment, other.environment.clone());
        self.group.environment = environment;
        self.names.push(other.name.clone());
    }
}

impl Member {
    pub fn new(node: Node, role: Arc<Membership>, service: Arc<dyn ComputeService>) -> Self {
        let target = target(&node, &role);
        let report =
            NodeReport { node: node.name.clone(), group: node.group.clone(), phases: Vec::new() };
        Self {
            node,
            role,
            service,
            connection: None,
            connected_as: String::new(),
            target,
            noting: JoinSet::new(),
            report,
            is_expected: false,
        }
    }

    /// A node that does not run yet.
    pub fn expected(
        node: Node,
        role: Arc<Membership>,
        service: Arc<dyn ComputeService>,
        facts: Facts,
    ) -> Self {
        let mut member = Self { is_expected: true, ..Self::new(node, role, service) };
        member.target.facts = facts;
        member.target.facts.hostname.clone_from(&member.target.name);
        if member.target.address.is_empty() {
            KNOWN_AFTER_CREATE.clone_into(&mut member.target.address);
        }
        member
    }

    /// The span of what happens on it.
    pub fn span(&self) -> tracing::Span {
        tracing::info_span!("node", name = self.node.name)
    }

    /// Whether something has failed on it: then it takes no part in later phases.
    pub fn is_failed(&self) -> bool {
        self.report.failure().is_some()
    }

    /// Takes over what its service says of it by now.
    pub fn update(&mut self, node: Node) {
        self.target.address = address(&node);
        self.target.properties.clone_from(&node.properties);
        self.node = node;
    }

    /// Connects as `login`, unless that is connected already or something has failed.
    pub async fn connect(&mut self, login: &Login, connector: &Connector, events: &Events) {
        if self.is_failed() || self.is_expected {
            return;
        }
        if self.connection.is_some() && self.connected_as == login.username {
            return;
        }
        if let Some(old) = self.connection.take() {
            old.close().await;
        }
        let started = Instant::now();
        let address =
            self.node.endpoint.as_ref().map_or("this machine".to_owned(), ToString::to_string);
        events.send(Event::Connecting { node: self.node.name.clone(), address });
        match reach(self.service.as_ref(), &self.node, login, connector).await {
            Ok(mut connection) => {
                if let Some(fingerprint) = connection.accepted_host_key() {
                    events.send(Event::HostKeyAccepted {
                        node: self.node.name.clone(),
                        fingerprint: fingerprint.to_owned(),
                    });
                }
                events.send(Event::Connected {
                    node: self.node.name.clone(),
                    user: login.username.clone(),
                });
                if let Some(packager) = self.role.group.server.packager {
                    connection.use_package_manager(packager);
                }
                self.target.facts = connection.facts().clone();
                self.connection = Some(connection);
                self.connected_as.clone_from(&login.username);
            }
            Err(error) => self.fail_connect(&error, started.elapsed(), events),
        }
    }

    /// Notes a failure that no phase of the description is to blame for.
    pub fn fail(&mut self, failure: Failure, duration: Duration, events: &Events) {
        let failure = failure.node(self.node.name.clone());
        events.send(Event::Failed { failure: failure.clone() });
        self.report.phases.push(PhaseReport {
            phase: failure.phase.clone(),
            actions: Vec::new(),
            begun: Some(report::begun(duration)),
            duration,
            failure: Some(failure),
            values: BTreeMap::new(),
        });
    }

    fn fail_connect(&mut self, error: &ConnectionError, duration: Duration, events: &Events) {
        let failure = Failure::new("connect", error.to_string()).help(error.help());
        self.fail(failure, duration, events);
    }

    /// Has its service record that it is bootstrapped, while it is worked on: a record may cost a
    /// service more than what is left to do on the node.
    pub fn note_bootstrapped(&mut self) {
        let (service, node) = (Arc::clone(&self.service), self.node.clone());
        let note = async move { service.set_bootstrapped(&node).await };
        self.noting.spawn(note.instrument(self.span()));
        self.node.bootstrapped = true;
    }

    /// Waits for the record; without it the next run would bootstrap the node again.
    pub async fn settle_note(&mut self, events: &Events) {
        let failure = match self.noting.join_next().await {
            None | Some(Ok(Ok(()))) => return,
            Some(Ok(Err(error))) => Failure::new("bootstrap", error.message).help(error.help),
            Some(Err(error)) => Failure::new("bootstrap", error.to_string()),
        };
        self.node.bootstrapped = false;
        self.fail(failure, Duration::ZERO, events);
    }

    /// Ends the connection and gives what has happened.
    pub async fn finish(mut self) -> NodeReport {
        if let Some(connection) = self.connection.take() {
            connection.close().await;
        }
        self.report
    }
}

/// Connects by the service's own way, or else by the node's endpoint.
async fn reach(
    service: &dyn ComputeService,
    node: &Node,
    login: &Login,
    connector: &Connector,
) -> Result<Connection, ConnectionError> {
    if let Some(attached) = service.attach(node, login).await? {
        return connector.work_over(attached.transport, attached.login).await;
    }
    let reach = Reach { endpoint: node.endpoint.clone(), host_keys: node.host_keys.clone() };
    connector.connect(&reach, login).await
}

/// A node as others see it, as far as it is known without looking at it.
pub(super) fn target(node: &Node, role: &Membership) -> Target {
    let group = &role.group;
    Target {
        groups: role.names.iter().map(ToString::to_string).chain([node.group.clone()]).collect(),
        cluster: group.cluster.as_ref().map(ToString::to_string),
        address: address(node),
        roles: group.server.roles.clone(),
        settings: group.server.settings.clone(),
        properties: node.properties.clone(),
        ..Target::new(&node.name, &node.group)
    }
}

fn address(node: &Node) -> String {
    node.endpoint.as_ref().map(|at| at.host.clone()).unwrap_or_default()
}

/// A node that shall be created, as far as it is known.
pub(super) fn node_to_create(name: &str, group: &GroupSpec) -> Node {
    Node {
        id: name.to_owned(),
        name: name.to_owned(),
        group: group.name.to_string(),
        state: NodeState::Other("not created yet".to_owned()),
        endpoint: None,
        host_keys: crate::transport::HostKeys::KnownHosts,
        image_user: None,
        bootstrapped: false,
        properties: BTreeMap::new(),
    }
}
