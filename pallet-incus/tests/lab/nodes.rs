//! The service: the suite of all providers, and what is special about clusters.

use std::sync::Arc;
use std::time::Duration;

use pallet_core::compute::suite::{self, Subject};
use pallet_core::compute::{ComputeService, NodeState};
use pallet_core::transport::HostKeys;
use pallet_incus::client::{InstanceType, NewInstance, Source};
use serde_json::{Value, json};

use crate::support::{Lab, open, request, spec};

crate::support::on_both! {
    the_suite_on_the_cluster,
    nodes_are_where_and_what_they_shall_be,
    only_our_own_instances_are_touched,
    a_node_that_cannot_start_leaves_nothing_behind,
}

async fn the_suite_on_the_cluster(lab: Lab) {
    let lab = Arc::new(lab);
    // In a project of its own: it looks whether others' nodes come and go.
    let make = "$0 project list --format csv | grep -q ^suite, || $0 project create suite \
                -c features.images=false -c features.profiles=false";
    let first = lab.cluster.first().unwrap();
    first.run(&["sh", "-euc", make, first.product.client()]).unwrap();
    let opener = lab.clone();
    let subject = Subject {
        open: Box::new(move || {
            let lab = opener.clone();
            Box::pin(async move { Ok(lab.open(json!({"project": "suite"})).await) })
        }),
        good: spec(json!({"image": {"image-id": lab.cluster.image}})),
        bad: spec(json!({"image": {"os-family": "plan9"}})),
        group: "suite".to_owned(),
        answers: Some((lab.login(), Duration::from_secs(60))),
        cut_power: None,
    };
    suite::creating(&subject).await.unwrap();
}

async fn nodes_are_where_and_what_they_shall_be(lab: Lab) {
    let client = lab.client().await;
    let service = lab
        .open(json!({
            "hardware-models": {"lab": {"memory-size": 300, "cpu-count": 1, "disk-size": 3}},
            "images": {"debian-12": {"username": "pallet-admin"}},
        }))
        .await;
    let image = json!({"os-family": "debian", "os-version": "12"});
    let made = service
        .create(vec![
            request(
                "placed-1",
                "placed",
                json!({"image": image, "location": {"member": lab.cluster.members[0].name},
                       "hardware": {"hardware-id": "lab"}, "network": ["br0", "hidden"]}),
            ),
            request(
                "placed-2",
                "placed",
                json!({"image": image, "location": {"cluster-group": "seconds"}, "network": "nat",
                       "provider": {"incus": {"config": {"limits.processes": "500"}}}}),
            ),
        ])
        .await;
    let made: Vec<_> = made.into_iter().map(Result::unwrap).collect();
    assert_eq!(made[0].properties["member"], lab.cluster.members[0].name);
    assert_eq!(made[1].properties["member"], lab.cluster.members[1].name);
    assert_eq!(made[0].image_user.as_ref().unwrap().username, "pallet-admin");

    let first = client.instance("placed-1").await.unwrap().unwrap();
    assert_eq!(first.config["limits.memory"], "300MiB");
    assert_eq!(first.config["limits.cpu"], "1");
    let device = |name: &str, key: &str| first.expanded_devices[name].get(key).cloned();
    assert_eq!(device("root", "size").as_deref(), Some("3GiB"));
    assert_eq!(device("root", "pool").as_deref(), Some("default"));
    assert_eq!(device("eth0", "parent").as_deref(), Some("br0"));
    assert_eq!(device("eth1", "network").as_deref(), Some("hidden"));
    let second = client.instance("placed-2").await.unwrap().unwrap();
    assert_eq!(second.config["limits.processes"], "500");
    assert!(!second.config.contains_key("limits.memory"), "left to the profiles");

    // The host key is read past the network, and is known from then on.
    let ready = service.ready(&made[0], Duration::from_secs(60)).await.unwrap();
    let HostKeys::Pinned { keys } = &ready.host_keys else { panic!("{:?}", ready.host_keys) };
    let file = client.file("placed-1", "/etc/ssh/ssh_host_ed25519_key.pub").await.unwrap();
    let file = String::from_utf8(file.unwrap()).unwrap();
    assert!(keys.len() == 1 && file.starts_with(&keys[0]), "{keys:?} {file}");
    let listed = service.nodes().await.unwrap();
    let again = listed.iter().find(|node| node.name == "placed-1").unwrap();
    assert_eq!((&again.host_keys, &again.endpoint), (&ready.host_keys, &ready.endpoint));
    assert!(again.endpoint.as_ref().unwrap().host.starts_with("10.202."), "{again:?}");

    for (wrong, part) in [
        (json!({"location": {"member": "member-9"}}), "there is no member-9"),
        (json!({"location": {"cluster-group": "thirds"}}), "there is no thirds"),
        (json!({"network": "lan"}), "there is no network lan"),
        (json!({"provider": {"lxd": {"type": "virtual-machine"}}}), "runs no virtual machines"),
        (json!({"provider": {"lxd": {"profiles": ["none"]}}}), "no profile none"),
        (json!({"hardware": {"architecture": "aarch64"}}), "is for x86_64"),
    ] {
        let mut wrong: Value = wrong;
        wrong["image"] = image.clone();
        let error = service.check(&spec(wrong)).await.unwrap_err();
        assert!(error.is_input && error.message.contains(part), "{error}");
    }
    for node in &made {
        service.destroy(node).await.unwrap();
    }
    service.close().await;
}

