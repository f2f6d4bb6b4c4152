//! Trees of values that were read elsewhere and whose places are not known any more.

use serde_json::Value as Json;

use super::value::{Node, Notation, Value};

impl From<Json> for Node {
    fn from(json: Json) -> Self {
        let value = match json {
            Json::Null => Value::Nil,
            Json::Bool(truth) => Value::Bool(truth),
            Json::Number(number) => match number.as_i64() {
                Some(number) => Value::Integer(number),
                None => Value::Float(number.as_f64().unwrap_or(f64::MAX)),
            },
            Json::String(text) => Value::String(text),
            Json::Array(items) => Value::Vector(items.into_iter().map(Self::from).collect()),
            Json::Object(entries) => Value::Map(
                entries
                    .into_iter()
                    .map(|(key, value)| (Self::from(Json::String(key)), Self::from(value)))
                    .collect(),
            ),
        };
        Self { value, position: None, notation: Notation::Toml }
    }
}
