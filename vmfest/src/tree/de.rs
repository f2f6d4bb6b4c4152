//! From tree to types.

use serde::de::{self, Deserialize, DeserializeSeed, Visitor};

use super::error::{Error, Segment};
use super::value::{Node, Value};

/// Turns a tree into a `T`.
///
/// A keyword counts as a string. A key that names a field of a struct may end in a question mark.
///
/// # Errors
/// The first mismatch, with line, column and the path of keys that leads there.
pub fn from_node<'de, T: Deserialize<'de>>(node: &'de Node) -> Result<T, Error> {
    T::deserialize(node)
}

impl Node {
    fn unexpected(&self, expected: &dyn de::Expected) -> Error {
        let keyword;
        let found = match &self.value {
            Value::Nil => de::Unexpected::Unit,
            Value::Bool(value) => de::Unexpected::Bool(*value),
            Value::Integer(value) => de::Unexpected::Signed(*value),
            Value::Float(value) => de::Unexpected::Float(*value),
            Value::Char(_) => de::Unexpected::Other("a character"),
            Value::String(text) => de::Unexpected::Str(text),
            Value::Keyword(text) => {
                keyword = format!("the keyword :{text}");
                de::Unexpected::Other(&keyword)
            }
            Value::Symbol(text) => {
                keyword = format!("the bare word {text} (write \"{text}\" or :{text})");
                de::Unexpected::Other(&keyword)
            }
            Value::List(_) => de::Unexpected::Other("a list (…); nothing is evaluated here"),
            Value::Vector(_) => de::Unexpected::Seq,
            Value::Set(_) => de::Unexpected::Other("a set"),
            Value::Map(_) => de::Unexpected::Map,
        };
        <Error as de::Error>::invalid_type(found, expected).at(self)
    }
}

/// Forwards the typed requests to one method and puts the node's place into errors.
macro_rules! typed {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            self.deserialize_any(visitor)
        }
    )*};
}

