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
    assert_eq!(output(&mut root, Some("pwsudo"), "id -un; cd; pwd").await, "pwsudo\n/home/pwsudo");
    assert_eq!(root.facts().os, "debian");
    let address = std::net::IpAddr::V4(node.address);
    assert_eq!(root.facts().primary_address(), Some(address));
    assert!(root.facts().mounts.iter().any(|mount| mount.path == "/"), "{:?}", root.facts());
    root.close().await;

    // Logged in as root itself: no sudo, and runuser for others with an environment of their own.
    let key = std::fs::read_to_string(node.key.with_extension("pub")).unwrap();
    let allow = "mkdir -pm 700 /root/.ssh && cat > /root/.ssh/authorized_keys";
    let allow = format!("echo '{}' | ({allow})", key.trim());
    node.run(&["sh", "-c", &allow]).unwrap();
    let mut itself = connect(&node, &login(&node, "root")).await.unwrap();
    assert_eq!(output(&mut itself, None, "id -un; echo $HOME").await, "root\n/root");
    let whoami = "id -un; echo $HOME $USER $LOGNAME";
    let expected = "nosudo\n/home/nosudo nosudo nosudo";
    assert_eq!(output(&mut itself, Some("nosudo"), whoami).await, expected);

    itself.close().await;

    // Another account than root as the usual one; it wins over `no_sudo`.
    for no_sudo in [false, true] {
        let other = Some("nosudo".to_owned());
        let other = Login { sudo_user: other, no_sudo, ..login(&node, &node.user) };
        let mut other = connect(&node, &other).await.unwrap();
        assert_eq!(output(&mut other, None, "id -un; echo $HOME").await, "nosudo\n/home/nosudo");
        assert_eq!(output(&mut other, Some("root"), "id -un").await, "root");
        other.close().await;
    }

    let itself = Login { no_sudo: true, ..login(&node, "nosudo") };
    let mut itself = connect(&node, &itself).await.unwrap();
    assert_eq!(output(&mut itself, None, "id -un").await, "nosudo");

    let asked = |password: &str| Login {
        sudo_password: Some(Secret::new(password)),
        ..login(&node, "pwsudo")
    };
    let mut asked_right = connect(&node, &asked(PWSUDO_PASSWORD)).await.unwrap();
    assert_eq!(output(&mut asked_right, None, "id -un").await, "root");
    let processes = output(
        &mut asked_right,
        None,
        "cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | grep -ae sudo -e secret",
    )
    .await;
    assert!(processes.contains("sudo -k -S"), "{processes}");
    assert!(!processes.contains(PWSUDO_PASSWORD));

    let wrong = refusal(connect(&node, &asked("not it")).await);
    assert!(wrong.contains("the password is wrong"), "{wrong}");
    let unasked = refusal(connect(&node, &login(&node, "pwsudo")).await);
    assert!(unasked.contains("password is required"), "{unasked}");
    let forbidden = refusal(connect(&node, &login(&node, "nosudo")).await);
    assert!(forbidden.contains("nosudo"), "{forbidden}");
}
