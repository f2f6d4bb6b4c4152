//! Parameters, read from a JSON schema.

use std::fmt::Write;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::text::Paint;

/// How deep definitions may refer to each other.
const DEPTH: usize = 8;

/// A parameter of an action.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Parameter {
    name: String,
    /// What may be written: `text`, `list of text`, `"present" or "absent"`.
    takes: String,
    is_required: bool,
    /// What it is where nothing is written, if that is not nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    default: Option<Value>,
    documentation: String,
}

impl Parameter {
    /// For people.
    pub(super) fn text(&self, paint: Paint) -> String {
        let needed = if self.is_required { ", required" } else { "" };
        let mut text = format!("  {}  {}{needed}\n", paint.cyan(&self.name), self.takes);
        for line in self.documentation.lines() {
            let _ = writeln!(text, "      {line}");
        }
        if let Some(default) = &self.default
            && !self.documentation.contains("Default:")
        {
            let _ = writeln!(text, "      Default: {default}.");
        }
        text
    }
}

/// The parameters of a schema, required ones first, as far as they are those of a table.
pub(super) fn parameters(schema: &Value) -> Vec<Parameter> {
    let Some(table) = table(schema) else { return Vec::new() };
    let required: Vec<&str> = table
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let properties = table.get("properties").and_then(Value::as_object);
    let mut parameters: Vec<Parameter> = properties
        .into_iter()
        .flatten()
        .map(|(name, property)| Parameter {
            name: name.clone(),
            takes: takes(property, schema, DEPTH),
            is_required: required.contains(&name.as_str()),
            default: property.get("default").filter(|it| !it.is_null()).cloned(),
            documentation: documentation(property, schema),
        })
        .collect();
    parameters.sort_by_key(|parameter| !parameter.is_required);
    parameters
}

/// What may stand in place of the table.
pub(super) fn short_forms(schema: &Value) -> Vec<String> {
    let forms = choices(schema).filter(|form| form.get("properties").is_none());
    forms.map(|form| takes(form, schema, DEPTH)).collect()
}

/// The documentation of a whole schema, without examples in Rust.
pub(super) fn prose(schema: &Value) -> String {
    let description =
        |value: &Value| value.get("description").and_then(Value::as_str).map(str::to_owned);
    let text = table(schema).and_then(description).or_else(|| description(schema));
    without_code(&text.unwrap_or_default())
}

/// The part of a schema that is a table of parameters.
fn table(schema: &Value) -> Option<&Value> {
    let is_table = |value: &&Value| value.get("properties").is_some();
    Some(schema).filter(is_table).or_else(|| {
        let mut forms = choices(schema).map(|form| table(form).unwrap_or(form));
        forms.find(is_table)
    })
}

fn choices(schema: &Value) -> impl Iterator<Item = &Value> {
    let lists = ["anyOf", "oneOf"].into_iter().filter_map(|key| schema.get(key)?.as_array());
    lists.flatten()
}

fn documentation(property: &Value, schema: &Value) -> String {
    let own = property.get("description");
    let referred = || {
        let choice = choices(property).find_map(|choice| referred(choice, schema));
        referred(property, schema).or(choice)?.get("description")
    };
    let text = own.or_else(referred).and_then(Value::as_str).unwrap_or_default();
    without_code(text)
}

/// What a reference leads to.
fn referred<'s>(value: &Value, schema: &'s Value) -> Option<&'s Value> {
    let name = value.get("$ref")?.as_str()?.strip_prefix("#/$defs/")?;
    definitions(schema)?.get(name)
}

fn definitions(schema: &Value) -> Option<&Map<String, Value>> {
    let own = schema.get("$defs").and_then(Value::as_object);
    own.or_else(|| choices(schema).find_map(|form| form.get("$defs")?.as_object()))
}

