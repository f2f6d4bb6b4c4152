//! An image stays as it is, and stays usable, whatever VirtualBox has in its registry.

use std::path::{Path, PathBuf};

use vbox_soap::api::{AccessMode, DeviceType, IMedium, LockType, MediumState, MediumType};
use vmfest::models::{HardwareModel, ImageModel};
use vmfest::{Error, ImageFile, Manager};

use crate::private::Private;
use crate::support::{Stage, digest, text, tiny};

async fn open(stage: &Stage, path: &Path) -> IMedium {
    let (kind, mode) = (DeviceType::HardDisk, AccessMode::ReadWrite);
    stage.vb().open_medium(&text(path), kind, mode, false).await.expect("opens")
}

async fn use_once(stage: &Stage, manager: &Manager, suffix: &str, image: &ImageModel) {
    let name = stage.name(suffix);
    let made = manager.instance(&name, image, &tiny()).await.expect(suffix);
    made.destroy().await.expect(suffix);
}

fn holders(stage: &Stage) -> Vec<PathBuf> {
    let folder = stage.manager.location().node_path.join(".holders");
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found: Vec<_> = entries
        .map(|entry| entry.path())
        .map(|path| {
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            path.join(format!("{name}.vbox"))
        })
        .filter(|path| path.exists())
        .collect();
    found.sort();
    found
}

/// Somebody has attached the image to an instance as an ordinary disk: the very state in which
/// images used to be lost.
#[tokio::test(flavor = "multi_thread")]
async fn attached_in_normal_mode_to_one_of_ours() {
    let stage = Stage::new("normal").await;
    let (image, other) = (stage.image("model.vdi").await, stage.image("other.vdi").await);
    let before = digest(&image.path);
    let instance = stage.instance("1", &other).await;
    let machine = stage.vb().find_machine(instance.id()).await.expect("known");
    let session = stage.soap.session_object().await.expect("a session");
    machine.lock_machine(&session, LockType::Write).await.expect("locks");
    let locked = session.get_machine().await.expect("asks").expect("a machine");
    let ide = vbox_soap::api::StorageBus::IDE;
    locked.add_storage_controller("Extra", ide).await.expect("a controller");
    let medium = open(&stage, &image.path).await;
    assert_eq!(medium.get_type().await.expect("a type"), MediumType::Normal);
    let attached = locked.attach_device("Extra", 0, 0, DeviceType::HardDisk, Some(&medium)).await;
    attached.expect("attached");
    locked.save_settings().await.expect("saves");
    session.unlock_machine().await.expect("unlocks");
    drop((machine, session, locked, medium));

    let error = stage.manager.instance(&stage.name("2"), &image, &tiny()).await.expect_err("used");
    assert!(error.to_string().contains("an ordinary disk of the VM"), "{error}");
    assert!(matches!(
        stage.manager.remove_model(&image, ImageFile::Delete).await,
        Err(Error::ModelInUse { .. })
    ));
    instance.destroy().await.expect("destroyed");
    assert_eq!(digest(&image.path), before, "destroying does not take it along");
    use_once(&stage, &stage.manager, "2", &image).await;
    assert_eq!(digest(&image.path), before);
    stage.end(&[&image, &other]).await;
}

