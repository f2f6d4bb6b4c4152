//! The API model: what the bindings are generated from.

/// The whole API, over all imported versions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Model {
    /// The API versions the model knows, oldest first (`7.2`).
    pub versions: Vec<String>,
    /// Result codes with a name of their own.
    pub results: Vec<ResultCode>,
    pub enums: Vec<Enum>,
    pub structs: Vec<Struct>,
    pub interfaces: Vec<Interface>,
}

/// The versions that have an item; `None` means all in which its owner exists.
pub type Versions = Option<Vec<VersionRange>>;

/// A range of API versions, both ends included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionRange {
    pub first: String,
    pub last: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultCode {
    pub name: String,
    pub value: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enum {
    pub name: String,
    pub versions: Versions,
    pub values: Vec<EnumValue>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnumValue {
    pub name: String,
    pub versions: Versions,
}

/// A type that travels by value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Struct {
    pub name: String,
    pub versions: Versions,
    pub fields: Vec<Field>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    pub value: Named,
    pub versions: Versions,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    pub name: String,
    /// The interface it extends, if that is one of the API's own.
    pub base: Option<String>,
    /// True when its operations name no object (`IWebsessionManager`).
    pub global: bool,
    pub versions: Versions,
    pub operations: Vec<Operation>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    pub kind: OperationKind,
    /// The attribute's or the method's name, as in the XIDL.
    pub name: String,
    /// What the request carries after the object, in the order of the WSDL.
    pub parameters: Vec<Named>,
    /// What the response carries, in the order of the WSDL.
    pub outputs: Vec<Named>,
    pub versions: Versions,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OperationKind {
    Get,
    Set,
    Call,
}

/// A name on the wire with its type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    pub name: String,
    pub ty: Type,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Type {
    /// A basic type (see [`BASIC_TYPES`]), [`ANY_OBJECT`], or an enum's, struct's or interface's name.
    pub name: String,
    pub array: bool,
}

/// The basic types. `bytes` is base64 in one string on the wire.
pub const BASIC_TYPES: [&str; 9] =
    ["string", "uuid", "bool", "i16", "u16", "i32", "u32", "i64", "bytes"];

/// A reference to an object of any interface.
pub const ANY_OBJECT: &str = "object";

/// The name of the result of a method in its response.
pub const RETURN_VALUE: &str = "returnval";

impl Operation {
    /// The part of the operation's wire name that follows `Interface_`.
    pub fn wire_name(&self) -> String {
        let prefix = match self.kind {
            OperationKind::Get => "get",
            OperationKind::Set => "set",
            OperationKind::Call => return self.name.clone(),
        };
        let mut letters = self.name.chars();
        let first = letters.next().map(|c| c.to_ascii_uppercase());
        prefix.chars().chain(first).chain(letters).collect()
    }
}

impl Model {
    /// The position-by-position bits of the versions that `item` names.
    pub fn version_bits(&self, item: &Versions) -> anyhow::Result<u16> {
        let position = |version: &str| {
            self.versions
                .iter()
                .position(|known| known == version)
                .ok_or_else(|| anyhow::anyhow!("unknown API version {version}"))
        };
        let Some(ranges) = item else {
            return Ok(self.versions.iter().enumerate().fold(0, |bits, (i, _)| bits | 1 << i));
        };
        let mut bits = 0;
        for range in ranges {
            for i in position(&range.first)?..=position(&range.last)? {
                bits |= 1 << i;
            }
        }
        Ok(bits)
    }
}
