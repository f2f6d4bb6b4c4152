//! Small descriptions of made-up APIs, for tests.

use std::path::{Path, PathBuf};

/// A directory of descriptions that is removed at the end.
pub struct Descriptions(pub PathBuf);

impl Descriptions {
    /// `name` keeps tests that run at the same time apart. Each version has its operations, enumerations and
    /// structures, see [`wsdl`], and its XIDL.
    pub fn new(name: &str, versions: &[(&str, &str, &str)]) -> Self {
        let root = std::env::temp_dir().join(format!("xtask-{name}-{}", std::process::id()));
        let descriptions = Self(root);
        for (version, wire, xidl) in versions {
            descriptions.write(version, super::WSDL, &wsdl(wire));
            descriptions.write(version, super::XIDL, &format!("<idl>{xidl}</idl>"));
        }
        descriptions
    }

    pub fn write(&self, version: &str, file: &str, text: &str) {
        let directory = self.0.join(version);
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join(file), text).unwrap();
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Descriptions {
    fn drop(&mut self) {
        // A leftover in the temporary directory harms nobody.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A WSDL from lines such as
///
/// ```text
/// enum Mood Good Bad
/// struct ISize width:int
/// fault RuntimeFault resultCode:int
/// IBin_find _this:string ids:string[] -> returnval:string
/// ```
pub fn wsdl(lines: &str) -> String {
    let mut schema = String::new();
    let mut messages = String::new();
    let mut ports = String::new();
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (first, rest) = line.split_once(' ').unwrap_or((line, ""));
        let (name, parts) = rest.split_once(' ').unwrap_or((rest, ""));
        match first {
            "enum" => {
                let values: String = parts
                    .split(' ')
                    .map(|value| format!("<x:enumeration value='{value}'/>"))
                    .collect();
                schema.push_str(&format!(
                    "<x:simpleType name='{name}'><x:restriction>{values}</x:restriction></x:simpleType>"
                ));
            }
            "struct" => {
                schema.push_str(&format!(
                    "<x:complexType name='{name}'>{}</x:complexType>",
                    sequence(parts)
                ));
            }
            "fault" => {
                schema.push_str(&format!(
                    "<x:element name='{name}'><x:complexType>{}</x:complexType></x:element>",
                    sequence(parts)
                ));
                messages.push_str(&format!(
                    "<w:message name='{name}Msg'><w:part name='fault' element='vbox:{name}'/></w:message>"
                ));
            }
            operation => {
                let (request, response) = rest.split_once("->").unwrap_or((rest, ""));
                for (suffix, parts) in [("", request), ("Response", response)] {
                    let element = format!("{operation}{suffix}");
                    schema.push_str(&format!(
                        "<x:element name='{element}'><x:complexType>{}</x:complexType></x:element>",
                        sequence(parts)
                    ));
                    messages.push_str(&format!(
                        "<w:message name='{element}Msg'><w:part element='vbox:{element}'/></w:message>"
                    ));
                }
                ports.push_str(&format!(
                    "<w:operation name='{operation}'><w:input message='vbox:{operation}Msg'/>\
                     <w:output message='vbox:{operation}ResponseMsg'/></w:operation>"
                ));
            }
        }
    }
    format!(
        "<w:definitions xmlns:w='w' xmlns:x='x'><w:types><x:schema>{schema}</x:schema></w:types>{messages}\
         <w:portType>{ports}</w:portType></w:definitions>"
    )
}

/// `name:type name:type[]`; a type with a small first letter is a basic one.
fn sequence(parts: &str) -> String {
    let part = |part: &str| {
        let (name, ty) = part.split_once(':').unwrap();
        let (ty, occurs) = match ty.strip_suffix("[]") {
            Some(ty) => (ty, " minOccurs='0' maxOccurs='unbounded'"),
            None => (ty, ""),
        };
        let prefix = if ty.starts_with(char::is_lowercase) { "xsd" } else { "vbox" };
        format!("<x:element name='{name}' type='{prefix}:{ty}'{occurs}/>")
    };
    let parts: String = parts.split_whitespace().map(part).collect();
    format!("<x:sequence>{parts}</x:sequence>")
}
