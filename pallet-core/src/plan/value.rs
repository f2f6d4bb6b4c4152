//! Placeholders: values that will be read from a node, within the parameters of actions.

use std::collections::BTreeMap;

use serde_json::Value;

/// A character that no keyboard has, from a range that no script uses.
const BEGIN: &str = "\u{E000}pallet-value:";
const END: char = '\u{E001}';

/// The text that stands for the value called `name` until it is known.
pub(crate) fn placeholder(name: &str) -> String {
    format!("{BEGIN}{name}{END}")
}

/// Whether a placeholder is in any text of a value.
pub(crate) fn has_placeholder(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains(BEGIN),
        Value::Array(values) => values.iter().any(has_placeholder),
        Value::Object(table) => {
            table.iter().any(|(key, value)| key.contains(BEGIN) || has_placeholder(value))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Puts values in the place of their placeholders; notes the names of those that are not known.
pub(crate) fn fill(value: &mut Value, known: &BTreeMap<String, String>, missing: &mut Vec<String>) {
    match value {
        Value::String(text) => {
            if text.contains(BEGIN) {
                *text = filled(text, known, missing);
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| fill(value, known, missing)),
        Value::Object(table) => {
            for (key, mut value) in std::mem::take(table) {
                fill(&mut value, known, missing);
                table.insert(filled(&key, known, missing), value);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn filled(text: &str, known: &BTreeMap<String, String>, missing: &mut Vec<String>) -> String {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(BEGIN) {
        result.push_str(before);
        let Some((name, after)) = after.split_once(END) else {
            result.push_str(BEGIN);
            rest = after;
            continue;
        };
        match known.get(name) {
            Some(value) => result.push_str(value),
            None => missing.push(name.to_owned()),
        }
        rest = after;
    }
    result.push_str(rest);
    result
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn placeholders_are_filled_wherever_they_stand() {
        let (id, other) = (placeholder("id"), placeholder("other"));
        let known = BTreeMap::from([("id".to_owned(), format!("7{BEGIN}"))]);
        let mut value = json!({
            "text": format!("a{id}b{id}"), "list": [1, null, { format!("k{id}"): other }],
        });
        assert!(has_placeholder(&value));
        let mut missing = Vec::new();
        fill(&mut value, &known, &mut missing);
        assert_eq!(missing, ["other"]);
        // What was read is not looked at again.
        let seven = format!("7{BEGIN}");
        let expected = json!({
            "text": format!("a{seven}b{seven}"), "list": [1, null, { format!("k{seven}"): "" }],
        });
        assert_eq!(value, expected);
        assert!(!has_placeholder(&json!({ "a": ["b", 1] })));
    }
}
