//! Every operation in every state: what comes of it, or that it is refused with the reason.

use std::time::Duration;

use vmfest::models::HardwareModel;
use vmfest::{CloneKind, Error, Instance, Key, State};

use crate::states::STATES;
use crate::support::{Stage, digest};

/// A guest that is none does not shut down.
const NO_GUEST: Duration = Duration::from_millis(200);
const SNAPSHOT: &str = "while off";

/// The state that each operation leaves, by the state that it begins in; `x` where it is refused.
/// Those that leave the state as it is come first, so that VMs are started less often.
const TABLE: &str = "
    operation         off      running  paused   saved    aborted
    set-extra-data    off      running  paused   saved    aborted
    guest-property    off      running  paused   saved    aborted
    screenshot        x        running  paused   saved    x
    send-keyboard     x        running  x        x        x
    take-snapshot     off      running  paused   saved    aborted
    delete-snapshot   off      running  paused   saved    aborted
    clone-full        off      running  paused   saved    aborted
    clone-linked      off      running  paused   saved    aborted
    rename            off      x        x        x        aborted
    reconfigure       off      x        x        x        aborted
    stop              off      running  x        saved    aborted
    reset             x        running  x        x        x
    pause             x        paused   paused   x        x
    resume            x        running  running  x        x
    save-state        x        saved    saved    saved    x
    discard-state     off      running  paused   off      aborted
    start             running  running  running  running  running
    power-down        off      off      off      saved    aborted
    shut-down         off      off      off      saved    aborted
    reboot            running  running  running  x        running
    restore-snapshot  off      x        x        off      off
";

fn word(state: &State) -> &'static str {
    match state {
        State::PoweredOff => "off",
        State::Running => "running",
        State::Paused => "paused",
        State::Saved => "saved",
        State::Aborted => "aborted",
        other => panic!("{other} is not in the table"),
    }
}

async fn carry_out(operation: &str, instance: &Instance) -> Result<(), Error> {
    match operation {
        "set-extra-data" => {
            instance.set_extra_data("mine/key", "kept").await?;
            assert_eq!(instance.extra_data("mine/key").await?.as_deref(), Some("kept"));
            instance.set_extra_data("mine/key", "").await?;
            let keys = instance.extra_data_keys().await?;
            assert!(!keys.contains(&"mine/key".to_owned()), "{keys:?}");
            Ok(())
        }
        "guest-property" => {
            instance.set_guest_property("/mine/key", "said").await?;
            assert_eq!(instance.guest_property("/mine/key").await?.as_deref(), Some("said"));
            let listed = instance.guest_properties("/mine/*").await?;
            assert_eq!((listed.len(), listed[0].value.as_str()), (1, "said"));
            instance.set_guest_property("/mine/key", "").await?;
            assert_eq!(instance.guest_property("/mine/key").await?, None);
            Ok(())
        }
        "screenshot" => {
            let png = instance.screenshot().await?;
            assert!(png.starts_with(b"\x89PNG\r\n") && png.len() > 100);
            Ok(())
        }
        "send-keyboard" => instance.send_keyboard(&[Key::Esc.into(), "a".into()]).await,
        "take-snapshot" => {
            let is_online = instance.state().await?.is_online();
            let snapshot = instance.take_snapshot("new", "for the test").await?;
            assert!(snapshot.current && snapshot.description == "for the test");
            // A saved state is taken along, too.
            let holds_memory = is_online || instance.state().await? == State::Saved;
            assert_eq!(snapshot.online, holds_memory);
            let again = instance.take_snapshot("new", "").await;
            assert!(matches!(again, Err(Error::SnapshotExists { .. })), "{again:?}");
            Ok(())
        }
        "delete-snapshot" => {
            instance.delete_snapshot("new").await?;
            instance.delete_snapshot("new").await?;
            let left = instance.snapshots().await?;
            assert_eq!(left.iter().map(|s| s.name.as_str()).collect::<Vec<_>>(), [SNAPSHOT]);
            Ok(())
        }
        "clone-full" => check_clone(instance, CloneKind::Full).await,
        "clone-linked" => check_clone(instance, CloneKind::Linked).await,
        "rename" => {
            let old = instance.name().to_owned();
            let renamed = instance.rename(&format!("{old}-renamed")).await?;
            assert_eq!(renamed.name(), format!("{old}-renamed"));
            assert!(!instance.folder().exists() && renamed.folder().exists());
            renamed.rename(&old).await?;
            assert!(instance.folder().exists() && !renamed.folder().exists());
            Ok(())
        }
        "reconfigure" => {
            let hardware = HardwareModel { memory_size: Some(20), ..HardwareModel::default() };
            instance.reconfigure(&hardware).await
        }
        "stop" => instance.stop().await,
        "reset" => instance.reset().await,
        "pause" => instance.pause().await,
        "resume" => instance.resume().await,
        "save-state" => instance.save_state().await,
        "discard-state" => instance.discard_saved_state().await,
        "start" => instance.start().await,
        "power-down" => instance.power_down().await,
        "shut-down" => instance.shut_down(NO_GUEST).await.map(drop),
        "reboot" => instance.reboot(NO_GUEST).await,
        "restore-snapshot" => instance.restore_snapshot(SNAPSHOT).await,
        other => panic!("no operation {other}"),
    }
}

