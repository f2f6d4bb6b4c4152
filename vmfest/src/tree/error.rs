//! Errors of reading a text and of turning it into types.

use std::fmt;

use super::value::{Node, Notation, Position};

/// What is wrong with a text, and where.
#[derive(Debug, Clone)]
pub struct Error {
    problem: Box<Problem>,
    position: Option<Position>,
    notation: Notation,
    /// Innermost first: a path is built on the way out.
    path: Vec<Segment>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Segment {
    Key(String),
    Index(usize),
}

/// What is wrong, before it is put into the words of a notation.
#[derive(Debug, Clone)]
enum Problem {
    Text(String),
    Unexpected { expected: String, found: Found },
    UnknownKey { key: String, known: &'static [&'static str] },
    UnknownValue { value: String, known: &'static [&'static str] },
    MissingKey(&'static str),
    RepeatedKey(&'static str),
}

#[derive(Debug, Clone)]
enum Found {
    Text(String),
    Sequence,
    Map,
}

impl Error {
    pub(crate) fn new(message: impl Into<String>, position: Option<Position>) -> Self {
        Self { position, ..Self::from(Problem::Text(message.into())) }
    }

    /// An error about the value that `path` leads to, below `node`.
    pub(crate) fn about(message: impl Into<String>, node: &Node, path: &[String]) -> Self {
        let segment =
            |s: &String| s.parse().map_or_else(|_| Segment::Key(s.clone()), Segment::Index);
        let segments = path.iter().rev().map(segment).collect();
        Self { path: segments, ..Self::new(message, None) }.at(node.locate(path))
    }

    /// Says where, unless a deeper level already said it more exactly.
    pub(crate) fn at(mut self, node: &Node) -> Self {
        self.notation = node.notation;
        self.position = self.position.or(node.position);
        self
    }

    pub(super) fn inside(mut self, segment: Segment) -> Self {
        self.path.push(segment);
        self
    }

    /// Says that the value stands under `key`.
    pub(crate) fn inside_key(self, key: &str) -> Self {
        self.inside(Segment::Key(key.to_owned()))
    }

    /// Where in the text, if the error has a place.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        self.position
    }

    /// What is wrong, without the place.
    #[must_use]
    pub fn message(&self) -> String {
        let words = Words(self.notation);
        match &*self.problem {
            Problem::Text(text) => text.clone(),
            Problem::Unexpected { expected, found } => {
                format!("expected {}, found {}", words.expected(expected), words.found(found))
            }
            Problem::UnknownKey { key, known } => {
                let name = |key: &str| words.key(key);
                format!("unknown key {}{}", name(key), suggestion(key, known, name))
            }
            Problem::UnknownValue { value, known } => {
                let name = |value: &str| words.value(value);
                format!("unknown value {}{}", name(value), suggestion(value, known, name))
            }
            Problem::MissingKey(key) => format!("the key {} is missing", words.key(key)),
            Problem::RepeatedKey(key) => {
                let key = words.key(key);
                format!("the key {key} is given twice (perhaps under another name)")
            }
        }
    }

    /// The keys that lead to the value, such as `:small :storage [0] :bus`, or in TOML
    /// `small.storage[0].bus`; empty at the top.
    #[must_use]
    pub fn key_path(&self) -> String {
        let mut text = String::new();
        for segment in self.path.iter().rev() {
            let joint = match (self.notation, segment) {
                _ if text.is_empty() => "",
                (Notation::Edn, _) => " ",
                (Notation::Toml, Segment::Key(_)) => ".",
                (Notation::Toml, Segment::Index(_)) => "",
            };
            text.push_str(joint);
            match (self.notation, segment) {
                (Notation::Edn, Segment::Key(key)) => text.push_str(&format!(":{key}")),
                (Notation::Toml, Segment::Key(key)) => text.push_str(&toml_key(key)),
                (_, Segment::Index(index)) => text.push_str(&format!("[{index}]")),
            }
        }
        text
    }
}

