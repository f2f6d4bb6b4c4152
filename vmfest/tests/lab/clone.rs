//! Models of the disks of VMs.

use std::path::Path;

use vbox_soap::api::{AccessMode, DeviceType, LockType, PlatformArchitecture, StorageBus};
use vmfest::ImageFile;
use vmfest::images::{CloneModel, Description};

use crate::disks::{content, converted, sectors};
use crate::support::{Stage, digest, text, tiny};

/// What a snapshot froze, and what came later: the current state has both.
#[tokio::test(flavor = "multi_thread")]
async fn the_current_state_is_cloned_snapshots_included() {
    let stage = Stage::new("clone").await;
    let disk = converted(&stage, "vm.vdi", "VDI", "Standard", 1);
    let name = stage.name("source");
    let machine = machine_with(&stage, &name, &disk).await;
    let manager = |arguments: &[&str]| stage.vbox().vboxmanage(arguments).expect("done");
    manager(&["snapshot", &name, "take", "before"]);
    // Something is written after the snapshot: into the differencing disk, through VirtualBox.
    let current = machine.get_medium("IDE", 0, 0).await.expect("asks").expect("a disk");
    assert!(current.get_parent().await.expect("asks").is_some());
    let change = sectors(7);
    write_all(&stage, &current, &change).await;
    drop(current);
    let (base, source_files) = (digest(&disk), files(&stage.folder.join(&name)));

    let model = stage.manager.clone_model(CloneModel::new(&name, "now")).await.expect("cloned");
    assert!(content(&stage, &model.image.path) == change, "as it is now");
    assert_eq!(model.image.os_type_id, "Debian_64");
    let controllers = model.image.storage.as_ref().expect("the controller is known");
    assert_eq!(controllers[0].bus, vmfest::models::Bus::Ide);
    let frozen = CloneModel::new(&name, "then").snapshot("before");
    let frozen = stage.manager.clone_model(frozen).await.expect("cloned");
    assert!(content(&stage, &frozen.image.path) == sectors(1), "as it was then");
    assert_eq!(digest(&disk), base, "the VM's disk is as it was");
    assert_eq!(files(&stage.folder.join(&name)), source_files, "nothing was left with the VM");

    for model in [&model, &frozen] {
        let instance =
            stage.manager.instance(&stage.name(&model.name), &model.image, &tiny()).await;
        instance.expect("created").destroy().await.expect("destroyed");
        assert_eq!(
            stage.manager.check_model(&model.name, true).await.expect("checks").problems,
            []
        );
    }
    let error = stage.manager.clone_model(CloneModel::new(&name, "now")).await.expect_err("exists");
    assert!(error.to_string().contains("already"), "{error}");
    let error = stage.manager.clone_model(CloneModel::new("nobody", "x")).await.expect_err("no VM");
    assert!(error.to_string().contains("no VM of that name"), "{error}");
    let wrong = CloneModel::new(&name, "x").snapshot("never");
    let error = stage.manager.clone_model(wrong).await.expect_err("no snapshot");
    assert!(error.to_string().contains("no snapshot never"), "{error}");
    for name in ["now", "then"] {
        stage.manager.delete_model(name, ImageFile::Delete).await.expect("removed");
    }
    manager(&["snapshot", &name, "delete", "before"]);
    drop(machine);
    manager(&["unregistervm", &name, "--delete"]);
    stage.end(&[]).await;
}

/// Instances become models: without a detour when they are off, from a snapshot when they run.
#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_runs_is_refused_and_its_snapshot_is_not() {
    let stage = Stage::new("clone-running").await;
    let source = converted(&stage, "model.vdi", "VDI", "Standard", 8);
    let import = vmfest::images::Import::new(text(&source)).describe(
        Description::default().text("os-type-id", "Debian_64").text("username", "someone"),
    );
    let model = stage.manager.import_model(import).await.expect("imported");
    let before = digest(&model.image.path);
    let instance = stage.instance("1", &model.image).await;
    stage.vbox().vboxmanage(&["snapshot", instance.name(), "take", "s"]).expect("taken");
    instance.start().await.expect("starts");
    let clone = |name: &str| CloneModel::new(instance.name(), name);
    let error = stage.manager.clone_model(clone("copy")).await.expect_err("it runs");
    assert!(error.to_string().contains("it is Running, and its disk changes"), "{error}");
    let copy = stage.manager.clone_model(clone("copy").snapshot("s")).await.expect("cloned");
    assert!(content(&stage, &copy.image.path) == sectors(8));
    assert_eq!(copy.image.username.as_deref(), Some("someone"), "as its image says");
    instance.power_down().await.expect("off");
    stage.manager.clone_model(clone("second")).await.expect("cloned");
    instance.destroy().await.expect("destroyed");
    assert_eq!(digest(&model.image.path), before);
    for name in ["copy", "second", "model"] {
        stage.manager.delete_model(name, ImageFile::Delete).await.expect("removed");
    }
    stage.vbox().vboxmanage(&["closemedium", "disk", &text(&source)]).expect("closed");
    stage.end(&[]).await;
}

async fn machine_with(stage: &Stage, name: &str, disk: &Path) -> vbox_soap::api::IMachine {
    let file = stage.folder.join(name).join(format!("{name}.vbox"));
    let x86 = PlatformArchitecture::X86;
    let vb = stage.vb();
    let machine =
        vb.create_machine(&text(&file), name, x86, &[], "Debian_64", "", "", "", "").await;
    let machine = machine.expect("a machine");
    machine.add_storage_controller("IDE", StorageBus::IDE).await.expect("a controller");
    vb.register_machine(&machine).await.expect("registered");
    let kind = DeviceType::HardDisk;
    let medium = vb.open_medium(&text(disk), kind.clone(), AccessMode::ReadWrite, false).await;
    let session = stage.soap.session_object().await.expect("a session");
    machine.lock_machine(&session, LockType::Write).await.expect("locks");
    let locked = session.get_machine().await.expect("asks").expect("a machine");
    locked.attach_device("IDE", 0, 0, kind, Some(&medium.expect("opens"))).await.expect("attached");
    locked.save_settings().await.expect("saves");
    session.unlock_machine().await.expect("unlocks");
    machine
}

/// Has VirtualBox write other sectors into a medium.
async fn write_all(stage: &Stage, medium: &vbox_soap::api::IMedium, sectors: &[u8]) {
    let io = medium.open_for_io(true, "").await.expect("opens");
    for (index, piece) in sectors.chunks(256 * 1024).enumerate() {
        let offset = i64::try_from(index * 256 * 1024).expect("small");
        io.write(offset, piece).await.expect("written");
    }
    io.close().await.expect("closed");
    assert_eq!(stage.vb().get_api_version().await.expect("asks"), "7_2");
}

fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut pending = vec![folder.to_owned()];
    while let Some(folder) = pending.pop() {
        for entry in std::fs::read_dir(folder).expect("reads").flatten() {
            if entry.path().is_dir() {
                pending.push(entry.path());
            }
            found.push(text(&entry.path()));
        }
    }
    found.sort();
    found
}
