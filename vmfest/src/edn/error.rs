//! Errors of reading EDN and of turning it into types.

use std::fmt;

use super::value::Position;

/// What is wrong with an EDN text, and where.
#[derive(Debug, Clone)]
pub struct Error {
    message: String,
    position: Option<Position>,
    /// Innermost first: a path is built on the way out.
    path: Vec<Segment>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Segment {
    Key(String),
    Index(usize),
}

impl Error {
    pub(crate) fn new(message: impl Into<String>, position: Option<Position>) -> Self {
        Self { message: message.into(), position, path: Vec::new() }
    }

    /// An error about the value that `path` leads to.
    pub(crate) fn about(message: impl Into<String>, position: Position, path: &[String]) -> Self {
        let path = path
            .iter()
            .rev()
            .map(|s| s.parse().map_or_else(|_| Segment::Key(s.clone()), Segment::Index))
            .collect();
        Self { message: message.into(), position: Some(position), path }
    }

    /// Says where, unless a deeper level already said it more exactly.
    pub(super) fn at(mut self, position: Position) -> Self {
        self.position.get_or_insert(position);
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
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The keys that lead to the value, such as `:small :storage [0] :bus`; empty at the top.
    #[must_use]
    pub fn key_path(&self) -> String {
        let mut text = String::new();
        for segment in self.path.iter().rev() {
            if !text.is_empty() {
                text.push(' ');
            }
            match segment {
                Segment::Key(key) => {
                    text.push(':');
                    text.push_str(key);
                }
                Segment::Index(index) => {
                    text.push_str(&format!("[{index}]"));
                }
            }
        }
        text
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
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

/// serde names types as Rust does; a person who writes a meta file need not know Rust.
fn friendly(expected: &str) -> &str {
    match expected {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number from 0 up",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "a boolean" => "true or false",
        "a string" | "path string" | "a borrowed string" => "a string or keyword",
        "a sequence" => "a vector",
        other if other.starts_with("struct ") => "a map",
        other => other,
    }
}

fn describe(found: serde::de::Unexpected<'_>) -> String {
    use serde::de::Unexpected;
    match found {
        Unexpected::Unit => "nil".to_owned(),
        Unexpected::Bool(value) => value.to_string(),
        Unexpected::Signed(value) => format!("the number {value}"),
        Unexpected::Unsigned(value) => format!("the number {value}"),
        Unexpected::Float(value) => format!("the number {value}"),
        Unexpected::Str(text) => format!("{text:?}"),
        Unexpected::Seq => "a vector".to_owned(),
        Unexpected::Map => "a map".to_owned(),
        Unexpected::Other(text) => text.to_owned(),
        other => other.to_string(),
    }
}

fn suggestion(given: &str, known: &[&str], sigil: &str) -> String {
    if let Some(best) = crate::suggest::closest(given, known.iter().copied()) {
        format!("; did you mean {sigil}{best}?")
    } else if known.is_empty() {
        String::new()
    } else {
        let all: Vec<_> = known.iter().map(|k| format!("{sigil}{k}")).collect();
        format!("; known are {}", all.join(", "))
    }
}

impl serde::de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(message.to_string(), None)
    }

    fn invalid_type(found: serde::de::Unexpected<'_>, expected: &dyn serde::de::Expected) -> Self {
        let expected = expected.to_string();
        Self::new(format!("expected {}, found {}", friendly(&expected), describe(found)), None)
    }

    fn invalid_value(found: serde::de::Unexpected<'_>, expected: &dyn serde::de::Expected) -> Self {
        Self::invalid_type(found, expected)
    }

    fn invalid_length(length: usize, expected: &dyn serde::de::Expected) -> Self {
        Self::new(format!("expected {expected}, found {length} values"), None)
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let hint = suggestion(variant, expected, ":");
        Self::new(format!("unknown value :{variant}{hint}"), None)
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        let hint = suggestion(field, expected, ":");
        Self::new(format!("unknown key :{field}{hint}"), None)
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(format!("the key :{field} is missing"), None)
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::new(format!("the key :{field} is given twice (perhaps under another name)"), None)
    }
}
