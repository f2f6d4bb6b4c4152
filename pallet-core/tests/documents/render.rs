//! Results as text, to be compared with files.

use std::fmt::Write as _;

use pallet_core::document::{Diagnostics, Infrastructure};
use pallet_core::spec::{NodeSpec, ServerSpec, Step};

/// Every mistake with place, marked text, label and help.
pub fn mistakes(diagnostics: &Diagnostics) -> String {
    let mut text = String::new();
    for diagnostic in &diagnostics.diagnostics {
        let (line, column) = diagnostic.line_column();
        let marked =
            diagnostic.source.get(diagnostic.span.clone()).expect("the span is in the text");
        writeln!(text, "{line}:{column}: {}", diagnostic.message).unwrap();
        writeln!(text, "  {marked:?}: {}", diagnostic.label).unwrap();
        if let Some(help) = &diagnostic.help {
            writeln!(text, "  help: {help}").unwrap();
        }
    }
    text
}

/// Everything that a document says.
pub fn infrastructure(it: &Infrastructure) -> String {
    let mut text = String::new();
    writeln!(text, "base {}", it.base.display()).unwrap();
    for (name, service) in &it.services {
        writeln!(text, "service {name}: {} at {}", service.provider, service.origin).unwrap();
    }
    writeln!(text, "default service {:?}", it.default_service).unwrap();
    if let Some(user) = &it.admin_user {
        let key = &user.private_key_path;
        writeln!(text, "admin {} key {key:?} no-sudo {}", user.username, user.no_sudo).unwrap();
    }
    for (key, value) in &it.environment {
        writeln!(text, "environment {key} = {value}").unwrap();
    }
    for (name, spec) in &it.node_specs {
        writeln!(text, "node-spec {name}: {}", node(spec)).unwrap();
    }
    for (name, spec) in &it.server_specs {
        writeln!(text, "server-spec {name}").unwrap();
        server(&mut text, spec);
    }
    for (name, group) in &it.groups {
        writeln!(text, "group-spec {name} count {:?} of {}", group.count, node(&group.node))
            .unwrap();
        if let Some(filter) = &group.filter {
            writeln!(text, "  {filter:?}").unwrap();
        }
        for (key, value) in &group.environment {
            writeln!(text, "  environment {key} = {value}").unwrap();
        }
        server(&mut text, &group.server);
    }
    for (name, groups) in &it.clusters {
        let names: Vec<&str> = groups.iter().map(|group| group.as_str()).collect();
        writeln!(text, "cluster-spec {name} of {}", names.join(", ")).unwrap();
    }
    text
}

fn node(spec: &NodeSpec) -> String {
    serde_json::to_string(spec).unwrap()
}

fn server(text: &mut String, spec: &ServerSpec) {
    for role in &spec.roles {
        writeln!(text, "  role {role}").unwrap();
    }
    for (facility, settings) in &spec.settings {
        writeln!(text, "  settings {facility} = {settings}").unwrap();
    }
    if let Some(packager) = spec.packager {
        writeln!(text, "  packager {packager:?}").unwrap();
    }
    if !spec.default_phases.is_empty() {
        writeln!(text, "  default phases {}", spec.default_order().unwrap().join(", ")).unwrap();
    }
    for (name, phase) in &spec.phases {
        writeln!(text, "  phase {name}").unwrap();
        phase.steps.iter().for_each(|one| step(text, one));
    }
}

fn step(text: &mut String, step: &Step) {
    if step.origin.file.extension().is_some_and(|it| it == "rs") {
        write!(text, "    crate {:?}", step.kind).unwrap();
    } else {
        write!(text, "    {}:{} {:?}", step.origin.line, step.origin.column, step.kind).unwrap();
    }
    if let Some(id) = &step.id {
        write!(text, ", id {id}").unwrap();
    }
    if !step.when_changed.is_empty() {
        write!(text, ", when changed {}", step.when_changed.join(" or ")).unwrap();
    }
    if !step.before.is_empty() {
        write!(text, ", before {}", step.before.join(" and ")).unwrap();
    }
    if !step.after.is_empty() {
        write!(text, ", after {}", step.after.join(" and ")).unwrap();
    }
    if let Some(filter) = &step.only_on {
        write!(text, ", only on {}", serde_json::to_string(filter).unwrap()).unwrap();
    }
    if let Some(user) = &step.as_user {
        write!(text, ", as {user}").unwrap();
    }
    text.push('\n');
}
