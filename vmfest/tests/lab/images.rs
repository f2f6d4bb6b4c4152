//! Images survive everything.

use vbox_soap::api::{
    AccessMode, DeviceType, LockType, MediumType, PlatformArchitecture, StorageBus,
};
use vmfest::{Error, ImageFile};

use crate::support::{Stage, digest, text, tiny};

/// Hazard 1: the original loses images.
#[tokio::test(flavor = "multi_thread")]
async fn an_image_survives_twenty_instances() {
    let stage = Stage::new("twenty").await;
    let image = stage.image("model.vdi").await;
    let before = digest(&image.path);
    for round in 0..20 {
        let instance = stage.instance(&format!("{round}"), &image).await;
        assert_eq!(instance.state().await.expect("a state"), vmfest::State::PoweredOff);
        instance.destroy().await.expect("destroyed");
        assert!(image.path.exists(), "round {round}");
    }
    assert_eq!(digest(&image.path), before);
    let left = stage.contents().await;
    assert_eq!(left.len(), 3, "the holder, its disk and the image: {left:?}");
    assert!(
        stage
            .manager
            .instances()
            .await
            .expect("lists")
            .iter()
            .all(|i| !i.folder().starts_with(&stage.folder)),
        "the holder is no instance"
    );
    stage.end(&[&image]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_can_be_removed_and_used_again() {
    let stage = Stage::new("again").await;
    let image = stage.image("model.vdi").await;
    for _ in 0..3 {
        let instance = stage.instance("1", &image).await;
        let error =
            stage.manager.remove_model(&image, ImageFile::Delete).await.expect_err("in use");
        assert!(
            matches!(&error, Error::ModelInUse { users, .. } if users == &[format!("the VM {}", instance.name())]),
            "{error}"
        );
        instance.destroy().await.expect("destroyed");
        stage.manager.remove_model(&image, ImageFile::Keep).await.expect("removed");
        assert_eq!(stage.contents().await, Vec::<String>::new());
    }
    stage.manager.remove_model(&image, ImageFile::Keep).await.expect("removing twice is fine");
    stage.manager.remove_model(&image, ImageFile::Delete).await.expect("removed");
    assert!(!image.path.exists());
    stage.end(&[]).await;
}

/// VirtualBox may be left in any of the states that its registry can be in.
#[tokio::test(flavor = "multi_thread")]
async fn an_image_is_held_whatever_virtualbox_knows_of_it() {
    let stage = Stage::new("registry").await;
    let image = stage.image("model.vdi").await;
    let path = text(&image.path);
    let open = || async {
        let vb = stage.vb();
        vb.open_medium(&path, DeviceType::HardDisk, AccessMode::ReadWrite, false)
            .await
            .expect("opens")
    };

    // Its holder was removed behind our back; VirtualBox still calls it multi-attach.
    stage.instance("1", &image).await.destroy().await.expect("destroyed");
    let holder = format!("vmfest-image-{}", open().await.get_id().await.expect("an id"));
    stage.vbox().vboxmanage(&["unregistervm", &holder, "--delete"]).expect("removed");
    assert_eq!(open().await.get_type().await.expect("a type"), MediumType::MultiAttach);
    stage.instance("2", &image).await.destroy().await.expect("destroyed");

    // The same, but an instance still uses it.
    let instance = stage.instance("3", &image).await;
    stage.vbox().vboxmanage(&["unregistervm", &holder, "--delete"]).expect("removed");
    stage.instance("4", &image).await.destroy().await.expect("destroyed");
    instance.destroy().await.expect("destroyed");
    assert_eq!(open().await.get_type().await.expect("a type"), MediumType::MultiAttach);

    // A holder that lost its disk, as after a crash.
    let machine = stage.vb().find_machine(&holder).await.expect("the holder");
    let session = stage.soap.session_object().await.expect("a session");
    machine.lock_machine(&session, LockType::Write).await.expect("locks");
    let locked = session.get_machine().await.expect("asks").expect("a machine");
    locked.detach_device("SATA", 0, 0).await.expect("detaches");
    locked.save_settings().await.expect("saves");
    session.unlock_machine().await.expect("unlocks");
    drop((machine, locked, session));
    stage.instance("5", &image).await.destroy().await.expect("destroyed");
    assert!(image.path.exists());
    stage.end(&[&image]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_somebodys_own_is_not_shared() {
    let stage = Stage::new("foreign-disk").await;
    let image = stage.image("model.vdi").await;
    let foreign = foreign_machine(&stage, "owner").await;
    attach(&stage, &foreign, &image.path).await;
    let before = stage.contents().await;

    let error =
        stage.manager.instance(&stage.name("1"), &image, &tiny()).await.expect_err("refused");
    let text = error.to_string();
    assert!(text.contains("an ordinary disk of the VM") && text.contains("owner"), "{text}");
    assert_eq!(stage.contents().await, before, "nothing was changed");
    assert!(matches!(
        stage.manager.remove_model(&image, ImageFile::Delete).await,
        Err(Error::ModelInUse { .. })
    ));
    assert!(image.path.exists());

    let media =
        foreign.unregister(vbox_soap::api::CleanupMode::DetachAllReturnNone).await.expect("gone");
    assert!(media.is_empty());
    foreign
        .delete_config(&[])
        .await
        .expect("deletes")
        .wait(std::time::Duration::from_secs(10))
        .await
        .expect("deleted");
    drop(foreign);
    stage.end(&[&image]).await;
}

/// Hazard 4: machines of others are left alone.
#[tokio::test(flavor = "multi_thread")]
async fn machines_of_others_are_not_touched() {
    let stage = Stage::new("foreign").await;
    let foreign = foreign_machine(&stage, "theirs").await;
    let name = foreign.get_name().await.expect("a name");
    // Even one in our group.
    assert_eq!(foreign.get_groups().await.expect("groups"), ["/vmfest"]);
    assert!(stage.manager.find(&name).await.expect("looks").is_none());
    assert!(stage.manager.instances().await.expect("lists").iter().all(|i| i.name() != name));
    let error = stage.manager.destroy(&name).await.expect_err("refused");
    assert!(matches!(error, Error::NotOurs { .. }), "{error}");
    let image = stage.image("model.vdi").await;
    let error = stage.manager.instance(&name, &image, &tiny()).await.expect_err("refused");
    assert!(matches!(error, Error::NameTaken { .. }), "{error}");
    assert_eq!(foreign.get_name().await.expect("it is there"), name);

    foreign.unregister(vbox_soap::api::CleanupMode::Full).await.expect("gone");
    foreign
        .delete_config(&[])
        .await
        .expect("deletes")
        .wait(std::time::Duration::from_secs(10))
        .await
        .expect("deleted");
    drop(foreign);
    stage.end(&[&image]).await;
}

/// Two processes use an image for the first time at the same moment.
#[tokio::test(flavor = "multi_thread")]
async fn first_uses_at_the_same_time() {
    let stage = Stage::new("first-use").await;
    let image = stage.image("model.vdi").await;
    let other = stage.another_manager().await;
    let hardware = tiny();
    let names: Vec<_> = (0..6).map(|n| stage.name(&n.to_string())).collect();
    let manager = |n: usize| if n.is_multiple_of(2) { &stage.manager } else { &other };
    let (a, b, c, d, e, f) = tokio::join!(
        manager(0).instance(&names[0], &image, &hardware),
        manager(1).instance(&names[1], &image, &hardware),
        manager(2).instance(&names[2], &image, &hardware),
        manager(3).instance(&names[3], &image, &hardware),
        manager(4).instance(&names[4], &image, &hardware),
        manager(5).instance(&names[5], &image, &hardware),
    );
    let made = [a, b, c, d, e, f].map(|made| made.expect("created"));
    let machines: Vec<_> =
        stage.contents().await.into_iter().filter(|c| c.starts_with("machine")).collect();
    assert_eq!(machines.len(), made.len() + 1, "one holder: {machines:?}");
    let addresses: std::collections::BTreeSet<_> = {
        let mut all = std::collections::BTreeSet::new();
        for instance in &made {
            all.insert(instance.ssh_address().await.expect("an address"));
        }
        all
    };
    assert_eq!(addresses.len(), made.len(), "every instance has a port of its own");
    drop(made);
    other.close().await.expect("logs off");
    stage.end(&[&image]).await;
}

async fn foreign_machine(stage: &Stage, suffix: &str) -> vbox_soap::api::IMachine {
    let name = stage.name(suffix);
    let file = stage.folder.join(&name).join(format!("{name}.vbox"));
    let x86 = PlatformArchitecture::X86;
    let machine = stage
        .vb()
        .create_machine(&text(&file), &name, x86, &["/vmfest"], "Debian_64", "", "", "", "")
        .await
        .expect("a machine");
    machine.add_storage_controller("SATA", StorageBus::SATA).await.expect("a controller");
    stage.vb().register_machine(&machine).await.expect("registered");
    machine
}

async fn attach(stage: &Stage, machine: &vbox_soap::api::IMachine, disk: &std::path::Path) {
    let medium = stage
        .vb()
        .open_medium(&text(disk), DeviceType::HardDisk, AccessMode::ReadWrite, false)
        .await
        .expect("opens");
    let session = stage.soap.session_object().await.expect("a session");
    machine.lock_machine(&session, LockType::Write).await.expect("locks");
    let locked = session.get_machine().await.expect("asks").expect("a machine");
    locked
        .attach_device("SATA", 0, 0, DeviceType::HardDisk, Some(&medium))
        .await
        .expect("attaches");
    locked.save_settings().await.expect("saves");
    session.unlock_machine().await.expect("unlocks");
}
