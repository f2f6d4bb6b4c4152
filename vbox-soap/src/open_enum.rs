//! Enumerations that survive values they do not know.

/// Defines an enumeration of the API: the known values of all versions, and `Unknown` for those of others.
///
/// `| "other" in bits` is how some versions spell a value.
macro_rules! open_enum {
    ($(#[$doc:meta])* $name:ident {
        $($(#[$since:meta])* $variant:ident = $wire:literal $(| $older:literal in $versions:literal)*,)*
    }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $(#[doc = concat!("`", $wire, "`.")] $(#[$since])* $variant,)*
            /// A value that this crate does not know, as it was on the wire.
            Unknown(String),
        }

        impl $name {
            /// The value as it is on the wire, in the newest version's spelling.
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
                    $($wire $(| $older)* => Self::$variant,)*
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
                const SPELLINGS: &[crate::operation::Spelling] = &[$($(
                    crate::operation::Spelling { newest: $wire, older: $older, versions: $versions },
                )*)*];
                crate::value::Value::word(self.as_str(), SPELLINGS)
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
