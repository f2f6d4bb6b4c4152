//! Holds values against JSON schemas, of the kind that `pallet schema` writes.

use std::process::Command;

use serde_json::Value;

/// What `pallet schema --of` says of a command, or of `error`.
pub fn published(of: &[&str]) -> Value {
    let mut pallet = Command::new(env!("CARGO_BIN_EXE_pallet"));
    let output = pallet.args(["schema", "--of"]).args(of).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The first thing in `value` that is not as `schema` says, as far as our schemas say anything.
pub fn mistake(schema: &Value, value: &Value) -> Option<String> {
    within(schema, schema, value, "")
}

fn within(root: &Value, schema: &Value, value: &Value, at: &str) -> Option<String> {
    let Some(rules) = schema.as_object() else {
        return (schema == &Value::Bool(false)).then(|| format!("{at}: nothing may be there"));
    };
    for (rule, wanted) in rules {
        let all = || wanted.as_array().unwrap().iter();
        let fits = |schema: &&Value| within(root, schema, value, at).is_none();
        let found = match rule.as_str() {
            "$ref" => {
                let pointer = wanted.as_str().unwrap().trim_start_matches('#');
                within(root, root.pointer(pointer).expect(pointer), value, at)
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
            "allOf" => all().find_map(|it| within(root, it, value, at)),
            "required" => value.as_object().and_then(|map| {
                let missing = all().find(|key| !map.contains_key(key.as_str().unwrap()))?;
                Some(format!("{at}: {missing} is missing"))
            }),
            "properties" => value.as_object().and_then(|map| {
                let known = wanted.as_object().unwrap();
                map.iter().find_map(|(key, value)| {
                    within(root, known.get(key)?, value, &format!("{at}/{key}"))
                })
            }),
            "additionalProperties" => value.as_object().and_then(|map| {
                let known = rules.get("properties").and_then(Value::as_object);
                let more = |key: &&String| !known.is_some_and(|known| known.contains_key(*key));
                map.keys()
                    .filter(more)
                    .find_map(|key| within(root, wanted, &map[key], &format!("{at}/{key}")))
            }),
            "items" => value.as_array().and_then(|items| {
                let items = items.iter().enumerate();
                items.into_iter().find_map(|(n, it)| within(root, wanted, it, &format!("{at}/{n}")))
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
