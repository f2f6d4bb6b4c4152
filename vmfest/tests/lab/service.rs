//! VirtualBox as a compute service.

use std::collections::BTreeMap;
use std::time::Duration;

use pallet_core::compute::{CreateNode, NodeState, Provider, ProviderContext};
use pallet_core::spec::NodeSpec;
use pallet_core::transport::HostKeys;
use serde_json::json;
use vmfest::pallet::{VirtualBox, VirtualBoxConfig};

use crate::private::Private;
use crate::support::{Stage, digest, text, tiny};

#[tokio::test(flavor = "multi_thread")]
async fn nodes_come_and_go() {
    let stage = Stage::new("service").await;
    let mut image = stage.image("model.vdi").await;
    let before = digest(&image.path);
    image.username = Some("pallet-admin".to_owned());
    image.os_family = Some("debian".to_owned());
    let config = VirtualBoxConfig {
        url: Some(stage.vbox().url.clone()),
        model_path: Some("models".into()),
        node_path: Some("nodes".into()),
        images: BTreeMap::from([("deb".to_owned(), image.clone())]),
        ..VirtualBoxConfig::default()
    };
    let context = ProviderContext { service: "vbox".to_owned(), base: stage.folder.clone() };
    let service = VirtualBox::open(config, context).await.expect("opens");
    assert_eq!(service.name(), "vbox");

    let spec = |value| serde_json::from_value::<NodeSpec>(value).expect("a spec");
    let good = spec(
        json!({ "image": { "os-family": "debian" }, "hardware": { "hardware-model": { "memory-size": 16 } } }),
    );
    let bad = spec(json!({ "image": { "os-family": "centos" } }));
    service.check(&good).await.expect("can be made");
    let error = service.check(&bad).await.expect_err("cannot be made");
    assert!(error.is_input && error.help.is_some(), "{error}");

    let group = stage.name("web");
    let request = |n: u32, spec: &NodeSpec| CreateNode {
        name: format!("{group}-{n}"),
        group: group.clone(),
        spec: spec.clone(),
    };
    let made = service
        .create(vec![request(1, &good), request(2, &bad), request(3, &good), request(1, &good)])
        .await;
    let outcome: Vec<_> = made.iter().map(Result::is_ok).collect();
    assert!(!outcome[1] && outcome[2], "{made:?}");
    assert!(outcome[0] ^ outcome[3], "one of two with the same name: {made:?}");

    let ours = || async {
        let nodes = service.nodes().await.expect("lists");
        nodes.into_iter().filter(|node| node.group == group).collect::<Vec<_>>()
    };
    let nodes = ours().await;
    let names: Vec<_> = nodes.iter().map(|node| node.name.as_str()).collect();
    assert_eq!(names, [format!("{group}-1"), format!("{group}-3")]);
    for node in &nodes {
        assert_eq!(node.state, NodeState::Running);
        assert!(node.endpoint.is_some());
        assert_eq!(node.host_keys, HostKeys::Pinned { keys: vec![] }, "nobody is trusted yet");
        assert_eq!(node.image_user.as_ref().expect("a user").username, "pallet-admin");
        assert_eq!(node.properties["os-family"], "debian");
        assert!(!node.bootstrapped);
    }
    service.set_bootstrapped(&nodes[0]).await.expect("noted");
    assert!(ours().await[0].bootstrapped);
    let error = service.ready(&nodes[0], Duration::from_secs(1)).await.expect_err("no guest");
    assert!(error.message.contains("no SSH host key in "), "{error}");

    stage
        .manager
        .find(&nodes[0].name)
        .await
        .expect("looks")
        .expect("found")
        .power_down()
        .await
        .expect("off");
    assert_eq!(ours().await[0].state, NodeState::Stopped);
    service.stop(&nodes[0]).await.expect("it is off already");
    service.start(&nodes[0]).await.expect("starts");
    for node in &nodes {
        service.destroy(node).await.expect("destroyed");
        service.destroy(node).await.expect("destroying what is gone is fine");
    }
    assert!(ours().await.is_empty());
    assert_eq!(digest(&image.path), before);
    service.close().await;
    stage.end(&[&image]).await;
}

