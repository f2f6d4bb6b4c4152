//! `config.clj` and `services/*.clj`: read as data, as far as they are data.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use pallet_core::config::{Literal, Located, Settings};
use pallet_core::document::{Diagnostic, Diagnostics};
use vmfest::edn;
use vmfest::tree::{Node, Value};

/// Reads a `config.clj`: a map, or `(defpallet …)`.
pub fn config(file: &Path) -> Result<Settings, Diagnostics> {
    let text = Text::read(file)?;
    let root = text.parse()?;
    let entries = match &root.value {
        Value::Map(entries) => text.entries(entries)?,
        Value::List(items) => text.form(&root, items)?,
        _ => return Err(text.mistake(&root, "this is neither a map nor (defpallet …)", NO_MAP)),
    };
    Ok(text.settings(top_level(entries)))
}

/// Reads a file of `services/`: a map of services by name.
pub fn services(file: &Path) -> Result<Settings, Diagnostics> {
    let text = Text::read(file)?;
    let root = text.parse()?;
    let Value::Map(entries) = &root.value else {
        return Err(text.mistake(&root, "this is no map of services", NO_MAP));
    };
    let span = text.span(&root);
    let services = Located { value: Literal::Table(text.entries(entries)?), span: span.clone() };
    Ok(text.settings(top_level(vec![("services".to_owned(), span, services)])))
}

const NO_MAP: &str = "write {:key value …}";
const CODE: &str = "nothing is evaluated here: write the value itself, or a TOML file beside it, \
                    where secrets can come from variables, files and commands";

type Entry = (String, Range<usize>, Located);

/// Names as they are in documents. Unknown keys stay: whoever reads the settings tells of them.
fn top_level(entries: Vec<Entry>) -> Vec<Entry> {
    let mut found = Vec::new();
    // A service without a name of its own.
    let mut nameless: Vec<Entry> = Vec::new();
    for (key, span, value) in entries {
        match key.as_str() {
            "services" => found.push(("service".to_owned(), span, in_each(value, scope))),
            "environment" => found.extend(environment(span, value)),
            "admin-user" => found.push((key, span, user(value))),
            "provider" | "identity" | "credential" | "endpoint" => {
                nameless.push((key, span, value));
            }
            _ => found.push((key, span, value)),
        }
    }
    if let Some((_, span, _)) = nameless.first() {
        let span = span.clone();
        let service = Located { value: Literal::Table(nameless), span: span.clone() };
        put(&mut found, "service", &span, |services| {
            services.push(("default".to_owned(), span.clone(), service));
        });
        if !found.iter().any(|(key, ..)| key == "default-service") {
            let name = Located { value: Literal::String("default".to_owned()), span: span.clone() };
            found.push(("default-service".to_owned(), span, name));
        }
    }
    found
}

/// Changes the table under `key`, which is made if it is missing.
fn put(
    entries: &mut Vec<Entry>,
    key: &str,
    span: &Range<usize>,
    add: impl FnOnce(&mut Vec<Entry>),
) {
    for (known, _, value) in entries.iter_mut() {
        if let (true, Literal::Table(table)) = (known == key, &mut value.value) {
            return add(table);
        }
    }
    let mut table = Vec::new();
    add(&mut table);
    let value = Located { value: Literal::Table(table), span: span.clone() };
    entries.push((key.to_owned(), span.clone(), value));
}

fn in_each(value: Located, change: fn(Vec<Entry>) -> Vec<Entry>) -> Located {
    let Literal::Table(entries) = value.value else { return value };
    let changed = entries.into_iter().map(|(key, span, value)| match value.value {
        Literal::Table(table) => {
            (key, span, Located { value: Literal::Table(change(table)), span: value.span })
        }
        _ => (key, span, value),
    });
    Located { value: Literal::Table(changed.collect()), span: value.span }
}

/// A service's environment may name the account for its nodes.
fn scope(service: Vec<Entry>) -> Vec<Entry> {
    service
        .into_iter()
        .flat_map(|(key, span, value)| match key.as_str() {
            "environment" => environment(span, value),
            _ => vec![(key, span, value)],
        })
        .collect()
}

/// An environment, with its `user` beside it.
fn environment(span: Range<usize>, value: Located) -> Vec<Entry> {
    let Literal::Table(entries) = value.value else {
        return vec![("environment".to_owned(), span, value)];
    };
    let (users, others): (Vec<Entry>, _) = entries.into_iter().partition(|(key, ..)| key == "user");
    let users =
        users.into_iter().map(|(_, at, account)| ("admin-user".to_owned(), at, user(account)));
    let rest = Located { value: Literal::Table(others), span: value.span };
    users.chain([("environment".to_owned(), span, rest)]).collect()
}

