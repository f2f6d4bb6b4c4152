//! Hazards 8 and 18: what stands in a parameter stays a parameter. Every parameter of every action,
//! as the actions' own schemas list them, gets texts that would run something if a shell ever took
//! them for code. The actions run in a sandbox.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use pallet_core::action::Mode;
use pallet_core::compute::sandbox::{Sandbox, SandboxConfig};
use pallet_core::compute::{ComputeService, CreateNode, Provider, ProviderContext};
use pallet_core::document::Document;
use pallet_core::engine::{Connection, Connector, Control, PhaseRun, run_phase};
use pallet_core::event::Events;
use pallet_core::login::Login;
use pallet_core::plan::{Nodes, Scene, Target, compile};
use pallet_core::registry::Registry;
use pallet_core::report::PhaseReport;
use pallet_core::spec::{NodeSpec, Phase};
use serde_json::{Map, Value, json};

/// Parameters that are code by what they are for.
const CODE: [(&str, &str); 8] = [
    ("exec-checked-script", "script"),
    ("exec-checked-script", "unless"),
    ("exec-checked-script", "only-if"),
    ("exec-script", "script"),
    ("exec-script", "unless"),
    ("exec-script", "only-if"),
    ("read-value", "script"),
    ("remote-file", "verify"),
];

/// Some that have to get as far as a node, whatever else is refused before.
const REACHES: [&str; 12] = [
    "authorized-key.key",
    "cron.command",
    "directory.path",
    "exec-script.creates",
    "exec-script.env",
    "git.repository",
    "line-in-file.line",
    "mount.device",
    "remote-directory.path",
    "remote-file.content",
    "symbolic-link.target",
    "user.comment",
];

/// Texts that run something wherever they are taken for code; what they run leaves its number.
fn hostile(number: usize) -> [String; 3] {
    let touch = |way: u32| format!("touch /canary/{number}-{way}");
    let text = format!("a'b\"$({})`{}`;{};&{} #\\", touch(1), touch(2), touch(3), touch(4));
    [text.clone(), format!("/srv/{text}"), format!("x\n{}\n{text}", touch(5))]
}

/// The names of an action's parameters, with those within tables as `outer.inner`.
fn parameters(schema: &Value) -> BTreeSet<String> {
    fn collect(
        schema: &Value,
        root: &Value,
        before: &str,
        depth: u32,
        into: &mut BTreeSet<String>,
    ) {
        if depth > 3 {
            return;
        }
        if let Some(reference) = schema["$ref"].as_str() {
            let target = root.pointer(reference.trim_start_matches('#'));
            collect(target.unwrap_or(&Value::Null), root, before, depth + 1, into);
        }
        for key in ["anyOf", "oneOf", "allOf"] {
            for form in schema[key].as_array().into_iter().flatten() {
                collect(form, root, before, depth + 1, into);
            }
        }
        for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
            let name = format!("{before}{name}");
            collect(inner, root, &format!("{name}."), depth + 1, into);
            into.insert(name);
        }
    }
    let mut found = BTreeSet::new();
    collect(schema, schema, "", 0, &mut found);
    found
}

