//! Crates as documents use them: examples, defaults, schemas and mistakes.

use std::fs;

use pallet_core::document::Document;
use serde_json::{Value, json};

/// What resolving a document says, or nothing.
fn mistakes(text: &str) -> Option<String> {
    let document = Document::parse("pallet.toml", text);
    let resolved = document.and_then(|document| document.resolve(&pallet_crates::all()));
    resolved.err().map(|it| it.to_string())
}

#[test]
fn every_example_is_a_document_that_uses_its_crate() {
    for (name, entry) in pallet_crates::all().crates() {
        let info = entry.info();
        assert_eq!(mistakes(info.example), None, "{name}");
        assert!(info.example.contains(&format!("extends = [\"{name}\"]")), "{name}");
        assert!(info.summary.ends_with('.'), "{name}");
        assert!(info.phases.contains(&"settings".to_owned()), "{name}: {:?}", info.phases);
        // The same example stands in the crate's documentation.
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/crates");
        let sources = fs::read_dir(folder).unwrap().map(|it| it.unwrap().path());
        let documented = sources.filter(|path| path.is_file()).any(|path| {
            let text = fs::read_to_string(path).unwrap();
            let docs = text.lines().filter_map(|line| line.strip_prefix("///"));
            let docs = docs.map(|it| it.strip_prefix(' ').unwrap_or(it)).collect::<Vec<_>>();
            docs.join("\n").contains(info.example.trim_end())
        });
        assert!(documented, "{name}: its example is not in its documentation");
    }
}

#[test]
fn settings_have_defaults_and_say_which() {
    for (name, entry) in pallet_crates::all().crates() {
        let info = entry.info();
        let text = format!("[group-spec.a]\nextends = ['{name}']\nsettings.{name} = {{}}\n");
        assert_eq!(mistakes(&text), None, "{name}: an empty table will do");
        assert_eq!(info.schema["additionalProperties"], false, "{name}");
        assert_eq!(info.schema.get("required"), None, "{name}");
        let described = |what: &str, schema: &Value| {
            for (key, property) in schema["properties"].as_object().into_iter().flatten() {
                let text = property["description"].as_str().unwrap_or_default();
                let required = schema["required"].as_array();
                let required = required.is_some_and(|it| it.contains(&json!(key)));
                assert!(required || text.contains("Default: "), "{name}: {what} {key}: {text:?}");
                assert!(!text.is_empty(), "{name}: {what} {key}");
            }
        };
        described("", &info.schema);
        for (what, schema) in info.schema["$defs"].as_object().into_iter().flatten() {
            described(what, schema);
        }
        for key in info.schema["properties"].as_object().unwrap().keys() {
            assert!(info.defaults.get(key).is_some(), "{name}: {key}");
        }
    }
}

#[test]
fn mistakes_in_settings_have_a_place_and_help() {
    let cases = [
        (
            "settings.nginx.sites.a.rot = '/srv'",
            "pallet.toml:3:24: unknown key `rot` in `group-spec.web.settings.nginx.sites.a`\n  \
             help: did you mean `root`?",
        ),
        ("settings.nginx.upstreams.a.port = 70000", "must be a whole number from 0 to 65535"),
        ("settings.nftables.accept = [{ protocol = 'tpc' }]", "`tpc`"),
        ("settings.git.checkouts.'/a' = {}", "missing field `repository`"),
        ("settings.mysql.users.a.password = { env = 'PALLET_NOT_SET' }", "is not set"),
    ];
    for (line, expected) in cases {
        let extends = "extends = ['nginx', 'nftables', 'git', 'mysql']";
        let told = mistakes(&format!("[group-spec.web]\n{extends}\n{line}\n"));
        let told = told.unwrap_or_else(|| panic!("{line}: nothing is said"));
        assert!(told.contains(expected), "{line}: {told}");
    }
}

#[test]
fn crates_work_together() {
    let all: Vec<String> =
        pallet_crates::all().crates().map(|(name, _)| format!("'{name}'")).collect();
    let text = format!("[group-spec.a]\nextends = [{}]\ncount = 1\n", all.join(", "));
    assert_eq!(mistakes(&text), None);
}
