//! Actions as documents write them: examples, short forms, schemas and mistakes.

use pallet_core::action::ActionBox;
use pallet_crates::{Directory, Packages, RemoteFile};
use toml::de::{DeTable, DeValue};

/// Reads one step as a document has it.
fn step(text: &str) -> Result<ActionBox, String> {
    let document = format!("step = {text}");
    let parsed = DeTable::parse(&document).map_err(|error| error.to_string())?;
    let (_, step) = parsed.into_inner().into_iter().next().ok_or("no step")?;
    let DeValue::Table(step) = step.into_inner() else { return Err("no table".to_owned()) };
    let (name, parameters) = step.into_iter().next().ok_or("no action")?;
    let registry = pallet_crates::all();
    let action = registry.find_action(name.get_ref()).ok_or("no such action")?;
    action.read(parameters).map_err(|mut error| {
        error.set_input(Some(&document));
        error.to_string()
    })
}

#[test]
fn every_example_is_a_step_of_its_action() {
    let registry = pallet_crates::all();
    for (name, entry) in registry.actions() {
        let info = entry.info();
        let action = step(info.example).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!((action.name(), info.name), (name, name));
        assert!(!action.subject().is_empty());
        assert!(info.summary.ends_with('.'), "{name}");
    }
}

#[test]
fn short_forms() {
    let cases = [
        (r#"{ directory = "/opt/app" }"#, "/opt/app"),
        (r#"{ user = "app" }"#, "app"),
        (r#"{ group = "app" }"#, "app"),
        (r#"{ package = "g++" }"#, "g++"),
        (r#"{ packages = ["git", "curl=1:2"] }"#, "git, curl=1:2"),
        (r#"{ file = "/var/log/app.log" }"#, "/var/log/app.log"),
        (r#"{ service = "nginx" }"#, "nginx"),
        (r#"{ package-manager = "update" }"#, "update"),
        (r#"{ exec-script = "make install\nmake clean" }"#, "make install"),
    ];
    for (text, subject) in cases {
        let action = step(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(action.subject(), subject, "{text}");
    }
}

#[test]
fn mistakes_are_explained_where_they_are() {
    let cases = [
        (r#"{ directory = { path = "/a", onwer = "x" } }"#, "unknown field `onwer`", "onwer"),
        (r#"{ directory = 5 }"#, "expected a path, or a table with path and more", "5"),
        (r#"{ directory = ["/a"] }"#, "expected a path, or a table with path and more", "["),
        (r#"{ directory = { mode = "0755" } }"#, "missing field `path`", "{ mode"),
        (r#"{ directory = "opt" }"#, "not an absolute path", "\"opt\""),
        (r#"{ directory = { path = "/a", mode = 755 } }"#, "a mode is written in quotes", "755"),
        (r#"{ directory = { path = "/a", mode = "rwx" } }"#, "`rwx` is not a mode", "\"rwx\""),
        (r#"{ user = { name = "a b" } }"#, "`a b` cannot be the name", "\"a b\""),
        (r#"{ user = { name = "a", uid = -1 } }"#, "invalid value: integer `-1`", "-1"),
        (r#"{ package = "nano-" }"#, "ensure = \"absent\"", "\"nano-\""),
        (r#"{ packages = "git" }"#, "`packages` takes a list", "\"git\""),
        (r#"{ packages = ["git", 5] }"#, "expected a string", "5"),
        (r#"{ remote-file = "/etc/motd" }"#, "invalid type: string", "\"/etc/motd\""),
        (r#"{ remote-file = { path = "/a", bytes = "x" } }"#, "unknown field `bytes`", "bytes"),
        (
            r#"{ line-in-file = { path = "/a", line = "x", match = "a(b" } }"#,
            "unclosed group",
            "\"a(b\"",
        ),
        (
            r#"{ authorized-key = { user = "a", key = "/root/.ssh/id.pub" } }"#,
            "is no public key",
            "\"/root",
        ),
        (r#"{ exec-script = { script = "x", creates = "y" } }"#, "not an absolute path", "\"y\""),
    ];
    for (text, message, place) in cases {
        let error = step(text).expect_err(text);
        assert!(error.contains(message), "{text}: {error}");
        // The error shows the line with a mark below the place.
        let column = format!("step = {text}").find(place).unwrap() + 1;
        assert!(error.contains(&format!("column {column}\n")), "{text}: {error}, not {column}");
    }
}

#[test]
fn values_come_back_from_their_own_json() {
    let directory = Directory::new("/opt/app").unwrap().owner("app").unwrap().mode("750").unwrap();
    let json = serde_json::to_value(&directory).unwrap();
    assert_eq!(json["mode"], "0750");
    let back: Directory = serde_json::from_value(json.clone()).unwrap();
    assert_eq!(serde_json::to_value(&back).unwrap(), json);

    let file = RemoteFile::new("/etc/motd").unwrap().template("motd.hbs").value("port", 80);
    let json = serde_json::to_value(&file).unwrap();
    assert_eq!(json["values"]["port"], 80);
    let back: RemoteFile = serde_json::from_value(json.clone()).unwrap();
    assert_eq!(serde_json::to_value(&back).unwrap(), json);

    let json = serde_json::to_value(Packages::new(["git"]).unwrap()).unwrap();
    assert!(serde_json::from_value::<Packages>(json).is_ok());
}

#[test]
fn schemas_say_what_may_be_written() {
    let registry = pallet_crates::all();
    for (name, entry) in registry.actions() {
        let schema = entry.info().schema;
        let table = match &schema["anyOf"] {
            serde_json::Value::Array(forms) => {
                let short = if name == "packages" { "array" } else { "string" };
                assert_eq!(forms[0]["type"], short, "{name}");
                forms[1].clone()
            }
            _ => schema.clone(),
        };
        assert_eq!(table["additionalProperties"], false, "{name}: {schema}");
        assert!(table["properties"].is_object(), "{name}: {schema}");
        assert!(!schema.to_string().contains("\"bytes\""), "{name}");
    }
}

/// What editors, `explain` and the reference page show of a field.
#[test]
fn every_field_is_documented_with_its_default() {
    let registry = pallet_crates::all();
    let mut wrong = Vec::new();
    for (name, entry) in registry.actions() {
        let schema = entry.info().schema;
        let table = schema["anyOf"].as_array().map_or(&schema, |forms| &forms[1]);
        let is_required = |field: &String| {
            let required = table["required"].as_array();
            required.is_some_and(|all| all.iter().any(|one| one == field))
        };
        for (field, schema) in table["properties"].as_object().unwrap() {
            let description = schema["description"].as_str().unwrap_or_default();
            // What must be given has no default; of things of which one must be given, none is one.
            let alternatives = [
                "content",
                "template",
                "values",
                "local-file",
                "url",
                "sha256",
                "archive",
                "local-directory",
                "key",
                "key-file",
                "key-url",
                "key-sha256",
                "uris",
                "rules",
                "names",
                "target",
                "line",
                "match",
                "after",
                "before",
                "schedule",
                "command",
                "device",
                "type",
                "value",
                "port",
                "file",
                "http",
                "script",
                "env",
                "environment",
                "creates",
                "unless",
                "only-if",
                "verify",
                "groups",
                "default",
                "max-age",
                "path",
            ];
            let says_default = is_required(field)
                || description.contains("Default: ")
                || alternatives.contains(&field.as_str());
            if description.is_empty() || !says_default {
                wrong.push(format!("{name}.{field}: {description:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
