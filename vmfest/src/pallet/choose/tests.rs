use serde_json::{Value, json};

use super::*;
use crate::models::{NetworkType, SessionType};

struct Setting {
    models: Models,
    folder: tempfile::TempDir,
}

fn setting() -> Setting {
    let folder = tempfile::tempdir().expect("a folder");
    let mut models = Models::built_in();
    for (name, family, version, wide) in [
        ("deb-9", "debian", "9.13", true),
        ("deb-12", "debian", "12", true),
        ("deb-12-old", "debian", "12", false),
        ("ubu", "ubuntu", "12.04", true),
    ] {
        let file = format!("{name}.vdi");
        std::fs::write(folder.path().join(&file), "").expect("written");
        let mut image = ImageModel::new(file, "Debian_64");
        image.os_family = Some(family.to_owned());
        image.os_version = Some(version.to_owned());
        image.os_64_bit = Some(wide);
        image.image_name = Some(format!("{family} server"));
        models.add_image(name, image, folder.path());
    }
    Setting { models, folder }
}

impl Setting {
    fn choose(&self, spec: Value) -> Result<Choice, ComputeError> {
        let spec: NodeSpec = serde_json::from_value(spec).expect("a node-spec");
        choose(&self.models, &HardwareModel::default(), self.folder.path(), &spec)
    }

    fn hardware(&self, mut spec: Value) -> Result<HardwareModel, ComputeError> {
        if spec["image"].is_null() {
            spec["image"] = json!({"image-id": "ubu"});
        }
        let choice = self.choose(spec)?;
        Ok(choice.image.effective_hardware(&choice.hardware))
    }
}

#[test]
fn images() {
    let setting = setting();
    for (image, expected) in [
        (json!({"image-id": "ubu"}), Ok("ubu")),
        // The newest version, then the one of 64 bits.
        (json!({"os-family": "debian"}), Ok("deb-12")),
        (json!({"os-family": "debian", "os-64-bit": false}), Ok("deb-12-old")),
        (json!({"os-family": "debian", "os-version": "9.13"}), Ok("deb-9")),
        (json!({"os-version-matches": "9\\..*"}), Ok("deb-9")),
        (json!({"image-id-matches": "ub."}), Ok("ubu")),
        (json!({"image-name-matches": "ubuntu .*"}), Ok("ubu")),
        (json!({}), Err("names no image, and there are several")),
        (json!({"os-version-matches": "9"}), Err("no image model has os-version-matches 9")),
        (json!({"os-arch-matches": "i.86", "hypervisor-matches": "virtualbox"}), Ok("deb-12-old")),
        (json!({"os-name-matches": ".*"}), Err("no image model has os-name-matches .*")),
        (json!({"os-family": "centos"}), Err("no image model has os-family centos")),
        (json!({"image-id": "ubuu"}), Err("did you mean ubu?")),
        (
            json!({"image-id": "ubu", "os-family": "debian"}),
            Err("is not what the node-spec asks for: its os-family is ubuntu"),
        ),
    ] {
        match (setting.choose(json!({ "image": image })), expected) {
            (Ok(choice), Ok(name)) => assert_eq!(choice.image_name, name, "{image}"),
            (Err(error), Err(part)) => {
                assert!(error.is_input, "{error}");
                assert!(error.message.contains(part), "{error}");
            }
            (found, expected) => panic!("{image}: {found:?}, expected {expected:?}"),
        }
    }
    let spec = json!({"image": {"os-family": "debian", "os-version": "11"}});
    let error = setting.choose(spec).expect_err("none");
    assert_eq!(error.message, "no image model has os-family debian and os-version 11");
    assert_eq!(
        error.help.as_deref(),
        Some(
            "deb-12: its os-version is 12; deb-12-old: its os-version is 12; deb-9: its os-version \
             is 9.13; ubu: its os-family is ubuntu and its os-version is 12.04"
        )
    );
}

