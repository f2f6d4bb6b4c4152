//! Settings in layers: a person's files, the project, variables, arguments.

use crate::support::{Folder, Ran};

fn layered() -> Folder {
    let folder = Folder::with(
        "environment.domain = \"example.org\"\n[admin-user]\nusername = \"project\"\n\
         [service.rack]\nhost-key = \"first-contact\"\n[group-spec.web]\n",
    );
    std::fs::create_dir_all(folder.path(".pallet/services")).unwrap();
    folder.write(
        ".pallet/config.toml",
        "default-service = \"rack\"\nenvironment = { domain = \"none\", proxy = \"http://p\" }\n\
         [admin-user]\nusername = \"person\"\nprivate-key-path = \"keys/id\"\n",
    );
    folder.write(".pallet/services/a.toml", "[rack]\nprovider = \"node-list\"\nnodes = []\n");
    folder.write(".pallet/services/b.clj", "{:old {:provider :node-list :nodes []}}");
    folder
}

fn setting(ran: &Ran, key: &str) -> (String, String) {
    let value = ran.json();
    let settings = value["settings"].as_array().unwrap();
    let found = settings.iter().find(|one| one["key"] == key);
    let found = found.unwrap_or_else(|| panic!("{key} is not in {value:#}"));
    let file = found["origin"]["file"].as_str().unwrap();
    let file = file.rsplit_once(".pallet/").map_or(file, |(_, file)| file);
    (found["value"].as_str().unwrap().to_owned(), format!("{file}:{}", found["origin"]["line"]))
}

#[test]
fn the_higher_layer_wins_and_each_value_knows_its_place() {
    let folder = layered();
    let mut command = folder.command(&["config", "--output", "json", "--service", "old"]);
    command.env("PALLET_ADMIN_USER", "variable").env("PALLET_SUDO_PASSWORD", "hunter2-of-mine");
    let ran = Ran::from(command.output().unwrap()).code(0);
    assert!(!ran.stdout.contains("hunter2"), "{}", ran.stdout);
    let seen = |key, value: &str, place: &str| {
        assert_eq!(setting(&ran, key), (value.to_owned(), place.to_owned()), "{key}");
    };
    seen("default-service", "\"old\"", "--service:1");
    seen("admin-user.username", "\"variable\"", "$PALLET_ADMIN_USER:1");
    seen("environment.domain", "\"example.org\"", "pallet.toml:1");
    seen("environment.proxy", "\"http://p\"", "config.toml:2");
    seen("service.rack.provider", "\"node-list\"", "services/a.toml:2");
    seen("service.rack.host-key", "\"first-contact\"", "pallet.toml:5");
    seen("service.old.provider", "\"node-list\"", "services/b.clj:1");
    let (key, place) = setting(&ran, "admin-user.private-key-path");
    assert!(key.ends_with(".pallet/keys/id\"") && place == "config.toml:5", "{key} {place}");
    assert_eq!(setting(&ran, "admin-user.sudo-password.env").0, "\"PALLET_SUDO_PASSWORD\"");

    let text = folder.pallet(&["config"]).code(0).stdout;
    assert!(text.contains("pallet.toml:3") && text.contains("config.toml:1"), "{text}");
}

#[test]
fn mistakes_in_every_layer_are_told_with_their_places() {
    let folder = layered();
    folder.write(".pallet/config.toml", "[admin-user]\nusrname = \"x\"\n[group-spec.web]\n");
    folder.write(".pallet/services/a.toml", "[rack]\nprovider = \"node-lst\"\n");
    folder.pallet(&["nodes"]).code(2).says(&[
        ".pallet/config.toml:2:1",
        "unknown key `usrname` in `admin-user`",
        "did you mean `username`?",
        ".pallet/config.toml:3:2",
        "unknown key `group-spec`",
        ".pallet/services/a.toml:2:12",
        "did you mean `node-list`?",
    ]);
    folder.write(".pallet/config.toml", "x = \n");
    folder.pallet(&["nodes"]).code(2).says(&[".pallet/config.toml:1:"]);
    folder.write(".pallet/config.toml", "");
    folder.write(".pallet/services/b.clj", "{:old {:provider (str \"node\" \"-list\")}}");
    folder.pallet(&["nodes"]).code(2).says(&[".pallet/services/b.clj:1:", "is code", "TOML"]);
}

#[test]
fn a_service_that_is_not_there() {
    let folder = layered();
    folder.pallet(&["nodes", "--service", "rak"]).code(2).says(&["rak", "did you mean `rack`?"]);
}

#[test]
fn a_variable_that_is_nearly_right_is_warned_of() {
    let folder = layered();
    let mut command = folder.command(&["config"]);
    let ran = Ran::from(command.env("PALLET_SERVCE", "x").output().unwrap()).code(0);
    ran.says(&["PALLET_SERVCE is not known; PALLET_SERVICE is"]);
}
