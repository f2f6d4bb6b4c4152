//! Importing images from files.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use vmfest::images::{Description, Event, HolderState, Import, Step};
use vmfest::models::Bus;
use vmfest::{Error, ImageFile};

use crate::disks::{content, converted, gzip, ovf, raw, sectors, tar, xz};
use crate::support::{Stage, digest, text, tiny};

fn debian() -> Description {
    Description::default().text("os-type-id", "Debian_64")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What there is in the model path.
fn model_files(stage: &Stage) -> Vec<String> {
    let entries = std::fs::read_dir(&stage.manager.location().model_path).into_iter().flatten();
    let mut names: Vec<_> =
        entries.flatten().map(|e| e.file_name().to_string_lossy().into_owned()).collect();
    names.retain(|name| !name.ends_with(".vmfest-lock"));
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn every_format_becomes_a_model() {
    let stage = Stage::new("formats").await;
    let vdi = converted(&stage, "a.vdi", "VDI", "Standard", 2);
    let stream = std::fs::read(converted(&stage, "s.vmdk", "VMDK", "Stream", 2)).expect("reads");
    let (ova, boxed) = (stage.folder.join("a.ova"), stage.folder.join("a.box"));
    let sha256 = hex(&digest(&stage.folder.join("s.vmdk")));
    let manifest = format!("SHA256(d-disk001.vmdk)= {sha256}\n").into_bytes();
    let disk = ("d-disk001.vmdk", stream.clone());
    tar(&ova, &[("d.ovf", ovf("d-disk001.vmdk")), disk, ("d.mf", manifest)]);
    tar(
        &boxed,
        &[
            ("Vagrantfile", b"raise 'never run'".to_vec()),
            ("metadata.json", br#"{"provider":"virtualbox"}"#.to_vec()),
            ("box.ovf", ovf("box-disk001.vmdk")),
            ("box-disk001.vmdk", stream),
        ],
    );
    let raw_image = raw(&stage, "r.img", 2);
    let sources: Vec<(&str, PathBuf)> = vec![
        ("raw", raw_image.clone()),
        ("vdi", vdi.clone()),
        ("vmdk", converted(&stage, "m.vmdk", "VMDK", "Standard", 2)),
        ("vmdk-stream", stage.folder.join("s.vmdk")),
        ("vmdk-wide", converted(&stage, "p.vmdk", "VMDK", "Split2G", 2)),
        ("vmdk-parts", in_parts(&stage, 2)),
        ("vhd", converted(&stage, "d.vhd", "VHD", "Standard", 2)),
        ("vhd-fixed", converted(&stage, "f.vhd", "VHD", "Fixed", 2)),
        ("qcow", converted(&stage, "q.qcow", "QCOW", "Standard", 2)),
        ("vdi-gz", gzip(&vdi)),
        ("raw-xz", xz(&raw_image)),
        ("ova", ova),
        ("box", gzip(&boxed)),
    ];
    let expected = sectors(2);
    for (name, source) in sources {
        println!("{name}");
        let before = digest(&source);
        let mut import = Import::new(text(&source)).name(name);
        if !matches!(name, "ova" | "box") {
            import = import.describe(debian());
        }
        let model = stage.manager.import_model(import).await.expect(name);
        assert_eq!(digest(&source), before, "the source is as it was");
        let mut found = content(&stage, &model.image.path);
        // A VHD counts in cylinders, so there may be some empty sectors more.
        found.truncate(expected.len());
        assert!(found == expected, "{name} has the same sectors");
        assert_eq!(model.sha256, hex(&digest(&model.image.path)));

        let image = stage.manager.models().expect("reads").image(name).expect("known").clone();
        assert_eq!(image, model.image, "the meta file says the same");
        match name {
            "ova" => {
                let bus = image.storage.as_ref().map(|controllers| controllers[0].bus);
                assert_eq!(bus, Some(Bus::Ide), "as the OVA says");
                assert_eq!(image.os_family.as_deref(), Some("debian"));
            }
            "box" => {
                assert_eq!(image.username.as_deref(), Some("vagrant"));
                assert_eq!(image.password.as_ref().map(|p| p.expose()), Some("vagrant"));
            }
            _ => assert_eq!(image.storage, None),
        }
        let instance = stage.manager.instance(&stage.name(name), &image, &tiny()).await;
        let instance = instance.expect("created");
        let checked = stage.manager.check_model(name, true).await.expect("checks");
        assert_eq!(checked.problems, []);
        assert_eq!(checked.holder, HolderState::Holds);
        assert_eq!(checked.users, [format!("the VM {}", instance.name())]);
        let error = stage.manager.delete_model(name, ImageFile::Delete).await.expect_err("in use");
        assert!(error.to_string().contains(instance.name()), "{error}");
        instance.destroy().await.expect("destroyed");
        assert_eq!(hex(&digest(&image.path)), model.sha256, "untouched");
        let kept = stage.manager.delete_model(name, ImageFile::Delete).await.expect("removed");
        assert_eq!(kept, None);
        assert_eq!(model_files(&stage), Vec::<String>::new());
    }
    let known = stage.contents().await;
    let ours: Vec<_> = known.iter().filter(|line| line.contains("/models/")).collect();
    assert!(ours.is_empty(), "VirtualBox knows nothing more: {ours:?}");
    forget_sources(&stage).await;
    stage.end(&[]).await;
}

/// A VMDK whose sectors are in two files beside the one that names them.
fn in_parts(stage: &Stage, seed: u8) -> PathBuf {
    let all = sectors(seed);
    let (first, second) = all.split_at(4096 * 512);
    std::fs::write(stage.folder.join("x-f001.vmdk"), first).expect("written");
    std::fs::write(stage.folder.join("x-f002.vmdk"), second).expect("written");
    let descriptor = format!(
        "# Disk DescriptorFile\nversion=1\nCID=12345678\nparentCID=ffffffff\n\
         createType=\"twoGbMaxExtentFlat\"\n\n# Extent description\n\
         RW 4096 FLAT \"x-f001.vmdk\" 0\nRW {} FLAT \"x-f002.vmdk\" 0\n\n\
         # The Disk Data Base\n#DDB\nddb.virtualHWVersion = \"4\"\nddb.adapterType = \"ide\"\n",
        second.len() / 512
    );
    let path = stage.folder.join("x.vmdk");
    std::fs::write(&path, descriptor).expect("written");
    path
}

/// Makes VirtualBox forget the disks that it converted for a test.
async fn forget_sources(stage: &Stage) {
    for medium in stage.vb().get_hard_disks().await.expect("disks") {
        let location = medium.get_location().await.unwrap_or_default();
        if PathBuf::from(&location).parent() == Some(&stage.folder) {
            medium.close().await.expect("closed");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_description_beside_the_image_is_used() {
    let stage = Stage::new("beside").await;
    let image = raw(&stage, "deb.img", 3);
    std::fs::write(
        stage.folder.join("deb.img.sha256"),
        format!("{}  deb.img\n", hex(&digest(&image))),
    )
    .expect("written");
    std::fs::write(
        stage.folder.join("deb.meta"),
        "{:somewhat {:uuid \"old.vdi\" :os-type-id \"Debian_64\" :os-version \"12\" :username \"u\"}}",
    )
    .expect("written");
    let events = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&events);
    let import = Import::new(text(&image))
        .describe(Description::default().text("username", "other"))
        .on_event(move |event| heard.lock().expect("no panic").push(event.clone()));
    let model = stage.manager.import_model(import).await.expect("imported");
    assert_eq!((model.name.as_str(), model.image.os_version.as_deref()), ("deb", Some("12")));
    assert_eq!(model.image.username.as_deref(), Some("other"), "what is said counts more");
    assert!(model.verified.expect("vouched for").contains("deb.img.sha256"));
    assert_eq!(model_files(&stage), ["deb.meta", "deb.vdi"]);
    let size = std::fs::metadata(&image).expect("there").len();
    {
        let events = events.lock().expect("no panic");
        assert!(events.contains(&Event::Started { step: Step::Unpack, total: Some(size) }));
        assert!(events.contains(&Event::Advanced { step: Step::Unpack, done: size }), "{events:?}");
    }

    let again = stage.manager.import_model(Import::new(text(&image))).await.expect_err("exists");
    assert!(again.to_string().contains("already"), "{again}");
    let list = stage.manager.list_models().expect("lists");
    assert_eq!(list.models.len(), 1);
    assert_eq!(list.models[0].name, "deb");
    assert!(list.unfinished.is_empty());
    stage.manager.delete_model("deb", ImageFile::Delete).await.expect("removed");
    let error = stage.manager.delete_model("deb", ImageFile::Delete).await.expect_err("gone");
    assert!(matches!(error, Error::UnknownModel { .. }), "{error}");
    stage.end(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_import_leaves_nothing() {
    let stage = Stage::new("bad-imports").await;
    let good = raw(&stage, "good.img", 4);
    let file = |name: &str, bytes: &[u8]| {
        let path = stage.folder.join(name);
        std::fs::write(&path, bytes).expect("written");
        path
    };
    let mut half_vmdk =
        std::fs::read(converted(&stage, "h.vmdk", "VMDK", "Stream", 4)).expect("reads");
    half_vmdk.truncate(half_vmdk.len() / 2);
    let packed = std::fs::read(gzip(&good)).expect("reads");
    let sha256 = "0".repeat(64);
    let before = stage.contents().await;
    let import = |path: PathBuf| Import::new(text(&path)).name("x").describe(debian());
    for (import, part) in [
        (import(good.clone()).sha256(&sha256), "but 0000"),
        (import(good.clone()).sha256("abc"), "64 hexadecimal digits"),
        (Import::new(text(&good)).name("x"), "os-type-id, such as Debian_64"),
        (
            import(good.clone()).describe(Description::default().text("os-familly", "x")),
            "os-family",
        ),
        (import(good.clone()).name("a/b"), "cannot be the name"),
        (import(stage.folder.join("absent.vdi")), "absent.vdi"),
        (import(stage.folder.clone()), "it is no file"),
        (import(file("page.vdi", b"<!doctype html><html>")), "web page"),
        (import(file("text.vdi", &[b'x'; 2000])), "no disk image that is known"),
        (import(file("half.vmdk", &half_vmdk)), "VirtualBox cannot read it"),
        (import(file("half.img.gz", &packed[..packed.len() / 2])), "damaged or cut short"),
        (import(file("odd.img", &[1; 777])), "no multiple of 512"),
        (import(file("zip.vdi", b"PK\x03\x04....")), "zip archive"),
    ] {
        let error = stage.manager.import_model(import).await.expect_err(part).to_string();
        assert!(error.contains(part), "{part} in {error}");
        assert_eq!(model_files(&stage), Vec::<String>::new(), "{error}");
        assert_eq!(stage.contents().await, before, "{error}");
    }
    forget_sources(&stage).await;
    stage.end(&[]).await;
}

/// A disk whose id VirtualBox knows already, twice: everybody has the same image.
#[tokio::test(flavor = "multi_thread")]
async fn the_same_image_under_several_names() {
    let stage = Stage::new("same-id").await;
    let vdi = converted(&stage, "a.vdi", "VDI", "Standard", 5);
    let vmdk = converted(&stage, "b.vmdk", "VMDK", "Standard", 5);
    for source in [&vdi, &vmdk] {
        let path = text(source);
        stage.vbox().vboxmanage(&["showmediuminfo", "disk", &path]).expect("known now");
    }
    for (name, source) in [("one", &vdi), ("two", &vdi), ("three", &vmdk), ("four", &vmdk)] {
        let import = Import::new(text(source)).name(name).describe(debian());
        let model = stage.manager.import_model(import).await.expect(name);
        stage.manager.instance(&stage.name(name), &model.image, &tiny()).await.expect("created");
    }
    for instance in stage.manager.instances().await.expect("lists") {
        if instance.folder().starts_with(&stage.folder) {
            instance.destroy().await.expect("destroyed");
        }
    }
    for name in ["one", "two", "three", "four"] {
        stage.manager.delete_model(name, ImageFile::Delete).await.expect("removed");
    }
    assert_eq!(model_files(&stage), Vec::<String>::new());
    forget_sources(&stage).await;
    stage.end(&[]).await;
}

/// The private key that a box brings is kept with the model, and goes with it.
#[tokio::test(flavor = "multi_thread")]
async fn a_box_brings_its_key() {
    let stage = Stage::new("box-key").await;
    let disk = std::fs::read(raw(&stage, "d.img", 6)).expect("reads");
    let boxed = stage.folder.join("mine.box");
    tar(
        &boxed,
        &[
            ("metadata.json", b"{}".to_vec()),
            ("vagrant_private_key", b"THE KEY\n".to_vec()),
            ("box.img", disk),
        ],
    );
    let model = stage.manager.import_model(Import::new(text(&boxed)).describe(debian())).await;
    let model = model.expect("imported");
    let key = model.image.private_key_path.expect("a key");
    assert_eq!(std::fs::read(&key).expect("reads"), b"THE KEY\n");
    let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&key).expect("there"));
    assert_eq!(mode & 0o777, 0o600, "nobody else may read it");
    assert_eq!(model_files(&stage), ["mine.key", "mine.meta", "mine.vdi"]);
    stage.manager.delete_model("mine", ImageFile::Delete).await.expect("removed");
    assert_eq!(model_files(&stage), Vec::<String>::new());
    stage.end(&[]).await;
}
