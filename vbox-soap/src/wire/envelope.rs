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
    /// VirtualBox refused; `error_info` is a reference to the details, or empty. Up to 4.2 there is none: the
    /// fault itself has the message, and the component that it is from.
    Runtime { code: u32, message: String, component: String, error_info: String },
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
    // Older versions spell some names with other capitals.
    let answered = content.name.strip_suffix("Response");
    if !answered.is_some_and(|name| name.eq_ignore_ascii_case(operation.name)) {
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
        let message = match text(runtime, "text") {
            message if message.is_empty() => plain_message(&text(fault, "faultstring")).to_owned(),
            message => message,
        };
        let component = text(runtime, "component");
        let error_info = text(runtime, "returnval");
        return Ok(SoapFault::Runtime { code, message, component, error_info });
    }
    Ok(SoapFault::Other { code: text(fault, "faultcode"), message: text(fault, "faultstring") })
}

/// What VirtualBox said, out of `VirtualBox error: apirc=0x80bb0001 What it said (0x80bb0001)`.
fn plain_message(text: &str) -> &str {
    let text = text.strip_prefix("VirtualBox error: ").unwrap_or(text);
    let text = match text.split_once(' ') {
        Some((code, rest)) if code.contains("rc=0x") => rest,
        _ => text,
    };
    match text.rsplit_once(" (0x") {
        Some((said, code)) if code.len() == 9 && code.ends_with(')') => said,
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static FIND: Operation = Operation {
        name: "IVirtualBox_findMachine",
        parameters: &["nameOrId"],
        output: "returnval",
        references: &[],
        spellings: &[],
        versions: 1,
    };

    fn envelope(content: &str) -> String {
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<E:Envelope xmlns:E=\"e\" xmlns:vbox=\"v\">\
             <E:Body>{content}</E:Body></E:Envelope>"
        )
    }

    fn read_content(content: &str) -> Result<Incoming, String> {
        read(&envelope(content), &FIND)
    }

    #[test]
    fn an_answer_is_its_element() {
        let answer = read_content(
            "<vbox:IVirtualBox_findMachineResponse><returnval>r-1</returnval></vbox:IVirtualBox_findMachineResponse>",
        );
        let Ok(Incoming::Response(response)) = answer else { panic!("{answer:?}") };
        assert_eq!(response.child("returnval").unwrap().text, "r-1");
    }

    #[test]
    fn faults_are_told_apart() {
        let fault = |detail: &str| {
            read_content(&format!(
                "<E:Fault><faultcode>E:Client</faultcode><faultstring>VirtualBox error: apirc=0x80bb0001 \
                 Could not find it (0x80bb0001)</faultstring>{detail}</E:Fault>"
            ))
        };
        assert_eq!(
            fault(
                "<detail><vbox:RuntimeFault><resultCode>-2135228415</resultCode><returnval>r-2</returnval>\
                 </vbox:RuntimeFault></detail>"
            ),
            Ok(Incoming::Fault(SoapFault::Runtime {
                code: 0x80BB_0001,
                message: "Could not find it".to_owned(),
                component: String::new(),
                error_info: "r-2".to_owned()
            }))
        );
        // Up to 4.2.
        assert_eq!(
            fault(
                "<detail><vbox:RuntimeFault><resultCode>-2135228415</resultCode><interfaceID>i</interfaceID>\
                 <component>Machine</component><text>It is not there</text></vbox:RuntimeFault></detail>"
            ),
            Ok(Incoming::Fault(SoapFault::Runtime {
                code: 0x80BB_0001,
                message: "It is not there".to_owned(),
                component: "Machine".to_owned(),
                error_info: String::new()
            }))
        );
        assert_eq!(
            fault(
                "<detail><vbox:InvalidObjectFault><badObjectID>old</badObjectID></vbox:InvalidObjectFault></detail>"
            ),
            Ok(Incoming::Fault(SoapFault::InvalidObject { reference: "old".to_owned() }))
        );
        let Ok(Incoming::Fault(SoapFault::Other { code, message })) = fault("") else { panic!() };
        assert_eq!(code, "E:Client");
        assert!(message.ends_with("(0x80bb0001)"), "{message}");
        let wrong =
            "<detail><vbox:RuntimeFault><resultCode>x</resultCode></vbox:RuntimeFault></detail>";
        assert!(fault(wrong).unwrap_err().contains("result code `x`"));
    }

    #[test]
    fn messages_lose_what_is_said_elsewhere() {
        for (text, expected) in [
            ("VirtualBox error: apirc=0x80bb0001 Not (0x1) here (0x80bb0001)", "Not (0x1) here"),
            ("VirtualBox error: rc=0x80004005", "rc=0x80004005"),
            ("something else", "something else"),
        ] {
            assert_eq!(plain_message(text), expected);
        }
    }

    #[test]
    fn what_is_no_answer_is_refused_with_the_reason() {
        for (text, reason) in [
            ("<html/>".to_owned(), "<html> instead"),
            ("not found".to_owned(), "outside"),
            (envelope(""), "without a body"),
            (
                envelope("<vbox:IMachine_getNameResponse/>"),
                "instead of an answer to IVirtualBox_findMachine",
            ),
            (envelope("<vbox:IVirtualBox_findMachine/>"), "instead of an answer"),
            (envelope("<E:Fault>"), "not XML"),
        ] {
            let error = read(&text, &FIND).unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
