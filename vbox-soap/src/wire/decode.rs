//! Elements to values.

use std::collections::HashMap;

use crate::error::DecodeError;
use crate::object::{ManagedObject, ObjectRef};
pub(crate) use crate::wire::xml::Element;

/// The objects that a response refers to, by reference.
#[derive(Debug, Default)]
pub(crate) struct References(pub(crate) HashMap<String, ObjectRef>);

/// What can come out of a response.
pub(crate) trait Decode: Sized {
    /// From one element.
    fn decode(element: &Element, references: &References) -> Result<Self, DecodeError>;

    /// From all elements of one name.
    fn decode_all(
        found: &mut dyn Iterator<Item = &Element>,
        references: &References,
    ) -> Result<Self, DecodeError> {
        match found.next() {
            Some(element) => Self::decode(element, references),
            None => Err(DecodeError::Missing),
        }
    }
}

impl Element {
    /// A field of a struct: its default when the server has left it out.
    pub(crate) fn field<T: Decode + Default>(
        &self,
        name: &'static str,
        references: &References,
    ) -> Result<T, DecodeError> {
        self.field_once_called(name, &[], references)
    }

    /// The same for a field that had other names once.
    pub(crate) fn field_once_called<T: Decode + Default>(
        &self,
        name: &'static str,
        older: &[&'static str],
        references: &References,
    ) -> Result<T, DecodeError> {
        let there = |name: &&&'static str| self.children_called(name).next().is_some();
        let found = std::iter::once(&name).chain(older).find(there).copied().unwrap_or(name);
        match T::decode_all(&mut self.children_called(found), references) {
            Err(DecodeError::Missing) => Ok(T::default()),
            Err(error) => Err(error.within(name)),
            ok => ok,
        }
    }
}

impl Decode for () {
    fn decode(_: &Element, _: &References) -> Result<Self, DecodeError> {
        Ok(())
    }

    fn decode_all(
        _: &mut dyn Iterator<Item = &Element>,
        _: &References,
    ) -> Result<Self, DecodeError> {
        Ok(())
    }
}

impl Decode for String {
    fn decode(element: &Element, _: &References) -> Result<Self, DecodeError> {
        Ok(element.text.clone())
    }
}

impl Decode for bool {
    fn decode(element: &Element, _: &References) -> Result<Self, DecodeError> {
        match element.text.trim() {
            "true" | "1" => Ok(true),
            "false" | "0" => Ok(false),
            other => Err(DecodeError::value("a truth value", other)),
        }
    }
}

macro_rules! decode_number {
    ($($name:ident)*) => {$(
        impl Decode for $name {
            fn decode(element: &Element, _: &References) -> Result<Self, DecodeError> {
                element
                    .text
                    .trim()
                    .parse()
                    .map_err(|_| DecodeError::value(concat!("a number (", stringify!($name), ")"), &element.text))
            }
        }
    )*};
}

decode_number!(i16 u16 i32 u32 i64);

impl Decode for Vec<u8> {
    fn decode(element: &Element, _: &References) -> Result<Self, DecodeError> {
        crate::wire::base64::decode(&element.text)
            .ok_or_else(|| DecodeError::value("base64", &element.text))
    }
}

impl<T: Decode> Decode for Vec<T> {
    fn decode(element: &Element, references: &References) -> Result<Self, DecodeError> {
        Ok(vec![T::decode(element, references)?])
    }

    fn decode_all(
        found: &mut dyn Iterator<Item = &Element>,
        references: &References,
    ) -> Result<Self, DecodeError> {
        found.map(|element| T::decode(element, references)).collect()
    }
}

impl Decode for ObjectRef {
    fn decode(element: &Element, references: &References) -> Result<Self, DecodeError> {
        let id = element.text.trim();
        if id.is_empty() {
            return Err(DecodeError::Null);
        }
        references.0.get(id).cloned().ok_or_else(|| DecodeError::value("an object reference", id))
    }
}

impl<T: ManagedObject> Decode for T {
    fn decode(element: &Element, references: &References) -> Result<Self, DecodeError> {
        ObjectRef::decode(element, references).map(T::from_object)
    }
}

impl<T: Reference> Decode for Option<T> {
    fn decode(element: &Element, references: &References) -> Result<Self, DecodeError> {
        match T::decode(element, references) {
            Err(DecodeError::Null) => Ok(None),
            other => other.map(Some),
        }
    }

