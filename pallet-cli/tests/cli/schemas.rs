//! What commands write for programs is what `pallet schema --of COMMAND` says.

use serde_json::Value;

use crate::support::Folder;

const HOSTS: &str = "
    [service.rack]
    provider = 'node-list'
    nodes = [{ name = 'web-1', group = 'web', host = '127.0.0.1', port = 1 }]

    [server-spec.base.phases]
    configure = [{ directory = '/srv/app' }]

    [group-spec.web]
    extends = ['base']
";

/// Every command that needs neither nodes that answer nor VirtualBox.
const COMMANDS: [(&str, &[&str]); 16] = [
    ("completions", &["completions", "bash"]),
    ("config", &["config"]),
    ("converge", &["converge"]),
    ("doctor", &["doctor", "--timeout", "2"]),
    ("explain", &["explain", "directory"]),
    ("explain", &["explain", "node", "web-1"]),
    ("explain", &["explain", "/srv/app"]),
    ("hardware", &["hardware"]),
    ("images", &["images"]),
    ("lift", &["lift"]),
    ("man", &["man", "."]),
    ("nodes", &["nodes"]),
    ("plan", &["plan"]),
    ("run", &["run", "web", "--", "true"]),
    ("services", &["services"]),
    ("ssh", &["ssh", "web-1"]),
];

#[test]
fn results_are_as_their_schemas_say() {
    let folder = Folder::with(HOSTS);
    for (name, arguments) in COMMANDS {
        check(&folder, name, arguments);
    }
    // What these runs have left behind.
    check(&folder, "report", &["report"]);
    check(&folder, "report", &["report", "latest"]);
    check(&Folder::new(), "init", &["init", "--yes", "--provider", "sandbox"]);
}

#[test]
fn errors_are_as_their_schema_says() {
    check(&Folder::with("[group-spec.web]\ncuont = 2\n"), "error", &["plan"]);
    check(&Folder::new(), "error", &["nodes"]);
}

#[test]
fn a_checker_that_finds_nothing_would_be_no_test() {
    let schema = |name: &str| schema(&Folder::new(), name);
    for (name, wrong) in [
        ("nodes", r#"{ "nodes": [] }"#),
        ("nodes", r#"{ "nodes": [{ "service": 1 }], "errors": [] }"#),
        ("error", r#"{ "error": { "kind": "odd" } }"#),
        ("plan", "[]"),
        ("report", r#"{ "odd": true }"#),
    ] {
        let schema = schema(name);
        let wrong: Value = serde_json::from_str(wrong).unwrap();
        assert!(mistake(&schema, &schema, &wrong, "").is_some(), "{name}: {wrong}");
    }
}

#[track_caller]
fn check(folder: &Folder, name: &str, arguments: &[&str]) {
    let run = folder.pallet(&[&["--output", "json"], arguments].concat());
    let written: Value = serde_json::from_str(&run.stdout).unwrap_or_else(|error| {
        panic!("{arguments:?} wrote no JSON ({error}):\n{}\n{}", run.stdout, run.stderr)
    });
    let schema = schema(folder, name);
    if let Some(mistake) = mistake(&schema, &schema, &written, "") {
        panic!("{arguments:?}: {mistake}, in:\n{written:#}");
    }
}

fn schema(folder: &Folder, name: &str) -> Value {
    let words: Vec<&str> = ["schema", "--of"].into_iter().chain(name.split(' ')).collect();
    serde_json::from_str(&folder.pallet(&words).code(0).stdout).unwrap()
}

/// The first thing in `value` that is not as `schema` says, as far as our schemas say anything.
fn mistake(root: &Value, schema: &Value, value: &Value, at: &str) -> Option<String> {
    let Some(rules) = schema.as_object() else {
        return (schema == &Value::Bool(false)).then(|| format!("{at}: nothing may be there"));
    };
    for (rule, wanted) in rules {
        let all = || wanted.as_array().unwrap().iter();
        let fits = |schema: &&Value| mistake(root, schema, value, at).is_none();
        let found = match rule.as_str() {
            "$ref" => {
                let pointer = wanted.as_str().unwrap().trim_start_matches('#');
                mistake(root, root.pointer(pointer).expect(pointer), value, at)
            }
            "type" => {
                let is = |kind: &Value| is_of(value, kind.as_str().unwrap());
                let is = wanted.as_array().map_or_else(|| is(wanted), |any| any.iter().any(is));
                (!is).then(|| format!("{at}: {value} is no {wanted}"))
            }
            "const" => (wanted != value).then(|| format!("{at}: {value} is not {wanted}")),
            "enum" => (!all().any(|it| it == value)).then(|| format!("{at}: {value} is odd")),
            "anyOf" => (!all().any(|it| fits(&it))).then(|| format!("{at}: no form fits")),
            "oneOf" => {
                let fitting = all().filter(fits).count();
                (fitting != 1).then(|| format!("{at}: {fitting} forms fit"))
            }
            "allOf" => all().find_map(|it| mistake(root, it, value, at)),
            "required" => value.as_object().and_then(|map| {
                let missing = all().find(|key| !map.contains_key(key.as_str().unwrap()))?;
                Some(format!("{at}: {missing} is missing"))
            }),
            "properties" => value.as_object().and_then(|map| {
                let known = wanted.as_object().unwrap();
                map.iter().find_map(|(key, value)| {
                    mistake(root, known.get(key)?, value, &format!("{at}/{key}"))
                })
            }),
            "additionalProperties" => value.as_object().and_then(|map| {
                let known = rules.get("properties").and_then(Value::as_object);
                let more = |key: &&String| !known.is_some_and(|known| known.contains_key(*key));
                map.keys()
                    .filter(more)
                    .find_map(|key| mistake(root, wanted, &map[key], &format!("{at}/{key}")))
            }),
            "items" => value.as_array().and_then(|items| {
                let items = items.iter().enumerate();
                items
                    .into_iter()
                    .find_map(|(n, it)| mistake(root, wanted, it, &format!("{at}/{n}")))
            }),
            _ => None,
        };
        if found.is_some() {
            return found;
        }
    }
    None
}

fn is_of(value: &Value, kind: &str) -> bool {
    match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("{other} is no type"),
    }
}
