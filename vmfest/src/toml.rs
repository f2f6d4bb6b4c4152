//! TOML, the other format of model files.
//!
//! ```
//! #[derive(serde::Deserialize)]
//! #[serde(rename_all = "kebab-case", deny_unknown_fields)]
//! struct Size { memory_size: u32 }
//!
//! let size: Size = vmfest::toml::from_str("memory-size = 512")?;
//! assert_eq!(size.memory_size, 512);
//!
//! let error = vmfest::toml::from_str::<Size>("memory-sise = 512").err().map(|e| e.to_string());
//! assert_eq!(
//!     error.as_deref(),
//!     Some("line 1, column 1: unknown key `memory-sise`; did you mean `memory-size`?"),
//! );
//! # Ok::<(), vmfest::tree::Error>(())
//! ```

use std::ops::Range;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue};
use toml_parser::Source;
use toml_parser::lexer::TokenKind;

use crate::tree::{self, Error, MAX_DEPTH, Node, Notation, Position, Value};

/// Reads a text as a `T`.
///
/// # Errors
/// The first thing that is wrong, with its line and column.
pub fn from_str<T: DeserializeOwned>(text: &str) -> Result<T, Error> {
    tree::from_node(&read(text)?)
}

/// Reads a text.
///
/// # Errors
/// The first thing that is wrong, with its line and column.
pub fn read(text: &str) -> Result<Node, Error> {
    let reader = Reader { text };
    reader.check_depth()?;
    let table = DeTable::parse(text).map_err(|e| {
        let start = e.span().unwrap_or_default().start;
        Error::new(e.message().trim_end(), Some(reader.position(start)))
    })?;
    let start = Position { line: 1, column: 1, offset: 0 };
    Ok(Node { value: reader.table(table.get_ref())?, ..reader.node(start) })
}

struct Reader<'a> {
    text: &'a str,
}