fn toml_key(key: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if key.chars().all(bare) { key.to_owned() } else { format!("{key:?}") }
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        let notation = Notation::default();
        Self { problem: Box::new(problem), position: None, notation, path: Vec::new() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(position) = self.position {
            write!(f, "{position}: ")?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.key_path())?;
        }
        f.write_str(&self.message())
    }
}

impl std::error::Error for Error {}

/// How a notation writes things and what it calls them.
struct Words(Notation);

impl Words {
    fn key(&self, key: &str) -> String {
        match self.0 {
            Notation::Edn => format!(":{key}"),
            Notation::Toml => format!("`{key}`"),
        }
    }

    fn value(&self, value: &str) -> String {
        match self.0 {
            Notation::Edn => format!(":{value}"),
            Notation::Toml => format!("{value:?}"),
        }
    }

    fn pick(&self, edn: &'static str, toml: &'static str) -> &'static str {
        match self.0 {
            Notation::Edn => edn,
            Notation::Toml => toml,
        }
    }

    /// serde names types as Rust does; a person who writes a model need not know Rust.
    fn expected<'a>(&self, expected: &'a str) -> &'a str {
        match expected {
            "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number from 0 up",
            "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
            "a boolean" => "true or false",
            "a string" | "path string" | "a borrowed string" => {
                self.pick("a string or keyword", "a string")
            }
            "a keyword" => self.pick("a keyword", "a string"),
            "a sequence" => self.pick("a vector", "an array"),
            "a map" => self.pick("a map", "a table"),
            other if other.starts_with("struct ") => self.pick("a map", "a table"),
            other => other,
        }
    }

    fn found<'a>(&self, found: &'a Found) -> &'a str {
        match found {
            Found::Text(text) => text,
            Found::Sequence => self.pick("a vector", "an array"),
            Found::Map => self.pick("a map", "a table"),
        }
    }
}

fn describe(found: serde::de::Unexpected<'_>) -> Found {
    use serde::de::Unexpected;
    Found::Text(match found {
        Unexpected::Unit => "nil".to_owned(),
        Unexpected::Bool(value) => value.to_string(),
        Unexpected::Signed(value) => format!("the number {value}"),
        Unexpected::Unsigned(value) => format!("the number {value}"),
        Unexpected::Float(value) => format!("the number {value}"),
        Unexpected::Str(text) => format!("{text:?}"),
        Unexpected::Seq => return Found::Sequence,
        Unexpected::Map => return Found::Map,
        Unexpected::Other(text) => text.to_owned(),
        other => other.to_string(),
    })
}

fn suggestion(given: &str, known: &[&str], name: impl Fn(&str) -> String) -> String {
    // The forms with a question mark are the same keys again.
    let known: Vec<_> = known.iter().copied().filter(|key| !key.ends_with('?')).collect();
    if let Some(best) = crate::suggest::closest(given, known.iter().copied()) {
        format!("; did you mean {}?", name(best))
    } else if known.is_empty() {
        String::new()
    } else {
        let all: Vec<_> = known.into_iter().map(name).collect();
        format!("; known are {}", all.join(", "))
    }
}

impl serde::de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Problem::Text(message.to_string()).into()
    }

    fn invalid_type(found: serde::de::Unexpected<'_>, expected: &dyn serde::de::Expected) -> Self {
        Problem::Unexpected { expected: expected.to_string(), found: describe(found) }.into()
    }

    fn invalid_value(found: serde::de::Unexpected<'_>, expected: &dyn serde::de::Expected) -> Self {
        Self::invalid_type(found, expected)
    }

    fn invalid_length(length: usize, expected: &dyn serde::de::Expected) -> Self {
        Problem::Text(format!("expected {expected}, found {length} values")).into()
    }

    fn unknown_variant(variant: &str, known: &'static [&'static str]) -> Self {
        Problem::UnknownValue { value: variant.to_owned(), known }.into()
    }

    fn unknown_field(field: &str, known: &'static [&'static str]) -> Self {
        Problem::UnknownKey { key: field.to_owned(), known }.into()
    }

    fn missing_field(field: &'static str) -> Self {
        Problem::MissingKey(field).into()
    }

    fn duplicate_field(field: &'static str) -> Self {
        Problem::RepeatedKey(field).into()
    }
}