/// What the node-spec says itself, the service's own models, and hardware models from a file.
#[tokio::test(flavor = "multi_thread")]
async fn models_from_everywhere() {
    let stage = Stage::new("models").await;
    let image = stage.image("model.vdi").await;
    std::fs::create_dir(stage.folder.join("more")).expect("made");
    std::fs::write(
        stage.folder.join("more/hardware.toml"),
        "[hardware-models.tiny]\nmemory-size = 16\n[hardware-models.huge]\ncpu-count = 100\n",
    )
    .expect("written");
    let config = VirtualBoxConfig {
        url: Some(stage.vbox().url.clone()),
        model_path: Some("models".into()),
        node_path: Some("nodes".into()),
        hardware_models_path: Some("more".into()),
        ..VirtualBoxConfig::default()
    };
    let context = || ProviderContext { service: "vbox".to_owned(), base: stage.folder.clone() };
    let service = VirtualBox::open(config.clone(), context()).await.expect("opens");
    let spec = |value| serde_json::from_value::<NodeSpec>(value).expect("a spec");
    let keys = json!({
        "path": "model.vdi", "os-type-id": "Ubuntu_64", "username": "me", "password": "hunter2",
        "private-key-path": "keys/id", "no-sudo": true,
    });
    let explicit = |hardware: &str| {
        spec(json!({
            "image": { "image-model": keys },
            "hardware": { "hardware-id": hardware },
            "network": ["none", { "attachment-type": "nat", "nat-rules":
                [{ "name": "in", "host-port": 32125, "guest-port": 22 }] }],
        }))
    };
    // What only VirtualBox knows, with the place in the file.
    let error = service.check(&explicit("huge")).await.expect_err("too much");
    let expected =
        "more/hardware.toml:4:13: hardware-models.huge.cpu-count: 100 is out of range: 1 to 64";
    assert!(error.is_input && error.message.contains(expected), "{error}");
    service.check(&explicit("tiny")).await.expect("can be made");

    let group = stage.name("web");
    let request =
        CreateNode { name: format!("{group}-1"), group: group.clone(), spec: explicit("tiny") };
    let made = service.create(vec![request]).await.remove(0).expect("created");
    assert_eq!(made.endpoint.as_ref().expect("an endpoint").port, 32125);
    assert_eq!(made.properties["os-family"], "ubuntu");
    let login = made.image_user.as_ref().expect("a user");
    assert_eq!(login.password.as_ref().expect("kept in memory").reveal(), Ok("hunter2"));

    // Another process sees the same node, but for the password: it is nowhere in VirtualBox.
    let other = VirtualBox::open(config, context()).await.expect("opens");
    let nodes = other.nodes().await.expect("lists");
    let node = nodes.iter().find(|node| node.group == group).expect("seen");
    let login = node.image_user.as_ref().expect("a user");
    assert_eq!((login.username.as_str(), login.no_sudo), ("me", true));
    assert_eq!(login.private_key_path, Some(stage.folder.join("keys/id")));
    assert!(login.password.is_none());
    assert_eq!(node.properties["os-family"], "ubuntu");
    let settings = stage.folder.join("nodes").join(&node.name).join(format!("{}.vbox", node.name));
    assert!(!std::fs::read_to_string(settings).expect("reads").contains("hunter2"));
    other.destroy(node).await.expect("destroyed");
    other.close().await;
    service.close().await;
    stage.end(&[&image]).await;
}

