//! Envelopes of responses: the response's element, or a fault.

use super::xml::{self, Element};
use crate::operation::Operation;

/// What an envelope has in it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Incoming {
    /// `…Response`, the answer to the operation.
    Response(Element),
    /// The call failed.
    Fault(SoapFault),
}

/// The ways in which a call fails on the server.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum SoapFault {
    /// A reference that the server does not have, or has no longer.
    InvalidObject { reference: String },
    /// VirtualBox refused; `error_info` is a reference to the details, or empty.
    Runtime { code: u32, error_info: String },
    /// The web service itself refused.
    Other { code: String, message: String },
}

/// Reads the envelope that answers `operation`.
pub(crate) fn read(text: &str, operation: &Operation) -> Result<Incoming, String> {
    let mut root = xml::parse(text)?;
    if root.name != "Envelope" {
        return Err(format!("<{}> instead of a SOAP envelope", root.name));
    }
    let body = root.children.iter_mut().find(|child| child.name == "Body");
    let Some(content) = body.and_then(|body| body.children.pop()) else {
        return Err("a SOAP envelope without a body".to_owned());
    };
    if content.name == "Fault" {
        return fault(&content).map(Incoming::Fault);
    }
    let answers = content.name.strip_suffix("Response") == Some(operation.name);
    if !answers {
        return Err(format!("<{}> instead of an answer to {operation}", content.name));
    }
    Ok(Incoming::Response(content))
}

fn fault(fault: &Element) -> Result<SoapFault, String> {
    let text = |element: &Element, name: &str| {
        element.child(name).map_or(String::new(), |child| child.text.trim().to_owned())
    };
    let detail = fault.child("detail");
    if let Some(invalid) = detail.and_then(|detail| detail.child("InvalidObjectFault")) {
        return Ok(SoapFault::InvalidObject { reference: text(invalid, "badObjectID") });
    }
    if let Some(runtime) = detail.and_then(|detail| detail.child("RuntimeFault")) {
        let code = text(runtime, "resultCode");
        // The code is an unsigned number in a signed type.
        let code = code
            .parse::<i32>()
            .map(i32::cast_unsigned)
            .or_else(|_| code.parse::<u32>())
            .map_err(|_| format!("a fault with the result code `{code}`"))?;
        return Ok(SoapFault::Runtime { code, error_info: text(runtime, "returnval") });
    }
    Ok(SoapFault::Other { code: text(fault, "faultcode"), message: text(fault, "faultstring") })
}
