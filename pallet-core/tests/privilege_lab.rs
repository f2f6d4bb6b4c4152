//! Becoming root on real nodes: every way that sudo can answer.

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

use pallet_core::action::Mode;
use pallet_core::engine::{
    Connection, ConnectionError, Connector, Control, PhaseRun, Reach, run_phase,
};
use pallet_core::event::Events;
use pallet_core::login::Login;
use pallet_core::secret::Secret;
use pallet_core::session::SessionError;
use pallet_core::spec::{Phase, Step};
use pallet_core::transport::{Endpoint, HostKeys};
use planned::planned;
use script::Run;
use xtask::lab::{Node, NodeKind, PWSUDO_PASSWORD, State};

fn login(node: &Node, username: &str) -> Login {
    Login { private_key_path: Some(node.key.clone()), ..Login::new(username) }
}

async fn connect(node: &Node, login: &Login) -> Result<Connection, ConnectionError> {
    let reach = Reach {
        endpoint: Some(Endpoint { host: node.address.to_string(), port: node.port }),
        host_keys: HostKeys::Pinned { keys: vec![node.host_key.clone()] },
    };
    Connector::default().connect(&reach, login).await
}

/// The output of one script, run as `user`.
async fn output(connection: &mut Connection, user: Option<&str>, script: &str) -> String {
    let step = Step::action(Run::new(script));
    let step = match user {
        Some(user) => step.as_user(user),
        None => step,
    };
    let phase = Phase::new().step(step);
    let actions = planned(connection.facts(), &phase);
    let events = Events::none();
    let control = Control::new();
    let run = PhaseRun {
        node: "node",
        phase: "test",
        actions: &actions,
        mode: Mode::Apply,
        events: &events,
        control: &control,
    };
    let report = run_phase(connection, run).await;
    assert!(report.failure.is_none(), "{:?}", report.failure);
    report.actions[0].output.clone()
}

fn refusal(result: Result<Connection, ConnectionError>) -> String {
    match result {
        Err(ConnectionError::Session(error @ SessionError::SudoRefused { .. })) => {
            assert!(error.help().unwrap().contains("NOPASSWD"));
            error.to_string()
        }
        other => panic!("sudo should have refused: {other:?}"),
    }
}

#[tokio::test]
async fn every_way_that_sudo_can_answer() {
    let lab = State::load().unwrap();
    let node = lab.claim(NodeKind::Plain, 1).unwrap().remove(0);

    let mut root = connect(&node, &login(&node, &node.user)).await.unwrap();
    assert_eq!(output(&mut root, None, "id -un; echo $HOME").await, "root\n/root");
    assert_eq!(output(&mut root, Some("pwsudo"), "id -un").await, "pwsudo");
    assert_eq!(root.facts().os, "debian");
    root.close().await;

    let itself = Login { no_sudo: true, ..login(&node, "nosudo") };
    let mut itself = connect(&node, &itself).await.unwrap();
    assert_eq!(output(&mut itself, None, "id -un").await, "nosudo");

    let asked = |password: &str| Login {
        sudo_password: Some(Secret::new(password)),
        ..login(&node, "pwsudo")
    };
    let mut asked_right = connect(&node, &asked(PWSUDO_PASSWORD)).await.unwrap();
    assert_eq!(output(&mut asked_right, None, "id -un").await, "root");
    let processes = output(&mut asked_right, None, "cat /proc/[0-9]*/cmdline | tr '\\0' ' '").await;
    assert!(processes.contains("sudo -k -S"), "{processes}");
    assert!(!processes.contains(PWSUDO_PASSWORD));

    let wrong = refusal(connect(&node, &asked("not it")).await);
    assert!(wrong.contains("the password is wrong"), "{wrong}");
    let unasked = refusal(connect(&node, &login(&node, "pwsudo")).await);
    assert!(unasked.contains("password is required"), "{unasked}");
    let forbidden = refusal(connect(&node, &login(&node, "nosudo")).await);
    assert!(forbidden.contains("nosudo"), "{forbidden}");
}
