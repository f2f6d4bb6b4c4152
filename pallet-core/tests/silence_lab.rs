//! A node that falls silent in the middle of an action: noticed in bounded time, and told where.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "engine/planned.rs"]
mod planned;
#[path = "engine/script.rs"]
mod script;

use std::time::{Duration, Instant};

use pallet_core::action::Mode;
use pallet_core::engine::{Connector, Control, PhaseRun, Reach, run_phase};
use pallet_core::event::{Event, Events};
use pallet_core::login::Login;
use pallet_core::spec::Phase;
use pallet_core::transport::{Endpoint, HostKeys};
use planned::planned;
use script::Run;
use xtask::lab::{NodeKind, State};

#[tokio::test]
async fn a_dead_connection_is_the_running_actions_failure() {
    let lab = State::load().unwrap();
    let node = lab.claim(NodeKind::Plain, 1).unwrap().remove(0);
    let login = Login { private_key_path: Some(node.key.clone()), ..Login::new(&node.user) };
    let reach = Reach {
        endpoint: Some(Endpoint { host: node.address.to_string(), port: node.port }),
        host_keys: HostKeys::Pinned { keys: vec![node.host_key.clone()] },
    };
    let mut connector = Connector::default();
    connector.ssh.keepalive_interval = Duration::from_secs(1);
    connector.ssh.keepalive_missed = 2;
    let mut connection = connector.connect(&reach, &login).await.unwrap();

    let phase = Phase::new().action(Run::new("true")).action(Run::new("sleep 99"));
    let actions = planned(connection.facts(), &phase);
    let (events, mut heard) = Events::channel();
    let control = Control::new();
    let run = PhaseRun {
        node: "web-1",
        phase: "configure",
        actions: &actions,
        mode: Mode::Apply,
        events: &events,
        control: &control,
    };
    let cut = async {
        let is_second = |event: &Event| matches!(event, Event::ActionStarted { subject, .. } if subject == "sleep 99");
        while !is_second(&heard.recv().await.unwrap()) {}
        node.run(&["ip", "link", "set", "dev", "eth0", "down"]).unwrap();
        Instant::now()
    };
    let (report, cut_at) = tokio::join!(run_phase(&mut connection, run), cut);
    assert!(cut_at.elapsed() < Duration::from_secs(15), "{:?}", cut_at.elapsed());
    let failure = report.failure.unwrap();
    let where_it_was = (failure.node.as_deref(), failure.phase.as_str(), failure.action.as_deref());
    assert_eq!(where_it_was, (Some("web-1"), "configure", Some("run sleep 99")));
    assert!(failure.message.contains("was lost"), "{}", failure.message);
}
