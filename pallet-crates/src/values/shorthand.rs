//! Parameters that may be written as a plain string in place of a table.

use std::fmt;
use std::marker::PhantomData;

use schemars::{Schema, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// A type that documents may write shorter than as a table.
pub(crate) trait Shorthand: Sized {
    /// What may be written, for errors: `a path, or a table with path and more`.
    const EXPECTING: &'static str;

    /// Reads the table.
    fn from_table<'de, D: Deserializer<'de>>(table: D) -> Result<Self, D::Error>;

    /// Reads the string.
    fn from_text(text: &str) -> Result<Self, String>;

    /// Reads a list of strings. Most types have no such form.
    fn from_list(_list: Vec<String>) -> Option<Result<Self, String>> {
        None
    }
}

/// Reads either form.
pub(crate) fn read<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Shorthand,
    D: Deserializer<'de>,
{
    deserializer.deserialize_any(Either(PhantomData))
}

struct Either<T>(PhantomData<T>);

impl<'de, T: Shorthand> Visitor<'de> for Either<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::EXPECTING)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        T::from_text(text).map_err(E::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<T, A::Error> {
        T::from_table(MapAccessDeserializer::new(table))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<T, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        match T::from_list(list) {
            Some(read) => read.map_err(A::Error::custom),
            None => Err(A::Error::invalid_type(serde::de::Unexpected::Seq, &self)),
        }
    }
}

/// Says in a schema that a plain string is fine too.
pub(crate) fn or_string(schema: &mut Schema) {
    alternative(schema, json_schema!({ "type": "string" }));
}

/// Says in a schema that a list of strings is fine too.
pub(crate) fn or_list(schema: &mut Schema) {
    alternative(schema, json_schema!({ "type": "array", "items": { "type": "string" } }));
}

fn alternative(schema: &mut Schema, short: Schema) {
    let table = std::mem::take(schema);
    *schema = json_schema!({ "anyOf": [short, table] });
}

/// Implements serde's traits for a type that derives them with `#[serde(remote = "Self")]` and
/// implements [`Shorthand`].
macro_rules! shorthand_serde {
    ($type:ty) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                // The function that the derive gives is inherent, so it goes first.
                <$type>::serialize(self, serializer)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::values::shorthand::read(deserializer)
            }
        }
    };
}
pub(crate) use shorthand_serde;
