//! The providers of this crate, against the suite that all providers have to pass, and what is
//! special about sandboxes. Needs root.

// Helpers of tests may fail like tests.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod isolation;
mod sandboxes;
mod support;

use std::sync::Arc;
use std::time::Duration;

use pallet_core::compute::suite::{self, Subject};
use pallet_core::compute::{
    ComputeService, HostKeySetting, ListedNode, Localhost, LocalhostConfig, NodeList,
    NodeListConfig, Provider, ProviderContext,
};
use pallet_core::login::Login;
use serde_json::json;
use support::{Project, spec};

#[tokio::test(flavor = "multi_thread")]
async fn the_suite_on_sandboxes() {
    let project = Arc::new(Project::new());
    let opener = project.clone();
    let subject = Subject {
        open: Box::new(move || {
            let project = opener.clone();
            Box::pin(async move { Ok(project.open("box").await) })
        }),
        good: spec(json!({})),
        bad: spec(json!({ "image": { "os-family": "plan9" } })),
        group: "web".to_owned(),
        answers: Some((Login::new("root"), Duration::from_secs(10))),
        cut_power: None,
    };
    suite::creating(&subject).await.unwrap();
    project.is_clean();
}

#[tokio::test]
async fn the_suite_on_a_list_of_nodes() {
    let listed = |number: u32| ListedNode {
        name: format!("web-{number}"),
        group: "web".to_owned(),
        host: None,
        port: 22,
        host_key: None,
    };
    let nodes = (1..=2).map(listed).collect();
    let config = NodeListConfig { nodes, host_key: HostKeySetting::KnownHosts };
    suite::fixed(&NodeList::new("rack", config)).await.unwrap();
}

#[tokio::test]
async fn the_suite_on_this_machine() {
    let config: LocalhostConfig = serde_json::from_value(json!({ "group": "here" })).unwrap();
    let context = ProviderContext { service: "here".to_owned(), base: "/".into() };
    let service: Arc<dyn ComputeService> = Localhost::open(config, context).await.unwrap();
    suite::fixed(service.as_ref()).await.unwrap();

    // The admin user of other nodes need not exist here.
    let node = service.nodes().await.unwrap().remove(0);
    assert_eq!(node.name, "localhost");
    let attached = service.attach(&node, &Login::new("not-here")).await.unwrap().unwrap();
    let user = std::process::Command::new("id").arg("-un").output().unwrap();
    assert_eq!(attached.login.username, String::from_utf8(user.stdout).unwrap().trim());
}
