//! Controllers, devices and disks of models arrive in VirtualBox.

use std::path::Path;

use vbox_soap::api;
use vmfest::Error;
use vmfest::models::ImageModel;

use crate::support::{Stage, digest, text, tiny};

#[tokio::test(flavor = "multi_thread")]
async fn controllers_and_devices() {
    let stage = Stage::new("storage").await;
    let image = stage.image("model.vdi").await;
    let shared = stage.image("shared.vdi").await;
    let own_data = stage.image("data.vdi").await;
    let before = (digest(&image.path), digest(&shared.path));
    let iso = stage.folder.join("empty.iso");
    std::fs::write(&iso, vec![0; 64 * 2048]).expect("written");
    let floppy = stage.folder.join("floppy.img");
    std::fs::write(&floppy, vec![0; 1_474_560]).expect("written");
    let hardware = format!(
        r#"{{:memory-size 16
            :storage [{{:name "IDE" :bus :ide :type :piix4
                        :devices [nil {{:device-type :dvd}} nil {{:device-type :dvd :location "{iso}"}}]}}
                      {{:name "SATA" :bus :sata :type :intel-ahci :bootable true
                        :devices [nil
                                  {{:device-type :hard-disk :create? true :size 8}}
                                  {{:device-type :hard-disk :create? true :size 9 :format :vmdk
                                    :variants [:vmdk-split-2g]}}
                                  {{:device-type :hard-disk :create? true :size 10 :format :vhd
                                    :variants [:fixed]}}
                                  {{:device-type :hard-disk :location "{shared}"
                                    :attachment-type :multi-attach}}
                                  {{:device-type :hard-disk :location "{data}"
                                    :attachment-type :normal}}]}}
                      {{:name "SCSI" :bus :scsi :type :bus-logic}}
                      {{:name "SAS" :bus :sas :type :lsi-logic-sas :bootable false}}
                      {{:name "Floppy" :bus :floppy :type :i82087
                        :devices [{{:device-type :floppy}}
                                  {{:device-type :floppy :location "{floppy}"}}]}}
                      {{:name "USB" :bus :usb :devices [{{:device-type :dvd}}]}}
                      {{:name "NVMe" :bus :pcie :type :nvme}}
                      {{:name "VirtIO" :bus :virtio-scsi}}]
            :boot-mount-point ["IDE" 2]}}"#,
        iso = text(&iso),
        shared = text(&shared.path),
        data = text(&own_data.path),
        floppy = text(&floppy),
    );
    let machine = stage.make("1", &image, &hardware).await;
    let mut found = Vec::new();
    for attachment in machine.get_medium_attachments().await.expect("read") {
        let medium = match &attachment.medium {
            Some(medium) => {
                let base = medium.get_base().await.expect("read");
                let format = base.get_format().await.expect("read");
                let size = base.get_logical_size().await.expect("read") / crate::support::MIB;
                let file = base.get_location().await.expect("read");
                let own = medium.get_location().await.expect("read");
                let diff = if own == file { "" } else { " (differencing)" };
                let name = Path::new(&file).file_name().expect("a name").to_string_lossy();
                format!("{name} {format} {size}{diff}")
            }
            None => "empty".to_owned(),
        };
        let (controller, port, slot) = (&attachment.controller, attachment.port, attachment.device);
        found.push(format!("{controller} {port}-{slot} {medium}"));
    }
    found.sort();
    assert_eq!(
        found,
        [
            "Floppy 0-0 empty",
            "Floppy 0-1 floppy.img RAW 1",
            "IDE 0-1 empty",
            "IDE 1-0 model.vdi VDI 8 (differencing)",
            "IDE 1-1 empty.iso RAW 0",
            "SATA 1-0 disk-1.vdi VDI 8",
            "SATA 2-0 disk-2.vmdk VMDK 9",
            "SATA 3-0 disk-3.vhd VHD 10",
            "SATA 4-0 shared.vdi VDI 8 (differencing)",
            "SATA 5-0 data.vdi VDI 8",
            "USB 0-0 empty",
        ]
    );
    let mut kinds = Vec::new();
    for controller in machine.get_storage_controllers().await.expect("read") {
        let kind = controller.get_controller_type().await.expect("read");
        kinds.push((controller.get_name().await.expect("read"), kind.to_string()));
    }
    kinds.sort();
    let expected = [
        ("Floppy", "I82078"),
        ("IDE", "PIIX4"),
        ("NVMe", "NVMe"),
        ("SAS", "LsiLogicSas"),
        ("SATA", "IntelAhci"),
        ("SCSI", "BusLogic"),
        ("USB", "USB"),
        ("VirtIO", "VirtioSCSI"),
    ]
    .map(|(name, kind)| (name.to_owned(), kind.to_owned()));
    assert_eq!(kinds, expected);
    for (name, bootable) in [("SATA", true), ("SAS", false)] {
        let controller = machine.get_storage_controller_by_name(name).await.expect("there");
        assert_eq!(controller.get_bootable().await.expect("read"), bootable, "{name}");
    }
    // A fixed disk has its full size from the start.
    let fixed = stage.manager.location().node_path.join(stage.name("1")).join("disk-3.vhd");
    assert!(std::fs::metadata(&fixed).expect("there").len() >= 10 << 20);

    stage.manager.destroy(&stage.name("1")).await.expect("destroyed");
    assert!(own_data.path.is_file() && iso.is_file() && floppy.is_file(), "not the VM's own");
    assert_eq!((digest(&image.path), digest(&shared.path)), before);
    for (path, kind) in [
        (&own_data.path, api::DeviceType::HardDisk),
        (&iso, api::DeviceType::DVD),
        (&floppy, api::DeviceType::Floppy),
    ] {
        let mode = api::AccessMode::ReadOnly;
        let medium = stage.vb().open_medium(&text(path), kind, mode, false).await.expect("opens");
        medium.close().await.expect("closes");
    }
    stage.end(&[&image, &shared]).await;
}

/// An image may be given by the id that VirtualBox knows it by.
#[tokio::test(flavor = "multi_thread")]
async fn an_image_by_its_id() {
    let stage = Stage::new("image-id").await;
    let image = stage.image("model.vdi").await;
    stage.instance("1", &image).await;
    let medium = stage
        .vb()
        .open_medium(
            &text(&image.path),
            api::DeviceType::HardDisk,
            api::AccessMode::ReadOnly,
            false,
        )
        .await
        .expect("known");
    let id = medium.get_id().await.expect("read");
    let by_id = ImageModel::new(&id, "Debian_64");
    let second = stage.instance("2", &by_id).await;
    let machine = stage.vb().find_machine(second.id()).await.expect("known");
    let attachments = machine.get_medium_attachments().await.expect("read");
    let disk = attachments.first().and_then(|a| a.medium.clone()).expect("a disk");
    let base = disk.get_base().await.expect("read");
    assert_eq!(base.get_location().await.expect("read"), text(&image.path));
    let unknown = ImageModel::new("11111111-2222-4333-8444-555555555555", "Debian_64");
    let error = stage.manager.instance(&stage.name("3"), &unknown, &tiny()).await;
    let error = error.expect_err("unknown");
    assert!(matches!(error, Error::ModelFileMissing { .. }), "{error}");
    stage.end(&[&image]).await;
}