/// An account. Its public key is not asked for: it follows from the private one.
fn user(value: Located) -> Located {
    let Literal::Table(mut entries) = value.value else { return value };
    entries.retain(|(key, ..)| key != "public-key-path");
    Located { value: Literal::Table(entries), span: value.span }
}

/// A file's text.
struct Text<'a> {
    file: &'a Path,
    text: Arc<str>,
}

impl<'a> Text<'a> {
    fn read(file: &'a Path) -> Result<Self, Diagnostics> {
        match std::fs::read_to_string(file) {
            Ok(text) => Ok(Self { file, text: text.into() }),
            Err(error) => {
                let text = Self { file, text: "".into() };
                Err(text.at(0..0, format!("cannot be read: {error}"), "check that it may be read"))
            }
        }
    }

    fn parse(&self) -> Result<Node, Diagnostics> {
        edn::read(&self.text).map_err(|error| {
            let start = error.position().map_or(0, |position| position.offset);
            self.at(start..self.end_of(start), error.message().to_string(), CODE)
        })
    }

    fn settings(self, entries: Vec<Entry>) -> Settings {
        let tree = Located { value: Literal::Table(entries), span: 0..self.text.len() };
        Settings::tree(self.file, self.text, tree)
    }

    /// `(defpallet :key value …)`, with or without a text of documentation.
    fn form(&self, root: &Node, items: &[Node]) -> Result<Vec<Entry>, Diagnostics> {
        let Some(Value::Symbol(name)) = items.first().map(|first| &first.value) else {
            return Err(self.mistake(root, "this is neither a map nor (defpallet …)", NO_MAP));
        };
        if name != "defpallet" {
            return Err(self.mistake(root, &format!("({name} …) is code"), CODE));
        }
        let items = items.get(1..).unwrap_or_default();
        let items = match items.first().map(|first| &first.value) {
            Some(Value::String(_)) => items.get(1..).unwrap_or_default(),
            _ => items,
        };
        let mut entries = Vec::new();
        for pair in items.chunks(2) {
            match pair {
                [key, value] => entries.extend(self.entry(key, value)?),
                [key, ..] => return Err(self.mistake(key, "this key has no value", NO_MAP)),
                [] => {}
            }
        }
        Ok(entries)
    }

    fn entries(&self, entries: &[(Node, Node)]) -> Result<Vec<Entry>, Diagnostics> {
        let read = entries.iter().map(|(key, value)| self.entry(key, value));
        Ok(read.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
    }

    /// `nil` says nothing.
    fn entry(&self, key: &Node, value: &Node) -> Result<Option<Entry>, Diagnostics> {
        let Some(name) = key.as_key() else {
            return Err(self.mistake(key, "this is no key", "write a keyword, such as :services"));
        };
        if matches!(value.value, Value::Nil) {
            return Ok(None);
        }
        Ok(Some((name.trim_end_matches('?').to_owned(), self.span(key), self.value(value)?)))
    }

    fn value(&self, node: &Node) -> Result<Located, Diagnostics> {
        let value = match &node.value {
            Value::Bool(truth) => Literal::Bool(*truth),
            Value::Integer(number) => Literal::Number(number.to_string()),
            Value::Float(number) => Literal::Number(format!("{number:?}")),
            Value::Char(letter) => Literal::String(letter.to_string()),
            Value::String(text) | Value::Keyword(text) => Literal::String(text.clone()),
            Value::Vector(items) | Value::Set(items) => {
                let items = items.iter().map(|item| self.value(item));
                Literal::Array(items.collect::<Result<_, _>>()?)
            }
            Value::Map(entries) => Literal::Table(self.entries(entries)?),
            Value::Nil => {
                return Err(self.mistake(node, "nil has no meaning in here", "leave it out"));
            }
            Value::Symbol(name) => {
                return Err(self.mistake(node, &format!("`{name}` is code"), CODE));
            }
            Value::List(_) => return Err(self.mistake(node, "( … ) is code", CODE)),
        };
        Ok(Located { value, span: self.span(node) })
    }

    /// The first word of a node.
    fn span(&self, node: &Node) -> Range<usize> {
        let start = node.position.map_or(0, |position| position.offset);
        start..self.end_of(start)
    }

    fn end_of(&self, start: usize) -> usize {
        let rest = self.text.get(start..).unwrap_or_default();
        let first = rest.chars().next().map_or(0, char::len_utf8);
        let ends = |c: char| c.is_whitespace() || "()[]{},\"".contains(c);
        let word = rest.get(first..).and_then(|rest| rest.find(ends));
        start + word.map_or(rest.len(), |length| first + length)
    }

    fn mistake(&self, node: &Node, message: &str, help: &str) -> Diagnostics {
        self.at(self.span(node), message.to_owned(), help)
    }

    fn at(&self, span: Range<usize>, message: String, help: &str) -> Diagnostics {
        let diagnostic = Diagnostic {
            message,
            help: Some(help.to_owned()),
            label: "here".to_owned(),
            file: self.file.into(),
            source: self.text.clone(),
            span,
        };
        Diagnostics { diagnostics: vec![diagnostic] }
    }
}

#[cfg(test)]
mod tests {
    use pallet_core::document::{Document, Infrastructure};

