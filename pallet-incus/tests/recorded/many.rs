//! A thousand instances.

use std::time::{Duration, Instant};

use hyper::body::Bytes;
use pallet_core::compute::{ComputeService, NodeState};
use pallet_incus::client::Client;
use pallet_incus::service::{IncusConfig, IncusService};
use serde_json::{Value, json};

use crate::server::{Answer, Server, greeting};

const MANY: usize = 1000;
/// Recorded from LXD 5.0.2, as `GET /1.0/instances?recursion=2` gives it.
const INSTANCE: &str = include_str!("instance.json");

/// The instance many times, each with a name, an id and an address of its own; every second one is
/// somebody else's.
fn listing() -> Vec<u8> {
    let one: Value = serde_json::from_str(INSTANCE).unwrap();
    let all: Vec<Value> = (0..MANY * 2)
        .map(|number| {
            let mut it = one.clone();
            it["name"] = format!("web-{number}").into();
            it["config"]["volatile.uuid"] = format!("uuid-{number}").into();
            it["state"]["network"]["eth0"]["addresses"][0]["address"] =
                format!("10.0.{}.{}", number / 250, number % 250).into();
            if number % 2 == 0 {
                it["config"]["user.pallet.node"] = "true".into();
            }
            it
        })
        .collect();
    let body = json!({"type": "sync", "status_code": 200, "metadata": all});
    body.to_string().into_bytes()
}

/// The memory that this process has in use, in kB.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_nodes_are_listed_in_a_second_and_in_the_same_memory() {
    let listing = Bytes::from(listing());
    let server = Server::start(move |asked| match asked.path.as_str() {
        "/1.0" => greeting("lxd", "5.0.2", &[]),
        _ => Answer::bytes(listing.clone()),
    });
    let client = Client::connect(server.address(), None, "default").await.unwrap();
    let service = IncusService::new("cluster", client, IncusConfig::default(), "/");
    let list = || async { service.nodes().await.unwrap() };

    let begun = Instant::now();
    let nodes = list().await;
    let took = begun.elapsed();
    assert_eq!(nodes.len(), MANY, "only ours");
    assert!(nodes.iter().all(|node| node.state == NodeState::Running && node.endpoint.is_some()));
    let asked = server.asked();
    assert_eq!(asked.len(), 1, "one request is enough");
    assert!(asked[0].path.contains("filter="), "{}", asked[0].path);

    let mut quickest = took;
    drop(nodes);
    for _ in 0..4 {
        let begun = Instant::now();
        list().await;
        quickest = quickest.min(begun.elapsed());
    }
    assert!(quickest < Duration::from_secs(1), "{quickest:?}");
    let before = memory();
    for _ in 0..10 {
        list().await;
    }
    let after = memory();
    println!("{MANY} nodes in {quickest:?}; {before} kB, then {after} kB");
    assert!(after < before + before / 5, "{before} kB have become {after} kB");
}
