//! Rendering templates.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use handlebars::{Handlebars, RenderErrorReason, TemplateError};
use pallet_core::action::ActionError;
use pallet_core::plan::Values;
use serde_json::{Map, Value};

/// Engines that know one template each, by its name and text.
type Parsed = HashMap<(String, String), Arc<Handlebars<'static>>>;

/// Templates that were parsed before: a run renders the same few for each node.
static PARSED: LazyLock<Mutex<Parsed>> = LazyLock::new(Mutex::default);
/// How many of them are kept.
const MOST_PARSED: usize = 200;

/// Renders a handlebars template. A name that has no value is an error, and nothing is escaped:
/// configuration files are not HTML.
///
/// `own` values win over what is known about the node.
pub(super) fn render(
    file: &Path,
    text: &str,
    known: &Values,
    own: &Map<String, Value>,
) -> Result<String, ActionError> {
    let name = file.display().to_string();
    let engine = parse(&name, text)?;
    let mut values: Map<String, Value> = known
        .names()
        .filter(|name| may_name(text, name))
        .filter_map(|name| Some((name.to_owned(), known.get(name)?.clone())))
        .collect();
    values.extend(own.clone());
    engine.render(&name, &values).map_err(|error| {
        let place = match (error.line_no, error.column_no) {
            (Some(line), Some(column)) => format!("{name}:{line}:{column}"),
            _ => name.clone(),
        };
        match error.reason() {
            RenderErrorReason::MissingVariable(variable) => {
                let what = variable.as_ref().map_or("it".to_owned(), |name| format!("`{name}`"));
                let names: BTreeSet<&str> =
                    known.names().chain(own.keys().map(String::as_str)).collect();
                let names: Vec<&str> = names.into_iter().collect();
                ActionError::new(format!("{place}: {what} has no value")).help(format!(
                    "give it in the step's `values`, or use what begins with {}",
                    names.join(", ")
                ))
            }
            RenderErrorReason::HelperNotFound(helper) => {
                ActionError::new(format!("{place}: there is no helper `{helper}`"))
                    .help("helpers are if, unless, each, with, lookup, and comparisons such as eq")
            }
            RenderErrorReason::PartialNotFound(partial) => {
                ActionError::new(format!("{place}: there is no partial `{partial}`"))
                    .help("a template is one file; write the part into it")
            }
            reason => ActionError::new(format!("{place}: {reason}")),
        }
    })
}

/// Looks for mistakes in a template that can be found without values.
pub(super) fn check(file: &Path) -> Result<(), ActionError> {
    let text = std::fs::read_to_string(file).map_err(|error| unreadable(file, &error))?;
    parse(&file.display().to_string(), &text).map(drop)
}

/// Looks whether a local file can be read.
pub(super) fn check_readable(file: &Path) -> Result<(), ActionError> {
    std::fs::File::open(file).map(drop).map_err(|error| unreadable(file, &error))
}

fn unreadable(file: &Path, error: &std::io::Error) -> ActionError {
    ActionError::new(format!("cannot read {}: {error}", file.display()))
        .help("local paths are relative to the file that names them")
}

/// Whether a template may look at the value called `key`. What it cannot look at needs not be
/// copied for it: `nodes` alone is long, and there are as many copies as there are nodes.
fn may_name(text: &str, key: &str) -> bool {
    // These reach what there is without naming it.
    let reaches_all = ["this", "@root", "lookup", "{{.}}", " .}", " . "];
    text.contains(key) || reaches_all.into_iter().any(|word| text.contains(word))
}

fn parse(name: &str, text: &str) -> Result<Arc<Handlebars<'static>>, ActionError> {
    let key = (name.to_owned(), text.to_owned());
    let parsed = || PARSED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(engine) = parsed().get(&key) {
        return Ok(engine.clone());
    }
    let mut engine = Handlebars::new();
    engine.set_strict_mode(true);
    engine.register_escape_fn(handlebars::no_escape);
    engine.register_template_string(name, text).map_err(|error| syntax_error(name, &error))?;
    let engine = Arc::new(engine);
    let mut parsed = parsed();
    if parsed.len() >= MOST_PARSED {
        parsed.clear();
    }
    parsed.insert(key, engine.clone());
    Ok(engine)
}

