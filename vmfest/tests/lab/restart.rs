//! VirtualBox ends and starts again: what it forgets, and what it cannot read any more.
//!
//! This needs a VirtualBox that no other test uses, which is started here beside the lab's.

use std::path::Path;

use vmfest::{Error, ImageFile, Instance, State};

use crate::private::{Private, WITHOUT_DRIVER};
use crate::support::{Stage, digest, tiny};

#[tokio::test(flavor = "multi_thread")]
async fn virtualbox_starts_again() {
    let stage = Stage::new("restart").await;
    let image = stage.image("model.vdi").await;
    let before = digest(&image.path);
    let private = Private::new(&stage);
    private.start();
    let manager = private.connect().await;
    let [a, b, c] = ["a", "b", "c"].map(|suffix| stage.name(suffix));
    for name in [&a, &b, &c] {
        manager.instance(name, &image, &tiny()).await.expect("created");
    }
    drop(manager);
    private.stop();

    // The settings of one are lost, those of another broken.
    let settings = |name: &str| stage.folder.join("nodes").join(name).join(format!("{name}.vbox"));
    std::fs::remove_file(settings(&a)).expect("removed");
    std::fs::write(settings(&b), "<VirtualBox").expect("written");
    private.start();
    let manager = private.connect().await;
    let instances = manager.instances().await.expect("lists");
    let names: Vec<_> = instances.iter().map(vmfest::Instance::name).collect();
    assert_eq!(names, [&a, &b, &c]);
    assert_eq!(instances[0].state().await.expect("a state"), State::Inaccessible);
    assert_eq!(instances[1].state().await.expect("a state"), State::Inaccessible);
    assert_eq!(instances[2].state().await.expect("a state"), State::PoweredOff);
    let error = manager.instance(&a, &image, &tiny()).await.expect_err("the name is taken");
    assert!(matches!(error, Error::NameTaken { .. }), "{error}");
    assert!(matches!(instances[0].start().await, Err(Error::WrongState { .. })));

    // The image is still held, and can be used at once.
    let d = stage.name("d");
    let fourth = manager.instance(&d, &image, &tiny()).await.expect("created");
    start_without_driver(&private, &fourth).await;
    fourth.destroy().await.expect("destroyed");

    manager.destroy(&a).await.expect("destroyed");
    manager.find(&b).await.expect("looks").expect("found").destroy().await.expect("destroyed");
    manager.destroy(&b).await.expect("destroying what is gone is fine");
    manager.destroy(&c).await.expect("destroyed");
    assert!(manager.instances().await.expect("lists").is_empty());
    assert_eq!(folders(&stage.folder.join("nodes")), Vec::<String>::new());
    assert_eq!(digest(&image.path), before);

    manager.remove_model(&image, ImageFile::Keep).await.expect("nothing uses it any more");
    manager.close().await.expect("logs off");
    drop(private);
    stage.end(&[]).await;
}

/// On a host whose kernel has no module for VirtualBox, a start says so, and what to do.
async fn start_without_driver(private: &Private<'_>, instance: &Instance) {
    let client = vbox_soap::Client::new(&private.url()).expect("an address");
    let soap = client.logon("", "").await.expect("logs on");
    soap.virtual_box().set_extra_data(WITHOUT_DRIVER, "").await.expect("set");
    let error = instance.start().await.expect_err("cannot start");
    assert!(matches!(error, Error::Host { .. }), "{error:?}");
    assert!(error.to_string().contains("modprobe vboxdrv"), "{error}");
    soap.virtual_box().set_extra_data(WITHOUT_DRIVER, "1").await.expect("set");
    soap.logoff().await.expect("logs off");
}

fn folders(parent: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(parent).expect("reads").flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| !name.starts_with('.')).collect()
}
