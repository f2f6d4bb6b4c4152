//! Values that types read for themselves, and values without a type.

use serde::Deserialize;
use serde_json::{Map, Number, Value};
use toml::Spanned;
use toml::de::{DeValue, Error as TomlError, ValueDeserializer};

use super::diagnostic::Mistake;
use super::reader::{Node, Reader, element, join};
use super::serde_mistake::{is_missing_key, serde_mistake};
use crate::local_path::in_folder;

impl Reader {
    /// Reads a value as a `T`; `name` is what messages call it.
    pub(super) fn typed<T: for<'de> Deserialize<'de>>(
        &self,
        name: &str,
        value: &Node<'_>,
    ) -> Option<T> {
        let read = |value: Node<'_>| T::deserialize(ValueDeserializer::from(value));
        self.read(name, value, read)
            .map_err(|mistakes| mistakes.into_iter().for_each(|it| self.note(it)))
            .ok()
    }

    /// Reads a value with `read`, which stops at the first mistake. Unknown keys and wrong values are
    /// taken out and the rest is read again, so that one of them does not hide the others.
    ///
    /// # Errors
    /// The mistakes.
    pub(super) fn read<T>(
        &self,
        name: &str,
        value: &Node<'_>,
        read: impl Fn(Node<'_>) -> Result<T, TomlError>,
    ) -> Result<T, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        let mut rest = value.clone();
        loop {
            let error = match in_folder(self.folder_of(&value.span()), || read(rest.clone())) {
                Ok(result) if mistakes.is_empty() => return Ok(result),
                Ok(_) => return Err(mistakes),
                Err(error) => error,
            };
            // What was taken out is no second mistake.
            if mistakes.is_empty() || !is_missing_key(&error) {
                mistakes.push(serde_mistake(name, value, &error));
            }
            if !remove(&mut rest, &error) {
                return Err(mistakes);
            }
        }
    }

    /// A value as JSON. TOML knows things that JSON does not: dates become strings, `nan` and
    /// infinities and integers of more than 64 bits are mistakes.
    pub(super) fn json(&self, name: &str, value: &Node<'_>) -> Option<Value> {
        match value.get_ref() {
            DeValue::String(text) => Some(Value::String(text.to_string())),
            DeValue::Boolean(truth) => Some(Value::Bool(*truth)),
            DeValue::Datetime(time) => Some(Value::String(time.to_string())),
            DeValue::Integer(integer) => {
                let number = integer_value(integer.as_str(), integer.radix());
                self.number(name, value, number, "an integer of at most 64 bits")
            }
            DeValue::Float(float) => {
                let number = float.as_str().parse().ok().and_then(Number::from_f64);
                self.number(name, value, number, "a finite number")
            }
            DeValue::Array(values) => {
                let name = element(name);
                let all: Vec<_> = values.iter().map(|value| self.json(&name, value)).collect();
                all.into_iter().collect::<Option<Vec<_>>>().map(Value::Array)
            }
            DeValue::Table(table) => {
                let read = |(key, value): (&Spanned<_>, _)| {
                    (key.to_string(), self.json(&join(name, key), value))
                };
                let all: Vec<_> = table.iter().map(read).collect();
                let values = all.into_iter().map(|(key, value)| Some((key, value?)));
                values.collect::<Option<Map<_, _>>>().map(Value::Object)
            }
        }
    }

    fn number(
        &self,
        name: &str,
        value: &Node<'_>,
        number: Option<Number>,
        expected: &str,
    ) -> Option<Value> {
        if number.is_none() {
            let mistake = Mistake::new(value.span(), format!("`{name}` must be {expected}"));
            self.note(mistake.label("cannot be used"));
        }
        number.map(Value::Number)
    }
}

fn integer_value(digits: &str, radix: u32) -> Option<Number> {
    let signed = i64::from_str_radix(digits, radix).map(Number::from);
    signed.or_else(|_| u64::from_str_radix(digits, radix).map(Number::from)).ok()
}

/// Makes strings of dates and times, for types with free tables that know JSON's kinds only.
pub(super) fn dates_as_strings(value: &mut DeValue<'_>) {
    match value {
        DeValue::Datetime(time) => *value = DeValue::String(time.to_string().into()),
        DeValue::Array(values) => {
            values.iter_mut().for_each(|value| dates_as_strings(value.get_mut()));
        }
        DeValue::Table(table) => {
            table.iter_mut().for_each(|(_, value)| dates_as_strings(value.get_mut()));
        }
        _ => {}
    }
}

/// Removes the entry at whose key or value `error` points from the tables below `value`.
fn remove(value: &mut Node<'_>, error: &TomlError) -> bool {
    let Some(span) = error.span() else {
        return false;
    };
    let mut left = vec![value.get_mut()];
    while let Some(value) = left.pop() {
        match value {
            DeValue::Array(values) => left.extend(values.iter_mut().map(Spanned::get_mut)),
            DeValue::Table(table) => {
                let is_meant = |(key, value): &(&Spanned<_>, &Node<'_>)| {
                    key.span() == span || value.span() == span
                };
                let named = table.iter().find(is_meant).map(|(key, _)| key.to_string());
                if let Some(key) = named {
                    return table.remove(key.as_str()).is_some();
                }
                left.extend(table.iter_mut().map(|(_, value)| value.get_mut()));
            }
            _ => {}
        }
    }
    false
}
