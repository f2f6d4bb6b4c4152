//! A node of the lab for one test, and phases carried out on it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use pallet_core::action::{ActionBox, Mode};
use pallet_core::engine::{Connection, Connector, Control, PhaseRun, run_phase};
use pallet_core::event::Events;
use pallet_core::facts::PackageManager;
use pallet_core::login::Login;
use pallet_core::plan::{Nodes, PlanError, Scene, Target, compile};
use pallet_core::report::{ActionReport, PhaseReport, Status};
use pallet_core::spec::{Origin, Phase, Step, StepKind};
use pallet_core::transport::ssh::{SshOptions, SshTransport};
use pallet_core::transport::{Endpoint, HostKeys, Output, Process, Transport, TransportError};
use tokio::sync::mpsc;
use toml::de::{DeTable, DeValue};
use xtask::lab::{ClaimedNode, NodeKind, State};

/// A node that is connected to.
pub struct LabNode {
    connection: Connection,
    exchanges: Arc<AtomicUsize>,
    claim: ClaimedNode,
}

impl LabNode {
    /// Claims a pristine node and connects to it.
    pub async fn new(kind: NodeKind) -> Self {
        let node = State::load().unwrap().claim(kind, 1).unwrap().remove(0);
        let login = Login { private_key_path: Some(node.key.clone()), ..Login::new(&node.user) };
        let endpoint = Endpoint { host: node.address.to_string(), port: node.port };
        let host_keys = HostKeys::Pinned { keys: vec![node.host_key.clone()] };
        let options = SshOptions::default();
        let (transport, _) =
            SshTransport::connect(&endpoint, &login, &host_keys, &options).await.unwrap();
        let exchanges = Arc::new(AtomicUsize::new(0));
        let counting = Counting { transport, exchanges: exchanges.clone() };
        let connection = Connector::default().work_over(Arc::new(counting), login).await.unwrap();
        Self { connection, exchanges, claim: node }
    }

    /// Carries out steps, or says what that would do.
    pub async fn run(&mut self, mode: Mode, steps: Vec<Step>) -> PhaseReport {
        self.try_run(mode, steps).await.unwrap_or_else(|error| panic!("{error}"))
    }

    /// The same, for steps that may be wrong in themselves.
    pub async fn try_run(
        &mut self,
        mode: Mode,
        steps: Vec<Step>,
    ) -> Result<PhaseReport, PlanError> {
        let phase = steps.into_iter().fold(Phase::new(), Phase::step);
        let target = Target::new("node", "test").facts(self.connection.facts().clone());
        let environment = serde_json::Map::new();
        let nodes = Nodes::default();
        let scene = Scene::new(&nodes, &environment);
        let actions = compile("test", &phase, &target, scene)?.actions;
        let events = Events::none();
        let (node, phase) = ("node", "test");
        let control = Control::new();
        let run =
            PhaseRun { node, phase, actions: &actions, mode, events: &events, control: &control };
        Ok(run_phase(&mut self.connection, run).await)
    }

    /// Carries out steps that have to succeed, and tells what became of each.
    pub async fn told(&mut self, mode: Mode, steps: Vec<Step>) -> Vec<String> {
        let report = self.run(mode, steps).await;
        assert!(report.failure.is_none(), "{:#?}", report.failure);
        report.actions.iter().map(told).collect()
    }

    /// The output of a script that has to succeed.
    pub async fn output(&mut self, script: &str) -> String {
        let step = Step::action(pallet_crates::ExecScript::new(script));
        let report = self.run(Mode::Apply, vec![step]).await;
        assert!(report.failure.is_none(), "{script}: {:#?}", report.failure);
        report.actions[0].output.clone()
    }

    /// Has actions use this package manager in place of the one that was found.
    pub fn use_package_manager(&mut self, manager: PackageManager) {
        self.connection.use_package_manager(manager);
    }

    /// Runs a script on the node as root, past sshd and the engine.
    pub fn shell(&self, script: &str) -> Result<String, String> {
        self.claim.run(&["bash", "-c", script]).map_err(|error| format!("{error:#}"))
    }

    /// The node as the lab knows it.
    pub fn claim(&self) -> &ClaimedNode {
        &self.claim
    }

    /// How many programs the node has run since the last time.
    pub fn exchanges(&self) -> usize {
        self.exchanges.swap(0, Ordering::SeqCst)
    }
}

/// A step as documents write it.
pub fn step(text: &str) -> Step {
    let document = format!("step = {text}");
    let parsed = DeTable::parse(&document).unwrap();
    let (_, step) = parsed.into_inner().into_iter().next().unwrap();
    let DeValue::Table(step) = step.into_inner() else { panic!("{text}") };
    let (name, parameters) = step.into_iter().next().unwrap();
    let registry = pallet_crates::all();
    let action = registry.find_action(name.get_ref()).unwrap_or_else(|| panic!("{text}"));
    let action: ActionBox =
        action.read(parameters).unwrap_or_else(|error| panic!("{text}: {error}"));
    let origin = Origin { file: Path::new("/test.toml").into(), line: 1, column: 1 };
    Step::at(StepKind::Action(action), origin)
}

/// What became of an action: `unchanged`, the details, or why nobody can know.
pub fn told(action: &ActionReport) -> String {
    match &action.status {
        Status::Unchanged => "unchanged".to_owned(),
        Status::Changed | Status::WillChange => action.details.join("; "),
        Status::MayChange { reason } => format!("may: {reason}"),
        Status::Failed => "failed".to_owned(),
        Status::Skipped { reason } => format!("skipped: {reason}"),
    }
}

/// Counts the programs that a node has run to their end.
struct Counting {
    transport: SshTransport,
    exchanges: Arc<AtomicUsize>,
}

#[async_trait]
impl Transport for Counting {
    async fn exec(&self, command: &str) -> Result<Process, TransportError> {
        let mut process = self.transport.exec(command).await?;
        let (sender, output) = mpsc::unbounded_channel();
        let exchanges = self.exchanges.clone();
        tokio::spawn(async move {
            let mut mark = Vec::new();
            // Reading the facts, which is no program, ends like one.
            let mut ended = 0_usize;
            while let Some(heard) = process.output.recv().await {
                if let Output::Stdout(bytes) = &heard {
                    for byte in bytes {
                        // Marks stand between record separators.
                        if *byte != b'\x1e' {
                            mark.push(*byte);
                            continue;
                        }
                        if mark.ends_with(b" done 0") {
                            ended += 1;
                            exchanges.fetch_add(usize::from(ended > 1), Ordering::SeqCst);
                        }
                        mark.clear();
                    }
                }
                if sender.send(heard).is_err() {
                    break;
                }
            }
        });
        Ok(Process { stdin: process.stdin, output })
    }

    async fn close(&self) {
        self.transport.close().await;
    }
}
