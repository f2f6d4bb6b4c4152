//! Enumerations that survive values they do not know.

/// Defines an enumeration of the API: the known values, and `Unknown` for those of other versions.
macro_rules! open_enum {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $wire:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $(#[doc = concat!("`", $wire, "`")] $variant,)*
            /// A value that this crate does not know, as it was on the wire.
            Unknown(String),
        }

        impl $name {
            /// The value as it is on the wire.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $wire,)*
                    Self::Unknown(value) => value,
                }
            }
        }

        impl From<&str> for $name {
            fn from(value: &str) -> Self {
                match value {
                    $($wire => Self::$variant,)*
                    other => Self::Unknown(other.to_owned()),
                }
            }
        }

        impl Default for $name {
            /// What a server that leaves the value out has said: nothing that is known.
            fn default() -> Self {
                Self::Unknown(String::new())
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl crate::value::ToValue for $name {
            fn to_value(&self) -> crate::value::Value {
                crate::value::Value::Text(self.as_str().to_owned())
            }
        }

        impl crate::wire::decode::Decode for $name {
            fn decode(
                element: &crate::wire::decode::Element,
                _: &crate::wire::decode::References,
            ) -> Result<Self, crate::error::DecodeError> {
                Ok(Self::from(element.text.as_str()))
            }
        }
    };
}

pub(crate) use open_enum;
