//! Against a VirtualBox of the test's own, which ends sessions early, and which is killed: `cargo xtask lab up`, then
//! `cargo nextest run -p vbox-soap --features lab-tests`.

#![allow(clippy::unwrap_used, reason = "test support: a failure here is a failed test")]

#[path = "lab_support/own_server.rs"]
mod own_server;

use std::time::Duration;

use own_server::OwnServer;
use vbox_soap::{Client, Error, Settings};

fn client(server: &OwnServer, keep_alive: Option<Duration>) -> Client {
    let mut settings = Settings::default();
    settings.keep_alive = keep_alive;
    Client::with_settings(&server.url, settings).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_was_killed_costs_one_error_and_the_client_logs_on_again() {
    let server = OwnServer::start("killed", "-t 0");
    let client = client(&server, Some(Duration::from_secs(60)));
    let session = client.logon("", "").await.unwrap();
    let properties = session.virtual_box().get_system_properties().await.unwrap();

    server.kill();
    let error = properties.get_default_machine_folder().await.unwrap_err();
    assert!(matches!(error, Error::NotRunning { .. }), "{error:?}");
    assert!(!session.is_lost(), "the server may come back with it");

    server.launch();
    let error = properties.get_default_machine_folder().await.unwrap_err();
    assert!(matches!(error, Error::SessionLost { .. }), "{error:?}");
    assert!(error.to_string().contains("log on again with the same client"), "{error}");
    assert!(session.is_lost());
    // Everything else fails in the same way, and nothing hangs.
    let error = session.virtual_box().get_machines().await.unwrap_err();
    assert!(matches!(error, Error::SessionLost { .. }), "{error:?}");
    assert!(matches!(session.session_object().await, Err(Error::SessionLost { .. })));
    session.settle().await;
    session.logoff().await.unwrap();

    let again = client.logon("", "").await.unwrap();
    again.virtual_box().get_machines().await.unwrap();
    // The handles of the lost session never pass for handles of the new one.
    let error = properties.get_default_machine_folder().await.unwrap_err();
    assert!(matches!(error, Error::SessionLost { .. }), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_between_two_calls_is_one_error() {
    let server = OwnServer::start("restarted", "-t 0");
    let client = client(&server, None);
    let session = client.logon("", "").await.unwrap();
    session.virtual_box().get_version().await.unwrap();
    server.kill();
    server.launch();
    let error = session.virtual_box().get_version().await.unwrap_err();
    assert!(matches!(error, Error::SessionLost { .. }), "{error:?}");
    client.logon("", "").await.unwrap().virtual_box().get_version().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_outlive_the_servers_patience_by_being_kept_alive() {
    let server = OwnServer::start("impatient", "-t 2 -i 1");
    let kept = client(&server, Some(Duration::from_millis(500))).logon("", "").await.unwrap();
    let machines = kept.virtual_box().get_host().await.unwrap();
    let idle = client(&server, None).logon("", "").await.unwrap();
    tokio::time::sleep(Duration::from_secs(8)).await;
    machines.get_processor_count().await.unwrap();
    let error = idle.virtual_box().get_version().await.unwrap_err();
    assert!(matches!(error, Error::SessionLost { .. }), "{error:?}");
    assert!(error.to_string().contains("--timeout"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_kept_alive_learns_by_itself_that_it_is_lost() {
    let server = OwnServer::start("silent", "-t 0");
    let client = client(&server, Some(Duration::from_millis(200)));
    let session = client.logon("", "").await.unwrap();
    server.kill();
    server.launch();
    for _ in 0..100 {
        if session.is_lost() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("nobody noticed");
}
