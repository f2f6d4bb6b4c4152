//! Destroying works in every state, and again.

use std::path::PathBuf;
use std::time::Duration;

use vbox_soap::ManagedObject;
use vbox_soap::api::{AccessMode, CleanupMode, DeviceType, IMachine, LockType};
use vmfest::models::{ImageModel, SessionType};
use vmfest::{Error, Instance, State};

use crate::support::{Stage, digest, text, tiny};

/// What a machine can have been through when it is destroyed. Inaccessible ones are in `restart`.
const SITUATIONS: [&str; 15] = [
    "powered off",
    "running",
    "paused",
    "saved",
    "aborted",
    "half made",
    "half destroyed",
    "settings file gone",
    "disk gone",
    "locked by another session",
    "locked by a killed client",
    "base in normal mode",
    "base known to no machine",
    "twice at once",
    "destroyed by another client",
];

/// Hazards 1 and 3. The guest's disk is empty; the VM stays in its firmware, which is enough.
#[tokio::test(flavor = "multi_thread")]
async fn destroying_in_every_situation() {
    let stage = Stage::new("situations").await;
    let image = stage.image("model.vdi").await;
    let plain = stage.image("plain.vdi").await;
    let before = [digest(&image.path), digest(&plain.path)];
    for situation in SITUATIONS {
        let state = match situation {
            "running" => State::Running,
            "paused" => State::Paused,
            "saved" => State::Saved,
            "aborted" => State::Aborted,
            _ => State::PoweredOff,
        };
        let instance = stage.instance_in("1", &image, &state).await;
        get_into(&stage, &instance, situation, &plain).await;
        destroy(&stage, &instance, situation).await;
        let again = instance.destroy().await;
        again.unwrap_or_else(|e| panic!("{situation}: destroying what is gone is fine: {e}"));
        stage.manager.destroy(instance.name()).await.expect("by name, too");
        assert!(stage.manager.find(instance.name()).await.expect("looks").is_none());
        assert_eq!(stage.files(), Vec::<PathBuf>::new(), "{situation}");
        assert_eq!(stage.claimed_ports(), 0, "{situation}");
        let mut left = stage.contents().await;
        left.retain(|entry| !entry.contains("/.holders/") && !entry.ends_with("/model.vdi"));
        // What somebody has attached by hand, VirtualBox goes on knowing.
        left.retain(|entry| !entry.ends_with("/plain.vdi"));
        assert_eq!(left, Vec::<String>::new(), "{situation}");
        let now = [digest(&image.path), digest(&plain.path)];
        assert_eq!(now, before, "{situation}: the images are as they were");
    }
    stage.end(&[&image, &plain]).await;
}

