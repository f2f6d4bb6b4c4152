//! Arguments on their way into a request.

use crate::object::{ManagedObject, ObjectRef};
use crate::operation::Spelling;

/// An argument, ready to be written.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    /// Anything that is text on the wire.
    Text(String),
    /// A word that depends on the server's version.
    Word(String, &'static [Spelling]),
    /// An object; held until the call is over, so that it cannot be released meanwhile.
    Object(ObjectRef),
    /// No object.
    Null,
    /// One element for each.
    List(Vec<Value>),
}

impl Value {
    /// A word that some versions may spell otherwise.
    pub(crate) fn word(word: &str, spellings: &'static [Spelling]) -> Self {
        match spellings.iter().any(|spelling| spelling.newest == word) {
            true => Self::Word(word.to_owned(), spellings),
            false => Self::Text(word.to_owned()),
        }
    }
}

/// What can be an argument.
pub(crate) trait ToValue {
    fn to_value(&self) -> Value;
}

impl ToValue for str {
    fn to_value(&self) -> Value {
        Value::Text(self.to_owned())
    }
}

macro_rules! as_text {
    ($($name:ty)*) => {$(
        impl ToValue for $name {
            fn to_value(&self) -> Value {
                Value::Text(self.to_string())
            }
        }
    )*};
}

as_text!(bool i16 u16 i32 u32 i64);

impl ToValue for [u8] {
    fn to_value(&self) -> Value {
        Value::Text(crate::wire::base64::encode(self))
    }
}

impl ToValue for ObjectRef {
    fn to_value(&self) -> Value {
        Value::Object(self.clone())
    }
}

impl<T: ManagedObject> ToValue for T {
    fn to_value(&self) -> Value {
        Value::Object(self.object().clone())
    }
}

impl ToValue for &str {
    fn to_value(&self) -> Value {
        (**self).to_value()
    }
}

impl<T: ManagedObject> ToValue for Option<&T> {
    fn to_value(&self) -> Value {
        self.map_or(Value::Null, ToValue::to_value)
    }
}

impl<T: ToValue> ToValue for [T] {
    fn to_value(&self) -> Value {
        Value::List(self.iter().map(ToValue::to_value).collect())
    }
}