/// A hardware model that names the file of an image model as a disk to write to.
#[tokio::test(flavor = "multi_thread")]
async fn named_as_a_disk_of_the_hardware() {
    let stage = Stage::new("named").await;
    let (image, other) = (stage.image("model.vdi").await, stage.image("other.vdi").await);
    let before = digest(&image.path);
    let models = &stage.manager.location().model_path;
    std::fs::create_dir_all(models).expect("made");
    let path = text(&image.path);
    let meta = format!("{{:m {{:uuid \"{path}\" :os-type-id \"Debian_64\"}}}}");
    std::fs::write(models.join("m.meta"), meta).expect("written");
    let hardware: HardwareModel = vmfest::edn::from_str(&format!(
        r#"{{:memory-size 16 :boot-mount-point ["S" 0] :storage [{{:name "S" :bus :sata
            :devices [nil {{:device-type :hard-disk :location "{path}"}}]}}]}}"#
    ))
    .expect("a model");
    let made = stage.manager.instance(&stage.name("1"), &other, &hardware).await;
    let instance = made.expect("created");
    let medium = open(&stage, &image.path).await;
    assert_eq!(medium.get_type().await.expect("a type"), MediumType::MultiAttach);
    assert_eq!(medium.get_machine_ids().await.expect("asks"), Vec::<String>::new());
    drop(medium);
    instance.start().await.expect("starts");
    instance.destroy().await.expect("destroyed");
    assert_eq!(digest(&image.path), before);
    stage.end(&[&image, &other]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn known_under_another_path() {
    let stage = Stage::new("paths").await;
    let image = stage.image("model.vdi").await;
    let before = digest(&image.path);
    let first = stage.instance("1", &image).await;

    // The same file by way of a link.
    let link = stage.folder.join("link.vdi");
    std::os::unix::fs::symlink(&image.path, &link).expect("linked");
    use_once(&stage, &stage.manager, "2", &ImageModel::new(&link, "Debian_64")).await;
    assert_eq!(holders(&stage).len(), 1, "one image, one holder");

    // Another file that says that it is the same disk.
    let copy = stage.folder.join("copy.vdi");
    std::fs::copy(&image.path, &copy).expect("copied");
    let twin = ImageModel::new(&copy, "Debian_64");
    let error = stage.manager.instance(&stage.name("3"), &twin, &tiny()).await.expect_err("twins");
    let text = error.to_string();
    assert!(text.contains("another file with the same id") && text.contains("sethduuid"), "{text}");
    assert_eq!((digest(&image.path), digest(&copy)), (before.clone(), before.clone()));

    // The file was moved while an instance uses it, and VirtualBox knows the old place.
    let moved = stage.folder.join("moved.vdi");
    std::fs::rename(&image.path, &moved).expect("moved");
    let image = ImageModel::new(&moved, "Debian_64");
    use_once(&stage, &stage.manager, "4", &image).await;
    first.start().await.expect("it finds its image");
    first.destroy().await.expect("destroyed");
    assert_eq!(digest(&moved), before);
    let checked = open(&stage, &moved).await.get_location().await.expect("a place");
    assert_eq!(Path::new(&checked), moved);

    // Moved once more, with nobody using it.
    let again = stage.folder.join("again.vdi");
    std::fs::rename(&moved, &again).expect("moved");
    let image = ImageModel::new(&again, "Debian_64");
    use_once(&stage, &stage.manager, "5", &image).await;
    assert_eq!(digest(&again), before);
    assert_eq!(holders(&stage).len(), 1);
    stage.end(&[&image]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn not_there_for_a_while() {
    let stage = Stage::new("away").await;
    let image = stage.image("model.vdi").await;
    let before = digest(&image.path);
    use_once(&stage, &stage.manager, "1", &image).await;
    let away = stage.folder.join("away.vdi");
    std::fs::rename(&image.path, &away).expect("moved");
    let medium = open(&stage, &image.path).await;
    assert_eq!(medium.refresh_state().await.expect("looks"), MediumState::Inaccessible);
    let error = stage.manager.instance(&stage.name("2"), &image, &tiny()).await.expect_err("away");
    assert!(matches!(error, Error::ModelFileMissing { .. }), "{error}");
    std::fs::rename(&away, &image.path).expect("moved back");
    assert_eq!(medium.get_state().await.expect("a state"), MediumState::Inaccessible);
    drop(medium);
    use_once(&stage, &stage.manager, "3", &image).await;
    assert_eq!(digest(&image.path), before);
    stage.end(&[&image]).await;
}

/// VirtualBox starts again, and something of the holder or the image is missing then.
#[tokio::test(flavor = "multi_thread")]
async fn after_a_restart() {
    let stage = Stage::new("registry-restart").await;
    let image = stage.image("model.vdi").await;
    let before = digest(&image.path);
    let private = Private::new(&stage);
    let away = stage.folder.join("away.vdi");
    private.start();
    let manager = private.connect().await;
    let name = stage.name("user");
    manager.instance(&name, &image, &tiny()).await.expect("created");
    drop(manager);
    for case in ["nothing", "no settings", "broken settings", "no image", "unused, no settings"] {
        println!("{case}");
        if case.starts_with("unused") {
            private.connect().await.destroy(&name).await.expect("destroyed");
        }
        private.stop();
        let holder = holders(&stage).pop().expect("a holder");
        match case {
            "no settings" | "unused, no settings" => {
                std::fs::remove_file(&holder).expect("removed");
            }
            "broken settings" => std::fs::write(&holder, "<VirtualBox").expect("written"),
            "no image" => std::fs::rename(&image.path, &away).expect("moved"),
            _ => {}
        }
        private.start();
        let manager = private.connect().await;
        if case == "no image" {
            let made = manager.instance(&stage.name("x"), &image, &tiny()).await;
            assert!(matches!(made, Err(Error::ModelFileMissing { .. })));
            std::fs::rename(&away, &image.path).expect("moved back");
        }
        use_once(&stage, &manager, "x", &image).await;
        if !case.starts_with("unused") {
            let user = manager.find(&name).await.expect("looks").expect("found");
            user.start().await.expect("starts");
            user.power_down().await.expect("off");
        }
        assert_eq!(digest(&image.path), before, "{case}");
        assert_eq!(holders(&stage).len(), 1, "{case}");
    }
    let manager = private.connect().await;
    manager.remove_model(&image, ImageFile::Keep).await.expect("nothing uses it any more");
    assert_eq!(holders(&stage), Vec::<PathBuf>::new());
    assert_eq!(digest(&image.path), before);
    drop(private);
    stage.end(&[]).await;
}
