//! How instances use an image: sharing it, forgetting at each start, or with a copy of their own.

use std::path::PathBuf;

use vbox_soap::api::{AccessMode, DeviceType, IMedium, MediumType};
use vmfest::Error;
use vmfest::models::{AttachMode, ImageModel};

use crate::support::{Stage, digest, text, tiny};

async fn open(stage: &Stage, image: &ImageModel) -> IMedium {
    let (kind, mode) = (DeviceType::HardDisk, AccessMode::ReadWrite);
    stage.vb().open_medium(&text(&image.path), kind, mode, false).await.expect("opens")
}

async fn boot_disk(stage: &Stage, instance: &vmfest::Instance) -> IMedium {
    let machine = stage.vb().find_machine(instance.id()).await.expect("known");
    let attachments = machine.get_medium_attachments().await.expect("asks");
    let mut disks = attachments.into_iter().filter(|a| a.r#type == DeviceType::HardDisk);
    disks.next().and_then(|disk| disk.medium).expect("a disk")
}

#[tokio::test(flavor = "multi_thread")]
async fn each_mode_is_what_it_says() {
    let stage = Stage::new("modes").await;
    let mut image = stage.image("model.vdi").await;
    let before = digest(&image.path);
    for (mode, kind) in [
        (AttachMode::MultiAttach, MediumType::MultiAttach),
        (AttachMode::Immutable, MediumType::Immutable),
        (AttachMode::Clone, MediumType::MultiAttach),
        (AttachMode::Immutable, MediumType::Immutable),
    ] {
        println!("{}", mode.as_str());
        image.attach = Some(mode);
        let first = stage.instance("1", &image).await;
        let second = stage.instance("2", &image).await;
        assert_eq!(open(&stage, &image).await.get_type().await.expect("a type"), kind);
        let mut files = Vec::new();
        for instance in [&first, &second] {
            let disk = boot_disk(&stage, instance).await;
            assert_eq!(disk.get_type().await.expect("a type"), MediumType::Normal);
            let file = PathBuf::from(disk.get_location().await.expect("a place"));
            assert!(file.starts_with(instance.folder()), "{}", file.display());
            let is_copy = disk.get_parent().await.expect("asks").is_none();
            assert_eq!(is_copy, mode == AttachMode::Clone);
            if !is_copy {
                let resets = disk.get_auto_reset().await.expect("asks");
                assert_eq!(resets, mode == AttachMode::Immutable, "at each start");
            }
            files.push(file);
        }
        assert_ne!(files[0], files[1]);

        first.start().await.expect("starts");
        first.destroy().await.expect("destroyed");
        assert!(!files[0].exists() && files[1].exists(), "each only has its own");
        second.destroy().await.expect("destroyed");
        assert!(!files[1].exists());
        assert_eq!(digest(&image.path), before, "{}", mode.as_str());
    }
    stage.end(&[&image]).await;
}

/// The mode of an image changes only when nothing uses it the other way.
#[tokio::test(flavor = "multi_thread")]
async fn a_mode_does_not_change_under_an_instance() {
    let stage = Stage::new("mode-change").await;
    let mut image = stage.image("model.vdi").await;
    let before = digest(&image.path);
    let instance = stage.instance("1", &image).await;
    image.attach = Some(AttachMode::Immutable);
    let error = stage.manager.instance(&stage.name("2"), &image, &tiny()).await.expect_err("used");
    assert!(matches!(error, Error::ModelNotShareable { .. }), "{error}");
    assert!(error.to_string().contains("destroy them first"), "{error}");
    assert_eq!(
        open(&stage, &image).await.get_type().await.expect("a type"),
        MediumType::MultiAttach
    );
    instance.start().await.expect("it is as good as before");
    instance.destroy().await.expect("destroyed");
    stage.instance("2", &image).await.destroy().await.expect("destroyed");
    assert_eq!(open(&stage, &image).await.get_type().await.expect("a type"), MediumType::Immutable);
    assert_eq!(digest(&image.path), before);
    stage.end(&[&image]).await;
}

/// A copy that cannot be finished is not left over.
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_goes_with_a_failed_creation() {
    let stage = Stage::new("copy-fails").await;
    let mut image = stage.image("model.vdi").await;
    image.attach = Some(AttachMode::Clone);
    stage.instance("0", &image).await.destroy().await.expect("destroyed");
    let before = stage.contents().await;
    let text = r#"{:storage [{:name "SATA" :bus :sata :devices [nil {:device-type :dvd :location "/nowhere.iso"}]}]
                   :boot-mount-point ["SATA" 0]}"#;
    let mut hardware: vmfest::models::HardwareModel = vmfest::edn::from_str(text).expect("a model");
    hardware.memory_size = Some(16);
    let failed = stage.manager.instance(&stage.name("1"), &image, &hardware).await;
    println!("{}", failed.expect_err("no such DVD"));
    assert_eq!(stage.contents().await, before);
    assert!(stage.files().is_empty(), "{:?}", stage.files());
    stage.end(&[&image]).await;
}
