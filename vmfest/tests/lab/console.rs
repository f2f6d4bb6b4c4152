//! Keyboard, screen and console of a guest. The guest is no more than a boot sector: it prints on
//! its console what is typed on its keyboard.

use std::time::Duration;

use vmfest::models::ImageModel;
use vmfest::{ConsoleLines, Error, Key, NoSuchKey, Typed};

use crate::support::{Stage, text};

/// What `typewriter.s` becomes.
const TYPEWRITER: [u8; 103] = [
    0xbe, 0x60, 0x7c, 0xac, 0x84, 0xc0, 0x74, 0x05, 0xe8, 0x3e, 0x00, 0xeb, 0xf6, 0xb4, 0x10, 0xcd,
    0x16, 0x84, 0xc0, 0x74, 0x0f, 0x3c, 0xe0, 0x74, 0x0b, 0x3c, 0x0d, 0x75, 0x02, 0xb0, 0x0a, 0xe8,
    0x27, 0x00, 0xeb, 0xe9, 0x88, 0xe3, 0xb0, 0x3c, 0xe8, 0x1e, 0x00, 0x88, 0xd8, 0xc0, 0xe8, 0x04,
    0xe8, 0x0e, 0x00, 0x88, 0xd8, 0x24, 0x0f, 0xe8, 0x07, 0x00, 0xb0, 0x3e, 0xe8, 0x0a, 0x00, 0xeb,
    0xcc, 0x04, 0x30, 0x3c, 0x39, 0x76, 0x02, 0x04, 0x27, 0x88, 0xc1, 0xb4, 0x0e, 0x30, 0xff, 0xcd,
    0x10, 0xba, 0xfd, 0x03, 0xec, 0xa8, 0x20, 0x74, 0xfb, 0xba, 0xf8, 0x03, 0x88, 0xc8, 0xee, 0xc3,
    0x72, 0x65, 0x61, 0x64, 0x79, 0x0a, 0x00,
];

/// A boot sector ends so.
const SIGNATURE: [u8; 2] = [0x55, 0xaa];

impl Stage {
    /// A disk with the typewriter on it.
    async fn typewriter(&self) -> ImageModel {
        let mut disk = vec![0; 1024 * 1024];
        disk[..TYPEWRITER.len()].copy_from_slice(&TYPEWRITER);
        disk[510..512].copy_from_slice(&SIGNATURE);
        let raw = self.folder.join("typewriter.raw");
        std::fs::write(&raw, disk).expect("written");
        let path = self.folder.join("typewriter.vdi");
        self.vbox().vboxmanage(&["convertfromraw", &text(&raw), &text(&path)]).expect("converted");
        std::fs::remove_file(raw).expect("removed");
        ImageModel::new(path, "Other")
    }
}

