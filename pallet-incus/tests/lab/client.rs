//! The client against a real server: who is let in, and images.

use std::fs;

use pallet_incus::client::{Address, Client, Dialect, Error};
use pallet_incus::images::{Description, import};
use serde_json::json;
use xtask::lab::Product;

use crate::support::{Lab, spec};

crate::support::on_both! {
    over_tls_both_sides_have_to_be_the_right_ones,
    refusals_come_with_the_servers_reason,
    images_come_from_folders_and_tars_and_are_chosen_by_what_they_are,
}

async fn over_tls_both_sides_have_to_be_the_right_ones(lab: Lab) {
    let address = Address::parse(&lab.cluster.second().unwrap().url).unwrap();
    let right = lab.credentials();
    let client = Client::connect(address.clone(), Some(&right), "default").await.unwrap();
    let (dialect, version) = match lab.cluster.product {
        Product::Lxd => (Dialect::Lxd, "5.0"),
        Product::Incus => (Dialect::Incus, "6.0"),
    };
    assert_eq!(client.dialect(), dialect);
    assert!(client.server().environment.server_version.starts_with(version));
    let members = client.members().await.unwrap();
    let names: Vec<&str> = members.iter().map(|member| member.server_name.as_str()).collect();
    let known: Vec<&str> = lab.cluster.members.iter().map(|member| member.name.as_str()).collect();
    assert_eq!(names, known);
    assert!(members.iter().all(|member| member.is_online()), "{members:?}");

    // Another server than the expected one.
    let mut other = right.clone();
    other.server[0] ^= 1;
    let error = Client::connect(address.clone(), Some(&other), "default").await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains("another certificate than expected"), "{error}");

    // A client that nobody has said to be trusted.
    let made = rcgen::generate_simple_self_signed(vec!["stranger".to_owned()]).unwrap();
    let mut stranger = right.clone();
    (stranger.certificate, stranger.key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let error = Client::connect(address.clone(), Some(&stranger), "default").await.unwrap_err();
    assert!(matches!(error, Error::Refused { status: 403, .. }), "{error}");
    assert!(error.help().unwrap().contains("config trust add"), "{error}");

    let error = Client::connect(address, None, "default").await.unwrap_err();
    assert!(error.to_string().contains("asks for a certificate"), "{error}");
}

async fn refusals_come_with_the_servers_reason(lab: Lab) {
    let client = lab.client().await;
    assert!(client.instance("nobody").await.unwrap().is_none());
    let error = client.start("nobody").await.unwrap_err();
    assert!(error.is_not_found(), "{error}");
    assert!(error.to_string().starts_with("starting nobody: "), "{error}");
    let error = client.profile("nothing").await.unwrap_err();
    assert!(error.is_not_found(), "{error}");
    let elsewhere = Client::connect(lab.socket(), None, "no-such-project").await.unwrap();
    let error = elsewhere.images().await.unwrap_err();
    assert!(error.to_string().contains("roject"), "{error}");
}

async fn images_come_from_folders_and_tars_and_are_chosen_by_what_they_are(lab: Lab) {
    let client = lab.client().await;
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    // Not a system that runs, but one that has owners, links and a device.
    let make = "mkdir -p usr/bin etc && ln -s usr/bin bin && mkfifo etc/pipe && mknod etc/null c 1 3 \
                && echo hello >etc/hello && chown 1234:1234 etc/hello && ln etc/hello etc/again \
                && ln -s ./hello etc/link";
    fs::create_dir(&root).unwrap();
    let made = std::process::Command::new("sh").args(["-euc", make]).current_dir(&root).status();
    assert!(made.unwrap().success());
    let tar = folder.path().join("root.tar.gz");
    let mut pack = std::process::Command::new("tar");
    pack.arg("-czf").arg(&tar).arg("-C").arg(&root).arg(".");
    assert!(pack.status().unwrap().success());

    let description = |version: &str| Description {
        os: Some("Testos".to_owned()),
        version: Some(version.to_owned()),
        description: Some("for a test & gone".to_owned()),
        username: Some("tester".to_owned()),
        ..Description::of_this_machine()
    };
    let mut sent = 0;
    let old = description("1.2");
    let older = import(&client, &root, "testos-older", &old, |bytes| sent = bytes);
    let older = older.await.unwrap();
    assert!(sent > 0);
    let newer = import(&client, &tar, "testos-newer", &description("1.10"), |_| {}).await.unwrap();
    assert_ne!(older, newer);

    let images = client.images().await.unwrap();
    let of = |fingerprint: &str| images.iter().find(|it| it.fingerprint == fingerprint).unwrap();
    for (fingerprint, alias, version) in
        [(&older, "testos-older", "1.2"), (&newer, "testos-newer", "1.10")]
    {
        let image = of(fingerprint);
        assert_eq!(image.aliases[0].name, alias);
        assert_eq!(image.properties["version"], version);
        assert_eq!(image.properties["description"], "for a test & gone");
        assert_eq!(image.architecture, "x86_64");
    }

    let service = lab.open(json!({})).await;
    let facts = service.expected_facts(&spec(json!({"image": {"os-family": "testos"}}))).await;
    assert_eq!((facts.os.as_str(), facts.os_version.as_str()), ("testos", "1.10"));
    let wrong = spec(json!({"image": {"os-family": "testos", "os-version": "2"}}));
    let error = service.check(&wrong).await.unwrap_err();
    assert!(error.is_input, "{error}");
    let help = error.help.unwrap();
    assert!(help.contains("testos-older: its os-version is 1.2"), "{help}");
    assert!(help.contains("debian-12: its os-family is debian"), "{help}");

    // An alias moves to what is imported under it next.
    client.set_alias("testos-older", &newer).await.unwrap();
    client.delete_image(&older).await.unwrap();
    let images = client.images().await.unwrap();
    let left = images.iter().find(|image| image.fingerprint == newer).unwrap();
    assert_eq!(left.aliases.len(), 2);
    client.delete_image(&newer).await.unwrap();

    let nothing = folder.path().join("nothing");
    let error = import(&client, &nothing, "x", &description("1"), |_| {}).await.unwrap_err();
    assert!(error.to_string().contains("No such file"), "{error}");
}
