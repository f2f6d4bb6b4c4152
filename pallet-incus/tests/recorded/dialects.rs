//! What is said to Incus 6, and what to LXD 5.0.

use std::sync::atomic::{AtomicUsize, Ordering};

use pallet_core::compute::{ComputeService, CreateNode};
use pallet_incus::client::{Client, Dialect, Error};
use pallet_incus::doctor::{self, Finding};
use pallet_incus::images::{Description, import};
use pallet_incus::service::{IncusConfig, IncusService};
use serde_json::{Value, json};

use crate::server::{Answer, Asked, Server, greeting};

/// A server that makes one instance. Operations end when they are waited for the second time.
fn server(product: &'static str, extensions: &'static [&'static str]) -> Server {
    let waits = AtomicUsize::new(0);
    Server::start(move |asked: &Asked| {
        let operation = |code: u16, metadata: Value| {
            json!({"id": "op-1", "class": "task", "status_code": code, "metadata": metadata,
                   "err": "", "location": "n2"})
        };
        match (asked.method.as_str(), asked.path.split('?').next().unwrap()) {
            ("GET", "/1.0") => greeting(product, "6.0.4", extensions),
            ("GET", "/1.0/images") => Answer::sync(json!([{
                "fingerprint": "ab".repeat(32), "type": "container", "architecture": "x86_64",
                "aliases": [{"name": "debian/12", "description": "", "type": "container"}],
                "properties": {"os": "Debian", "release": "bookworm", "variant": "cloud"},
            }])),
            ("GET", "/1.0/networks") => Answer::sync(json!([
                {"name": "incusbr0", "type": "bridge", "managed": true, "project": "default"},
            ])),
            ("GET", "/1.0/cluster/members") => Answer::sync(json!([
                {"server_name": "n1", "status": "Online", "groups": ["default"], "architecture": "x86_64"},
                {"server_name": "n2", "status": "Online", "groups": ["default"]},
            ])),
            ("GET", "/1.0/cluster/groups") => {
                Answer::sync(json!([{"name": "default", "members": ["n1", "n2"], "config": {}}]))
            }
            ("GET", "/1.0/profiles/default") => Answer::sync(json!({
                "name": "default", "project": "default",
                "devices": {"root": {"type": "disk", "path": "/", "pool": "local"}},
            })),
            ("GET", "/1.0/operations/op-1/wait") => match waits.fetch_add(1, Ordering::Relaxed) % 2
            {
                0 if product == "incus" => Answer::late_error("context deadline exceeded"),
                0 => Answer::operation(false, operation(103, unpacking())),
                _ => Answer::operation(
                    false,
                    operation(200, json!({"fingerprint": "cd".repeat(32)})),
                ),
            },
            ("GET", "/1.0/operations/op-1") => {
                Answer::operation(false, operation(103, unpacking()))
            }
            ("GET", "/1.0/instances/web-1") => Answer::sync(json!({
                "name": "web-1", "status": "Ready", "status_code": 112, "type": "container",
                "location": "n2", "architecture": "x86_64", "config": {
                    "user.pallet.node": "true", "user.pallet.group": "web", "volatile.uuid": "u-1",
                },
            })),
            ("GET", "/1.0/instances/web-1/files") => {
                Answer::bytes("hello").header("x-incus-type", "file")
            }
            ("POST", "/1.0/images/aliases") => Answer::error(409, "Alias already exists"),
            ("PUT", "/1.0/images/aliases/new") => Answer::sync(json!({})),
            ("POST", "/1.0/instances" | "/1.0/images") | ("PUT", "/1.0/instances/web-1/state") => {
                Answer::operation(true, operation(103, Value::Null))
            }
            ("POST", "/1.0/instances/web-1/files") => Answer::sync(json!({})),
            (method, path) => Answer::error(404, &format!("{method} {path} is not recorded")),
        }
    })
}

fn unpacking() -> Value {
    json!({"create_instance_from_image_unpack_progress": "Unpack: 7%"})
}

fn request() -> CreateNode {
    let spec = json!({
        "image": {"os-family": "debian", "os-version": "12"},
        "hardware": {"hardware-id": "small", "min-disk": 8}, "network": "incusbr0",
        "location": {"cluster-group": "default"},
    });
    CreateNode {
        name: "web-1".to_owned(),
        group: "web".to_owned(),
        spec: serde_json::from_value(spec).unwrap(),
    }
}

/// What creating a node asks of a server that changes something.
async fn creation(server: &Server) -> Vec<Asked> {
    let client = Client::connect(server.address(), None, "default").await.unwrap();
    let service = IncusService::new("cluster", client, IncusConfig::default(), "/");
    let node = service.create(vec![request()]).await.remove(0).unwrap();
    assert_eq!((node.id.as_str(), node.properties["member"].as_str()), ("u-1", "n2"));
    server.asked().into_iter().filter(|asked| asked.method != "GET").collect()
}

#[tokio::test]
async fn incus_starts_what_it_creates_and_lxd_is_asked_to() {
    let incus = server("incus", &["instance_create_start"]);
    let asked = creation(&incus).await;
    let lines: Vec<String> = asked.iter().map(Asked::line).collect();
    assert_eq!(lines, ["POST /1.0/instances?target=%40default"]);
    let sent = asked[0].json();
    assert_eq!(sent["start"], true);
    assert_eq!(sent["source"], json!({"type": "image", "fingerprint": "ab".repeat(32)}));
    assert_eq!(sent["config"]["limits.memory"], "1024MiB");
    assert_eq!(sent["config"]["user.pallet.group"], "web");
    assert_eq!(sent["profiles"], json!(["default"]));
    let disk = json!({"type": "disk", "path": "/", "pool": "local", "size": "8GiB"});
    let card = json!({"type": "nic", "name": "eth0", "network": "incusbr0"});
    assert_eq!(sent["devices"], json!({"root": disk, "eth0": card}));

    let lxd = server("lxd", &[]);
    let asked = creation(&lxd).await;
    let lines: Vec<String> = asked.iter().map(Asked::line).collect();
    let expected = ["POST /1.0/instances?target=%40default", "PUT /1.0/instances/web-1/state"];
    assert_eq!(lines, expected);
    assert_eq!(asked[1].json()["action"], "start");
}

#[tokio::test]
async fn a_doctor_finds_what_is_wrong() {
    let config = |address: String, more: Value| -> IncusConfig {
        let mut table = json!({"url": address});
        table.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(table).unwrap()
    };
    let problems = |findings: Vec<Finding>| -> Vec<(String, bool)> {
        let bad = findings.into_iter().filter_map(|it| Some((it.what, it.problem?.is_fatal)));
        bad.collect()
    };
    let server = server("incus", &[]);
    let address = server.address().to_string();
    let found = doctor::look(&config(address.clone(), json!({})), "/".as_ref()).await;
    assert_eq!(found[0].what, format!("server: Incus 6.0.4 at {address}"));
    let expected = [("cluster".to_owned(), false), ("network".to_owned(), false)];
    assert_eq!(problems(found), expected);
    let more = json!({"profiles": ["none"], "type": "virtual-machine"});
    let found = problems(doctor::look(&config(address, more), "/".as_ref()).await);
    let fatal = ["profile none", "root disk", "images"];
    assert!(fatal.iter().all(|what| found.contains(&((*what).to_owned(), true))), "{found:?}");
    let found = doctor::look(&config("unix:/nowhere".to_owned(), json!({})), "/".as_ref()).await;
    assert_eq!(problems(found), [("server".to_owned(), true)]);
}

#[tokio::test]
async fn each_has_headers_of_its_own() {
    for (product, dialect, prefix) in
        [("incus", Dialect::Incus, "x-incus"), ("lxd", Dialect::Lxd, "x-lxd")]
    {
        let server = server(product, &[]);
        let client = Client::connect(server.address(), None, "default").await.unwrap();
        assert_eq!(client.dialect(), dialect);
        assert_eq!(client.file("web-1", "/etc/x y").await.unwrap().unwrap(), b"hello");
        client.put_file("web-1", "/etc/x", 0o640, b"new".to_vec()).await.unwrap();

        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("rootfs")).unwrap();
        std::fs::write(folder.path().join("metadata.yaml"), "architecture: x86_64\n").unwrap();
        let description = Description { os: Some("My OS".to_owned()), ..Description::default() };
        let fingerprint =
            import(&client, folder.path(), "new", &description, |_| {}).await.unwrap();
        assert_eq!(fingerprint, "cd".repeat(32));

        let asked = server.asked();
        let of = |line: &str| asked.iter().find(|asked| asked.line() == line).unwrap();
        let header = |line: &str, name: &str| {
            let value = of(line).headers.get(format!("{prefix}-{name}"));
            value.map(|value| value.to_str().unwrap().to_owned())
        };
        assert_eq!(of("GET /1.0/instances/web-1/files?path=%2Fetc%2Fx%20y").body.len(), 0);
        let put = "POST /1.0/instances/web-1/files?path=%2Fetc%2Fx";
        assert_eq!(header(put, "mode").as_deref(), Some("0640"));
        assert_eq!(
            (header(put, "type").as_deref(), &of(put).body[..]),
            (Some("file"), &b"new"[..])
        );
        assert_eq!(header("POST /1.0/images", "properties").as_deref(), Some("os=My%20OS"));
        // A name that there is already moves.
        let moved = of("PUT /1.0/images/aliases/new").json();
        assert_eq!(moved["target"], "cd".repeat(32));
    }
}