#[test]
fn an_image_that_only_the_node_spec_has() {
    let setting = setting();
    let keys =
        json!({"path": "ubu.vdi", "os-type-id": "Ubuntu_64", "username": "me", "no-sudo": true});
    let choice = setting.choose(json!({"image": {"image-model": keys}})).expect("can be made");
    let file = setting.folder.path().join("ubu.vdi");
    assert_eq!(choice.image.path, file);
    assert_eq!(choice.image_name, file.display().to_string());
    assert!(choice.image.no_sudo);

    let over = json!({"image": {"image-id": "ubu", "image-model": {"username": "you"}}});
    let choice = setting.choose(over).expect("can be made");
    assert_eq!(choice.image_name, "ubu");
    assert_eq!(choice.image.username.as_deref(), Some("you"));
    assert_eq!(choice.image.os_version.as_deref(), Some("12.04"), "the model's other keys stay");
    assert_eq!(choice.image.path, file);

    let other = json!({"image": {"image-id": "ubu", "override-login-user": "root"}});
    let choice = setting.choose(other).expect("can be made");
    assert_eq!(choice.image.username.as_deref(), Some("root"));

    for (keys, part) in [
        (json!({"path": "x.vdi"}), "image.image-model: the key `os-type-id` is missing"),
        (json!({"pth": "x.vdi"}), "image.image-model: unknown key `pth`; did you mean `path`?"),
        (
            json!({"path": "x", "os-type-id": "L", "hardware": {"cpu-count": 0}}),
            "image.image-model: hardware.cpu-count: 0 is out of range",
        ),
    ] {
        let error = setting.choose(json!({"image": {"image-model": keys}})).expect_err(part);
        assert!(error.is_input && error.message.contains(part), "{error}");
    }
}

#[test]
fn sizes() {
    let setting = setting();
    let size = |spec: Value| {
        setting.hardware(spec).map(|hardware| (hardware.memory_size, hardware.cpu_count))
    };
    for (hardware, expected) in [
        (json!({}), (512, 1)),
        (json!({"hardware-id": "medium"}), (2048, 2)),
        (json!({"hardware-id": "small", "hardware-model": {"cpu-count": 3}}), (1024, 3)),
        (json!({"hardware-model": {"memory-size": 300}}), (300, 1)),
        (json!({"hardware-id": "small", "min-ram": 700}), (1024, 1)),
        (json!({"hardware-model": {"memory-size": 300}, "min-ram": 700}), (700, 1)),
        (json!({"min-ram": 700, "min-cores": 2}), (700, 2)),
    ] {
        let (memory, processors) = expected;
        let found = size(json!({ "hardware": hardware })).expect("can be made");
        assert_eq!(found, (Some(memory), Some(processors)), "{hardware}");
    }
}

#[test]
fn a_hardware_model_by_what_it_has_at_least() {
    let setting = setting();
    let size = |hardware: Value| {
        let made = setting.hardware(json!({ "hardware": hardware }));
        made.map(|hardware| (hardware.memory_size.unwrap_or(0), hardware.cpu_count.unwrap_or(0)))
    };
    for (hardware, expected) in [
        (json!({"prefer": "smallest"}), (512, 1)),
        (json!({"prefer": "smallest", "min-ram": 1500}), (2048, 2)),
        (json!({"prefer": "smallest", "min-cores": 3}), (4096, 4)),
        (json!({"prefer": "biggest"}), (4096, 4)),
        (json!({"prefer": "fastest", "architecture": "x86_64"}), (4096, 4)),
        // An id leaves nothing to choose.
        (json!({"hardware-id": "small", "prefer": "biggest"}), (1024, 1)),
    ] {
        assert_eq!(size(hardware.clone()).expect("can be made"), expected, "{hardware}");
    }
    for (hardware, part) in [
        (json!({"prefer": "smallest", "min-ram": 5000}), "no hardware model has 5000 MiB"),
        (json!({"architecture": "aarch64"}), "hardware.architecture: this service makes x86_64"),
        (json!({"min-disk": 20}), "hardware.min-disk: a node's disk is as large as its image's"),
    ] {
        let error = size(hardware).expect_err(part);
        assert!(error.is_input && error.message.contains(part), "{error}");
    }
}

#[test]
fn keys_of_the_provider_alone() {
    let setting = setting();
    let spec = json!({
        "hardware": {"hardware-model": {"memory-size": 300, "vram-size": 20}},
        "provider": {"vmfest": {"vram-size": 30}, "incus": {"anything": true}},
        "location": {}, "qos": {},
    });
    let made = setting.hardware(spec).expect("can be made");
    assert_eq!((made.memory_size, made.vram_size), (Some(300), Some(30)));
    for (spec, part) in [
        (
            json!({"provider": {"virtualbox": {"vram": 1}}}),
            "in the node-spec, provider.virtualbox: unknown key `vram`",
        ),
        (json!({"location": {"zone": "a"}}), "location: VirtualBox has one place"),
        (json!({"qos": {"spot": true}}), "qos: VirtualBox has no kinds of service"),
    ] {
        let error = setting.hardware(spec).expect_err(part);
        assert!(error.is_input && error.message.contains(part), "{error}");
    }
}