impl<'de> de::Deserializer<'de> for &'de Node {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let result = match &self.value {
            Value::Nil => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Integer(value) => visitor.visit_i64(*value),
            Value::Float(value) => visitor.visit_f64(*value),
            Value::Char(value) => visitor.visit_char(*value),
            Value::String(text) | Value::Keyword(text) => visitor.visit_borrowed_str(text),
            Value::Symbol(_) | Value::List(_) => Err(self.unexpected(&visitor)),
            Value::Vector(items) | Value::Set(items) => {
                let mut access = Items { items: items.iter(), index: 0 };
                visitor.visit_seq(&mut access).and_then(|value| match access.items.len() {
                    0 => Ok(value),
                    more => Err(de::Error::custom(format!("{more} values too many"))),
                })
            }
            Value::Map(entries) => {
                visitor.visit_map(Entries { entries: entries.iter(), current: None })
            }
        };
        result.map_err(|error: Error| error.at(self))
    }

    typed! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
        deserialize_f32 deserialize_f64 deserialize_char deserialize_bytes deserialize_byte_buf
        deserialize_unit deserialize_seq deserialize_map
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.value {
            // Spell out keywords: `:true` is a common slip and would be told as a string otherwise.
            Value::Keyword(_) => Err(self.unexpected(&visitor)),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_any(visitor)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_any(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let result = match self.value {
            Value::Nil => visitor.visit_none(),
            _ => visitor.visit_some(self),
        };
        result.map_err(|error: Error| error.at(self))
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_any(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self).map_err(|error: Error| error.at(self))
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_any(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_any(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.value {
            Value::Map(_) => self.deserialize_any(visitor),
            // A struct could also be read from a vector, in field order; no person means that.
            _ => Err(self.unexpected(&visitor)),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let Some(text) = self.as_key() else {
            return Err(self.unexpected(&"a keyword"));
        };
        let variant = de::value::StrDeserializer::new(text);
        visitor.visit_enum(variant).map_err(|error: Error| error.at(self))
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let Some(text) = self.as_key() else {
            return Err(self.unexpected(&"a keyword as key"));
        };
        let text = text.strip_suffix('?').unwrap_or(text);
        visitor.visit_borrowed_str(text).map_err(|error: Error| error.at(self))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }
}

struct Items<'de> {
    items: std::slice::Iter<'de, Node>,
    index: usize,
}

impl<'de> de::SeqAccess<'de> for &mut Items<'de> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Error> {
        let Some(item) = self.items.next() else { return Ok(None) };
        let index = self.index;
        self.index += 1;
        seed.deserialize(item)
            .map(Some)
            .map_err(|error| error.at(item).inside(Segment::Index(index)))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

struct Entries<'de> {
    entries: std::slice::Iter<'de, (Node, Node)>,
    current: Option<&'de (Node, Node)>,
}

impl<'de> de::MapAccess<'de> for Entries<'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        self.current = self.entries.next();
        let Some((key, _)) = self.current else { return Ok(None) };
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let Some((key, value)) = self.current else {
            return Err(de::Error::custom("a value was asked for before its key"));
        };
        let name = key.as_key().unwrap_or("?").to_owned();
        seed.deserialize(value).map_err(|error| error.at(value).inside(Segment::Key(name)))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::edn::read;

    #[derive(Debug, Default, PartialEq, serde::Deserialize)]
    #[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
    struct Sample {
        name: Option<String>,
        memory_size: u32,
        #[serde(alias = "clock")]
        rtc_use_utc: Option<bool>,
        bus: Option<Bus>,
        parts: Vec<Sample>,
        pair: Option<(String, u16)>,
    }

    #[derive(Debug, PartialEq, serde::Deserialize)]
    #[serde(rename_all = "kebab-case")]
    enum Bus {
        Sata,
        Ide,
    }

    fn sample(text: &str) -> Result<Sample, Error> {
        from_node(&read(text)?)
    }

    #[test]
    fn keywords_strings_and_question_marks() {
        let got = sample(
            r#"{:name :ubuntu, "memory-size" 5 :rtc-use-utc? true :bus :sata
                :parts [{} {:name "x" :bus nil}] :pair ["SATA" 3]}"#,
        )
        .expect("reads");
        assert_eq!(got.name.as_deref(), Some("ubuntu"));
        assert_eq!(got.memory_size, 5);
        assert_eq!(got.rtc_use_utc, Some(true));
        assert_eq!(got.bus, Some(Bus::Sata));
        assert_eq!(got.parts.len(), 2);
        assert_eq!(got.pair, Some(("SATA".into(), 3)));
        let map: BTreeMap<String, u8> = from_node(&read("{:a? 1 b 2}").expect("reads"))
            .unwrap_or_else(|e| BTreeMap::from([(e.to_string(), 0)]));
        assert_eq!(
            map.keys().collect::<Vec<_>>(),
            [
                "line 1, column 8: expected a string or keyword, found the bare word b (write \"b\" or :b)"
            ]
        );
    }

    #[test]
    fn errors_name_place_path_and_remedy() {
        for (text, expected) in [
            (
                "{:memroy-size 1}",
                "line 1, column 2: unknown key :memroy-size; did you mean :memory-size?",
            ),
            (
                "{:colour 1}",
                "line 1, column 2: unknown key :colour; known are :name, :memory-size, :clock, :rtc-use-utc, :bus, :parts, :pair",
            ),
            (
                "{:memory-size \"5\"}",
                "line 1, column 15: :memory-size: expected a whole number from 0 up, found \"5\"",
            ),
            (
                "{:memory-size -5}",
                "line 1, column 15: :memory-size: expected a whole number from 0 up, found the number -5",
            ),
            (
                "{:memory-size 5.5}",
                "line 1, column 15: :memory-size: expected a whole number from 0 up, found the number 5.5",
            ),
            (
                "{:memory-size nil}",
                "line 1, column 15: :memory-size: expected a whole number from 0 up, found nil",
            ),
            (
                "{:name 12}",
                "line 1, column 8: :name: expected a string or keyword, found the number 12",
            ),
            (
                "{:name ubuntu}",
                "line 1, column 8: :name: expected a string or keyword, found the bare word ubuntu (write \"ubuntu\" or :ubuntu)",
            ),
            (
                "{:name (str 1)}",
                "line 1, column 8: :name: expected a string or keyword, found a list (…); nothing is evaluated here",
            ),
            (
                "{:parts [{}\n  {:bus :stata}]}",
                "line 2, column 9: :parts [1] :bus: unknown value :stata; did you mean :sata?",
            ),
            (
                "{:parts [{:bus 1}]}",
                "line 1, column 16: :parts [0] :bus: expected a keyword, found the number 1",
            ),
            ("{:parts [[]]}", "line 1, column 10: :parts [0]: expected a map, found a vector"),
            ("{:parts 7}", "line 1, column 9: :parts: expected a vector, found the number 7"),
            (
                "{:rtc-use-utc? :true}",
                "line 1, column 16: :rtc-use-utc?: expected true or false, found the keyword :true",
            ),
            (
                "{:clock true :rtc-use-utc? true}",
                "line 1, column 1: the key :rtc-use-utc is given twice (perhaps under another name)",
            ),
            ("{:pair [\"a\" 1 2]}", "line 1, column 8: :pair: 1 values too many"),
            (
                "{:pair [\"a\"]}",
                "line 1, column 8: :pair: expected a tuple of size 2, found 1 values",
            ),
            (
                "{:pair [\"a\" 70000]}",
                "line 1, column 13: :pair [1]: expected a whole number from 0 up, found the number 70000",
            ),
            ("{1 2}", "line 1, column 2: expected a keyword as key, found the number 1"),
            ("[]", "line 1, column 1: expected a map, found a vector"),
        ] {
            assert_eq!(sample(text).expect_err(text).to_string(), expected, "{text}");
        }
    }
}
