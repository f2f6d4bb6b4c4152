//! Values with places, from formats other than TOML.

use std::borrow::Cow;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

/// A value and the bytes of its text.
#[derive(Debug, Clone, PartialEq)]
pub struct Located {
    /// The value.
    pub value: Literal,
    /// Where it stands.
    pub span: Range<usize>,
}

/// A value that needs nothing else to be understood.
#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    /// `true` or `false`.
    Bool(bool),
    /// A number, as TOML writes it.
    Number(String),
    /// A text.
    String(String),
    /// Values in their order.
    Array(Vec<Located>),
    /// Values by their keys, each with its place.
    Table(Vec<(String, Range<usize>, Located)>),
}

impl Located {
    /// A table of one key, which stands where its value does.
    pub fn under(self, key: &str) -> Self {
        let span = self.span.clone();
        Self { value: Literal::Table(vec![(key.to_owned(), span.clone(), self)]), span }
    }

    /// The value as TOML's.
    pub(super) fn to_toml(&self) -> Spanned<DeValue<'_>> {
        let value = match &self.value {
            Literal::Bool(truth) => DeValue::Boolean(*truth),
            Literal::Number(text) => match DeValue::parse(text) {
                Ok(number) => number.into_inner(),
                Err(_) => DeValue::String(Cow::Borrowed(text)),
            },
            Literal::String(text) => DeValue::String(Cow::Borrowed(text)),
            Literal::Array(items) => {
                let mut array = DeArray::new();
                items.iter().for_each(|item| array.push(item.to_toml()));
                DeValue::Array(array)
            }
            Literal::Table(entries) => {
                let entries = entries.iter().map(|(key, span, value)| {
                    (Spanned::new(span.clone(), Cow::Borrowed(key.as_str())), value.to_toml())
                });
                DeValue::Table(entries.collect::<DeTable<'_>>())
            }
        };
        Spanned::new(self.span.clone(), value)
    }
}