    fn decode_all(
        found: &mut dyn Iterator<Item = &Element>,
        references: &References,
    ) -> Result<Self, DecodeError> {
        found.next().map_or(Ok(None), |element| Self::decode(element, references))
    }
}

/// What is a reference on the wire, and can therefore be null.
pub(crate) trait Reference: Decode {}

impl Reference for ObjectRef {}
impl<T: ManagedObject> Reference for T {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{IMachine, MachineState};
    use crate::wire::xml;

    fn decode<T: Decode>(content: &str) -> Result<T, String> {
        let root = xml::parse(&format!("<r>{content}</r>")).unwrap();
        T::decode_all(&mut root.children_called("v"), &References::default())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn basic_values() {
        assert_eq!(decode("<v>-5</v>"), Ok(-5i32));
        assert_eq!(decode("<v> 4294967295 </v>"), Ok(u32::MAX));
        assert_eq!(decode("<v>-9223372036854775808</v>"), Ok(i64::MIN));
        assert_eq!((decode("<v>true</v>"), decode("<v>0</v>")), (Ok(true), Ok(false)));
        assert_eq!(decode("<v> a &amp; b </v>"), Ok(" a & b ".to_owned()));
        assert_eq!(decode("<v/>"), Ok(String::new()));
        assert_eq!(decode("<v>Zm9v</v>"), Ok(b"foo".to_vec()));
        assert_eq!(decode("<other/>"), Ok(()));
    }

    #[test]
    fn arrays_are_all_elements_of_the_name() {
        assert_eq!(decode("<v>1</v><w>9</w><v>2</v>"), Ok(vec![1u16, 2]));
        assert_eq!(decode("<w>9</w>"), Ok(Vec::<String>::new()));
        assert_eq!(decode("<v>a</v><v></v>"), Ok(vec!["a".to_owned(), String::new()]));
    }

    #[test]
    fn enumerations_are_open() {
        assert_eq!(decode("<v>Running</v>"), Ok(MachineState::Running));
        let unknown = decode::<MachineState>("<v>Dreaming</v>").unwrap();
        assert_eq!(unknown, MachineState::Unknown("Dreaming".to_owned()));
        assert_eq!(unknown.as_str(), "Dreaming");
        assert_eq!(MachineState::from("Running").to_string(), "Running");
    }

    #[test]
    fn references_that_are_null_or_strange_never_become_handles() {
        assert_eq!(decode::<Option<IMachine>>("<v/>"), Ok(None));
        assert_eq!(decode::<Option<IMachine>>(""), Ok(None));
        assert_eq!(decode::<IMachine>("<v> </v>").unwrap_err(), "a null reference");
        assert_eq!(decode::<Vec<IMachine>>("<v/>").unwrap_err(), "a null reference");
        assert!(
            decode::<IMachine>("<v>x</v>").unwrap_err().contains("`x` is not an object reference")
        );
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for error in [
            decode::<i32>("<v>2147483648</v>").unwrap_err(),
            decode::<u32>("<v>-1</v>").unwrap_err(),
            decode::<i64>("<v></v>").unwrap_err(),
            decode::<u16>("<v>1.0</v>").unwrap_err(),
        ] {
            assert!(error.contains("is not a number"), "{error}");
        }
        assert!(decode::<bool>("<v>yes</v>").unwrap_err().contains("is not a truth value"));
        assert!(decode::<Vec<u8>>("<v>*</v>").unwrap_err().contains("is not base64"));
        assert_eq!(decode::<String>("").unwrap_err(), "it is missing");
    }
}
