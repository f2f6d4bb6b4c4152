//! COM result codes by name.

use std::fmt;

use crate::generated::results::RESULTS;

/// A COM result code, as a fault or an operation's progress carries it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ComCode(pub u32);

/// The codes of COM itself that VirtualBox uses.
const COM_CODES: &[(u32, &str)] = &[
    (0x8000_0001, "E_PENDING"),
    (0x8000_4001, "E_NOTIMPL"),
    (0x8000_4002, "E_NOINTERFACE"),
    (0x8000_4003, "E_POINTER"),
    (0x8000_4004, "E_ABORT"),
    (0x8000_4005, "E_FAIL"),
    (0x8000_FFFF, "E_UNEXPECTED"),
    (0x8007_0005, "E_ACCESSDENIED"),
    (0x8007_000E, "E_OUTOFMEMORY"),
    (0x8007_0057, "E_INVALIDARG"),
];

impl ComCode {
    /// The object that was asked for does not exist.
    pub const OBJECT_NOT_FOUND: Self = Self(0x80BB_0001);
    /// The machine's state does not allow the operation.
    pub const INVALID_VM_STATE: Self = Self(0x80BB_0002);
    /// A file could not be read or written.
    pub const FILE_ERROR: Self = Self(0x80BB_0004);
    /// The object's state does not allow the operation.
    pub const INVALID_OBJECT_STATE: Self = Self(0x80BB_0007);
    /// What is asked for cannot be done, or not at this moment.
    pub const NOT_SUPPORTED: Self = Self(0x80BB_0009);
    /// The session's state does not allow the operation: most often, the machine is locked by another.
    pub const INVALID_SESSION_STATE: Self = Self(0x80BB_000B);
    /// The object is in use.
    pub const OBJECT_IN_USE: Self = Self(0x80BB_000C);
    /// The operation did not finish in time.
    pub const TIMEOUT: Self = Self(0x80BB_0010);
    /// An argument is not valid.
    pub const INVALID_ARGUMENT: Self = Self(0x8007_0057);

    /// The code's name, if it has one: `VBOX_E_OBJECT_NOT_FOUND`.
    pub fn name(self) -> Option<&'static str> {
        RESULTS.iter().chain(COM_CODES).find(|(code, _)| *code == self.0).map(|(_, name)| *name)
    }

    /// Whether the code means success.
    pub fn is_success(self) -> bool {
        self.0 & 0x8000_0000 == 0
    }
}

impl fmt::Display for ComCode {
    /// The name with the number, or the number alone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{name} (0x{:08X})", self.0),
            None => write!(f, "0x{:08X}", self.0),
        }
    }
}

impl fmt::Debug for ComCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_names() {
        assert_eq!(ComCode::OBJECT_NOT_FOUND.to_string(), "VBOX_E_OBJECT_NOT_FOUND (0x80BB0001)");
        assert_eq!(ComCode::INVALID_ARGUMENT.name(), Some("E_INVALIDARG"));
        assert_eq!(ComCode(0x8123_4567).to_string(), "0x81234567");
        assert!(ComCode(0).is_success());
        assert!(!ComCode::TIMEOUT.is_success());
    }

    #[test]
    fn the_constants_are_what_the_api_calls_them() {
        for (code, name) in [
            (ComCode::INVALID_VM_STATE, "VBOX_E_INVALID_VM_STATE"),
            (ComCode::FILE_ERROR, "VBOX_E_FILE_ERROR"),
            (ComCode::INVALID_OBJECT_STATE, "VBOX_E_INVALID_OBJECT_STATE"),
            (ComCode::INVALID_SESSION_STATE, "VBOX_E_INVALID_SESSION_STATE"),
            (ComCode::OBJECT_IN_USE, "VBOX_E_OBJECT_IN_USE"),
            (ComCode::TIMEOUT, "VBOX_E_TIMEOUT"),
        ] {
            assert_eq!(code.name(), Some(name));
        }
    }
}
