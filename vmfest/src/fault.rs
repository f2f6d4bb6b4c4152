//! Which failure is which.

use vbox_soap::{ComCode, Error};

/// VirtualBox knows no such object.
pub(crate) fn is_not_found(error: &Error) -> bool {
    error.com_code() == Some(ComCode::OBJECT_NOT_FOUND)
}

/// Somebody else has the machine locked, or it is between two states.
pub(crate) fn is_busy(error: &Error) -> bool {
    error.com_code().is_some_and(|code| {
        code == ComCode::INVALID_OBJECT_STATE
            || code == ComCode::INVALID_SESSION_STATE
            || code == ComCode::INVALID_VM_STATE
    })
}

/// COM's word for an object that is being taken down.
const NOT_READY: ComCode = ComCode(0x8007_0005);

/// The object was removed while we held on to it.
pub(crate) fn is_gone(error: &Error) -> bool {
    is_not_found(error)
        || error.com_code() == Some(NOT_READY)
        || matches!(error, Error::InvalidObject { .. })
}