fn syntax_error(name: &str, error: &TemplateError) -> ActionError {
    match error.pos() {
        Some((line, column)) => {
            let number = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
            ActionError::new(format!("{name}:{line}:{column}: {}", error.reason()))
                .at(Path::new(name), number(line), number(column))
                .help("each `{{` needs its `}}`, and each `{{#if …}}` its `{{/if}}`")
        }
        None => ActionError::new(format!("{name}: {}", error.reason())),
    }
}

#[cfg(test)]
mod tests {
    use pallet_core::plan::Nodes;
    use serde_json::json;

    use super::*;

    fn rendered(text: &str) -> String {
        let known = json!({
            "node": { "name": "web-1", "roles": ["a", "b"] },
            "settings": { "nginx": { "port": 80 } },
        });
        let known = Values::new(known.as_object().unwrap().clone(), Nodes::default());
        let own = json!({ "greeting": "<hi> & \"you\"", "debug": false });
        match render(Path::new("motd.hbs"), text, &known, own.as_object().unwrap()) {
            Ok(text) => text,
            Err(error) => format!("{error} / {}", error.help.clone().unwrap_or_default()),
        }
    }

    #[test]
    fn what_a_template_reaches_without_naming_it_is_there() {
        assert_eq!(
            rendered("{{#each this}}{{@key}} {{/each}}"),
            "debug greeting node nodes settings "
        );
        assert_eq!(rendered("{{@root.node.name}}"), "web-1");
        assert_eq!(rendered("{{lookup this \"greeting\"}}"), "<hi> & \"you\"");
    }

    #[test]
    fn renders_without_escaping() {
        assert_eq!(
            rendered("{{greeting}} from {{node.name}}:{{settings.nginx.port}}\n"),
            "<hi> & \"you\" from web-1:80\n"
        );
        assert_eq!(rendered("{{#each node.roles}}{{this}},{{/each}}"), "a,b,");
        assert_eq!(rendered("{{#if debug}}x{{else}}y{{/if}}"), "y");
        assert_eq!(rendered("$HOME `id` EOF"), "$HOME `id` EOF");
    }

    #[test]
    fn conditions_may_ask_for_what_has_no_value() {
        let asks = [
            "{{#if nosuch}}x{{else}}y{{/if}}",
            "{{#if node.nosuch}}x{{else}}y{{/if}}",
            "{{#unless settings.a.b}}y{{/unless}}",
            "{{#each nosuch}}x{{else}}y{{/each}}",
            "{{#with nosuch}}x{{else}}y{{/with}}",
            "{{#if (eq node.name \"web-1\")}}y{{/if}}",
        ];
        for text in asks {
            assert_eq!(rendered(text), "y", "{text}");
        }
    }

    #[test]
    fn errors_name_file_line_and_name() {
        let missing = rendered("first\n{{ node.nmae }}\n");
        assert!(missing.starts_with("motd.hbs:2:"), "{missing}");
        assert!(missing.contains("`node.nmae` has no value / give it"), "{missing}");
        assert!(missing.contains("debug, greeting, node, nodes, settings"), "{missing}");
        let syntax = rendered("a\nb {{ x");
        assert!(syntax.starts_with("motd.hbs:2:"), "{syntax}");
        let cases = [
            ("a\n{{ nosuch 1 }}", "motd.hbs:2:1: there is no helper `nosuch` / "),
            ("{{> nosuch }}", "motd.hbs:1:1: there is no partial `nosuch` / "),
            ("{{ lookup node \"nosuch\" }}", "motd.hbs:1:1: it has no value / "),
        ];
        for (text, expected) in cases {
            assert!(rendered(text).starts_with(expected), "{text}: {}", rendered(text));
        }
    }
}