async fn check_clone(instance: &Instance, kind: CloneKind) -> Result<(), Error> {
    let name = format!("{}-clone", instance.name());
    instance.set_extra_data("mine/group", "not for clones").await?;
    let clone = instance.clone_as(&name, kind).await?;
    let state = clone.state().await?;
    assert!(matches!(state, State::PoweredOff | State::Aborted), "{state}: it is off");
    assert_ne!(clone.ssh_address().await?, instance.ssh_address().await?);
    let mac = |interfaces: Vec<vmfest::Interface>| interfaces[0].mac.clone();
    assert_ne!(mac(clone.interfaces().await?), mac(instance.interfaces().await?));
    assert_eq!(clone.extra_data("mine/group").await?, None);
    let taken = instance.clone_as(&name, kind).await;
    assert!(matches!(taken, Err(Error::NameTaken { .. })), "{taken:?}");
    clone.start().await?;
    if kind == CloneKind::Linked {
        let refused = instance.destroy().await;
        assert!(
            matches!(&refused, Err(Error::HasClones { clones, .. }) if clones == &[format!("the VM {name}")]),
            "{refused:?}"
        );
        let refused = instance.delete_snapshot(&format!("clone {name}")).await;
        assert!(matches!(refused, Err(Error::HasClones { .. })), "{refused:?}");
    }
    clone.destroy().await?;
    instance.delete_snapshot(&format!("clone {name}")).await?;
    assert!(!clone.folder().exists());
    Ok(())
}

async fn every_operation_in(begin: State) {
    let stage = Stage::new(&format!("ops-{}", word(&begin))).await;
    let image = stage.image("model.vdi").await;
    let before = digest(&image.path);
    let mut rows = TABLE.lines().filter(|line| !line.trim().is_empty());
    let header: Vec<_> = rows.next().expect("a header").split_whitespace().collect();
    let column = header.iter().position(|name| *name == word(&begin)).expect("a column");
    let mut instance = fresh(&stage, &image, &begin).await;
    for row in rows {
        let cells: Vec<_> = row.split_whitespace().collect();
        let (operation, expected) = (cells[0], cells[column]);
        if stage.bring_to(&instance, &begin).await.is_err() {
            instance.destroy().await.expect("destroyed");
            instance = fresh(&stage, &image, &begin).await;
        }
        let result = carry_out(operation, &instance).await;
        let state = instance.state().await.expect("a state");
        match expected {
            "x" => {
                let error = result.expect_err("refused");
                let Error::WrongState { state: named, allowed, advice, .. } = &error else {
                    panic!("{operation} while {begin}: {error}");
                };
                assert_eq!(*named, begin);
                assert!(!allowed.is_empty() && !advice.is_empty(), "{error}");
                assert_eq!(state, begin, "{operation}: a refusal changes nothing");
            }
            expected => {
                if let Err(error) = result {
                    // VirtualBox's own failure to save, see `Stage::instance_in`.
                    let text = error.to_string();
                    assert!(text.contains("i_saveStorageControllers"), "{operation}: {text}");
                    continue;
                }
                assert_eq!(word(&state), expected, "{operation} while {begin}");
            }
        }
    }
    instance.destroy().await.expect("destroyed, with its snapshots");
    assert_eq!(digest(&image.path), before, "the image is as it was");
    stage.end(&[&image]).await;
}

/// An instance with a snapshot of when it was off, in the state.
async fn fresh(stage: &Stage, image: &vmfest::models::ImageModel, begin: &State) -> Instance {
    let instance = stage.instance_in("1", image, &State::PoweredOff).await;
    instance.take_snapshot(SNAPSHOT, "").await.expect("taken");
    for _ in 0..5 {
        if stage.bring_to(&instance, begin).await.is_ok() {
            return instance;
        }
        // VirtualBox's own failure to save, see `Stage::instance_in`.
        instance.power_down().await.expect("off");
    }
    panic!("no instance becomes {begin}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_while_powered_off() {
    every_operation_in(State::PoweredOff).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_while_running() {
    every_operation_in(State::Running).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_while_paused() {
    every_operation_in(State::Paused).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_while_saved() {
    every_operation_in(State::Saved).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_while_aborted() {
    every_operation_in(State::Aborted).await;
}

#[test]
fn every_state_has_its_column() {
    let header = TABLE.trim().lines().next().expect("a header");
    let words: Vec<_> = STATES.iter().map(word).collect();
    assert_eq!(header.split_whitespace().skip(1).collect::<Vec<_>>(), words);
}
