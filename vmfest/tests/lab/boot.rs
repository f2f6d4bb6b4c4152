//! A guest that really boots.

use std::io::Read;
use std::net::TcpStream;
use std::time::Duration;

use vmfest::models::{HardwareModel, ImageModel};
use vmfest::{Error, State};

use crate::support::{Stage, digest};

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_boots_and_is_known_by_its_key() {
    let stage = Stage::new("boot").await;
    let guest = stage.lab.guest().expect("a guest disk").clone();
    let disk = stage.folder.join("guest.vdi");
    std::fs::copy(&guest.disk, &disk).expect("copied");
    let before = digest(&disk);
    let image = ImageModel::new(&disk, "Debian_64");
    let hardware = HardwareModel { memory_size: Some(256), ..HardwareModel::default() };
    let instance =
        stage.manager.instance(&stage.name("1"), &image, &hardware).await.expect("created");
    instance.start().await.expect("starts");

    let error = instance.wait_for_ssh(Duration::from_secs(1)).await.expect_err("too early");
    assert!(matches!(error, Error::GuestSilent(_)), "{error}");
    let ready = instance.wait_for_ssh(Duration::from_secs(240)).await.expect("comes up");
    assert_eq!(ready.address, instance.ssh_address().await.expect("an address"));
    assert_eq!(ready.host_keys.len(), 1);
    assert_eq!(ready.host_keys[0].algorithm(), "ssh-ed25519");
    assert_eq!(instance.known_host_keys().await.expect("kept"), ready.host_keys);
    let mut greeting = [0; 8];
    TcpStream::connect(ready.address)
        .and_then(|mut stream| stream.read_exact(&mut greeting))
        .expect("greets");
    assert_eq!(&greeting, b"SSH-2.0-");

    let mut lines = instance.console_lines();
    loop {
        let line = lines.next().await.expect("can be read").expect("the guest still runs");
        if line.starts_with("node-init: sshd up") {
            break;
        }
    }

    let obeyed = instance.shut_down(Duration::from_secs(60)).await.expect("off");
    assert!(obeyed, "the guest shuts down when its power button is pressed");
    // The console ends with the VM.
    while lines.next().await.expect("can be read").is_some() {}
    assert_eq!(instance.state().await.expect("a state"), State::PoweredOff);
    instance.destroy().await.expect("destroyed");
    assert_eq!(digest(&disk), before, "the image is as it was");
    stage.end(&[&image]).await;
}