async fn line(lines: &mut ConsoleLines) -> Option<String> {
    let next = tokio::time::timeout(Duration::from_secs(60), lines.next());
    next.await.expect("in time").expect("can be read")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_typed_arrives_in_the_guest() {
    let stage = Stage::new("typing").await;
    let image = stage.typewriter().await;
    let instance = stage.instance("1", &image).await;
    instance.start().await.expect("starts");
    let mut lines = instance.console_lines();
    assert_eq!(line(&mut lines).await.as_deref(), Some("ready"));
    let blank = instance.screenshot().await.expect("a picture");

    // Every character that a US keyboard has.
    let all: String = (' '..='~').collect();
    instance.send_keyboard(&[Typed::text(format!("{all}\n"))]).await.expect("typed");
    assert_eq!(line(&mut lines).await.as_deref(), Some(all.trim()));
    // Keys without a character come as the codes that the firmware gives them.
    let keys = [Key::F1, Key::F11, Key::F12, Key::Up, Key::PgDown, Key::Delete];
    let mut typed: Vec<Typed> = keys.map(Typed::from).into();
    typed.push(Typed::Pause(Duration::from_millis(50)));
    typed.push(Typed::Chord(vec![Key::LeftAlt, Key::F1]));
    typed.push(Typed::Chord(vec![Key::LeftShift, Key::Tab]));
    typed.push("é".into());
    let error = instance.send_keyboard(&typed).await.expect_err("not on a US keyboard");
    assert!(matches!(error, Error::NoSuchKey(NoSuchKey::Character('é'))), "{error}");
    typed.pop();
    typed.push(Key::Enter.into());
    instance.send_keyboard(&typed).await.expect("typed");
    assert_eq!(line(&mut lines).await.as_deref(), Some("<3b><85><86><48><51><53><68><0f>"));
    // No key is stuck: what follows a chord is plain.
    instance.send_keyboard(&["ok\n".into()]).await.expect("typed");
    assert_eq!(line(&mut lines).await.as_deref(), Some("ok"));
    assert_ne!(instance.screenshot().await.expect("a picture"), blank, "the screen shows it, too");

    // A second reader begins with the first line; both end with the VM.
    let mut again = instance.console_lines();
    assert_eq!(line(&mut again).await.as_deref(), Some("ready"));
    instance.send_keyboard(&["half".into()]).await.expect("typed");
    let error = instance.wait_for_ssh(Duration::from_secs(1)).await.expect_err("no sshd");
    let shown = error.to_string();
    assert!(shown.contains("\n    ok"), "the console's last lines are shown: {shown}");
    assert!(shown.contains("adapter 1 (NAT, MAC 080027"), "and the adapters: {shown}");
    assert!(shown.contains("the guest says nothing about it"), "{shown}");
    instance.power_down().await.expect("off");
    assert_eq!(line(&mut lines).await.as_deref(), Some("half"));
    assert_eq!(line(&mut lines).await, None);
    while line(&mut again).await.is_some() {}

    // The file begins anew with each start.
    instance.start().await.expect("starts");
    let mut lines = instance.console_lines();
    assert_eq!(line(&mut lines).await.as_deref(), Some("ready"));
    instance.destroy().await.expect("destroyed");
    stage.end(&[&image]).await;
}

/// Hazard 7. No guest here has the Guest Additions: what they would say is said for them, by way of
/// VirtualBox.
#[tokio::test(flavor = "multi_thread")]
async fn the_address_is_found_by_its_mac_address() {
    let stage = Stage::new("address").await;
    let image = stage.image("model.vdi").await;
    let network = r#"{:memory-size 16 :network [{:attachment-type :nat} {:attachment-type :internal :internal-network "n"}]}"#;
    let hardware: vmfest::models::HardwareModel = vmfest::edn::from_str(network).expect("a model");
    let instance = stage.manager.instance(&stage.name("1"), &image, &hardware).await;
    let instance = instance.expect("created");
    // Host-only adapters cannot run here, but the bookkeeping is VirtualBox's own.
    let session = stage.lock(&instance, vbox_soap::api::LockType::Write).await;
    let machine = session.get_machine().await.expect("asks").expect("a machine");
    let adapter = machine.get_network_adapter(1).await.expect("an adapter");
    adapter
        .set_attachment_type(vbox_soap::api::NetworkAttachmentType::HostOnly)
        .await
        .expect("set");
    machine.save_settings().await.expect("saved");
    session.unlock_machine().await.expect("unlocked");

    let found = instance.interfaces().await.expect("read");
    let kinds: Vec<_> = found.iter().map(|i| (i.slot, i.attachment.as_str())).collect();
    assert_eq!(kinds, [(0, "NAT"), (1, "HostOnly")]);
    assert!(found.iter().all(|interface| interface.guest.is_none()));
    let error = instance.ssh_address().await.expect_err("nothing is known");
    assert!(matches!(error, Error::NoSshForward { .. }), "{error}");
    let error = instance.wait_for_address(Duration::from_secs(60)).await.expect_err("it is off");
    let shown = error.to_string();
    assert!(shown.contains("no address") && shown.contains("powered off"), "{shown}");

    // The guest counts its interfaces the other way round.
    let say = async |number: u32, mac: &str, ip: &str, status: &str| {
        for (key, value) in [("MAC", mac), ("V4/IP", ip), ("Status", status)] {
            let name = format!("/VirtualBox/GuestInfo/Net/{number}/{key}");
            instance.set_guest_property(&name, value).await.expect("said");
        }
    };
    say(1, &found[0].mac, "10.0.2.15", "Up").await;
    say(0, &found[1].mac, "192.168.56.101", "Down").await;
    assert_eq!(instance.address().await.expect("asks"), None, "its interface is down");
    let waiting = tokio::spawn({
        let instance = instance.clone();
        async move {
            while instance.address().await.expect("asks").is_none() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    });
    say(0, &found[1].mac, "192.168.56.101", "Up").await;
    waiting.await.expect("it is noticed");
    let address = instance.wait_for_address(Duration::from_secs(5)).await.expect("known");
    assert_eq!(address.to_string(), "192.168.56.101");
    let ssh = instance.ssh_address().await.expect("an address");
    assert_eq!(ssh.to_string(), "192.168.56.101:22");
    stage.end(&[&image]).await;
}