/// Hazard 4: destroying one group touches neither another one nor what VirtualBox cannot read.
#[tokio::test(flavor = "multi_thread")]
async fn destroying_a_group_touches_nothing_else() {
    let stage = Stage::new("groups").await;
    let image = stage.image("model.vdi").await;
    let before = digest(&image.path);
    let private = Private::new(&stage);
    private.start();
    let manager = private.connect().await;
    let ours = ["a-1", "a-2", "b-1", "b-2"].map(|name| (name, "ours"));
    for (name, scope) in ours.into_iter().chain([("a-4", "theirs")]) {
        let extra =
            [("pallet/group", &name[..1]), ("pallet/scope", scope), ("pallet/image", "deb")];
        manager.instance_with(name, &image, &tiny(), &extra).await.expect("created");
    }
    // Somebody else's machine.
    let client = vbox_soap::Client::new(&private.url()).expect("an address");
    let soap = client.logon("", "").await.expect("logs on");
    let foreign = stage.folder.join("foreign").join("foreign.vbox");
    let machine = soap
        .virtual_box()
        .create_machine(
            &text(&foreign),
            "a-3",
            vbox_soap::api::PlatformArchitecture::X86,
            &[],
            "Other",
            "",
            "",
            "",
            "",
        )
        .await
        .expect("made");
    soap.virtual_box().register_machine(&machine).await.expect("registered");
    drop((manager, soap, machine));
    private.stop();
    let nodes = stage.folder.join("nodes");
    std::fs::remove_file(&foreign).expect("removed");
    std::fs::remove_file(nodes.join("b-2").join("b-2.vbox")).expect("removed");
    std::fs::write(nodes.join("a-2").join("a-2.vbox"), "<VirtualBox").expect("written");

    private.start();
    let manager = private.connect().await;
    let config = VirtualBoxConfig {
        url: Some(private.url()),
        model_path: Some("models".into()),
        node_path: Some("nodes".into()),
        images: BTreeMap::from([("deb".to_owned(), image.clone())]),
        scope: Some("ours".to_owned()),
        ..VirtualBoxConfig::default()
    };
    let context = ProviderContext { service: "vbox".to_owned(), base: stage.folder.clone() };
    let service = VirtualBox::open(config, context).await.expect("opens");
    let listed = service.nodes().await.expect("lists");
    let known: Vec<_> = listed.iter().map(|node| node.name.as_str()).collect();
    assert_eq!(known, ["a-1", "b-1"], "a-4 is another project's, of the others nobody can say it");
    let spec = NodeSpec::default();
    let request = CreateNode { name: "a-4".to_owned(), group: "a".to_owned(), spec };
    let refused = service.create(vec![request]).await.remove(0).expect_err("the name is taken");
    assert!(refused.message.ends_with("it belongs to theirs"), "{refused}");
    for node in listed.iter().filter(|node| node.group == "a") {
        service.destroy(node).await.expect("destroyed");
    }
    let soap = client.logon("", "").await.expect("logs on");
    let mut files = Vec::new();
    for machine in soap.virtual_box().get_machines().await.expect("lists") {
        let file = machine.get_settings_file_path().await.expect("a path");
        if !file.contains(".holders") {
            files.push(std::path::PathBuf::from(file));
        }
    }
    files.sort();
    let expected =
        ["a-2", "a-4", "b-1", "b-2"].map(|name| nodes.join(name).join(format!("{name}.vbox")));
    assert_eq!(files, [&[foreign][..], &expected].concat(), "all others are still registered");
    for name in ["a-2", "a-4", "b-1", "b-2"] {
        let disks = std::fs::read_dir(nodes.join(name).join("Snapshots")).expect("reads").count();
        assert_eq!(disks, 1, "{name} has its disk");
    }
    assert_eq!(digest(&image.path), before);

    soap.logoff().await.expect("logs off");
    service.close().await;
    for name in ["a-2", "a-4", "b-1", "b-2"] {
        manager.destroy(name).await.expect("destroyed");
    }
    manager.remove_model(&image, vmfest::ImageFile::Keep).await.expect("removed");
    manager.close().await.expect("logs off");
    drop(private);
    stage.end(&[]).await;
}
