//! The schema of a pallet.toml: for completion and documentation in editors.

use pallet_core::registry::Registry;
use serde_json::{Map, Value, json};

use super::hoist::{hoist, reference};

/// The schema, with all actions, crates and providers of a registry.
pub(super) fn schema(registry: &Registry) -> Value {
    let mut definitions = Map::new();
    let step = step(registry, &mut definitions);
    let settings = settings(registry, &mut definitions);
    let fixed = [
        ("step", step),
        ("settings", settings),
        ("secret", secret()),
        ("login", login()),
        ("ssh", ssh()),
        ("service", service(registry)),
        ("image", image()),
        ("hardware", hardware()),
        ("node-spec", node_spec()),
        ("node-filter", node_filter()),
        ("phases", phases()),
        ("spec", spec(registry)),
    ];
    definitions.extend(fixed.map(|(name, schema)| (name.to_owned(), schema)));
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "pallet.toml",
        "description": "The machines of a project.",
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "default-service": text("Of several services, the one that nodes come from where nothing else is said."),
            "service": named("Where nodes come from.", reference("service")),
            "admin-user": reference("login"),
            "ssh": reference("ssh"),
            "environment": free("Values for templates and plan functions."),
            "node-spec": named("What nodes are made of.", reference("node-spec")),
            "server-spec": named("What is on nodes.", with_spec(&[])),
            "group-spec": named("Equal nodes.", with_spec(&[
                ("count", count("How many nodes there shall be.")),
                ("node-filter", reference("node-filter")),
                ("environment", free("Values for the group's nodes.")),
            ])),
            "cluster-spec": named("Groups that belong together.", with_spec(&[
                ("groups", json!({
                    "description": "The groups, or a table of groups with their counts.",
                    "anyOf": [
                        { "type": "array", "items": { "type": "string" } },
                        { "type": "object" },
                    ],
                })),
                ("count", count("How many nodes each group shall have that does not say it.")),
                ("environment", free("Values for the cluster's nodes.")),
            ])),
        },
        "$defs": definitions,
    })
}

fn text(description: &str) -> Value {
    json!({ "description": description, "type": "string" })
}

fn texts(description: &str) -> Value {
    json!({ "description": description, "type": "array", "items": { "type": "string" } })
}

fn text_or_texts(description: &str) -> Value {
    json!({
        "description": description,
        "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }],
    })
}

fn flag(description: &str) -> Value {
    json!({ "description": description, "type": "boolean" })
}

fn count(description: &str) -> Value {
    json!({ "description": description, "type": "integer", "minimum": 0 })
}

fn free(description: &str) -> Value {
    json!({ "description": description, "type": "object" })
}

fn named(description: &str, each: Value) -> Value {
    json!({ "description": description, "type": "object", "additionalProperties": each })
}

fn table(properties: &[(&str, Value)]) -> Value {
    let properties: Map<String, Value> =
        properties.iter().map(|(name, schema)| ((*name).to_owned(), schema.clone())).collect();
    json!({ "type": "object", "additionalProperties": false, "properties": properties })
}

/// A step: one action or plan function, and what says when and as whom.
fn step(registry: &Registry, definitions: &mut Map<String, Value>) -> Value {
    let mut keys = vec![
        ("id", text("The step's name, which others refer to.")),
        ("when-changed", text_or_texts("Run only if one of these steps has changed something.")),
        ("before", text_or_texts("Run before these steps, wherever they stand.")),
        ("after", text_or_texts("Run after these steps, wherever they stand.")),
        (
            "only-on",
            table(&[
                ("os-family", text("A family that the operating system belongs to.")),
                ("os-version", text("The operating system's version.")),
                ("arch", text("The architecture, as `uname -m` prints it.")),
            ]),
        ),
        ("as-user", text("The account that it works as, in place of root.")),
        ("timeout", text("How long it may take: `90s`, `5m`.")),
    ];
    let functions: Vec<&str> = registry.plan_fn_names().collect();
    let mut plan_fn = text("A plan function of the program.");
    if let (false, Some(table)) = (functions.is_empty(), plan_fn.as_object_mut()) {
        table.insert("enum".to_owned(), json!(functions));
    }
    keys.push(("plan-fn", plan_fn));
    let mut kinds = vec![json!({ "required": ["plan-fn"] })];
    for (name, entry) in registry.actions() {
        let info = entry.info();
        let definition = format!("action.{name}");
        hoist(info.schema, &definition, definitions);
        let description = format!("{}\n\n{}", info.summary, info.example);
        keys.push((name, json!({ "description": description, "allOf": [reference(&definition)] })));
        kinds.push(json!({ "required": [name] }));
    }
    let mut step = table(&keys);
    if let Some(table) = step.as_object_mut() {
        table.insert("oneOf".to_owned(), Value::Array(kinds));
    }
    step
}

fn settings(registry: &Registry, definitions: &mut Map<String, Value>) -> Value {
    let mut facilities = Map::new();
    for (name, entry) in registry.crates() {
        let info = entry.info();
        let definition = format!("crate.{name}");
        hoist(info.schema, &definition, definitions);
        let description = format!("{}\n\n{}", info.summary, info.example);
        let schema = json!({ "description": description, "allOf": [reference(&definition)] });
        facilities.insert(name.to_owned(), schema);
    }
    json!({
        "description": "Settings by facility.",
        "type": "object",
        "properties": facilities,
    })
}

