//! Members: the nodes that take part in a run.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::compute::{ComputeService, Node};
use crate::engine::{Connection, ConnectionError, Connector, Reach};
use crate::event::{Event, Events};
use crate::login::Login;
use crate::plan::Target;
use crate::report::{Failure, NodeReport, PhaseReport};
use crate::spec::GroupSpec;

/// A node with its description, its connection and what has happened to it.
pub(super) struct Member {
    pub node: Node,
    pub group: Arc<GroupSpec>,
    pub service: Arc<dyn ComputeService>,
    pub connection: Option<Connection>,
    pub target: Target,
    pub report: NodeReport,
}

impl Member {
    pub fn new(node: Node, group: Arc<GroupSpec>, service: Arc<dyn ComputeService>) -> Self {
        let target = Target {
            name: node.name.clone(),
            group: node.group.clone(),
            address: node.endpoint.as_ref().map(|at| at.host.clone()).unwrap_or_default(),
            roles: group.server.roles.clone(),
            facts: Default::default(),
            settings: group.server.settings.clone(),
            properties: node.properties.clone(),
        };
        let report =
            NodeReport { node: node.name.clone(), group: node.group.clone(), phases: Vec::new() };
        Self { node, group, service, connection: None, target, report }
    }

    /// Whether something has failed on it: then it takes no part in later phases.
    pub fn is_failed(&self) -> bool {
        self.report.failure().is_some()
    }

    /// Connects as `login`, unless that is connected already or something has failed.
    pub async fn connect(&mut self, login: &Login, connector: &Connector, events: &Events) {
        if self.is_failed() {
            return;
        }
        if self.connection.as_ref().is_some_and(|there| there.username() == login.username) {
            return;
        }
        if let Some(old) = self.connection.take() {
            old.close().await;
        }
        let started = Instant::now();
        let address =
            self.node.endpoint.as_ref().map_or("this machine".to_owned(), ToString::to_string);
        events.send(Event::Connecting { node: self.node.name.clone(), address });
        let reach =
            Reach { endpoint: self.node.endpoint.clone(), host_keys: self.node.host_keys.clone() };
        match connector.connect(&reach, login).await {
            Ok(connection) => {
                if let Some(fingerprint) = connection.accepted_host_key() {
                    events.send(Event::HostKeyAccepted {
                        node: self.node.name.clone(),
                        fingerprint: fingerprint.to_owned(),
                    });
                }
                self.target.facts = connection.facts().clone();
                self.connection = Some(connection);
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
            duration,
            failure: Some(failure),
        });
    }

    fn fail_connect(&mut self, error: &ConnectionError, duration: Duration, events: &Events) {
        let failure = Failure::new("connect", error.to_string()).help(error.help());
        self.fail(failure, duration, events);
    }

    /// Ends the connection and gives what has happened.
    pub async fn finish(mut self) -> NodeReport {
        if let Some(connection) = self.connection.take() {
            connection.close().await;
        }
        self.report
    }
}