#[test]
fn who_has_the_last_word() {
    let mut setting = setting();
    let keys = r#"{:uuid "i.vdi" :os-type-id "Linux" :network-type :local
                   :hardware {:memory-size 700 :cpu-count 2}}"#;
    let image: ImageModel = crate::edn::from_str(keys).expect("a model");
    setting.models.add_image("opinionated", image, setting.folder.path());
    let made = |hardware: Value, network: Value| {
        let mut spec = json!({"image": {"image-id": "opinionated"}, "hardware": hardware});
        if !network.is_null() {
            spec["network"] = network;
        }
        setting.hardware(spec).expect("can be made")
    };
    let none = Value::Null;
    let found = made(json!({"hardware-id": "large"}), none.clone());
    assert_eq!((found.memory_size, found.cpu_count), (Some(700), Some(2)), "image over model");
    assert_eq!(found.network_type, Some(NetworkType::Local));
    let keys = json!({"hardware-model": {"memory-size": 300, "network-type": "nat"}});
    let found = made(keys.clone(), none);
    assert_eq!((found.memory_size, found.cpu_count), (Some(300), Some(2)), "node-spec over image");
    assert_eq!(found.network_type, Some(NetworkType::Nat));
    let found = made(keys.clone(), "local".into());
    assert_eq!(found.network_type, Some(NetworkType::Local), "network over hardware-model");
    let found = made(keys, json!(["none", {"attachment-type": "nat"}]));
    assert_eq!((found.network_type, found.network.map(|n| n.len())), (None, Some(2)));

    // The service's word counts where nobody else says anything.
    let defaults =
        HardwareModel { network_type: Some(NetworkType::Local), ..HardwareModel::default() };
    let spec = |value: Value| serde_json::from_value::<NodeSpec>(value).expect("a node-spec");
    let kind = |value: Value| {
        let choice = choose(&setting.models, &defaults, setting.folder.path(), &spec(value));
        let choice = choice.expect("can be made");
        choice.image.effective_hardware(&choice.hardware).network_type
    };
    let image = json!({"image-id": "ubu"});
    assert_eq!(kind(json!({ "image": image })), Some(NetworkType::Local));
    assert_eq!(kind(json!({ "image": image, "network": "nat" })), Some(NetworkType::Nat));
}

#[test]
fn networks() {
    let setting = setting();
    let rules = json!([{"name": "web", "host-port": 8080, "guest-port": 80}]);
    let made = |spec: Value| setting.hardware(spec).expect("can be made");
    let table = made(json!({"network": {
        "network-type": "local", "local-interface": "vboxnet3", "nat-rules": rules,
        "inbound-ports": [22, 80],
    }}));
    assert_eq!(table.network_type, Some(NetworkType::Local));
    assert_eq!(table.local_interface.as_deref(), Some("vboxnet3"));
    assert_eq!(table.nat_rules.map(|rules| rules.len()), Some(1));
    let flat = made(json!({"hardware": {
        "network-type": "bridged", "bridged-interface": "eth0", "nat-rules": rules,
    }}));
    assert_eq!(flat.network_type, Some(NetworkType::Bridged));
    assert_eq!(flat.bridged_interface.as_deref(), Some("eth0"));
    let shown = made(json!({"image": {"image-id": "ubu", "session-type": "gui"}}));
    assert_eq!(shown.session_type, Some(SessionType::Gui));

    for (spec, part) in [
        (
            json!({"network": "nap"}),
            "in the node-spec, network: unknown value \"nap\"; did you mean \"nat\"?",
        ),
        (
            json!({"network": {"kind": "nat"}}),
            "in the node-spec, network: unknown key `kind`; known are `network-type`, ",
        ),
        (
            json!({"network": [{"attachment-typ": "nat"}]}),
            "network[0]: unknown key `attachment-typ`; did you mean `attachment-type`?",
        ),
        (
            json!({"network": [{"attachment-type": "internal"}]}),
            "network[0].internal-network: is missing for this `attachment-type`",
        ),
        (
            json!({"hardware": {"hardware-model": {"cpu-counts": 3}}}),
            "hardware.hardware-model: unknown key `cpu-counts`; did you mean `cpu-count`?",
        ),
        (json!({"hardware": {"hardware-model": {"cpu-count": 0}}}), "cpu-count: 0 is out of range"),
        (json!({"hardware": {"network-type": "local-ish"}}), "hardware.network-type: "),
        (json!({"hardware": {"min-ram": 5_000_000_000_u64}}), "no VM has 5000000000 MiB"),
        (json!({"hardware": {"hardware-id": "tiny"}}), "no hardware model tiny"),
    ] {
        let error = setting.hardware(spec.clone()).expect_err(part);
        assert!(error.is_input && error.message.contains(part), "{spec}: {error}");
    }
}
