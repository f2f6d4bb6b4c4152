//! Becoming root on real nodes: every way that sudo can answer.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "engine/actions.rs"]
#[allow(dead_code, reason = "other tests use more of them")]
mod actions;
#[path = "engine/planned.rs"]
mod planned;
#[path = "engine/script.rs"]
mod script;

use actions::Put;
use pallet_core::action::{Action, Mode};
use pallet_core::engine::{
    Connection, ConnectionError, Connector, Control, PhaseRun, Reach, run_phase,
};
use pallet_core::event::Events;
use pallet_core::login::Login;
use pallet_core::report::PhaseReport;
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

/// Carries out one action as `user`, which has to succeed.
async fn run(connection: &mut Connection, user: Option<&str>, action: impl Action) -> PhaseReport {
    let step = Step::action(action);
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
    report
}

/// The output of one script, run as `user`.
async fn output(connection: &mut Connection, user: Option<&str>, script: &str) -> String {
    run(connection, user, Run::new(script)).await.actions[0].output.clone()
}

/// Lets the lab's key log in as root.
fn allow_root(node: &Node) {
    let key = std::fs::read_to_string(node.key.with_extension("pub")).unwrap();
    let allow = "mkdir -pm 700 /root/.ssh && cat > /root/.ssh/authorized_keys";
    let allow = format!("echo '{}' | ({allow})", key.trim());
    node.run(&["sh", "-c", &allow]).unwrap();
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
    allow_root(&node);
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
    assert_eq!(output(&mut asked_right, Some("nosudo"), whoami).await, expected);
    let processes = output(
        &mut asked_right,
        None,
        "cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | grep -ae sudo -e secret",
    )
    .await;
    assert!(processes.contains("sudo -k -S"), "{processes}");
    assert!(!processes.contains(PWSUDO_PASSWORD));
    asked_right.close().await;
    // The password of the login is tried where none is given for sudo.
    let same =
        Login { sudo_password: None, password: Some(Secret::new(PWSUDO_PASSWORD)), ..asked("") };
    let mut same = connect(&node, &same).await.unwrap();
    assert_eq!(output(&mut same, None, "id -un").await, "root");
    same.close().await;

    let wrong = refusal(connect(&node, &asked("not it")).await);
    assert!(wrong.contains("the password is wrong"), "{wrong}");
    let unasked = refusal(connect(&node, &login(&node, "pwsudo")).await);
    assert!(unasked.contains("password is required"), "{unasked}");
    let forbidden = refusal(connect(&node, &login(&node, "nosudo")).await);
    assert!(forbidden.contains("nosudo"), "{forbidden}");
}

/// Longer than what travels inside a program, whoever logs in and whoever it is for.
#[tokio::test]
async fn long_contents_arrive_under_every_account_and_leave_nothing() {
    let lab = State::load().unwrap();
    let node = lab.claim(NodeKind::Plain, 1).unwrap().remove(0);
    allow_root(&node);
    let content: Vec<u8> = (0..1_500_000_u32).map(|at| (at * 7 / 3) as u8).collect();
    let asked =
        Login { sudo_password: Some(Secret::new(PWSUDO_PASSWORD)), ..login(&node, "pwsudo") };
    let other = Login { sudo_user: Some("nosudo".to_owned()), ..login(&node, &node.user) };
    let itself = Login { no_sudo: true, ..login(&node, "nosudo") };
    let cases = [
        (login(&node, &node.user), None, "root"),
        (login(&node, &node.user), Some("pwsudo"), "pwsudo"),
        (login(&node, "root"), None, "root"),
        (login(&node, "root"), Some("nosudo"), "nosudo"),
        (asked.clone(), None, "root"),
        (asked, Some("nosudo"), "nosudo"),
        (other, None, "nosudo"),
        (itself, None, "nosudo"),
    ];
    for (number, (login, user, owner)) in cases.into_iter().enumerate() {
        let path = format!("/tmp/it's number {number}");
        let mut connection = connect(&node, &login).await.unwrap();
        run(&mut connection, user, Put::new(path.clone(), content.clone())).await;
        connection.close().await;
        let told = node.run(&["stat", "-c", "%U %s", &path]).unwrap();
        assert_eq!(told.trim(), format!("{owner} 1500000"), "{number}");
        let sum = node.run(&["sha256sum", &path]).unwrap();
        let first = node.run(&["sha256sum", "/tmp/it's number 0"]).unwrap();
        assert_eq!(sum.split(' ').next(), first.split(' ').next(), "{number}");
    }
    let mut here = tempfile::NamedTempFile::new().unwrap();
    std::io::Write::write_all(&mut here, &content).unwrap();
    let here = std::process::Command::new("sha256sum").arg(here.path()).output().unwrap();
    let first = node.run(&["sha256sum", "/tmp/it's number 0"]).unwrap();
    assert_eq!(String::from_utf8(here.stdout).unwrap()[..64], first.trim_start_matches('\\')[..64]);
    let left = "find / -xdev \\( -path '*/uploads/*' -o -path '/tmp/.pallet*/*' \\) -type f";
    assert_eq!(node.run(&["sh", "-c", left]).unwrap(), "");
}

#[tokio::test]
async fn lock_and_log_are_where_the_login_wants_them() {
    let lab = State::load().unwrap();
    let node = lab.claim(NodeKind::Plain, 1).unwrap().remove(0);
    let login =
        Login { state_root: Some("/srv/state of 'pallet'".to_owned()), ..login(&node, &node.user) };
    let mut connection = connect(&node, &login).await.unwrap();
    run(&mut connection, None, Put::new("/srv/long".to_owned(), vec![b'x'; 1_100_000])).await;
    let look = "cd \"/srv/state of 'pallet'\" && stat -c '%n %a' . run.log uploads; ls /var/lib/pallet; true";
    let told = node.run(&["sh", "-c", look]).unwrap();
    assert_eq!(told, ". 700\nrun.log 600\nuploads 700\n");
}
