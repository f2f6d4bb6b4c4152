//! Destroying works in every state, and again.

use std::time::Duration;

use vmfest::{Error, Instance, State};

use crate::support::Stage;

const SOON: Duration = Duration::from_secs(30);

/// Hazard 3. The guest's disk is empty; the VM stays in its firmware, which is enough.
#[tokio::test(flavor = "multi_thread")]
async fn destroying_from_every_state() {
    let stage = Stage::new("states").await;
    let image = stage.image("model.vdi").await;
    let before = crate::support::digest(&image.path);
    for wanted in ["off", "running", "paused", "saved", "aborted", "twice", "other client"] {
        println!("{wanted}");
        let mut instance = stage.instance("1", &image).await;
        if wanted != "off" {
            instance.start().await.expect("starts");
            instance.start().await.expect("starting what runs is fine");
            assert_eq!(instance.state().await.expect("a state"), State::Running);
            instance.set_extra_data("mine/key", "kept").await.expect("kept");
        }
        match wanted {
            "paused" => {
                let session = stage.shared_lock(&instance).await;
                let console = session.get_console().await.expect("asks").expect("a console");
                console.pause().await.expect("pauses");
                session.unlock_machine().await.expect("unlocks");
                assert_eq!(instance.state().await.expect("a state"), State::Paused);
                assert!(matches!(instance.start().await, Err(Error::WrongState { .. })));
                assert!(matches!(instance.stop().await, Err(Error::WrongState { .. })));
            }
            "saved" => {
                // VirtualBox itself sometimes fails to save while disks of other machines come
                // and go, with an assertion of its own; then the machine is made anew.
                let mut failures = 0;
                while let Err(error) = save_state(&stage, &instance).await {
                    failures += 1;
                    let is_its_own = error.to_string().contains("i_saveStorageControllers");
                    assert!(is_its_own && failures < 5, "{error}");
                    instance.destroy().await.expect("destroyed, half saved");
                    instance = stage.instance("1", &image).await;
                    instance.start().await.expect("starts");
                }
                assert!(instance.wait_until_off(SOON).await.expect("waits"));
                assert_eq!(instance.state().await.expect("a state"), State::Saved);
                instance.set_extra_data("mine/key", "kept").await.expect("kept");
            }
            "aborted" => {
                let machine = stage.vb().find_machine(instance.id()).await.expect("known");
                let pid = machine.get_session_pid().await.expect("a process");
                stage.vbox().run(&["kill", "-9", &pid.to_string()]).expect("killed");
                for _ in 0..100 {
                    if instance.state().await.expect("a state") == State::Aborted {
                        break;
                    }
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                assert_eq!(instance.state().await.expect("a state"), State::Aborted);
            }
            "twice" => {
                let again = instance.clone();
                let (a, b) = tokio::join!(instance.destroy(), again.destroy());
                a.and(b).expect("both are fine");
            }
            "other client" => {
                let other = stage.another_manager().await;
                let same = other.find(instance.name()).await.expect("looks").expect("found");
                same.destroy().await.expect("destroyed");
                let state = instance.state().await;
                assert!(matches!(state, Err(Error::Gone { .. })), "{state:?}");
                other.close().await.expect("logs off");
            }
            _ => {}
        }
        instance.destroy().await.expect("destroyed");
        instance.destroy().await.expect("destroying what is gone is fine");
        stage.manager.destroy(instance.name()).await.expect("by name, too");
        assert!(stage.manager.find(instance.name()).await.expect("looks").is_none());
        assert!(stage.files().is_empty(), "{wanted}: {:?}", stage.files());
    }
    assert_eq!(crate::support::digest(&image.path), before);
    stage.end(&[&image]).await;
}

async fn save_state(stage: &Stage, instance: &Instance) -> Result<(), vbox_soap::Error> {
    let session = stage.shared_lock(instance).await;
    let machine = session.get_machine().await?.expect("a machine");
    machine.save_state().await?.wait(SOON).await
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
