//! Creating instances: nothing is overwritten, nothing is left of what fails.

use std::time::Duration;

use vmfest::models::{
    BootMountPoint, Bus, Device, DeviceType, HardwareModel, ImageModel, StorageController,
};
use vmfest::{Error, Location, Manager, Server};

use crate::support::{Stage, tiny};

/// Hazard 2: a name is never overwritten.
#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_never_overwritten() {
    let stage = Stage::new("names").await;
    let image = stage.image("model.vdi").await;
    let first = stage.instance("1", &image).await;
    let before = stage.contents().await;
    let error = stage.manager.instance(first.name(), &image, &tiny()).await.expect_err("taken");
    assert!(matches!(error, Error::NameTaken { .. }), "{error}");
    assert_eq!(stage.contents().await, before);

    // Ten at once: one wins.
    let name = stage.name("2");
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..10 {
        let (manager, name, image) = (stage.manager.clone(), name.clone(), image.clone());
        tasks.spawn(async move { manager.instance(&name, &image, &tiny()).await.is_ok() });
    }
    let won = tasks.join_all().await.into_iter().filter(|won| *won).count();
    assert_eq!(won, 1);

    // A folder that somebody left there.
    let folder = stage.manager.location().node_path.join(stage.name("3"));
    std::fs::create_dir(&folder).expect("made");
    std::fs::write(folder.join("precious"), "x").expect("written");
    let error = stage.manager.instance(&stage.name("3"), &image, &tiny()).await.expect_err("there");
    assert!(matches!(error, Error::FolderExists { .. }), "{error}");
    assert!(folder.join("precious").exists());
    stage.manager.destroy(&stage.name("3")).await.expect("there is no such VM");
    assert!(folder.join("precious").exists());
    std::fs::remove_dir_all(folder).expect("removed");
    stage.end(&[&image]).await;
}

/// Hazard 5: a failed creation leaves nothing behind.
#[tokio::test(flavor = "multi_thread")]
async fn a_failed_creation_leaves_nothing() {
    let stage = Stage::new("failures").await;
    let image = stage.image("model.vdi").await;
    stage.instance("0", &image).await.destroy().await.expect("destroyed");
    let (before, files) = (stage.contents().await, stage.files());

    let missing_dvd = with_devices(vec![None, Some(dvd("/nowhere/x.iso"))]);
    let missing_disk = with_devices(vec![
        None,
        Some(new_disk(None)),
        Some(new_disk(Some("/proc/no-such-folder/x.vdi"))),
    ]);
    let second = with_devices(vec![None, Some(new_disk(None)), Some(dvd("/nowhere/x.iso"))]);
    let no_such_os = ImageModel::new(&image.path, "NoSuchSystem");
    let absent = ImageModel::new(stage.folder.join("absent.vdi"), "Debian_64");
    let no_disk = stage.folder.join("text.vdi");
    std::fs::write(&no_disk, "not a disk").expect("written");
    let no_disk = ImageModel::new(no_disk, "Debian_64");
    let plain = tiny();
    let zero = HardwareModel { memory_size: Some(0), ..HardwareModel::default() };
    for (what, image, hardware) in [
        ("a DVD that is not there", &image, &missing_dvd),
        ("a disk that cannot be made", &image, &missing_disk),
        ("a DVD after a made disk", &image, &second),
        ("an unknown system", &no_such_os, &plain),
        ("an image that is not there", &absent, &plain),
        ("an image that is none", &no_disk, &plain),
        ("no memory", &image, &zero),
    ] {
        let result = stage.manager.instance(&stage.name("1"), image, hardware).await;
        println!("{what}: {}", result.expect_err(what));
        assert_eq!(stage.contents().await, before, "{what}");
        assert_eq!(stage.files(), files, "{what}");
        assert_eq!(stage.claimed_ports(), 0, "{what}");
    }
    stage.end(&[&image]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_abandoned_creation_leaves_nothing() {
    let stage = Stage::new("abandoned").await;
    let image = stage.image("model.vdi").await;
    stage.instance("0", &image).await.destroy().await.expect("destroyed");
    let before = stage.contents().await;
    let other = stage.another_manager().await;
    for milliseconds in [0, 2, 5, 10, 20, 40] {
        let name = stage.name(&milliseconds.to_string());
        let hardware = tiny();
        let creation = other.instance(&name, &image, &hardware);
        let limit = Duration::from_millis(milliseconds);
        if tokio::time::timeout(limit, creation).await.is_ok() {
            stage.manager.destroy(&name).await.expect("destroyed");
        }
    }
    // It waits until all of them are undone.
    other.close().await.expect("logs off");
    assert_eq!(stage.contents().await, before);
    stage.end(&[&image]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_waits_until_an_abandoned_creation_is_undone() {
    let stage = Stage::new("closing").await;
    let image = stage.image("model.vdi").await;
    stage.instance("0", &image).await.destroy().await.expect("destroyed");
    let before = stage.contents().await;
    for milliseconds in [1, 5, 15, 30] {
        let manager = stage.another_manager().await;
        let name = stage.name(&milliseconds.to_string());
        let hardware = tiny();
        let creation = manager.instance(&name, &image, &hardware);
        let limit = Duration::from_millis(milliseconds);
        let is_made = tokio::time::timeout(limit, creation).await.is_ok();
        manager.close().await.expect("logs off");
        if is_made {
            stage.manager.destroy(&name).await.expect("destroyed");
        }
        assert_eq!(stage.contents().await, before, "after {milliseconds} ms");
        assert!(stage.files().is_empty());
    }
    stage.end(&[&image]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connecting_to_what_is_not_there() {
    let lab = xtask::lab::State::load().expect("the lab is up");
    let vbox = lab.vbox().expect("with VirtualBox");
    let connect = |url: String| async move {
        let location = Location::new("/nowhere/models", "/nowhere/nodes");
        let error = Manager::connect(&Server::new(url), location).await.expect_err("refused");
        error.to_string()
    };
    let text = connect("http://127.0.0.1:9".to_owned()).await;
    assert!(text.contains("http://127.0.0.1:9") && text.contains("start"), "{text}");
    let text = connect(vbox.auth_url.clone()).await;
    assert!(text.contains("websrvauthlibrary"), "{text}");
}

fn with_devices(devices: Vec<Option<Device>>) -> HardwareModel {
    HardwareModel {
        storage: Some(vec![StorageController {
            devices,
            ..StorageController::new("SATA", Bus::Sata)
        }]),
        boot_mount_point: Some(BootMountPoint { controller: "SATA".to_owned(), position: 0 }),
        ..tiny()
    }
}

fn dvd(path: &str) -> Device {
    Device::new(DeviceType::Dvd, Some(path.into()))
}

fn new_disk(path: Option<&str>) -> Device {
    Device { location: path.map(Into::into), ..Device::new_disk(8) }
}
