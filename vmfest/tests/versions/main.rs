//! What is sent to a VirtualBox of each version: every request exists in that version's API, with exactly these
//! parameters in this order, values of the right types, and objects that have the operation.

// In a test, a failed expectation is what a panic is for; helpers count as library code to clippy.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod api;
mod networks;
mod peer;
mod world;

use std::path::PathBuf;
use std::time::Duration;

use api::Api;
use peer::Peer;
use vmfest::models::{AttachMode, HardwareModel, ImageModel};
use vmfest::{CloneKind, Error, ImageFile, Key, Location, Manager, Server, State};

/// A folder with an image in it, and a manager of a server of some version.
struct Stage {
    peer: Peer,
    manager: Manager,
    image: ImageModel,
    folder: tempfile::TempDir,
}

impl Stage {
    async fn new(version: &str) -> Self {
        let peer = Peer::start(version);
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("model.vdi"), "a disk").expect("written");
        let location = Location::new(at("models"), at("nodes"));
        let manager = Manager::connect(&Server::new(&peer.url), location).await;
        let manager = manager.expect("connects");
        let image = ImageModel::new(at("model.vdi"), "Debian_64");
        Self { peer, manager, image, folder }
    }

    /// Removes the image and looks whether anything was asked in vain.
    async fn end(self, version: &str) {
        self.manager.remove_model(&self.image, ImageFile::Keep).await.expect("removed");
        self.manager.close().await.expect("logs off");
        assert_eq!(self.peer.mistakes(), Vec::<String>::new(), "{version}");
        assert!(self.peer.world().machines.iter().all(|machine| !machine.registered), "{version}");
        let nodes: Vec<PathBuf> = std::fs::read_dir(self.folder.path().join("nodes"))
            .into_iter()
            .flatten()
            .map(|entry| entry.expect("an entry").path())
            .filter(|path| !path.file_name().is_some_and(|n| n.to_string_lossy().starts_with('.')))
            .collect();
        assert_eq!(nodes, Vec::<PathBuf>::new(), "{version}");
    }
}

fn hardware(text: &str) -> HardwareModel {
    vmfest::edn::from_str(text).expect("a model")
}

/// Keys whose calls changed between versions, or exist in all of them.
const HARDWARE: &str = r#"{:memory-size 256 :cpu-count 2 :vram-size 20 :monitor-count 2
    :rtc-use-utc? true :hpet-enabled? true :acpi-enabled? true :io-apic-enabled? true
    :firmware-type :bios :description "what for" :boot-order [[1 :hard-disk] [2 :dvd]]
    :clipboard-mode :host-to-guest :pointing-hid-type :usb-tablet :keyboard-hid-type :usb-keyboard
    :shared-folders [["src" "/tmp" true true]]
    :storage [{:name "IDE" :bus :ide :type :piix4 :devices [nil {:device-type :dvd}]}]
    :boot-mount-point ["IDE" 0]
    :nat-rules [{:name "web" :host-port 32180 :guest-port 80}]}"#;

