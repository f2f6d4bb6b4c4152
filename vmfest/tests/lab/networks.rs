//! Networks that need VirtualBox's kernel modules, which the lab does not have: what is missing is told.

use vmfest::Error;
use vmfest::models::HardwareModel;

use crate::support::Stage;

fn hardware(text: &str) -> HardwareModel {
    vmfest::edn::from_str(text).expect("a model")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_only_network_that_cannot_be_made() {
    let stage = Stage::new("host-only").await;
    let image = stage.image("model.vdi").await;
    stage.instance("0", &image).await.destroy().await.expect("destroyed");
    let before = stage.contents().await;
    let local = hardware("{:memory-size 16 :network-type :local}");
    let error = stage.manager.instance(&stage.name("1"), &image, &local).await.expect_err("fails");
    assert!(matches!(error, Error::Network { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("vboxnet0") && text.contains("modprobe vboxnetadp"), "{text}");
    assert_eq!(stage.contents().await, before);
    assert!(stage.files().is_empty());
    stage.end(&[&image]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_default_bridge_is_the_hosts_own_interface() {
    let routes = std::fs::read_to_string("/proc/net/route").expect("a table");
    let default = routes.lines().find(|line| line.split_whitespace().nth(1) == Some("00000000"));
    let interface = default.and_then(|line| line.split_whitespace().next()).expect("a route");
    let stage = Stage::new("bridge").await;
    let image = stage.image("model.vdi").await;
    let bridged = hardware("{:memory-size 16 :network-type :bridged}");
    let name = stage.name("1");
    stage.manager.instance(&name, &image, &bridged).await.expect("created");
    let shown = stage.vbox().vboxmanage(&["showvminfo", &name, "--machinereadable"]);
    let line = format!("bridgeadapter1=\"{interface}\"");
    let shown = shown.expect("shown");
    assert!(shown.lines().any(|shown| shown == line), "{line} in\n{shown}");
    stage.end(&[&image]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_says_what_its_network_needs() {
    let stage = Stage::new("modules").await;
    let image = stage.image("model.vdi").await;
    for (number, (adapter, part)) in [
        (":attachment-type :internal :internal-network \"inner\"", "modprobe"),
        (":attachment-type :bridged :host-interface \"no-such0\"", "no-such0"),
        (":attachment-type :host-only :host-only-interface \"vboxnet0\"", "vboxnet0"),
    ]
    .into_iter()
    .enumerate()
    {
        let model = hardware(&format!("{{:memory-size 16 :network [{{{adapter}}}]}}"));
        let name = stage.name(&number.to_string());
        // The settings are used as they are given; what cannot be had shows at the start.
        let instance = stage.manager.instance(&name, &image, &model).await.expect("created");
        let error = instance.start().await.expect_err(adapter);
        assert!(matches!(error, Error::Network { .. }), "{adapter}: {error:?}");
        assert!(error.to_string().contains(part), "{adapter}: {error}");
        instance.destroy().await.expect("destroyed");
    }
    stage.end(&[&image]).await;
}
