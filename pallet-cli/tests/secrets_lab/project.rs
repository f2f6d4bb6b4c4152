//! A project that uses a secret in every place that takes one.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use xtask::lab::ClaimedNode;

use crate::{ACCOUNT, CONTENT, NAP, PASSPHRASE, SUDO, TEMPLATE};

/// Runs a line of shell code in the project's folder.
fn run(folder: &Path, line: &str) -> String {
    let ran = Command::new("sh").args(["-ec", line]).current_dir(folder).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout).unwrap()
}

/// Writes the secrets that are in files.
pub fn write_secrets(folder: &Path, template: &str, content: &str) {
    fs::write(folder.join("private/template"), template).unwrap();
    fs::write(folder.join("private/content"), content).unwrap();
    let recipient = run(folder, "age-keygen -y private/age.key");
    run(folder, &format!("age -r {} -o content.age private/content", recipient.trim()));
}

/// The private key of the node's users, encrypted.
fn encrypted_key(folder: &Path, node: &ClaimedNode) -> PathBuf {
    let key = folder.join("private/key");
    fs::copy(&node.key, &key).unwrap();
    run(folder, "chmod 600 private/key");
    run(folder, &format!("ssh-keygen -q -p -a 2 -N '{PASSPHRASE}' -f private/key"));
    key
}

pub fn project(node: &ClaimedNode) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    fs::create_dir(folder.path().join("private")).unwrap();
    write("private/sudo", &format!("{SUDO}\n"));
    write("private/account", ACCOUNT);
    write("private/passphrase", PASSPHRASE);
    run(folder.path(), "age-keygen -o private/age.key 2>&1");
    write_secrets(folder.path(), TEMPLATE, CONTENT);
    let key = encrypted_key(folder.path(), node);
    write("app.hbs", "token = {{ environment.token }}\n");
    write(
        "pallet.toml",
        &format!(
            r#"
[service.rack]
provider = "node-list"
nodes = [{{ name = "{}", group = "web", host = "{}", port = {}, host-key = "{}" }}]

[admin-user]
username         = "pwsudo"
private-key-path = "{}"
passphrase       = {{ command = ["cat", "private/passphrase"] }}
sudo-password    = {{ file = "private/sudo" }}

[environment]
token = {{ secret = {{ command = "cat private/template" }} }}

[group-spec.web.phases]
configure = [
  {{ remote-file = {{ path = "/etc/app.secret", content = {{ age = "content.age", identity = "private/age.key" }} }} }},
  {{ remote-file = {{ path = "/etc/app.conf", template = "app.hbs" }} }},
  {{ exec-script = {{ script = "printf 'nosudo:%s\\n' \"$PASSWORD\" | chpasswd", env = {{ PASSWORD = {{ file = "private/account" }} }} }} }},
  {{ exec-script = {{ script = """
echo "the token is $TOKEN"; printf %s "x$TOKEN" | base64; cat /etc/app.secret /etc/app.conf
sleep {NAP}""", env = {{ TOKEN = {{ env = "SCRIPT_TOKEN" }} }} }} }},
]
fail = [
  {{ exec-script = {{ script = "cat /etc/app.secret >&2; echo $TOKEN; exit 3", env = {{ TOKEN = {{ env = "SCRIPT_TOKEN" }} }} }} }},
]
"#,
            node.name,
            node.address,
            node.port,
            node.host_key,
            key.display()
        ),
    );
    folder
}
