//! Schemas within schemas: their definitions move to the outermost one, under names of their own.

use serde_json::{Map, Value};

const LOCAL: &str = "#/$defs/";

/// Takes a schema that stands alone into another one as the definition `name`.
pub(super) fn hoist(schema: Value, name: &str, definitions: &mut Map<String, Value>) {
    let mut schema = schema;
    let own = match schema.as_object_mut() {
        Some(table) => {
            table.remove("$schema");
            table.remove("$defs")
        }
        None => None,
    };
    rename(&mut schema, name);
    definitions.insert(name.to_owned(), schema);
    if let Some(Value::Object(own)) = own {
        for (key, mut definition) in own {
            rename(&mut definition, name);
            definitions.insert(format!("{name}.{key}"), definition);
        }
    }
}

/// A reference to a definition.
pub(super) fn reference(name: &str) -> Value {
    serde_json::json!({ "$ref": format!("{LOCAL}{name}") })
}

fn rename(value: &mut Value, owner: &str) {
    match value {
        Value::Object(table) => {
            for (key, value) in table.iter_mut() {
                match value {
                    Value::String(place) if key == "$ref" => {
                        if let Some(name) = place.strip_prefix(LOCAL) {
                            *place = format!("{LOCAL}{owner}.{name}");
                        } else if place == "#" {
                            *place = format!("{LOCAL}{owner}");
                        }
                    }
                    value => rename(value, owner),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| rename(item, owner)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn definitions_get_names_of_their_own() {
        let schema = json!({
            "$schema": "x",
            "properties": { "a": { "$ref": "#/$defs/A" }, "self": { "$ref": "#" } },
            "$defs": { "A": { "items": { "$ref": "#/$defs/B" } }, "B": { "type": "string" } },
        });
        let mut definitions = Map::new();
        hoist(schema, "user", &mut definitions);
        let expected = json!({
            "user": {
                "properties": {
                    "a": { "$ref": "#/$defs/user.A" }, "self": { "$ref": "#/$defs/user" },
                },
            },
            "user.A": { "items": { "$ref": "#/$defs/user.B" } },
            "user.B": { "type": "string" },
        });
        assert_eq!(Value::Object(definitions), expected);
    }
}