/// What may be written, in words.
fn takes(value: &Value, schema: &Value, depth: usize) -> String {
    let Some(depth) = depth.checked_sub(1) else { return "anything".to_owned() };
    if let Some(target) = referred(value, schema) {
        return takes(target, schema, depth);
    }
    if let Some(constant) = value.get("const") {
        return constant.to_string();
    }
    if let Some(values) = value.get("enum").and_then(Value::as_array) {
        let words = values.iter().filter(|it| !it.is_null()).map(Value::to_string);
        return words.collect::<Vec<_>>().join(" or ");
    }
    let is_null = |form: &&Value| form.get("type").and_then(Value::as_str) == Some("null");
    let mut forms: Vec<String> = choices(value)
        .filter(|form| !is_null(form))
        .map(|form| takes(form, schema, depth))
        .collect();
    forms.dedup();
    if !forms.is_empty() {
        return forms.join(" or ");
    }
    match value.get("type") {
        Some(Value::String(word)) => kind(word, value, schema, depth),
        Some(Value::Array(words)) => {
            let words = words.iter().filter_map(Value::as_str).filter(|word| *word != "null");
            let words: Vec<String> = words.map(|word| kind(word, value, schema, depth)).collect();
            words.join(" or ")
        }
        _ => "anything".to_owned(),
    }
}

fn kind(word: &str, value: &Value, schema: &Value, depth: usize) -> String {
    match word {
        "string" => "text".to_owned(),
        "integer" => "whole number".to_owned(),
        "number" => "number".to_owned(),
        "boolean" => "true or false".to_owned(),
        "array" => match value.get("items") {
            Some(items) => format!("list of {}", takes(items, schema, depth)),
            None => "list".to_owned(),
        },
        "object" => object(value, schema, depth),
        other => other.to_owned(),
    }
}

fn object(value: &Value, schema: &Value, depth: usize) -> String {
    let properties = value.get("properties").and_then(Value::as_object);
    if let Some(properties) = properties.filter(|it| !it.is_empty()) {
        let keys: Vec<String> = properties.keys().map(|key| format!("{key} = …")).collect();
        return format!("{{ {} }}", keys.join(", "));
    }
    match value.get("additionalProperties") {
        Some(values @ Value::Object(_)) => format!("table of {}", takes(values, schema, depth)),
        _ => "table".to_owned(),
    }
}

/// Documentation without its blocks of code, which are Rust, and without marks of headings.
fn without_code(text: &str) -> String {
    let mut is_code = false;
    let mut lines = Vec::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        } else if !is_code {
            lines.push(line.trim_end());
        }
    }
    lines.join("\n").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each parameter of each action is told with a type that says something.
    #[test]
    fn all_actions_can_be_explained() {
        for (name, entry) in crate::registry::builtin().actions() {
            let info = entry.info();
            let all = parameters(&info.schema);
            assert!(!all.is_empty(), "{name} takes nothing: {:#}", info.schema);
            assert!(
                !prose(&info.schema).is_empty() && !prose(&info.schema).contains("```"),
                "{name}"
            );
            for parameter in all {
                let is_told = !parameter.takes.is_empty() && !parameter.documentation.is_empty();
                assert!(is_told, "{name}: {parameter:?}");
            }
        }
    }

    #[test]
    fn types_in_words() {
        let schema = serde_json::json!({
            "$defs": { "Ensure": { "oneOf": [
                { "const": "present", "description": "There." }, { "const": "absent" },
            ] } },
            "properties": {
                "ensure": { "$ref": "#/$defs/Ensure", "default": "present" },
                "names": { "type": ["array", "null"], "items": { "type": "string" } },
                "port": { "anyOf": [{ "type": "integer" }, { "type": "null" }] },
                "env": { "type": "object", "additionalProperties": { "type": "string" } },
            },
            "required": ["port"],
        });
        let told: Vec<(String, String, bool)> =
            parameters(&schema).into_iter().map(|it| (it.name, it.takes, it.is_required)).collect();
        let expected = [
            ("port", "whole number", true),
            ("ensure", "\"present\" or \"absent\"", false),
            ("env", "table of text", false),
            ("names", "list of text", false),
        ];
        let expected = expected.map(|(name, takes, it)| (name.to_owned(), takes.to_owned(), it));
        assert_eq!(told, expected);
    }
}