#[tokio::test]
async fn failures_come_in_the_servers_words() {
    let server = Server::start(|asked| match asked.line().as_str() {
        "GET /1.0" => greeting("incus", "6.0.4", &[]),
        "DELETE /1.0/instances/a" => Answer::operation(
            true,
            json!({"id": "op", "status_code": 400, "err": "Disk is on fire", "metadata": null}),
        ),
        "DELETE /1.0/instances/b" => Answer::operation(
            true,
            json!({"id": "op", "status_code": 103, "err": "", "location": "n2"}),
        ),
        "DELETE /1.0/instances/e" => Answer::operation(
            true,
            json!({"id": "op-e", "status_code": 103, "err": "", "location": "n2"}),
        ),
        "GET /1.0/operations/op-e/wait?timeout=5" => Answer::late_error("Disk is wet"),
        "DELETE /1.0/instances/c" => Answer::error(403, "Certificate is restricted"),
        "DELETE /1.0/instances/d" => Answer::bytes("<html>").header("content-type", "text/html"),
        "GET /1.0/profiles/x" => Answer::bytes("<html>"),
        _ => Answer::error(404, "not found"),
    });
    let client = Client::connect(server.address(), None, "default").await.unwrap();
    let error = client.delete("a").await.unwrap_err();
    assert_eq!(error.to_string(), "deleting a: Disk is on fire");
    assert!(matches!(error, Error::Failed { .. }));
    let error = client.delete("b").await.unwrap_err();
    assert!(error.to_string().contains("the member n2 forgot about it"), "{error}");
    let error = client.delete("e").await.unwrap_err();
    assert_eq!(error.to_string(), "deleting e: Disk is wet");
    let error = client.delete("c").await.unwrap_err();
    assert_eq!(error.to_string(), "deleting c: Certificate is restricted");
    assert!(error.help().unwrap().contains("trust"), "{error}");
    client.delete("d").await.unwrap();
    let error = client.profile("x").await.unwrap_err();
    assert!(matches!(error, Error::Odd { .. }), "{error}");

    let stranger = Server::start(|_| Answer::sync(json!({"auth": "untrusted"})));
    let error = Client::connect(stranger.address(), None, "default").await.unwrap_err();
    assert!(error.to_string().contains("does not trust this client"), "{error}");
    let nobody = pallet_incus::client::Address::parse("unix:/nowhere/unix.socket").unwrap();
    let error = Client::connect(nobody, None, "default").await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
}