async fn get_into(stage: &Stage, instance: &Instance, situation: &str, plain: &ImageModel) {
    let claim = stage.manager.location().node_path.join(".unfinished").join(instance.name());
    match situation {
        "half made" => {
            // The maker was killed before it could attach the disks.
            let session = stage.lock(instance, LockType::Write).await;
            let machine = session.get_machine().await.expect("asks").expect("a machine");
            detach_disk(&machine).await;
            machine.save_settings().await.expect("saved");
            session.unlock_machine().await.expect("unlocked");
            std::fs::write(claim, format!("{}\nfolder\n", instance.id())).expect("written");
            assert!(stage.manager.find(instance.name()).await.expect("looks").is_none());
        }
        "half destroyed" => {
            let machine = stage.vb().find_machine(instance.id()).await.expect("known");
            machine
                .unregister(CleanupMode::DetachAllReturnHardDisksOnly)
                .await
                .expect("unregistered");
            std::fs::write(claim, format!("{}\nfolder\n", instance.id())).expect("written");
        }
        "settings file gone" => {
            let file = instance.folder().join(format!("{}.vbox", instance.name()));
            std::fs::remove_file(file).expect("deleted");
        }
        "disk gone" => {
            for entry in std::fs::read_dir(instance.folder().join("Snapshots")).expect("reads") {
                std::fs::remove_file(entry.expect("an entry").path()).expect("deleted");
            }
        }
        "locked by a killed client" => {
            // Over a web service, nobody notices that a client is gone. What it noted is all that
            // is left of it.
            let url = vbox_soap::Client::new(&stage.vbox().url).expect("an address").url();
            let client = vbox_soap::Client::new(&url).expect("an address");
            let killed = client.logon("", "").await.expect("logs on");
            let machine = killed.virtual_box().find_machine(instance.id()).await.expect("known");
            let lock = killed.session_object().await.expect("a session");
            machine.lock_machine(&lock, LockType::Write).await.expect("locks");
            let root = killed.virtual_box().object().id();
            let note = format!("{url}\n{root}\nlock {}\n", lock.object().id());
            let notes = stage.manager.location().node_path.join(".clients");
            std::fs::write(notes.join("killed"), note).expect("written");
            // Neither is it logged off, nor is the lock given back.
            std::mem::forget((lock, machine, killed));
        }
        "base in normal mode" => {
            // As an older program, or a person, would attach an image.
            let session = stage.lock(instance, LockType::Write).await;
            let machine = session.get_machine().await.expect("asks").expect("a machine");
            let mode = AccessMode::ReadWrite;
            let path = text(&plain.path);
            let base = stage.vb().open_medium(&path, DeviceType::HardDisk, mode, false).await;
            let (controller, port, device) = detach_disk(&machine).await;
            let base = base.expect("opens");
            machine
                .attach_device(&controller, port, device, DeviceType::HardDisk, Some(&base))
                .await
                .expect("attached");
            machine.save_settings().await.expect("saved");
            session.unlock_machine().await.expect("unlocked");
        }
        "base known to no machine" => {
            for machine in stage.vb().get_machines().await.expect("lists") {
                let file = machine.get_settings_file_path().await.unwrap_or_default();
                if std::path::Path::new(&file).starts_with(stage.folder.join("nodes/.holders")) {
                    let mode = CleanupMode::DetachAllReturnNone;
                    machine.unregister(mode).await.expect("unregistered");
                }
            }
        }
        _ => {}
    }
}