async fn only_our_own_instances_are_touched(lab: Lab) {
    let client = lab.client().await;
    let service = open(json!({"url": lab.socket().to_string()})).await;
    let image = json!({"image": {"image-id": lab.cluster.image}});
    let images = client.images().await.unwrap();
    let fingerprint =
        images.iter().find(|it| it.aliases.iter().any(|a| a.name == lab.cluster.image));
    let foreign = NewInstance {
        name: "own-1".to_owned(),
        kind: InstanceType::Container,
        source: Source::Image(fingerprint.unwrap().fingerprint.clone()),
        config: [("user.purpose".to_owned(), "somebody's".to_owned())].into(),
        devices: [].into(),
        profiles: vec!["default".to_owned()],
        target: None,
    };
    client.create(&foreign).await.unwrap();

    // It is not seen, its name is taken, and the failed creation leaves it as it is.
    assert!(service.nodes().await.unwrap().iter().all(|node| node.name != "own-1"));
    let taken = service.create(vec![request("own-1", "own", image.clone())]).await.remove(0);
    let error = taken.unwrap_err();
    assert!(error.message.contains("creating own-1: "), "{error}");
    assert!(error.help.unwrap().contains("another instance is called own-1"));
    let now = client.instance("own-1").await.unwrap().unwrap();
    assert!(now.is_running() && now.config["user.purpose"] == "somebody's", "{now:?}");

    // A node that is gone, and whose name somebody else has taken, is gone.
    let mut node = service.create(vec![request("own-2", "own", image)]).await.remove(0).unwrap();
    assert_eq!(node.state, NodeState::Running);
    node.name = "own-1".to_owned();
    service.destroy(&node).await.unwrap();
    assert!(client.instance("own-1").await.unwrap().unwrap().is_running());
    let error = service.stop(&node).await.unwrap_err();
    assert!(error.message.contains("own-1 is gone"), "{error}");
    node.name = "own-2".to_owned();
    service.destroy(&node).await.unwrap();
    assert!(client.instance("own-2").await.unwrap().is_none());
    client.kill("own-1").await.unwrap();
    client.delete("own-1").await.unwrap();
}

async fn a_node_that_cannot_start_leaves_nothing_behind(lab: Lab) {
    let service: Arc<dyn ComputeService> = lab.open(json!({})).await;
    // The server takes it and cannot start it: there is no such folder on the member.
    let broken = json!({
        "image": {"image-id": lab.cluster.image},
        "provider": {"incus": {"devices": {"data": {
            "type": "disk", "source": "/no/such/folder", "path": "/data", "required": "true",
        }}}},
    });
    let error =
        service.create(vec![request("broken-1", "broken", broken)]).await.remove(0).unwrap_err();
    assert!(error.message.contains("/no/such/folder"), "{error}");
    assert!(lab.client().await.instance("broken-1").await.unwrap().is_none());
}
