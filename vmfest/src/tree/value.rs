//! The tree that the readers give.

use std::fmt;

/// A place in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Line, counted from 1.
    pub line: usize,
    /// Column in characters, counted from 1.
    pub column: usize,
    /// Bytes before this place.
    pub offset: usize,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// How deep collections may be nested.
pub const MAX_DEPTH: usize = 64;

/// How a text is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Notation {
    /// `{:memory-size 512}`
    #[default]
    Edn,
    /// `memory-size = 512`
    Toml,
}

/// A value and where it begins.
#[derive(Debug, Clone)]
pub struct Node {
    /// What stands there.
    pub value: Value,
    /// Where it begins, if it was read from a text.
    pub position: Option<Position>,
    /// How the text is written.
    pub notation: Notation,
}

/// A value; some kinds only EDN has.
#[derive(Debug, Clone)]
pub enum Value {
    /// `nil`
    Nil,
    /// `true` or `false`
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// A number with a fraction or an exponent.
    Float(f64),
    /// A character such as `\a` or `\newline`.
    Char(char),
    /// A string.
    String(String),
    /// A keyword, without its colon.
    Keyword(String),
    /// A symbol.
    Symbol(String),
    /// `( … )`
    List(Vec<Node>),
    /// `[ … ]`
    Vector(Vec<Node>),
    /// `#{ … }`
    Set(Vec<Node>),
    /// `{ … }`, in the order of the text.
    Map(Vec<(Node, Node)>),
}

impl Node {
    /// Whether both nodes hold the same value, wherever they stand.
    #[must_use]
    pub fn same_value(&self, other: &Self) -> bool {
        self.value.same(&other.value)
    }

    /// The text of a keyword or string, which is what can be a key of a model.
    #[must_use]
    pub fn as_key(&self) -> Option<&str> {
        match &self.value {
            Value::Keyword(text) | Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// The node that a path of keys and indexes leads to, or the deepest one there is on the way.
    #[must_use]
    pub fn locate(&self, path: &[String]) -> &Self {
        let Some((first, rest)) = path.split_first() else { return self };
        self.child(first).map_or(self, |node| node.locate(rest))
    }

    /// Whether there is anything where these keys and indexes lead.
    pub(crate) fn has<'a>(&self, path: impl Iterator<Item = &'a String>) -> bool {
        let mut path = path;
        path.try_fold(self, |node, key| node.child(key)).is_some()
    }

    fn child(&self, key: &str) -> Option<&Self> {
        match &self.value {
            Value::Map(entries) => entries
                .iter()
                .find(|(name, _)| name.as_key().is_some_and(|k| k.trim_end_matches('?') == key))
                .map(|(_, value)| value),
            Value::Vector(items) | Value::List(items) => {
                key.parse::<usize>().ok().and_then(|index| items.get(index))
            }
            _ => None,
        }
    }
}

impl Value {
    fn same(&self, other: &Self) -> bool {
        let all = |a: &[Node], b: &[Node]| {
            a.len() == b.len() && a.iter().zip(b).all(|(x, y)| x.same_value(y))
        };
        match (self, other) {
            (Self::Nil, Self::Nil) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Integer(a), Self::Integer(b)) => a == b,
            (Self::Float(a), Self::Float(b)) => a.to_bits() == b.to_bits(),
            (Self::Char(a), Self::Char(b)) => a == b,
            (Self::String(a), Self::String(b))
            | (Self::Keyword(a), Self::Keyword(b))
            | (Self::Symbol(a), Self::Symbol(b)) => a == b,
            (Self::List(a) | Self::Vector(a), Self::List(b) | Self::Vector(b))
            | (Self::Set(a), Self::Set(b)) => all(a, b),
            (Self::Map(a), Self::Map(b)) => {
                a.len() == b.len()
                    && a.iter().zip(b).all(|((k, v), (l, w))| k.same_value(l) && v.same_value(w))
            }
            _ => false,
        }
    }
}
