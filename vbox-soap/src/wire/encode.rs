//! Requests to text.

use crate::operation::{Operation, spell};
use crate::value::Value;

/// Why an argument cannot be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EncodeError {
    pub(crate) parameter: &'static str,
    pub(crate) reason: String,
}

const BEGIN: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
    <s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\" \
    xmlns:v=\"http://www.virtualbox.org/\"><s:Body><v:";
const END: &str = "></s:Body></s:Envelope>";

/// The envelope of a request. `this` is the object it is for, if it is for one; `server` is the server's place
/// in the known versions, if that is known.
pub(crate) fn request(
    operation: &Operation,
    this: Option<&str>,
    arguments: &[Value],
    server: Option<usize>,
) -> Result<String, EncodeError> {
    let request_name = spell(operation.spellings, operation.name, server);
    let mut out = String::with_capacity(512);
    out.push_str(BEGIN);
    out.push_str(request_name);
    out.push('>');
    if let Some(this) = this {
        element(&mut out, "_this", this)?;
    }
    for (name, value) in operation.parameters.iter().zip(arguments) {
        write_value(&mut out, spell(operation.spellings, name, server), value, server)?;
    }
    out.push_str("</v:");
    out.push_str(request_name);
    out.push_str(END);
    Ok(out)
}

fn write_value(
    out: &mut String,
    name: &'static str,
    value: &Value,
    server: Option<usize>,
) -> Result<(), EncodeError> {
    match value {
        Value::Text(text) => element(out, name, text),
        Value::Word(word, spellings) => element(out, name, spell(spellings, word, server)),
        Value::Object(object) => element(out, name, object.id()),
        Value::Null => element(out, name, ""),
        Value::List(values) => {
            values.iter().try_for_each(|value| write_value(out, name, value, server))
        }
    }
}

fn element(out: &mut String, name: &'static str, text: &str) -> Result<(), EncodeError> {
    out.push('<');
    out.push_str(name);
    out.push('>');
    escape(out, text).map_err(|character| EncodeError {
        parameter: name,
        reason: format!("the character U+{:04X} cannot be in XML", u32::from(character)),
    })?;
    out.push_str("</");
    out.push_str(name);
    out.push('>');
    Ok(())
}

/// Appends `text` so that an XML parser reads exactly `text`; fails with the first character that XML
/// cannot have at all.
fn escape(out: &mut String, text: &str) -> Result<(), char> {
    for character in text.chars() {
        match character {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            // A parser would turn it into a line feed.
            '\r' => out.push_str("&#13;"),
            '\t' | '\n' => out.push(character),
            '\0'..='\x1f' | '\u{fffe}' | '\u{ffff}' => return Err(character),
            _ => out.push(character),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::api::VBoxEventType;
    use crate::operation::Spelling;
    use crate::value::ToValue;
    use crate::wire::xml;

    static ATTACH: Operation = Operation {
        name: "IMachine_attach",
        parameters: &["name", "port", "medium", "flags"],
        output: "returnval",
        references: &[],
        spellings: &[
            Spelling { newest: "IMachine_attach", older: "IMachine_Attach", versions: 0b01 },
            Spelling { newest: "flags", older: "Flags", versions: 0b01 },
        ],
        versions: 0b11,
    };

    #[test]
    fn elements_stand_in_the_given_order() {
        let arguments =
            ["a<b".to_value(), (-1).to_value(), Value::Null, [true, false].as_slice().to_value()];
        let text = request(&ATTACH, Some("ref-1"), &arguments, Some(1)).unwrap();
        let body = text.split_once("<s:Body>").unwrap().1;
        assert_eq!(
            body,
            "<v:IMachine_attach><_this>ref-1</_this><name>a&lt;b</name><port>-1</port><medium></medium>\
             <flags>true</flags><flags>false</flags></v:IMachine_attach></s:Body></s:Envelope>"
        );
    }

    #[test]
    fn words_are_sent_as_the_servers_version_spells_them() {
        let event = [VBoxEventType::OnHostPCIDevicePlug, VBoxEventType::Any];
        let arguments = ["".to_value(), "".to_value(), Value::Null, event.as_slice().to_value()];
        for (server, name, flags, plug) in [
            (Some(0), "IMachine_Attach", "Flags", "OnHostPciDevicePlug"),
            (Some(1), "IMachine_attach", "flags", "OnHostPCIDevicePlug"),
            (None, "IMachine_attach", "flags", "OnHostPCIDevicePlug"),
        ] {
            let text = request(&ATTACH, None, &arguments, server).unwrap();
            for expected in [
                format!("<v:{name}>"),
                format!("</v:{name}>"),
                format!("<{flags}>{plug}</{flags}><{flags}>Any</{flags}>"),
            ] {
                assert!(text.contains(&expected), "{text}");
            }
        }
    }

    #[test]
    fn characters_that_xml_cannot_have_are_refused_by_parameter() {
        let error = request(&ATTACH, None, &["a\u{1}".to_value()], None).unwrap_err();
        assert_eq!(error.parameter, "name");
        assert!(error.reason.contains("U+0001"), "{}", error.reason);
    }

    proptest! {
        #[test]
        fn text_comes_back_exactly(text in "(?s)[\t\n\r -\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]*") {
            let envelope = request(&ATTACH, None, &[text.as_str().to_value()], None).unwrap();
            let root = xml::parse(&envelope).unwrap();
            let operation = &root.children[0].children[0];
            prop_assert_eq!(&operation.children[0].text, &text);
        }
    }
}