fn phases() -> Value {
    json!({
        "description": "Phases, each a list of steps in the order in which they are carried out.",
        "type": "object",
        "additionalProperties": { "type": "array", "items": reference("step") },
    })
}

/// The keys that all specs have.
fn spec_keys() -> Vec<(&'static str, Value)> {
    vec![
        (
            "extends",
            json!({
                "description": "Server-specs and crates that it builds on.",
                "type": "array",
                "items": reference("spec"),
            }),
        ),
        ("roles", texts("Words that plan functions and templates find nodes by.")),
        ("settings", reference("settings")),
        ("packager", text("The package manager, in place of the one that is found.")),
        ("default-phases", texts("What runs without being asked for.")),
        ("phases", reference("phases")),
        (
            "node-spec",
            json!({
                "description": "What nodes are made of: a node-spec's name, or a table.",
                "anyOf": [{ "type": "string" }, reference("node-spec")],
            }),
        ),
    ]
}

fn with_spec(more: &[(&'static str, Value)]) -> Value {
    let keys: Vec<_> = spec_keys().into_iter().chain(more.iter().cloned()).collect();
    table(&keys)
}

/// The name of a spec: crates are suggested, and others are as good.
fn spec(registry: &Registry) -> Value {
    let crates: Vec<&str> = registry.crates().map(|(name, _)| name).collect();
    json!({ "anyOf": [{ "type": "string", "enum": crates }, { "type": "string" }] })
}

fn secret() -> Value {
    json!({
        "description": "A text that is never shown, or a table that says where it is: `{ env = \"…\" }`.",
        "anyOf": [{ "type": "string" }, { "type": "object" }],
    })
}

fn login() -> Value {
    table(&[
        ("username", text("The account on nodes.")),
        ("private-key-path", text("Private key file.")),
        ("private-key", reference("secret")),
        ("passphrase", reference("secret")),
        ("password", reference("secret")),
        ("sudo-password", reference("secret")),
        ("no-sudo", flag("Work as this account, without sudo.")),
        ("sudo-user", text("Work as this account, through sudo.")),
        ("state-root", text("The folder in which nodes keep their lock and run log.")),
    ])
}

fn ssh() -> Value {
    table(&[
        ("config", text("OpenSSH's configuration of hosts; `none` reads none.")),
        ("proxy-jump", text_or_texts("The hosts to go through; `none` goes through none.")),
        ("known-hosts", texts("The known_hosts files; the first one learns keys.")),
        (
            "connect-timeout",
            json!({
                "description": "Longest wait for a TCP connection, in seconds.",
                "type": "integer", "minimum": 1,
            }),
        ),
    ])
}

fn service(registry: &Registry) -> Value {
    let providers: Vec<&str> = registry.provider_names().collect();
    json!({
        "description": "The other keys are the provider's.",
        "type": "object",
        "required": ["provider"],
        "properties": {
            "provider": { "description": "What kind of service it is.", "enum": providers },
            "admin-user": reference("login"),
            "environment": free("Values for the service's nodes."),
        },
    })
}

fn image() -> Value {
    let pattern = |what: &str| text(&format!("A pattern of {what}."));
    table(&[
        ("image-id", text("The image's name.")),
        ("image-model", free("The image itself, in the service's terms.")),
        ("os-family", text("The operating system's family: `debian`.")),
        ("os-version", text("The operating system's version: `12`.")),
        ("os-64-bit", flag("Whether it is a 64-bit system.")),
        ("os-version-matches", pattern("the operating system's version")),
        ("os-name-matches", pattern("the operating system's name")),
        ("os-description-matches", pattern("the text about the operating system")),
        ("os-arch-matches", pattern("the architecture")),
        ("image-version-matches", pattern("the image's version")),
        ("image-id-matches", pattern("the image's name")),
        ("image-name-matches", pattern("the image's name for people")),
        ("image-description-matches", pattern("the text about the image")),
        ("hypervisor-matches", pattern("what runs it")),
        ("override-login-user", text("The account to log in with, in place of the image's.")),
        ("session-type", text("How the machine is shown when it starts.")),
    ])
}

fn hardware() -> Value {
    table(&[
        ("hardware-id", text("The hardware model's name.")),
        ("hardware-model", free("The hardware itself, in the service's terms.")),
        ("min-ram", count("Least memory in MiB.")),
        ("min-cores", count("Fewest processors.")),
        ("min-disk", count("Smallest disk in GiB.")),
        ("prefer", text("Which of the models that have enough: `smallest`, `biggest`, `fastest`.")),
        ("architecture", text("The architecture, as `uname -m` prints it.")),
        ("network-type", text("A ready-made network.")),
        ("bridged-interface", text("The host's interface of a bridged network.")),
        ("local-interface", text("The host-only interface of a local network.")),
        ("nat-rules", json!({ "description": "Port forwards, in the service's terms." })),
    ])
}

fn node_spec() -> Value {
    table(&[
        ("service", text("The service that makes the nodes.")),
        ("image", reference("image")),
        ("hardware", reference("hardware")),
        ("network", json!({ "description": "The network, in the service's terms." })),
        ("location", free("Where nodes shall be, in the service's terms.")),
        ("qos", free("How well they shall be served, in the service's terms.")),
        (
            "provider",
            named("Keys that only one kind of service knows.", json!({ "type": "object" })),
        ),
    ])
}

fn node_filter() -> Value {
    table(&[
        ("names", texts("Patterns of which the node's name fits one.")),
        ("groups", texts("Groups of which the node is in one.")),
        ("properties", free("What the service has to say of the node.")),
    ])
}