impl Reader<'_> {
    /// The parser bounds brackets and dots, but not their product, and what it builds is dropped
    /// recursively: without a bound of our own a small file could exhaust the stack.
    fn check_depth(&self) -> Result<(), Error> {
        let (mut depth, mut dots, mut open) = (0_usize, 0_usize, Vec::new());
        for token in Source::new(self.text).lex() {
            match token.kind() {
                TokenKind::Dot => dots += 1,
                TokenKind::LeftSquareBracket | TokenKind::LeftCurlyBracket => {
                    depth += dots + 1;
                    open.push(dots);
                    dots = 0;
                }
                TokenKind::RightSquareBracket | TokenKind::RightCurlyBracket => {
                    dots = open.pop().unwrap_or_default();
                    depth = depth.saturating_sub(dots + 1);
                }
                TokenKind::Comma | TokenKind::Newline => dots = 0,
                _ => {}
            }
            if depth + dots > MAX_DEPTH {
                let place = self.position(token.span().start());
                let message = format!("nested deeper than {MAX_DEPTH} levels");
                return Err(Error::new(message, Some(place)));
            }
        }
        Ok(())
    }

    fn position(&self, offset: usize) -> Position {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let before = before.strip_prefix('\u{feff}').unwrap_or(before);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
        Position { line: before.matches('\n').count() + 1, column, offset }
    }

    /// A node without a value yet.
    fn node(&self, position: Position) -> Node {
        Node { value: Value::Nil, position: Some(position), notation: Notation::Toml }
    }

    fn table(&self, table: &DeTable<'_>) -> Result<Value, Error> {
        let mut entries: Vec<(Node, Node)> = Vec::with_capacity(table.len());
        for (key, value) in table.iter() {
            let name = Value::String(key.get_ref().to_string());
            let key = Node { value: name, ..self.node(self.position(key.span().start)) };
            entries.push((key, self.value(value)?));
        }
        // The order of the text, which the parser does not keep.
        entries.sort_by_key(|(key, _)| key.position.map(|position| position.offset));
        Ok(Value::Map(entries))
    }

    fn value(&self, value: &Spanned<DeValue<'_>>) -> Result<Node, Error> {
        let Range { start, .. } = value.span();
        let position = self.position(start);
        let wrong = |message: &str| Error::new(message, Some(position));
        let value = match value.get_ref() {
            DeValue::String(text) => Value::String(text.to_string()),
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
                .map(Value::Integer)
                .map_err(|_| wrong("is too large a number"))?,
            DeValue::Float(number) => {
                number.as_str().parse().map(Value::Float).map_err(|_| wrong("is not a number"))?
            }
            DeValue::Boolean(truth) => Value::Bool(*truth),
            DeValue::Datetime(_) => {
                return Err(wrong("a date has no meaning here; write it as a string"));
            }
            DeValue::Array(items) => {
                let items: Result<_, Error> = items.iter().map(|item| self.value(item)).collect();
                Value::Vector(items?)
            }
            DeValue::Table(table) => self.table(table)?,
        };
        Ok(Node { value, ..self.node(position) })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[derive(Debug, PartialEq, serde::Deserialize)]
    #[serde(rename_all = "kebab-case", deny_unknown_fields)]
    struct Part {
        bus: Bus,
        #[serde(default)]
        on: Option<bool>,
        #[serde(default)]
        pair: Option<(String, u16)>,
    }

    #[derive(Debug, PartialEq, serde::Deserialize)]
    #[serde(rename_all = "kebab-case")]
    enum Bus {
        Sata,
        Ide,
    }

    fn parts(text: &str) -> Result<BTreeMap<String, Vec<Part>>, Error> {
        from_str(text)
    }

    #[test]
    fn values() {
        let read = parts(
            "\u{feff}# comment\na = [{ bus = \"sata\", \"on?\" = true, pair = [\"x\", 0x10] }]\n[[b]]\nbus = 'ide'\n",
        )
        .expect("reads");
        let part = |bus| Part { bus, on: None, pair: None };
        let first = Part { on: Some(true), pair: Some(("x".to_owned(), 16)), ..part(Bus::Sata) };
        assert_eq!(
            read,
            BTreeMap::from([("a".to_owned(), vec![first]), ("b".to_owned(), vec![part(Bus::Ide)])])
        );
    }

    #[test]
    fn errors_name_place_path_and_remedy_in_the_words_of_toml() {
        let deep = format!("a = {}", "[".repeat(MAX_DEPTH + 1));
        for (text, expected) in [
            (
                "[[a]]\nbus = 'ide'\n[[a]]\nbuss = 'ide'",
                "line 4, column 1: a[1]: unknown key `buss`; did you mean `bus`?",
            ),
            (
                "a = [{ bus = 'isa' }]",
                "line 1, column 14: a[0].bus: unknown value \"isa\"; known are \"sata\", \"ide\"",
            ),
            ("a = [{}]", "line 1, column 6: a[0]: the key `bus` is missing"),
            ("a = [[]]", "line 1, column 6: a[0]: expected a table, found an array"),
            ("a = 5", "line 1, column 5: a: expected an array, found the number 5"),
            (
                "a = [{ bus = 'ide', on = 'yes' }]",
                "line 1, column 26: a[0].on: expected true or false, found \"yes\"",
            ),
            (
                "\"a b\" = [{ bus = 'ide', pair = ['x'] }]",
                "line 1, column 32: \"a b\"[0].pair: expected a tuple of size 2, found 1 values",
            ),
            (
                "a = 2012-10-13",
                "line 1, column 5: a date has no meaning here; write it as a string",
            ),
            ("a = 99999999999999999999", "line 1, column 5: is too large a number"),
            (deep.as_str(), "line 1, column 69: nested deeper than 64 levels"),
        ] {
            assert_eq!(parts(text).expect_err(text).to_string(), expected, "{text}");
        }
        let error = parts("a = [\nb").expect_err("no TOML").to_string();
        assert!(error.starts_with("line 2, column 2: "), "{error}");
    }
}