/// A value as TOML within one line.
fn inline(value: &Value) -> String {
    match value {
        Value::Object(table) => {
            let entries = table.iter().filter(|(_, value)| !value.is_null());
            let entries: Vec<String> =
                entries.map(|(key, value)| format!("{} = {}", json!(key), inline(value))).collect();
            format!("{{ {} }}", entries.join(", "))
        }
        Value::Array(values) => {
            format!("[{}]", values.iter().map(inline).collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

/// Puts a value at the place of a parameter.
fn with(parameters: &Value, name: &str, value: &Value) -> Value {
    let mut all = match parameters {
        Value::Object(table) => table.clone(),
        // The short form of an action: what it stands for is not known here.
        _ => Map::new(),
    };
    match name.split_once('.') {
        None => all.insert(name.to_owned(), value.clone()),
        Some((outer, inner)) => {
            let under = all.get(outer).cloned().unwrap_or(Value::Null);
            all.insert(outer.to_owned(), with(&under, inner, value))
        }
    };
    Value::Object(all)
}

/// A sandbox and what is known of it.
struct Room {
    registry: Registry,
    folder: tempfile::TempDir,
    service: Arc<dyn ComputeService>,
    connection: Connection,
}

impl Room {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("site")).unwrap();
        std::fs::write(folder.path().join("site/index.html"), "hello\n").unwrap();
        let context = ProviderContext { service: "box".to_owned(), base: folder.path().to_owned() };
        let service = Sandbox::open(SandboxConfig::default(), context).await.unwrap();
        let wanted =
            CreateNode { name: "box-1".to_owned(), group: "box".to_owned(), spec: NodeSpec::new() };
        let node = service.create(vec![wanted]).await.remove(0).unwrap();
        let login = Login::new("root");
        let attached = service.attach(&node, &login).await.unwrap().unwrap();
        let connector = Connector::default();
        let connection = connector.work_over(attached.transport, attached.login).await.unwrap();
        Self { registry: pallet_crates::all(), folder, service, connection }
    }

    /// The phase of one step, if that is accepted.
    fn phase(&self, step: &str) -> Option<Phase> {
        let text = format!("[group-spec.box.phases]\nconfigure = [{step}]\n");
        let document = Document::parse(self.folder.path().join("pallet.toml"), text).ok()?;
        let groups = document.resolve(&self.registry).ok()?.groups;
        groups.into_values().next()?.server.phases.remove("configure")
    }

    /// Carries out one step; `None` if it is refused before it reaches the node.
    async fn run(&mut self, step: &str) -> Option<PhaseReport> {
        let phase = self.phase(step)?;
        let target = Target::new("box-1", "box").facts(self.connection.facts().clone());
        let (nodes, environment) = (Nodes::from(vec![target.clone()]), Map::new());
        let scene = Scene::new(&nodes, &environment);
        let actions = compile("configure", &phase, &target, scene).ok()?.actions;
        let (events, mut control) = (Events::none(), Control::new());
        control.limits.action = Duration::from_secs(2);
        let run = PhaseRun {
            node: "box-1",
            phase: "configure",
            actions: &actions,
            mode: Mode::Apply,
            events: &events,
            control: &control,
        };
        Some(run_phase(&mut self.connection, run).await)
    }

    async fn script(&mut self, script: &str) -> String {
        let step = format!("{{ exec-script = {{ script = {} }} }}", json!(script));
        let report = self.run(&step).await.unwrap();
        assert!(report.failure.is_none(), "{:?}", report.failure);
        report.actions[0].output.clone()
    }
}

/// What must not come of a text, whatever becomes of the action.
fn check(what: &str, report: &PhaseReport) {
    let told = serde_json::to_string(&report).unwrap();
    // As bash says it; `visudo` has its own words.
    for sign in ["syntax error near", "syntax error: ", "unexpected EOF", "unexpected token"] {
        assert!(!told.contains(sign), "{what}: {told}");
    }
    if let Some(failure) = &report.failure {
        let is_of_session = ["could not be looked at", "the session ended", "was not understood"];
        let is_of_session = is_of_session.iter().any(|sign| failure.message.contains(sign));
        assert!(!is_of_session, "{what}: {failure:#?}");
    }
}

#[tokio::test]
async fn hazard_8_no_parameter_of_any_action_is_ever_code() {
    let mut sandbox = Room::new().await;
    sandbox.script("mkdir -m 777 /canary").await;
    let infos: Vec<_> =
        sandbox.registry.actions().map(|(name, entry)| (name, entry.info())).collect();
    let mut tried: Vec<String> = Vec::new();
    let mut reached: BTreeSet<String> = BTreeSet::new();
    for (action, info) in infos {
        let example = sandbox.phase(info.example).expect("examples are right");
        let pallet_core::spec::StepKind::Action(example) = &example.steps[0].kind else {
            panic!("{action}'s example is no action")
        };
        let example = example.parameters().unwrap();
        for parameter in parameters(&info.schema) {
            if CODE.contains(&(action, parameter.as_str())) {
                continue;
            }
            for text in 0..3 {
                let number = tried.len();
                let what = format!("{action}.{parameter}");
                tried.push(what.clone());
                let text = &hostile(number)[text];
                // As it is, after a key as in authorized keys, in a list, and in a table.
                let own = example.get(&parameter).and_then(Value::as_str).unwrap_or_default();
                let forms = [
                    json!(text),
                    json!(format!("{own} {text}")),
                    json!([text]),
                    json!({ "NAME": text }),
                    json!({ text: text }),
                ];
                for form in forms {
                    let table = with(&example, &parameter, &form);
                    let step = format!("{{ {action} = {} }}", inline(&table));
                    if let Some(report) = sandbox.run(&step).await {
                        check(&what, &report);
                        reached.insert(what.clone());
                    }
                }
            }
        }
    }
    let left = sandbox.script("ls /canary").await;
    let culprits: BTreeSet<&str> = left
        .lines()
        .filter_map(|name| name.split_once('-')?.0.parse::<usize>().ok())
        .map(|number| tried[number].as_str())
        .collect();
    let service = Arc::clone(&sandbox.service);
    for node in service.nodes().await.unwrap() {
        service.destroy(&node).await.unwrap();
    }
    assert!(culprits.is_empty(), "taken for code: {culprits:?}");
    let missing: Vec<_> = REACHES.iter().filter(|what| !reached.contains(**what)).collect();
    assert!(missing.is_empty(), "never tried on a node: {missing:?}\ntried: {reached:?}");
    println!("{} of {} parameters reached a node", reached.len(), tried.len() / 3);
}