    use super::*;
    use crate::registry::builtin;

    fn resolve(name: &str, text: &str) -> Result<Infrastructure, Diagnostics> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        let settings = if name == "config.clj" { config(&file)? } else { services(&file)? };
        Document::parse("pallet.toml", "")?.over([settings]).resolve(&builtin())
    }

    const CONFIG: &str = r#"
(defpallet "my machines"
  :default-service :rack
  :admin-user {:username "ops" :private-key-path "keys/id" :public-key-path "keys/id.pub" :password nil}
  :environment {:proxy "http://10.0.2.2:3142" :ports #{80} :deep {:truth true :part 0.5}}
  :services {:rack {:provider "node-list"
                    :nodes [{:name "web-1" :group :web :host "192.0.2.1" :port 2222}]
                    :environment {:user {:username "rack-admin" :no-sudo true} :zone "a"}}})
"#;

    #[test]
    fn a_configuration_of_literals_is_read() {
        let found = resolve("config.clj", CONFIG).unwrap();
        assert_eq!(found.default_service.as_deref(), Some("rack"));
        let admin = found.admin_user.unwrap();
        assert_eq!(admin.username, "ops");
        assert!(admin.private_key_path.unwrap().ends_with("keys/id"));
        assert_eq!(found.environment["deep"]["truth"], true);
        assert_eq!(found.environment["ports"][0], 80);
        let rack = &found.services["rack"];
        assert_eq!(rack.admin_user.as_ref().unwrap().username, "rack-admin");
        assert_eq!(rack.environment["zone"], "a");
        assert!(!rack.environment.contains_key("user"));
        let place = found.settings.iter().find(|one| one.key == "admin-user.username").unwrap();
        assert!(place.origin.to_string().ends_with("config.clj:4"), "{place}");
    }

    #[test]
    fn a_service_file_and_a_service_without_a_name() {
        let found = resolve("rack.clj", "{:rack {:provider :node-list :nodes []}}").unwrap();
        assert_eq!(found.services["rack"].provider, "node-list");
        let found =
            resolve("config.clj", "{:provider :vmfest :identity \"me\" :credential \"x-secret\"}");
        let found = found.unwrap();
        assert_eq!(found.default_service.as_deref(), Some("default"));
        assert_eq!(found.services["default"].provider, "vmfest");
        assert!(found.settings.iter().all(|one| !one.value.contains("x-secret")));
    }

    #[test]
    fn code_and_mistakes_are_refused_with_their_places() {
        let refusal = |text: &str| resolve("config.clj", text).unwrap_err().to_string();
        for (text, place, word) in [
            ("{:admin-user\n {:username (System/getenv \"USER\")}}", "config.clj:2:13", "( … )"),
            ("{:default-service\n rack}", "config.clj:2:2", "`rack` is code"),
            ("(defservice :a 1)", "config.clj:1:1", "is code"),
            ("(defpallet :services)", "config.clj:1:12", "no value"),
            ("{:admin-user {:usrname \"me\" :username \"me\"}}", "config.clj:1:15", "`usrname`"),
            ("{:servces {}}", "config.clj:1:2", "`servces`"),
            ("{:environment {:a 1", "config.clj:1", ""),
        ] {
            let error = refusal(text);
            assert!(error.contains(place) && error.contains(word), "{text}\n{error}");
        }
    }
}
