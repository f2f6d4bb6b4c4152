//! The host's networks: what this machine cannot have, for want of a kernel module.

use vmfest::Error;

use crate::api::Api;
use crate::world::Interface;
use crate::{Stage, hardware};

fn interface(name: &str, kind: &'static str, address: &str) -> Interface {
    Interface { name: name.to_owned(), kind, address: address.to_owned() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_only_network_is_made_once_and_complete() {
    for version in Api::versions() {
        let stage = Stage::new(&version).await;
        // Two networks that VirtualBox would allow are in use.
        stage.peer.world().interfaces = vec![
            interface("eth0", "Bridged", "192.168.56.9"),
            interface("eth1", "Bridged", "192.168.57.9"),
        ];
        let local = hardware(r#"{:network-type :local :local-interface "vboxnet2"}"#);
        for name in ["web-1", "web-2"] {
            let made = stage.manager.instance(name, &stage.image, &local).await;
            made.unwrap_or_else(|error| panic!("{version}: {error}"));
        }
        {
            let world = stage.peer.world();
            let made: Vec<_> = world.interfaces.iter().filter(|i| i.kind == "HostOnly").collect();
            assert_eq!(made.len(), 1, "{version}: what was in the way is removed again");
            assert_eq!((&*made[0].name, &*made[0].address), ("vboxnet2", "192.168.58.1"));
            let range = world.dhcp.get("HostInterfaceNetworking-vboxnet2").cloned();
            assert_eq!(range.as_deref(), Some("192.168.58.101-192.168.58.254"), "{version}");
        }
        assert_eq!(stage.peer.count("IHost_createHostOnlyNetworkInterface"), 3, "{version}");
        assert_eq!(stage.peer.count("IVirtualBox_createDHCPServer"), 1, "{version}");
        assert_eq!(stage.peer.count("INetworkAdapter_setHostOnlyInterface"), 2, "{version}");
        for name in ["web-1", "web-2"] {
            stage.manager.destroy(name).await.expect("destroyed");
        }
        stage.end(&version).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_without_the_driver_is_told_what_is_missing() {
    let stage = Stage::new("7.2").await;
    stage.peer.world().driver_is_missing = true;
    let local = hardware("{:network-type :local}");
    let error = stage.manager.instance("web-1", &stage.image, &local).await.expect_err("fails");
    assert!(matches!(error, Error::Network { .. }), "{error}");
    let text = error.to_string();
    for part in ["web-1", "vboxnet0", "vboxnetadp", "vboxconfig", "nat"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    stage.end("7.2").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn adapters_one_by_one_up_to_what_the_chipset_has() {
    for version in Api::versions() {
        let stage = Stage::new(&version).await;
        let adapters = |count: usize| {
            let nat = "{:attachment-type :nat} ".repeat(count);
            hardware(&format!("{{:network [{nat}]}}"))
        };
        let made = stage.manager.instance("web-1", &stage.image, &adapters(9)).await;
        made.unwrap_or_else(|error| panic!("{version}: {error}"));
        let chipset = ["IMachine", "IPlatform"].map(|of| format!("{of}_setChipsetType"));
        let set: usize = chipset.iter().map(|operation| stage.peer.count(operation)).sum();
        assert_eq!(set, 1, "{version}: more than eight need the larger chipset");
        assert_eq!(stage.peer.count("INetworkAdapter_setAttachmentType"), 9, "{version}");
        stage.manager.destroy("web-1").await.expect("destroyed");
        let many = stage.manager.instance("web-2", &stage.image, &adapters(37)).await;
        let error = many.expect_err("too many").to_string();
        assert!(error.contains("37") && error.contains("36"), "{version}: {error}");
        stage.end(&version).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bridges() {
    for version in Api::versions() {
        let stage = Stage::new(&version).await;
        stage.peer.world().interfaces = vec![
            interface("idle0", "Bridged", "0.0.0.0"),
            interface("peer0: Fast Ethernet", "Bridged", "10.99.0.1"),
        ];
        for (name, text) in [
            ("web-1", "{:network-type :bridged}"),
            ("web-2", r#"{:network-type :bridged :bridged-interface "peer0"}"#),
        ] {
            let made = stage.manager.instance(name, &stage.image, &hardware(text)).await;
            made.unwrap_or_else(|error| panic!("{version}: {error}"));
            let bridged = stage.peer.world().bridged.pop();
            assert_eq!(bridged.as_deref(), Some("peer0: Fast Ethernet"), "{version} {name}");
            stage.manager.destroy(name).await.expect("destroyed");
        }
        let other = hardware(r#"{:network-type :bridged :bridged-interface "wlan7"}"#);
        let error = stage.manager.instance("web-3", &stage.image, &other).await.expect_err("fails");
        let text = error.to_string();
        assert!(text.contains("wlan7") && text.contains("peer0"), "{text}");
        stage.end(&version).await;
    }
}
