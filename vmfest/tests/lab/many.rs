//! Many instances at once: those that fail do not disturb the others.

use std::collections::BTreeSet;
use std::net::{TcpListener, TcpStream};

use tokio::task::JoinSet;
use vmfest::models::HardwareModel;
use vmfest::{Error, Instance, State};

use crate::support::{Stage, digest, tiny};

/// Creates twelve at once, of which three cannot be made and one is given up; starts four of them, and destroys all.
#[tokio::test(flavor = "multi_thread")]
async fn twelve_at_once() {
    let stage = Stage::new("many").await;
    let image = stage.image("model.vdi").await;
    let model = digest(&image.path);
    let missing = r#"{:memory-size 16 :storage [{:name "SATA" :bus :sata :devices
        [nil {:device-type :dvd :location "/nowhere/x.iso"}]}] :boot-mount-point ["SATA" 0]}"#;
    let impossible: HardwareModel = vmfest::edn::from_str(missing).expect("a model");

    let mut creations = JoinSet::new();
    let (mut given_up, other) = (None, stage.another_manager().await);
    for number in 0..12 {
        let manager = if number == 5 { &other } else { &stage.manager };
        let (manager, image, name) =
            (manager.clone(), image.clone(), stage.name(&format!("{number:02}")));
        let hardware = if number % 4 == 3 { impossible.clone() } else { tiny() };
        let creation =
            creations.spawn(async move { manager.instance(&name, &image, &hardware).await });
        if number == 5 {
            given_up = Some(creation);
        }
    }
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    given_up.expect("the sixth").abort();
    let (mut made, mut failed): (Vec<Instance>, Vec<Error>) = (Vec::new(), Vec::new());
    while let Some(created) = creations.join_next().await {
        match created {
            Ok(Ok(instance)) => made.push(instance),
            Ok(Err(error)) => failed.push(error),
            Err(given_up) => assert!(given_up.is_cancelled()),
        }
    }
    assert_eq!(failed.len(), 3, "{failed:?}");
    assert!(made.len() >= 8, "{made:?}");

    // Each has a port and a disk of its own.
    let mut ports = BTreeSet::new();
    for instance in &made {
        ports.insert(instance.ssh_address().await.expect("an address").port());
    }
    assert_eq!(ports.len(), made.len());

    let mut starts = JoinSet::new();
    let started: Vec<Instance> = made.iter().take(4).cloned().collect();
    for instance in started {
        starts.spawn(async move {
            instance.start().await?;
            instance.state().await
        });
    }
    for state in starts.join_all().await {
        assert_eq!(state.expect("started"), State::Running);
    }
    let mut ends = JoinSet::new();
    for instance in made {
        ends.spawn(async move { instance.destroy().await });
    }
    for ended in ends.join_all().await {
        ended.expect("destroyed");
    }
    assert_eq!(digest(&image.path), model, "the model is as it was");
    // Nothing is left of any of them, nor, once it is undone, of the one that was given up.
    other.close().await.expect("logs off when that is done");
    stage.end(&[&image]).await;
}

/// Somebody takes the port between our look and the start: VirtualBox starts the VM all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_is_taken_at_the_last_moment() {
    let stage = Stage::new("last-moment").await;
    let image = stage.image("model.vdi").await;
    let instance = stage.instance("1", &image).await;
    let before = instance.ssh_address().await.expect("an address");
    let thief = TcpListener::bind(before).expect("the port is free");
    // Past the look that our own start takes first.
    let machine = stage.vb().find_machine(instance.id()).await.expect("known");
    let session = stage.soap.session_object().await.expect("a session");
    let launch = machine.launch_vm_process(&session, "headless", &[]).await.expect("launches");
    launch.wait(std::time::Duration::from_secs(60)).await.expect("runs");
    session.unlock_machine().await.expect("unlocks");

    instance.start().await.expect("it runs already");
    let after = instance.ssh_address().await.expect("an address");
    assert_ne!(after.port(), before.port());
    TcpStream::connect(after).expect("VirtualBox listens there");
    assert_eq!(stage.claimed_ports(), 1, "the other is given back");
    instance.start().await.expect("nothing more is to be done");
    assert_eq!(instance.ssh_address().await.expect("an address"), after);
    drop(thief);
    instance.destroy().await.expect("destroyed");
    stage.end(&[&image]).await;
}
