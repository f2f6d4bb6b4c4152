use serde_json::{Value, json};

use super::*;

fn images() -> Vec<Image> {
    let image = |fingerprint: &str, alias: &str, kind: &str, properties: Value| -> Image {
        let aliases = if alias.is_empty() { json!(null) } else { json!([{"name": alias}]) };
        serde_json::from_value(json!({
            "fingerprint": fingerprint, "aliases": aliases, "type": kind,
            "architecture": "x86_64", "properties": properties, "uploaded_at": "2026-01-01",
        }))
        .unwrap()
    };
    vec![
        image(
            "aa11bb22cc33",
            "deb-11",
            "container",
            json!({"os": "Debian", "release": "bullseye"}),
        ),
        image(
            "bb22cc33dd44",
            "deb-12",
            "container",
            json!({"os": "Debian", "release": "bookworm"}),
        ),
        image(
            "cc33dd44ee55ff",
            "",
            "container",
            json!({"os": "Ubuntu", "release": "noble", "version": "24.04", "pallet.username": "me"}),
        ),
        image("dd44ee55ff66", "alp", "container", json!({"os": "Alpine", "release": "3.20"})),
        image(
            "ee55ff667788",
            "deb-12-vm",
            "virtual-machine",
            json!({"os": "Debian", "release": "bookworm"}),
        ),
    ]
}

fn chosen_of(models: Value, kind: InstanceType, spec: Value) -> Result<Candidate, ComputeError> {
    let models: BTreeMap<String, ImageModel> = serde_json::from_value(models).unwrap();
    choose(&images(), &models, kind, &serde_json::from_value(spec).unwrap())
}

fn chosen(spec: Value) -> Result<Candidate, ComputeError> {
    chosen_of(json!({}), InstanceType::Container, spec)
}

#[test]
fn by_name_by_fingerprint_by_what_they_are() {
    for (spec, expected) in [
        (json!({"image-id": "deb-11"}), Ok("aa11bb22cc33")),
        (json!({"image-id": "cc33dd"}), Ok("cc33dd44ee55ff")),
        (json!({"os-family": "debian"}), Ok("bb22cc33dd44")),
        (json!({"os-family": "debian", "os-version": "11"}), Ok("aa11bb22cc33")),
        (json!({"os-family": "ubuntu", "os-64-bit": true}), Ok("cc33dd44ee55ff")),
        (json!({"os-version-matches": "3\\..*"}), Ok("dd44ee55ff66")),
        (json!({"image-model": {"alias": "alp"}}), Ok("dd44ee55ff66")),
        (json!({}), Err("names no image, and there are several")),
        (json!({"image-id": "deb-13"}), Err("the server has no image deb-13")),
        (json!({"image-id": "deb-12-vm"}), Err("one of a virtual-machine, not of a container")),
        (json!({"image-id": "deb-11", "os-version": "12"}), Err("its os-version is 11")),
        (json!({"image-model": {"path": "x.vdi"}}), Err("image.image-model: unknown field `path`")),
        (json!({"image-model": {"alias": "x"}}), Err("the server has no image x")),
        (json!({"os-family": "centos"}), Err("no image has os-family centos")),
    ] {
        match (chosen(spec.clone()), expected) {
            (Ok(found), Ok(fingerprint)) => {
                assert_eq!(found.source, Source::Image(fingerprint.to_owned()), "{spec}");
            }
            (Err(error), Err(part)) => {
                assert!(error.is_input && error.message.contains(part), "{spec}: {error}");
                assert!(error.help.is_some() || part.contains("its os"), "{spec}");
            }
            (found, _) => panic!("{spec}: {found:?}"),
        }
    }
    let error = chosen(json!({"os-family": "debian", "os-version": "13"})).unwrap_err();
    let help = error.help.unwrap();
    assert!(help.contains("deb-11: its os-version is 11"), "{help}");
    assert!(!help.contains("deb-12-vm"), "{help}");
    let vm = chosen_of(json!({}), InstanceType::VirtualMachine, json!({"os-family": "debian"}));
    assert_eq!(vm.unwrap().source, Source::Image("ee55ff667788".to_owned()));
}

#[test]
fn what_the_service_says_counts_more_than_what_the_server_says() {
    let models = json!({
        "deb-12": {"os-version": "12.7", "username": "admin", "no-sudo": true},
        "small": {"alias": "alp", "os-family": "tiny"},
        "gone": {"alias": "not-there"},
        "far": {"server": "https://images.example.org", "alias": "debian/13", "os-family": "debian",
                "os-version": "13"},
    });
    let chosen = |spec| chosen_of(models.clone(), InstanceType::Container, spec).unwrap();
    let found = chosen(json!({"image-id": "deb-12"}));
    assert_eq!(found.traits.os_version.as_deref(), Some("12.7"));
    assert_eq!((found.model.username.as_deref(), found.model.no_sudo), (Some("admin"), true));
    assert_eq!(chosen(json!({"os-family": "tiny"})).traits.id, "small");
    let far = chosen(json!({"os-family": "debian"}));
    assert!(matches!(&far.source, Source::Remote { alias, protocol, .. }
        if alias == "debian/13" && protocol == "simplestreams"));
    let ubuntu = chosen(json!({"os-family": "ubuntu"}));
    assert_eq!(ubuntu.model.username.as_deref(), Some("me"), "what the image says of itself");
    let other = chosen(json!({"os-family": "ubuntu", "override-login-user": "root"}));
    assert_eq!(other.model.username.as_deref(), Some("root"));
    let gone = chosen_of(models.clone(), InstanceType::Container, json!({"image-id": "gone"}));
    assert!(gone.unwrap_err().message.contains("the server has no image gone"));
}