#[tokio::test(flavor = "multi_thread")]
async fn the_life_of_an_instance() {
    for version in Api::versions() {
        let stage = Stage::new(&version).await;
        let hardware = hardware(HARDWARE);
        let instance = stage.manager.instance("web-1", &stage.image, &hardware).await;
        let instance = instance.unwrap_or_else(|error| panic!("{version}: {error}"));
        let listed = stage.manager.instances().await.expect("lists");
        assert_eq!(listed.len(), 1, "{version}");
        assert!(instance.ssh_address().await.is_ok(), "{version}");
        instance.set_extra_data("mine/key", "value").await.expect("kept");
        assert_eq!(instance.extra_data("mine/key").await.expect("read").as_deref(), Some("value"));
        instance.start().await.unwrap_or_else(|error| panic!("{version}: {error}"));
        assert_eq!(instance.state().await.expect("a state"), State::Running, "{version}");
        instance.stop().await.unwrap_or_else(|error| panic!("{version}: {error}"));
        assert!(instance.wait_until_off(Duration::from_secs(5)).await.expect("asked"), "{version}");
        instance.start().await.unwrap_or_else(|error| panic!("{version}: {error}"));
        instance.destroy().await.unwrap_or_else(|error| panic!("{version}: {error}"));
        stage.end(&version).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn snapshots_states_and_clones() {
    for version in Api::versions() {
        let stage = Stage::new(&version).await;
        operate(&stage).await.unwrap_or_else(|error| panic!("{version}: {error}"));
        stage.end(&version).await;
    }
}

async fn operate(stage: &Stage) -> Result<(), vmfest::Error> {
    let instance = stage.manager.instance("web-1", &stage.image, &hardware("{}")).await?;
    instance.take_snapshot("first", "what for").await?;
    instance.start().await?;
    instance.take_snapshot("second", "").await?;
    let names: Vec<_> = instance.snapshots().await?.into_iter().map(|s| s.name).collect();
    assert_eq!(names, ["first", "second"]);
    instance.pause().await?;
    instance.resume().await?;
    instance.screenshot().await?;
    instance.save_state().await?;
    instance.screenshot().await?;
    instance.discard_saved_state().await?;
    instance.restore_snapshot("first").await?;
    instance.delete_snapshot("second").await?;
    instance.set_guest_property("/mine", "value").await?;
    instance.set_guest_property("/mine", "").await?;
    instance.guest_properties("").await?;
    let other = hardware(r#"{:memory-size 128 :shared-folders [["src" "/tmp"]]}"#);
    instance.reconfigure(&other).await?;
    for kind in [CloneKind::Full, CloneKind::Linked] {
        instance.clone_as("web-2", kind).await?.destroy().await?;
    }
    instance.destroy().await
}

/// The ways of an image into a VM, disks of its own, other names, and the keyboard.
#[tokio::test(flavor = "multi_thread")]
async fn disks_names_and_keys() {
    for version in Api::versions() {
        let mut stage = Stage::new(&version).await;
        for mode in [AttachMode::MultiAttach, AttachMode::Immutable, AttachMode::Clone] {
            stage.image.attach = Some(mode);
            let hardware = hardware(
                r#"{:storage [{:name "S" :bus :sata :devices
                                [nil {:device-type :hard-disk :create? true :size 8}]}]
                    :boot-mount-point ["S" 0]}"#,
            );
            let made = stage.manager.instance("web-1", &stage.image, &hardware).await;
            let instance = made.unwrap_or_else(|error| panic!("{version} {mode:?}: {error}"));
            instance.destroy().await.unwrap_or_else(|error| panic!("{version} {mode:?}: {error}"));
            stage.manager.remove_model(&stage.image, ImageFile::Keep).await.expect("removed");
        }
        stage.image.attach = None;
        type_and_rename(&stage, &version).await.unwrap_or_else(|e| panic!("{version}: {e}"));
        stage.end(&version).await;
    }
}

async fn type_and_rename(stage: &Stage, version: &str) -> Result<(), vmfest::Error> {
    let instance = stage.manager.instance("web-1", &stage.image, &hardware("{}")).await?;
    instance.interfaces().await?;
    instance.start().await?;
    instance.send_keyboard(&[Key::F12.into(), "root\n".into()]).await?;
    instance.reset().await?;
    instance.reboot(Duration::from_secs(5)).await?;
    instance.power_down().await?;
    match instance.rename("web-2").await {
        Ok(renamed) => renamed.destroy().await,
        Err(Error::TooOld { .. }) if version < "6.0" => instance.destroy().await,
        Err(error) => Err(error),
    }
}

/// What a version does not have is told before anything is created.
#[tokio::test(flavor = "multi_thread")]
async fn buses_that_came_later() {
    for version in Api::versions() {
        let stage = Stage::new(&version).await;
        for (bus, since) in [("usb", "5.0"), ("pcie", "5.1"), ("virtio-scsi", "6.1")] {
            let text = format!(
                r#"{{:storage [{{:name "S" :bus :sata}} {{:name "B" :bus :{bus}}}]
                     :boot-mount-point ["S" 0]}}"#
            );
            let checked = stage.manager.check(&stage.image, &hardware(&text)).await;
            if version.as_str() >= since {
                checked.unwrap_or_else(|error| panic!("{version} {bus}: {error}"));
            } else {
                let error = checked.expect_err("too old").to_string();
                let expected = format!("{bus} does not exist in this VirtualBox");
                assert!(error.contains(&expected), "{version}: {error}");
            }
        }
        stage.end(&version).await;
    }
}

/// A logon of an old version can lock one machine at a time; many at once wait for each other.
#[tokio::test(flavor = "multi_thread")]
async fn many_at_once() {
    for version in Api::versions() {
        let stage = Stage::new(&version).await;
        let mut creations = tokio::task::JoinSet::new();
        for number in 0..6 {
            let (manager, image) = (stage.manager.clone(), stage.image.clone());
            creations.spawn(async move {
                let name = format!("web-{number}");
                let instance = manager.instance(&name, &image, &hardware("{}")).await?;
                instance.start().await?;
                instance.destroy().await
            });
        }
        for created in creations.join_all().await {
            created.unwrap_or_else(|error| panic!("{version}: {error}"));
        }
        let most = stage.peer.world().most_locks;
        assert!(most == 1 || !version.starts_with('4'), "{version}: {most} locks at once");
        assert_eq!(stage.peer.count("IVirtualBox_registerMachine"), 7, "one holder, six instances");
        stage.end(&version).await;
    }
}