/// Detaches the machine's disk, and says where it was.
async fn detach_disk(machine: &IMachine) -> (String, i32, i32) {
    let attached = machine.get_medium_attachments().await.expect("reads");
    let disk = attached.into_iter().find(|a| a.r#type == DeviceType::HardDisk).expect("a disk");
    machine.detach_device(&disk.controller, disk.port, disk.device).await.expect("detached");
    (disk.controller, disk.port, disk.device)
}

async fn destroy(stage: &Stage, instance: &Instance, situation: &str) {
    let destroyed = match situation {
        "half made" | "half destroyed" => stage.manager.destroy(instance.name()).await,
        "locked by another session" => {
            let session = stage.lock(instance, LockType::Write).await;
            let destruction = tokio::spawn({
                let instance = instance.clone();
                async move { instance.destroy().await }
            });
            tokio::time::sleep(Duration::from_secs(1)).await;
            assert!(!destruction.is_finished(), "it waits");
            assert!(instance.folder().join("Snapshots").exists(), "nothing is half done");
            session.unlock_machine().await.expect("unlocked");
            destruction.await.expect("ends")
        }
        "twice at once" => {
            let (again, other) = (instance.clone(), stage.another_manager().await);
            let (a, b, c) =
                tokio::join!(instance.destroy(), again.destroy(), other.destroy(instance.name()));
            other.close().await.expect("logs off");
            a.and(b).and(c)
        }
        "destroyed by another client" => {
            let other = stage.another_manager().await;
            let same = other.find(instance.name()).await.expect("looks").expect("found");
            same.destroy().await.expect("destroyed");
            other.close().await.expect("logs off");
            let state = instance.state().await;
            assert!(matches!(state, Err(Error::Gone { .. })), "{state:?}");
            Ok(())
        }
        _ => instance.destroy().await,
    };
    destroyed.unwrap_or_else(|e| panic!("{situation}: {e}"));
}

/// What a killed process has left half made does not keep the name from being used.
#[tokio::test(flavor = "multi_thread")]
async fn a_half_made_machine_makes_room() {
    let stage = Stage::new("half").await;
    let image = stage.image("model.vdi").await;
    let plain = ImageModel::new("/nowhere", "Debian_64");
    for situation in ["half made", "half destroyed"] {
        let instance = stage.instance("1", &image).await;
        get_into(&stage, &instance, situation, &plain).await;
        let listed = stage.manager.instances().await.expect("lists");
        assert!(listed.iter().all(|i| i.id() != instance.id()), "it is no instance");
        let second = stage.instance("1", &image).await;
        assert_ne!(second.id(), instance.id());
        second.start().await.expect("starts");
        second.destroy().await.expect("destroyed");
    }
    stage.end(&[&image]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn disks_can_be_kept() {
    let stage = Stage::new("keep").await;
    let image = stage.image("model.vdi").await;
    let instance = stage.instance_in("1", &image, &State::Running).await;
    instance.take_snapshot("first", "").await.expect("taken");
    let kept = instance.destroy_keeping_disks().await.expect("destroyed");
    assert_eq!(kept.len(), 2, "the snapshot's disk and the current one: {kept:?}");
    assert!(kept.iter().all(|disk| disk.exists()), "{kept:?}");
    let known = stage.contents().await;
    assert!(kept.iter().all(|disk| !known.contains(&format!("disk {}", text(disk)))), "{known:?}");
    stage.manager.destroy(instance.name()).await.expect("there is no such VM");
    let taken = stage.manager.instance(instance.name(), &image, &tiny()).await;
    assert!(matches!(taken, Err(Error::FolderExists { .. })), "{taken:?}");
    assert!(kept.iter().all(|disk| disk.exists()), "{kept:?}");
    std::fs::remove_dir_all(instance.folder()).expect("removed");
    stage.end(&[&image]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn powering_down_and_starting_again() {
    let stage = Stage::new("power").await;
    let image = stage.image("model.vdi").await;
    let instance = stage.instance("1", &image).await;
    instance.power_down().await.expect("it is off already");
    instance.stop().await.expect("it is off already");
    for _ in 0..3 {
        instance.start().await.expect("starts");
        instance.power_down().await.expect("off");
        assert_eq!(instance.state().await.expect("a state"), State::PoweredOff);
    }
    // No VirtualBox without a desktop can open a window.
    let error = instance.start_as(SessionType::Gui).await.expect_err("there is no desktop");
    assert!(error.to_string().contains("cannot start the VM"), "{error}");
    assert_eq!(instance.state().await.expect("a state"), State::PoweredOff);

    // Somebody takes the port of the forward while the VM is off.
    let address = instance.ssh_address().await.expect("an address");
    let listener = std::net::TcpListener::bind(address).expect("the port is free");
    instance.start().await.expect("starts");
    let new = instance.ssh_address().await.expect("an address");
    assert_ne!(new, address, "another port was chosen");
    assert_eq!(stage.claimed_ports(), 1);
    drop(listener);

    // The firmware finds nothing to boot: no key, no greeting.
    let error = instance.wait_for_ssh(Duration::from_secs(2)).await.expect_err("no guest");
    let text = error.to_string();
    assert!(text.contains("no SSH host key in 2 s; the VM is still running"), "{text}");
    assert!(text.contains("nothing was printed on its console"), "{text}");
    instance.power_down().await.expect("off");
    let error = instance.wait_for_ssh(Duration::from_secs(60)).await.expect_err("it is off");
    assert!(error.to_string().contains("the VM is powered off"), "{error}");
    stage.end(&[&image]).await;
}

/// A destruction that was killed half-way, or a registry that was lost.
#[tokio::test(flavor = "multi_thread")]
async fn leftovers_can_be_destroyed() {
    let stage = Stage::new("leftovers").await;
    let image = stage.image("model.vdi").await;
    let instance = stage.instance("1", &image).await;
    let machine = stage.vb().find_machine(instance.id()).await.expect("known");
    machine
        .unregister(vbox_soap::api::CleanupMode::DetachAllReturnNone)
        .await
        .expect("unregistered");
    drop(machine);
    let error = stage
        .manager
        .instance(instance.name(), &image, &crate::support::tiny())
        .await
        .expect_err("its folder is there");
    assert!(matches!(error, Error::FolderExists { .. }), "{error}");
    stage.manager.destroy(instance.name()).await.expect("cleared up");
    assert!(stage.files().is_empty(), "{:?}", stage.files());
    stage.instance("1", &image).await;
    stage.end(&[&image]).await;
}
